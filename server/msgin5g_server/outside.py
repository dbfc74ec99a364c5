"""Who is reached over HTTP (TS 29.538): Application Servers, message gateways, other Servers."""

import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from msgin5g import gaps
from msgin5g import names as n
from msgin5g_host.config import Settings
from msgin5g_host.fill import Fill
from msgin5g_server.message_store import MessageStore
from msgin5g_server.northbound_types import ASRegistration

MAX_AS_REGISTRATIONS = 1_000
L3G, N3G, BMG, SERVER = "L3G", "N3G", "BMG", "SERVER"
_NOTE = "as"
_HOPS = "via "


class Link(NamedTuple):
    """How somebody is reached. kind: AS, L3G, N3G, BMG or SERVER; name: its Service ID.

    url: the registered targetUri of an AS, apiRoot of the others; token: what it is shown, or "".
    """

    kind: str
    name: str
    url: str
    token: str


class Registered(NamedTuple):
    """An AS that registered; id: that of the resource."""

    id: str
    at_ms: int
    given: ASRegistration


class Outside:
    """The directory of all that speaks HTTP with this Server."""

    def __init__(self, settings: Settings, store: MessageStore) -> None:
        rows = settings.rows
        self._store = store
        self._as_tokens = {
            row["as_service_id"]: row.get("our_token") or "" for row in rows.get("application", ())
        }
        self._links: dict[str, Link] = {}
        self._areas: dict[str, Link] = {}
        self._any_area: Link | None = None
        self._gateway_ues: dict[str, frozenset[str]] = {}
        for row in rows.get("message_gateway", ()):
            self._add_gateway(row)
        self._local = {row["ue_service_id"] for row in rows["ue"]}
        self._local.update(row["group_service_id"] for row in rows.get("group", ()))
        self._local.update(self._as_tokens)
        self._prefixes: list[tuple[str, Link]] = []
        for row in rows.get("peer", ()):
            url, token = row["url"].rstrip("/"), row.get("our_token") or ""
            link = Link(SERVER, row["server_id"], url, token)
            self._prefixes += [(prefix, link) for prefix in row["prefixes"]]
        # The longest prefix that fits decides, of equal ones the first.
        self._prefixes.sort(key=lambda one: -len(one[0]))
        self._registered: dict[str, Registered] = {}
        self.start()

    def start(self) -> None:
        """Take up what the store holds."""
        self._registered = {
            key: msgspec.json.decode(value, type=Registered)
            for key, value in self._store.notes(_NOTE).items()
        }
        found = self._store.notes("self").get("id")
        if found is None:
            found = f"msgin5g-{uuid.uuid4().hex[:16]}".encode()
            self._store.put_note("self", "id", found)
        # Names this Server in Via, so that it knows a message that comes round again.
        self.own_id = found.decode()

    def link(self, service_id: str) -> Link | None:
        """Return how somebody is reached over HTTP, or None."""
        registered = self._registered.get(service_id)
        if registered is not None:
            url = registered.given.targetUri
            if url is msgspec.UNSET:
                return None
            return Link(n.AS, service_id, url, self._as_tokens.get(service_id, ""))
        return self._links.get(service_id) or self._peer_of(service_id)

    def area(self, area: str) -> Link | None:
        """Return the Broadcast Message Gateway of a Broadcast Area, or None."""
        return self._areas.get(area, self._any_area)

    def may_speak(self, kind: str, name: str, service_id: str) -> bool:
        """Tell whether messages of an originator may come from this gateway or Server.

        A Server speaks for those of the longest prefix that fits, which several may have.
        """
        if kind != SERVER:
            return service_id in self._gateway_ues.get(name, ())
        fits = [one for one in self._prefixes if service_id.startswith(one[0])]
        best = [link.name for prefix, link in fits if len(prefix) == len(fits[0][0])]
        return service_id not in self._local and name in best

    # Application Servers

    def registered(self, as_service_id: str) -> Registered | None:
        """Return the registration of an AS, or None."""
        return self._registered.get(as_service_id)

    def by_id(self, registration_id: str) -> Registered | None:
        """Return the registration with that id, or None."""
        for one in self._registered.values():
            if one.id == registration_id:
                return one
        return None

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("as_registrations", len(self._registered), MAX_AS_REGISTRATIONS)

    def is_full(self) -> bool:
        """Tell whether one more AS would be too many."""
        return len(self._registered) >= MAX_AS_REGISTRATIONS

    def register(self, given: ASRegistration, now: int) -> Registered:
        """Stage a registration; that of an AS which registers again keeps its id."""
        before = self._registered.get(given.asSvcId)
        made = Registered(before.id if before else uuid.uuid4().hex, now, given)
        self._registered[given.asSvcId] = made
        self._store.put_note(_NOTE, given.asSvcId, msgspec.json.encode(made))
        return made

    def deregister(self, as_service_id: str) -> None:
        """Stage the end of a registration."""
        self._registered.pop(as_service_id, None)
        self._store.drop_note(_NOTE, as_service_id)

    def _peer_of(self, service_id: str) -> Link | None:
        if service_id in self._local:
            return None
        for prefix, link in self._prefixes:
            if service_id.startswith(prefix):
                return link
        return None

    def _add_gateway(self, row: dict[str, Any]) -> None:
        name = row["mgw_service_id"]
        link = Link(row["kind"], name, row["url"].rstrip("/"), row.get("our_token") or "")
        self._links[name] = link
        self._gateway_ues[name] = frozenset(row["ues"])
        if link.kind != BMG:
            self._links.update((ue, link) for ue in row["ues"])
        elif row["areas"]:
            self._areas.update((area, link) for area in row["areas"])
        else:
            self._any_area = link


def with_hops(hops: list[str]) -> str:
    """Return the source of a message that came through these Servers."""
    return _HOPS + ",".join(hops)


def hops_of(source: str) -> list[str]:
    """Return the Servers through which the message of a source came."""
    return [one for one in source[len(_HOPS) :].split(",") if one] if source[:4] == _HOPS else []


def may_pass(hops: list[str], own_id: str) -> str | None:
    """Return the cause that stops a message which came through these Servers, or None."""
    if own_id in hops or len(hops) >= gaps.MAX_HOPS:
        return gaps.CAUSE_LOOP
    return None
