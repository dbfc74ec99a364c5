"""Whom a message is for: UEs, applications, the members of a group, the subscribers of a topic."""

from typing import Any

from msgin5g import gaps, jsontext
from msgin5g import names as n
from msgin5g.limits import MAX_MESSAGE_BYTES, MAX_PAYLOAD_BYTES
from msgin5g.payload_errors import BadMessage
from msgin5g_host.config import Settings
from msgin5g_server.groups import Groups
from msgin5g_server.outside import BMG, Link, Outside
from msgin5g_server.registry import Registry
from msgin5g_server.topics import Topics

# What the firmware takes unless its configuration says more: a JSON message of it fits any link.
DEFAULT_SEGMENT_BYTES = 640
# The operator's page writes to UEs as this Application Server; their answers are in its inbox.
OPERATOR_ID = "urn:msgin5g:operator"
# Why somebody may not register as a UE.
CAUSE_APPLICATIONS = "an application has this Service ID"
CAUSE_ELSEWHERE = "a message gateway or another server has this Service ID"


class RouteError(Exception):
    """A message cannot be routed; the text is the cause."""


class Routes:
    """Resolve recipients by the configuration and the registry."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        outside: Outside,
        topics: Topics,
        groups: Groups,
    ) -> None:
        self._registry = registry
        self._topics = topics
        self._groups = groups
        self._outside = outside
        self._open: bool = settings["server.open"]
        rows = settings.rows
        self._accounts = {row["ue_service_id"] for row in rows["ue"]}
        self._segment_bytes = {
            row["ue_service_id"]: row.get("segment_bytes") or DEFAULT_SEGMENT_BYTES
            for row in rows["ue"]
        }
        self.applications = {row["as_service_id"] for row in rows.get("application", ())}

    def recipients(self, destination: tuple[str, str], origin: str) -> list[str]:
        """Return the Service IDs that a destination stands for, without the originator of a
        group or topic message. Raises RouteError."""
        kind, address = destination
        if kind == n.UE:
            if not self._knows(address):
                raise RouteError(gaps.CAUSE_UNKNOWN_RECIPIENT)
            return [address]
        if kind == n.AS:
            if not self.is_application(address) and self.link(address) is None:
                raise RouteError(gaps.CAUSE_UNKNOWN_RECIPIENT)
            return [address]
        if kind == n.BC:
            gateway = self._outside.area(address)
            if gateway is None:
                raise RouteError(gaps.CAUSE_NOT_SUPPORTED)
            return [gateway.name]
        if kind == n.TOPIC:
            members = self._topics.subscribers(address)
        else:
            members = self._groups.members(address)
        if members is None and kind == n.GROUP and self.link(address) is not None:
            # A Group Service ID shows where the group is hosted.
            return [address]
        if members is None:
            raise RouteError(gaps.CAUSE_UNKNOWN_RECIPIENT)
        return [one for one in members if one != origin]

    def is_application(self, service_id: str) -> bool:
        """Tell whether a Service ID is that of an Application Server."""
        known = service_id in self.applications or service_id == OPERATOR_ID
        return known or self._outside.registered(service_id) is not None

    def refuse_as(self, service_id: str) -> str | None:
        """Return why somebody may not register as an AS of that Service ID, or None."""
        if service_id == OPERATOR_ID:
            return "this is the operator's page"
        if service_id in self.applications:
            return None
        if service_id in self._accounts or service_id in self._registry:
            return "a UE has this Service ID"
        link = self.link(service_id)
        if link is not None and link.kind != n.AS:
            return f"this Service ID belongs to {link.name}"
        if not self._open:
            return "is no application; add it as [[application]] in server.toml"
        return None

    def refuse_ue(self, service_id: str) -> str:
        """Return the cause for which nobody may register as a UE of that Service ID, or ""."""
        if self.is_application(service_id) or service_id == gaps.GROUP_MANAGEMENT_ID:
            return CAUSE_APPLICATIONS
        return CAUSE_ELSEWHERE if self.link(service_id) is not None else ""

    def is_own(self, service_id: str) -> bool:
        """Tell whether this Server itself serves somebody."""
        known = service_id in self._accounts or service_id in self._registry
        return known or self.is_application(service_id)

    def has_inbox(self, service_id: str) -> bool:
        """Tell whether this is an AS that fetches its messages."""
        return self.is_application(service_id) and self.link(service_id) is None

    def link(self, service_id: str) -> Link | None:
        """Return how somebody is reached over HTTP, or None."""
        return self._outside.link(service_id)

    def segment_bytes(self, service_id: str) -> int:
        """Return the largest payload that a recipient takes in one piece."""
        if self.is_application(service_id):
            return MAX_MESSAGE_BYTES
        if self.link(service_id) is not None:
            return MAX_PAYLOAD_BYTES
        return self._segment_bytes.get(service_id, DEFAULT_SEGMENT_BYTES)

    def address(self, ue: str, now: int) -> str | None:
        """Return where a recipient is reached now, "host:port" or a URL, or None."""
        link = self.link(ue)
        if link is not None:
            return link.url
        row = self._registry.get(ue)
        if row is None or row.expires_at_ms <= now:
            return None
        if row.via:
            # A gateway may have moved since it registered this UE.
            gateway = self._registry.get(row.via)
            if gateway is not None and gateway.expires_at_ms > now:
                return gateway.peer
        return row.peer

    def profile(self, ue: str) -> dict[str, Any] | None:
        """Return the MSGin5G Client Profile of a registered UE, or None."""
        row = self._registry.get(ue)
        if row is None or row.profile is None:
            return None
        try:
            profile: dict[str, Any] = jsontext.loads(row.profile.encode())
        except BadMessage:
            return None
        return profile

    def _knows(self, ue: str) -> bool:
        if self._open or ue in self._accounts or ue in self._registry:
            return not self.is_application(ue)
        link = self.link(ue)
        return link is not None and link.kind not in (BMG, n.AS)
