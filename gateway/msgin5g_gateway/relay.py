"""What a Relay UE does with a frame (6.2.2, 6.3.3, 6.4.2.4): on, unchanged, or away.

A client in contact with the relay speaks MSGin5G-1 with the server. To the server each contact has
an address of its own, the relay's socket for it, so that what the server sends there is that
client's and nobody else's. Neither socket nor clock here.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any

from msgin5g import coap

MAX_CONTACTS = 256

UP = "up"
DOWN = "down"
BACK = "back"
DROP = "drop"

_REQUESTS = range(1, 32)
_UNKNOWN = b"no contact with this address"
_TOO_LONG = b"longer than a frame of the link to this address"


@dataclass
class Contact:
    """A client that has spoken. port: what the server knows it by; road: the shell's socket."""

    identifier: str
    port: int
    heard_at: int
    names: frozenset[tuple[str, int | None]] = frozenset()
    road: Any = None


@dataclass
class Contacts:
    """Who is in contact with the relay; the one that was silent for longest goes first."""

    limit: int = MAX_CONTACTS
    counters: Counter[str] = field(default_factory=Counter)
    _all: OrderedDict[str, Contact] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._all)

    def find(self, identifier: str) -> Contact | None:
        """Return the contact of a transport identifier, or None."""
        return self._all.get(identifier)

    def heard(self, contact: Contact, now: int) -> None:
        """Note that a contact has just spoken."""
        contact.heard_at = now
        self._all.move_to_end(contact.identifier)

    def add(self, contact: Contact) -> Contact | None:
        """Take a new contact; returns the one that had to go for it."""
        self._all[contact.identifier] = contact
        if len(self._all) <= self.limit:
            return None
        self.counters["contacts_dropped"] += 1
        return self._all.popitem(last=False)[1]

    def all(self) -> list[Contact]:
        """Return the contacts, the one silent for longest first."""
        return list(self._all.values())


class Relay:
    """Decides where a frame goes. server: the (address or name, port) pairs that mean the server;
    a port of None is any."""

    def __init__(self, server: frozenset[tuple[str, int | None]], counters: Counter[str]) -> None:
        self._server = server
        self._counters = counters

    def from_client(self, frame: bytes) -> tuple[str, bytes]:
        """Return (UP, frame) for the server's, or (BACK, answer) or (DROP, b"")."""
        return self._judge(frame, self._server, UP, None)

    def from_server(
        self, frame: bytes, contact: Contact, max_frame_bytes: int
    ) -> tuple[str, bytes]:
        """Return (DOWN, frame) for that client, or (BACK, answer) or (DROP, b"")."""
        return self._judge(frame, contact.names, DOWN, max_frame_bytes)

    def _judge(
        self, frame: bytes, names: frozenset[tuple[str, int | None]], way: str, longest: int | None
    ) -> tuple[str, bytes]:
        try:
            message = coap.decode(frame)
        except coap.FormatError:
            # Not CoAP, so not MSGin5G-1; who sent it repeats nothing of it.
            self._counters["malformed"] += 1
            return DROP, b""
        if message.code in _REQUESTS and not _is_for(message, names):
            self._counters["unknown_address"] += 1
            return _answer(message, coap.NOT_FOUND, _UNKNOWN)
        if longest is not None and len(frame) > longest:
            self._counters["too_long"] += 1
            return _answer(message, coap.TOO_LARGE, _TOO_LONG)
        self._counters[way] += 1
        return way, frame


def _is_for(message: coap.Message, names: frozenset[tuple[str, int | None]]) -> bool:
    """Tell whether the address in a request's options is one of these.

    An absent Uri-Host or Uri-Port is that of the datagram (RFC 7252 5.10.1), which is right.
    """
    host = next((value for number, value in message.options if number == coap.URI_HOST), None)
    port = message.uint(coap.URI_PORT)
    if host is None:
        return port is None or any(port == one for _, one in names)
    try:
        text = bytes(host).decode().strip("[]").lower()
    except ValueError:
        return False
    ports = {one for name, one in names if name == text}
    return bool(ports) and (port is None or port in ports or None in ports)


def _answer(message: coap.Message, code: int, text: bytes) -> tuple[str, bytes]:
    if message.type == coap.NON:
        return BACK, coap.encode(coap.NON, code, message.mid, message.token, [], text)
    if message.type == coap.CON and message.code in _REQUESTS:
        return BACK, coap.encode(coap.ACK, code, message.mid, message.token, [], text)
    return DROP, b""
