"""The check behind "verify the UE Service ID" (clause 6.1, TS 33.501 Annex Y), without keys.

Accounts say who may register and which gateway alone may speak for whom. Who is speaking is taken
from the request and from where it came: this is enough for a lab, and no authentication.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgin5g import gaps
from msgin5g_server.registry import Registry


class Accounts:
    """Verify UE Service IDs against the accounts and the registry.

    rows: the [[ue]] tables. is_open: a UE without an account may register as well.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], is_open: bool, registry: Registry):
        self._gateway_of: dict[str, str | None] = {
            row["ue_service_id"]: row.get("gateway") for row in rows
        }
        self._gateways = {gateway for gateway in self._gateway_of.values() if gateway}
        self._open = is_open
        self._registry = registry
        self._endpoints: dict[str, str] = {}
        for gateway in self._gateways:
            row = registry.get(gateway)
            if row is not None:
                self._endpoints[row.peer] = gateway

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

    def is_gateway(self, ue_service_id: str) -> bool:
        """Tell whether an account names this UE Service ID as its gateway."""
        return ue_service_id in self._gateways

    def speaker(self, source: str) -> str:
        """Return the gateway that is registered from this endpoint, or ""."""
        return self._endpoints.get(source, "")

    def registered(self, ue_service_id: str, source: str, spoke_bulk: bool = False) -> None:
        """Note where a gateway speaks from."""
        if spoke_bulk:
            self._gateways.add(ue_service_id)
        if ue_service_id in self._gateways:
            self.ended(ue_service_id)
            self._endpoints[source] = ue_service_id

    def ended(self, ue_service_id: str) -> None:
        """Forget the endpoint of a gateway that is no longer registered."""
        if ue_service_id in self._gateways:
            for endpoint, gateway in list(self._endpoints.items()):
                if gateway == ue_service_id:
                    del self._endpoints[endpoint]

    def _refuse_source(self, gateway: str, source: str, bulk: bool) -> str:
        speaker = self._endpoints.get(source)
        if speaker == gateway:
            return ""
        if speaker is not None:
            return gaps.CAUSE_NOT_AUTHORISED_GATEWAY
        row = self._registry.get(gateway)
        if row is None:
            # A gateway that is not registered itself proves nothing by its address.
            return "" if bulk else gaps.CAUSE_ONLY_THROUGH_GATEWAY
        # Its port may have changed since: restarts and address translation do that.
        if source.rpartition(":")[0] == row.peer.rpartition(":")[0]:
            return ""
        return gaps.CAUSE_NOT_AUTHORISED_GATEWAY if bulk else gaps.CAUSE_ONLY_THROUGH_GATEWAY
