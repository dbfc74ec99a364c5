"""`msgin5g gateway --relay`: the Relay UE with its links and a socket to the server per client."""

import asyncio
import contextlib
import importlib
import json
import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgin5g_gateway.carriers import Carrier
from msgin5g_gateway.relay import BACK, DOWN, UP, Contact, Contacts, Relay
from msgin5g_gateway.south import CARRIERS
from msgin5g_host.capture import Capture, Tap
from msgin5g_host.clock import Clock
from msgin5g_host.config import Settings, parse_address, parse_link
from msgin5g_host.folder import lock_folder
from msgin5g_host.listening import listening
from msgin5g_host.log import EventLog
from msgin5g_host.udp import open_socket

_PORT = 65401
_MAX_FRAME_BYTES = 65_507
_BATCH = 64
_FILE = "relay-contacts.json"


class _UdpCarrier:
    """A UDP port of the clients, with the face of a `Carrier`.

    scheme: of its transport identifiers, another one on each port.
    """

    max_frame_bytes = _MAX_FRAME_BYTES

    def __init__(self, url: str, scheme: str, on_frame: Callable[[str, bytes], None]) -> None:
        _, host, port = parse_link(url)
        with listening(f"link {url}", "--link"):
            self._socket = open_socket(host, port)
        self._on_frame = on_frame
        self.scheme = scheme
        self.counters: dict[str, int] = {"send_errors": 0}
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"udp://[{host}]:{port}" if ":" in host else f"udp://{host}:{port}"

    def reaches(self, identifier: str) -> bool:
        return identifier.startswith(self.scheme + "://")

    async def run(self) -> None:
        """Nothing to open again: the socket stays."""

    def send(self, peer: str, frame: bytes) -> bool:
        host, port = _place(peer)
        try:
            self._socket.sendto(frame, (host, port))
        except OSError:
            self.counters["send_errors"] += 1
            return False
        return True

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                frame, (host, port, *_) = self._socket.recvfrom(_MAX_FRAME_BYTES)
            except OSError:
                return
            place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            self._on_frame(f"{self.scheme}://{place}", frame)


class _Seen:
    """What passes a link, for a capture."""

    def __init__(self, link: Carrier) -> None:
        self.link = link
        self.tap: Tap | None = None


