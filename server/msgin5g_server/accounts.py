"""The check behind "verify the UE Service ID" (clause 6.1, TS 33.501 Annex Y), without keys.

Accounts say who may register and which gateway alone may speak for whom. Who is speaking is taken
from the request and from where it came: this is enough for a lab, and no authentication.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgin5g import gaps
from msgin5g_server.registry import Registry


class Accounts:
    """Verify UE Service IDs against the accounts and the registry.

    rows: the [[ue]] tables. is_open: a UE without an account may register as well.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], is_open: bool, registry: Registry):
        self._gateway_of: dict[str, str | None] = {
            row["ue_service_id"]: row.get("gateway") for row in rows
        }
        self._ue_id_of = {row["ue_service_id"]: row.get("ue_id") for row in rows}
        # Gateways that an account names, and others that showed by a bulk request what they are.
        self._named = frozenset(gateway for gateway in self._gateway_of.values() if gateway)
        self._shown: set[str] = set()
        self._open = is_open
        self._registry = registry
        # Where registered gateways speak from, both ways; the last one to register there counts.
        self._endpoints: dict[str, str] = {}
        self._endpoint_of: dict[str, str] = {}
        self.reload()

    def refuse(self, ue_service_id: str, source: str, claimed: str | None, bulk: bool) -> str:
        """Return the cause for which this UE is refused, or "".

        source: "host:port" of the sender; bulk: the entry came in a bulk request, whose sender
        claims to be the gateway `claimed` (None if it did not say).
        """
        if ue_service_id not in self._gateway_of:
            return "" if self._open else gaps.CAUSE_UNKNOWN_UE
        gateway = self._gateway_of[ue_service_id]
        if gateway is None:
            return ""
        if bulk and claimed != gateway:
            return gaps.CAUSE_NOT_AUTHORISED_GATEWAY
        return self._refuse_source(gateway, source, bulk)

    def refuse_gateway(self, claimed: str | None, source: str) -> str:
        """Return the cause for which a bulk request's sender is refused, or ""."""
        if claimed is None:
            return ""
        if claimed not in self._gateway_of and not self._open:
            return gaps.CAUSE_UNKNOWN_GATEWAY
        speaker = self._endpoints.get(source)
        if speaker is not None and speaker != claimed:
            return gaps.CAUSE_NOT_AUTHORISED_GATEWAY
        return ""

    def refuse_ue_id(self, ue_service_id: str, told: str | None) -> str:
        """Return the cause for which a UE's own word on its MSGin5G UE ID is refused, or "".

        It is the device that would be triggered; told: None if it said nothing.
        """
        known = self._ue_id_of.get(ue_service_id)
        return "" if told is None or known in (None, told) else gaps.CAUSE_WRONG_UE_ID

    def speaker(self, source: str) -> str:
        """Return the gateway that is registered from this endpoint, or ""."""
        return self._endpoints.get(source, "")

    def via(self, ue_service_id: str, source: str) -> str:
        """Return the gateway through which a single request came that was not refused, or ""."""
        if self.is_gateway(ue_service_id):
            return ""
        return self.speaker(source) or self._gateway_of.get(ue_service_id) or ""

    def registered(self, ue_service_id: str, source: str) -> None:
        """Note where a gateway speaks from, if this is one."""
        if self.is_gateway(ue_service_id):
            self._leave(ue_service_id)
            self._endpoints[source] = ue_service_id
            self._endpoint_of[ue_service_id] = source

    def spoke_bulk(self, ue_service_id: str, source: str) -> None:
        """Note that a registered UE is a gateway; from elsewhere, anybody could say so."""
        row = self._registry.get(ue_service_id)
        if row is None or row.via or self.is_gateway(ue_service_id):
            return
        if row.peer == source:
            self._shown.add(ue_service_id)
            self.registered(ue_service_id, source)

    def ended(self, ue_service_id: str) -> None:
        """Forget the endpoint of a gateway that is no longer registered."""
        self._leave(ue_service_id)
        self._shown.discard(ue_service_id)

    def reload(self) -> None:
        """Take the endpoints of all gateways from the registry."""
        self._endpoints.clear()
        self._endpoint_of.clear()
        self._shown = {ue for ue in self._shown if ue in self._registry}
        found = []
        for gateway in self._named | self._shown:
            row = self._registry.get(gateway)
            if row is not None and not row.via:
                found.append((row.refreshed_at_ms, gateway, row.peer))
        for _, gateway, peer in sorted(found):
            self.registered(gateway, peer)

    def is_gateway(self, ue_service_id: str) -> bool:
        """Tell whether an account names this one as a gateway, or it showed that it is."""
        return ue_service_id in self._named or ue_service_id in self._shown

    def _leave(self, gateway: str) -> None:
        endpoint = self._endpoint_of.pop(gateway, None)
        if endpoint is not None and self._endpoints.get(endpoint) == gateway:
            del self._endpoints[endpoint]

    def _refuse_source(self, gateway: str, source: str, bulk: bool) -> str:
        refusal = gaps.CAUSE_NOT_AUTHORISED_GATEWAY if bulk else gaps.CAUSE_ONLY_THROUGH_GATEWAY
        speaker = self._endpoints.get(source)
        if speaker is not None:
            return "" if speaker == gateway else refusal
        endpoint = self._endpoint_of.get(gateway)
        if endpoint is None:
            # A gateway that is not registered is taken at its word, in a bulk request.
            return "" if bulk else refusal
        # Its port may have changed since: restarts and address translation do that.
        return "" if _host(source) == _host(endpoint) else refusal


def _host(endpoint: str) -> str:
    return endpoint.rpartition(":")[0]
