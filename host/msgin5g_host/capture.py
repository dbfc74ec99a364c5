"""A capture of what crosses the links of a role: frames in, pcapng out to whoever follows.

CoAP is for Wireshark's own dissector, on any link. An L3 message of MSGin5G-5, which Wireshark
does not know, is data with a comment that says what it means; docs/capture.md has it by example.
While nobody follows, the taps are off.
"""

import socket
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Protocol

from msgin5g import l3
from msgin5g.payload_errors import BadMessage
from msgin5g_host import pcapng
from msgin5g_host.blanking import blanked
from msgin5g_host.clock import Clock
from msgin5g_host.fill import Fill

MAX_CAPTURE_FOLLOWERS = 4
COAP, L3, UNKNOWN = "CoAP", "MSGin5G-5", "unknown"
_ABOUT = "about this capture"
_ANY = ("0.0.0.0", "::")
_TEXT = 80

# What a link calls with (data, peer, is_out, now); None while nobody follows.
Tap = Callable[[bytes, Any, bool, int], None]


class Tapped(Protocol):
    """A link: `tap` is set while somebody follows."""

    tap: Tap | None


class Follower(Protocol):
    """Takes the blocks of a capture, the beginning of a file first."""

    def take(self, block: bytes) -> None:
        """Take a block; must not wait and must not raise."""


class CaptureFull(Exception):
    """MAX_CAPTURE_FOLLOWERS follow already."""


class Capture:
    """The capture of one role. at: who it is, for the reader of the capture.

    Every link is watched before the first follower comes, so that a file begins with all of its
    interfaces.
    """

    def __init__(self, at: str, clock: Clock) -> None:
        self._clock = clock
        self._interfaces: list[bytes] = []
        self._links: list[tuple[Tapped, Tap]] = []
        self._followers: list[Follower] = []
        self._about = self._interface(at, _ABOUT)

    def watch(
        self,
        link: Tapped,
        name: str,
        iface: str,
        own: tuple[str, int] | None = None,
        has_l3: bool = False,
    ) -> None:
        """Capture what crosses a link.

        iface: "MSGin5G-1", …; own: the address of an IP link; has_l3: MSGin5G-5 is spoken there.
        """
        coap = self._interface(name, f"{iface}: CoAP")
        others = self._interface(name, "MSGin5G-5: L3") if has_l3 else coap

        def tap(data: bytes, peer: Any, is_out: bool, now: int) -> None:
            kind = kind_of(data)
            number = others if kind == L3 else coap
            self._frame(number, kind, own, bytes(data), peer, is_out, now)

        self._links.append((link, tap))

    def head(self) -> bytes:
        """Return how a file begins: the section and its interfaces."""
        return pcapng.section() + b"".join(self._interfaces)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("capture_followers", len(self._followers), MAX_CAPTURE_FOLLOWERS)

    def note(self, text: str) -> bytes:
        """Return a block that tells the reader something."""
        now = self._clock.now()
        frame = pcapng.Frame(self._about, now, True, pcapng.DATA, b"", text, protocol="capture")
        return pcapng.packet(frame)

    def beat(self, missed: int) -> bytes:
        """Return a block that says that nothing happens. missed: frames that a follower missed."""
        return pcapng.statistics(self._about, self._clock.now(), missed)

    def follow(self, follower: Follower) -> None:
        """Give a follower all that comes from now on. Raises CaptureFull."""
        if len(self._followers) >= MAX_CAPTURE_FOLLOWERS:
            raise CaptureFull(f"{MAX_CAPTURE_FOLLOWERS} follow this capture already")
        follower.take(self.head())
        self._followers.append(follower)
        for link, tap in self._links:
            link.tap = tap

    def leave(self, follower: Follower) -> None:
        """A follower has enough."""
        if follower in self._followers:
            self._followers.remove(follower)
        if not self._followers:
            for link, _ in self._links:
                link.tap = None

    def _interface(self, name: str, description: str) -> int:
        self._interfaces.append(pcapng.interface(name, description))
        return len(self._interfaces) - 1

    def _frame(
        self,
        interface: int,
        kind: str,
        own: tuple[str, int] | None,
        data: bytes,
        peer: Any,
        is_out: bool,
        now: int,
    ) -> None:
        data = blanked(data)
        comment = describe_l3(data) if kind == L3 else ""
        source = target = None
        ends = _ends(own, peer) if own is not None else None
        if ends is None:
            where = f"{'to' if is_out else 'from'} {peer}"
            comment = f"{comment}; {where}" if comment else where
        else:
            source, target = ends if is_out else ends[::-1]
        dissector, protocol = (pcapng.COAP, "") if kind == COAP else (pcapng.DATA, kind)
        frame = pcapng.Frame(
            interface, now, is_out, dissector, data, comment, source, target, protocol
        )
        block = pcapng.packet(frame)
        # A follower may leave while it takes.
        for follower in tuple(self._followers):
            follower.take(block)


def kind_of(frame: bytes) -> str:
    """Return COAP, L3 or UNKNOWN, as the links tell them apart."""
    if frame and l3.is_l3(frame[0]):
        return L3
    return COAP if frame and frame[0] >> 6 == 1 else UNKNOWN


def describe_l3(frame: bytes) -> str:
    """Return what an L3 message says, in words; never the credential."""
    name = l3.NAMES.get(frame[0], f"type {frame[0]}")
    try:
        message = l3.decode(frame)
    except BadMessage as problem:
        return f"{name}, malformed: {problem}"
    said = {
        "application_id": message.application_id,
        "credential": None if message.credential is None else "(blanked)",
        "registration_id": _hex(message.registration_id),
        "message_id": _hex(message.message_id),
        "reply_to": _hex(message.reply_to),
        "target_type": message.target_type,
        "target": message.target and " ".join(map(str, message.target)),
        "originator": message.originator,
        "group": message.group,
        "priority": message.priority,
        "report": message.report,
        "success": message.success,
        "cause": message.cause and f"{message.cause} {l3.CAUSES.get(message.cause, '')}".strip(),
        "payload": None if message.payload is None else _shown(message.payload),
    }
    words = [f"{key}={value}" for key, value in said.items() if value is not None]
    return " ".join([name, *words])


def _ends(own: tuple[str, int], peer: Any) -> tuple[pcapng.Address, pcapng.Address] | None:
    """Return the two addresses of an IP link, or None if they cannot be told."""
    if not isinstance(peer, tuple):
        return None
    host, port = str(peer[0]), int(peer[1])
    if own[0] in _ANY or (":" in host) != (":" in own[0]):
        own = _own_address(host), own[1]
    return own, (host, port)


@lru_cache(maxsize=256)
def _own_address(host: str) -> str:
    """Return the address of this machine that a peer sees, of a socket that is bound to any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent.
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "::" if ":" in host else "0.0.0.0"


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def _shown(payload: bytes) -> str:
    text = payload.decode("utf-8", "replace")
    shown = text if text.isprintable() else repr(payload)
    return shown if len(shown) <= _TEXT else shown[:_TEXT] + "…"
