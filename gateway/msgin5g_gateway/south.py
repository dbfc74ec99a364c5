"""Southbound links (MSGin5G-5 and -6): CoAP's exchange layer and L3 frames over what carries them.

Every link tells the two apart by a frame's first octet. A peer is known to the rest of the gateway
by its transport identifier, a text: "udp://127.0.0.1:40001", "serial:///dev/ttyACM0",
"ble://AA:BB:CC:DD:EE:FF".
"""

import asyncio
import importlib
import random
from collections.abc import Callable
from typing import Any, Protocol

from msgin5g.exchange import Endpoint, Params
from msgin5g_gateway.carriers import Carrier, LinkUnavailable
from msgin5g_host.capture import Tap
from msgin5g_host.clock import Clock
from msgin5g_host.config import parse_link
from msgin5g_host.listening import listening
from msgin5g_host.pump import Pump
from msgin5g_host.udp import UdpSocket, open_socket

MAX_L3_BYTES = 65_507
# Scheme: the module and the class that carry its frames; loaded only when a link needs it.
CARRIERS = {
    "serial": ("msgin5g_gateway.link_serial", "SerialCarrier"),
    "ble": ("msgin5g_gateway.link_ble", "BleCarrier"),
}


class Listener(Protocol):
    """What a link tells the gateway."""

    def on_event(self, link: "Link", event: tuple[Any, ...], now: int) -> None:
        """Take an event of the link's endpoint."""

    def on_l3(self, link: "Link", peer: Any, frame: bytes, now: int) -> None:
        """Take an L3 frame."""

    def on_link(self, link: "Link", name: str, fields: dict[str, object]) -> None:
        """Take what happened to the link itself, such as "link-lost"."""

    def settle(self, now: int) -> None:
        """Commit and let effects out; runs before each batch of frames leaves."""


class Link(Protocol):
    """One southbound link."""

    endpoint: Endpoint
    max_frame_bytes: int
    tap: Tap | None

    @property
    def url(self) -> str:
        """The link with the address that it is bound to."""

    def identifier(self, peer: Any) -> str:
        """Return the transport identifier of a peer."""

    def peer(self, identifier: str) -> Any | None:
        """Return the peer of a transport identifier, or None if it is not of this link."""

    def send(self, data: bytes, peer: Any) -> None:
        """Send one frame that is not the endpoint's, or lose it."""

    def flush(self) -> None:
        """Send what the endpoint has to send."""

    def close(self) -> None:
        """Stop."""


class UdpLink(UdpSocket):
    """A UDP link; its transport identifiers are "udp://host:port", "udp2://..." on the second.

    A CoAP message has a limit of its own; an L3 message may fill a datagram.
    """

    max_frame_bytes = MAX_L3_BYTES

    def __init__(self, url: str, name: str, clock: Clock, listener: Listener) -> None:
        self._name = name
        _, host, port = parse_link(url)
        with listening(f"link {url}", "--link"):
            sock = open_socket(host, port)
        super().__init__(
            sock,
            Endpoint(random.SystemRandom().randrange, Params()),
            clock,
            lambda event, now: listener.on_event(self, event, now),
            listener.settle,
            lambda peer, frame, now: listener.on_l3(self, peer, frame, now),
        )
        self._size = MAX_L3_BYTES

    @property
    def url(self) -> str:
        host, port = self.address
        return f"udp://[{host}]:{port}" if ":" in host else f"udp://{host}:{port}"

    def identifier(self, peer: Any) -> str:
        return f"{self._name}://{peer[0]}:{peer[1]}"

    def peer(self, identifier: str) -> Any | None:
        name, _, address = identifier.partition("://")
        if name != self._name:
            return None
        host, _, port = address.rpartition(":")
        return (host, int(port), 0, 0) if ":" in host else (host, int(port))


class CarrierLink(Pump):
    """A link over a `Carrier`: a serial cable, or the BLE devices around an adapter."""

    def __init__(self, url: str, clock: Clock, listener: Listener) -> None:
        self._scheme = url.partition("://")[0]
        self._is_settling = False
        module, name = CARRIERS[self._scheme]
        make: Callable[..., Carrier] = getattr(importlib.import_module(module), name)
        self._listener = listener
        self.carrier = make(url, self._on_frame, self._on_carrier_event)
        self.max_frame_bytes = self.carrier.max_frame_bytes
        params = Params(max_datagram_bytes=self.max_frame_bytes)
        super().__init__(
            Endpoint(random.SystemRandom().randrange, params),
            clock,
            lambda event, now: listener.on_event(self, event, now),
            listener.settle,
            lambda peer, frame, now: listener.on_l3(self, peer, frame, now),
        )
        self._task = asyncio.create_task(self.carrier.run())

    @property
    def url(self) -> str:
        return self.carrier.url

    def identifier(self, peer: Any) -> str:
        return str(peer)

    def peer(self, identifier: str) -> Any | None:
        return identifier if self.carrier.reaches(identifier) else None

    def transmit(self, data: bytes, peer: Any) -> None:
        self.carrier.send(peer, bytes(data))

    def close(self) -> None:
        super().close()
        self._task.cancel()
        self.carrier.close()

    def _on_frame(self, peer: str, frame: bytes) -> None:
        if self.closed:
            return
        self.receive(frame, peer, self._clock.now())
        if not self._is_settling:
            # The frames that arrive together share one commit.
            self._is_settling = True
            self._loop.call_soon(self._settle_soon)

    def _settle_soon(self) -> None:
        self._is_settling = False
        self.flush()

    def _on_carrier_event(self, name: str, fields: dict[str, object]) -> None:
        self._listener.on_link(self, name, fields)


def open_links(urls: list[str], clock: Clock, listener: Listener) -> list[Link]:
    """Open every link. Raises OSError, LinkUnavailable; those already open are closed then."""
    links: list[Link] = []
    udp = 0
    try:
        for url in urls:
            if url.startswith("udp://"):
                udp += 1
                name = "udp" if udp == 1 else f"udp{udp}"
                links.append(UdpLink(url, name, clock, listener))
            else:
                links.append(CarrierLink(url, clock, listener))
    except (OSError, ValueError, LinkUnavailable):
        for link in links:
            link.close()
        raise
    return links