class RelayUe:
    """Forward MSGin5G-1 traffic of constrained UEs. Raises OSError, StoreError.

    Which port of this machine a client is known by at the server is on disk, so that the server
    reaches it after a restart as before.
    """

    def __init__(self, settings: Settings, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self.counters: Counter[str] = Counter()
        host, self._server = _server_of(settings["gateway.server"])
        names = {(host.lower(), self._server[1]), (self._server[0], self._server[1])}
        self.contacts = Contacts(counters=self.counters)
        folder = Path(settings["gateway.data"])
        self._lock = lock_folder(folder, "gateway")
        self._file = folder / _FILE
        self._ports = self._read_ports()
        self.links: list[Carrier] = []
        self.capture = Capture("relay", clock)
        self._seen: list[_Seen] = []
        self._tasks: list[asyncio.Task[None]] = []
        try:
            for url in settings["gateway.links"]:
                self.links.append(self._open(url))
                self._watch(self.links[-1])
                if isinstance(self.links[-1], _UdpCarrier):
                    # Where its datagrams go: the same as no Uri-Host and Uri-Port at all.
                    names.add(_place(self.links[-1].url))
            self._relay = Relay(frozenset(names), self.counters)
            for identifier in list(self._ports):
                if any(link.reaches(identifier) for link in self.links):
                    self._contact(identifier)
        except BaseException:
            self.close()
            raise
        self._tasks = [asyncio.ensure_future(link.run()) for link in self.links]

    def close(self) -> None:
        """Stop, and close every socket."""
        for task in self._tasks:
            task.cancel()
        for link in self.links:
            link.close()
        for contact in self.contacts.all():
            self._hang_up(contact)
        os.close(self._lock)

    def _open(self, url: str) -> Carrier:
        scheme = parse_link(url)[0]
        if scheme == "udp":
            ports = sum(isinstance(link, _UdpCarrier) for link in self.links)
            return _UdpCarrier(url, f"udp{ports + 1}" if ports else "udp", self._from_client)
        module, name = CARRIERS[scheme]
        make: Callable[..., Carrier] = getattr(importlib.import_module(module), name)
        return make(url, self._from_client, self._on_link)

    def _on_link(self, name: str, fields: dict[str, object]) -> None:
        self._log.event(name, **fields)

    def _from_client(self, identifier: str, frame: bytes) -> None:
        self._note(identifier, frame, False)
        where, data = self._relay.from_client(frame)
        if where == BACK:
            self._send(identifier, data)
        elif where == UP:
            contact = self._contact(identifier)
            if contact is not None:
                # Lost if the buffer is full; confirmable messages are repeated.
                with contextlib.suppress(OSError):
                    contact.road.send(data)

    def _from_server(self, contact: Contact) -> None:
        link = self._link(contact.identifier)
        for _ in range(_BATCH):
            try:
                frame = contact.road.recv(_MAX_FRAME_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # The server was not there for an earlier datagram; it may be by now.
                continue
            where, data = self._relay.from_server(frame, contact, link.max_frame_bytes)
            if where == DOWN:
                self._send(contact.identifier, data)
            elif where == BACK:
                with contextlib.suppress(OSError):
                    contact.road.send(data)

    def _link(self, identifier: str) -> Carrier:
        return next(link for link in self.links if link.reaches(identifier))

    def _send(self, identifier: str, data: bytes) -> None:
        self._note(identifier, data, True)
        self._link(identifier).send(identifier, data)

    def _watch(self, link: Carrier) -> None:
        """Let the capture see what passes a link; on the other side it is the same, unchanged."""
        seen = _Seen(link)
        self._seen.append(seen)
        own = _place(link.url) if isinstance(link, _UdpCarrier) else None
        self.capture.watch(seen, link.url, "MSGin5G-1", own)

    def _note(self, identifier: str, frame: bytes, is_out: bool) -> None:
        for seen in self._seen:
            if seen.tap is not None and seen.link.reaches(identifier):
                is_udp = isinstance(seen.link, _UdpCarrier)
                peer = _place(identifier) if is_udp else identifier
                seen.tap(frame, peer, is_out, self._clock.now())

    def _contact(self, identifier: str) -> Contact | None:
        now = self._clock.now()
        contact = self.contacts.find(identifier)
        if contact is not None:
            self.contacts.heard(contact, now)
            return contact
        road = self._road(self._ports.get(identifier, 0))
        if road is None:
            return None
        host, port = road.getsockname()[:2]
        names: set[tuple[str, int | None]] = {(host, port)}
        if identifier.startswith("udp"):
            names.add(_place(identifier))
        contact = Contact(identifier, port, now, frozenset(names), road)
        gone = self.contacts.add(contact)
        if gone is not None:
            self._hang_up(gone)
            self._log.event("contact-dropped", peer=gone.identifier, reason="too many contacts")
        self._keep_ports()
        asyncio.get_running_loop().add_reader(road, self._from_server, contact)
        self._log.event("contact", peer=identifier, known_as=f"{host}:{port}")
        return contact

    def _road(self, port: int) -> socket.socket | None:
        """Open the socket that a client is known by at the server; port 0: any."""
        family = socket.AF_INET6 if ":" in self._server[0] else socket.AF_INET
        road = socket.socket(family, socket.SOCK_DGRAM)
        road.setblocking(False)
        try:
            if port:
                # Somebody else may have it by now.
                with contextlib.suppress(OSError):
                    road.bind(("", port))
            road.connect(self._server)
        except OSError as problem:
            road.close()
            self.counters["no_road"] += 1
            self._log.event("no-road", server=self._server[0], reason=problem.strerror)
            return None
        return road

    def _hang_up(self, contact: Contact) -> None:
        asyncio.get_running_loop().remove_reader(contact.road)
        contact.road.close()

    def _read_ports(self) -> dict[str, int]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(one): int(port) for one, port in found.items() if 0 < int(port) < 65536}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as problem:
            self._log.event("contacts-forgotten", file=str(self._file), reason=str(problem))
            return {}

    def _keep_ports(self) -> None:
        self._ports = {one.identifier: one.port for one in self.contacts.all()} | {
            one: port
            for one, port in self._ports.items()
            if self.contacts.find(one) is None and len(self.contacts) < self.contacts.limit
        }
        new = self._file.with_suffix(".new")
        try:
            new.write_text(json.dumps(self._ports), encoding="utf-8")
            new.replace(self._file)
        except OSError as problem:
            self._log.event("contacts-not-kept", file=str(self._file), reason=problem.strerror)


def _place(url: str) -> tuple[str, int]:
    """Return host and port of a link or transport identifier of UDP."""
    return parse_address(url.partition("://")[2])


def _server_of(url: str) -> tuple[str, tuple[str, int]]:
    """Return the host as it is written and the address of the server. Raises OSError."""
    place = url.removeprefix("coap://")
    host, port = parse_address(place) if ":" in place.rpartition("]")[2] else (place, _PORT)
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)[0][4]
    except OSError as problem:
        raise OSError(f"server {url}: {problem.strerror}; name another with --server") from None
    return host.strip("[]"), (str(found[0]), int(found[1]))
