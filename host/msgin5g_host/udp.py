"""A UDP socket that feeds one CoAP endpoint, for gateway and server, in batches of datagrams."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from msgin5g.exchange import Endpoint
from msgin5g_host.pump import Clock, Pump

_BATCH = 64
_BUFFER_BYTES = 4 << 20

SockAddr = tuple[Any, ...]


class UdpSocket(Pump):
    """Carry datagrams between a UDP socket and an `Endpoint`; see `Pump`."""

    def __init__(
        self,
        sock: socket.socket,
        endpoint: Endpoint,
        clock: Clock,
        on_event: Callable[[tuple[Any, ...], int], None],
        before_send: Callable[[int], None] | None = None,
        on_l3: Callable[[Any, bytes, int], None] | None = None,
    ) -> None:
        super().__init__(endpoint, clock, on_event, before_send, on_l3)
        self.send_errors = 0
        self._socket = sock
        self._size = endpoint.params.max_datagram_bytes + 1
        self._loop.add_reader(sock, self._readable)

    @property
    def address(self) -> tuple[str, int]:
        """The bound (host, port)."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Stop reading and close the socket; datagrams not polled yet are dropped."""
        if self.closed:
            return
        super().close()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def transmit(self, data: bytes, peer: Any) -> None:
        """Send one datagram; one that cannot be sent is lost and counted."""
        try:
            self._socket.sendto(data, peer)
        except OSError:
            # Full buffer or no route: to the peer it is a lost datagram, and CON repeats it.
            self.send_errors += 1

    def _readable(self) -> None:
        now = self._clock.now()
        receive = self.receive
        recvfrom = self._socket.recvfrom
        size = self._size
        for _ in range(_BATCH):
            try:
                data, peer = recvfrom(size)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An earlier datagram could not be delivered; the exchange's own timer notices.
                continue
            receive(data, peer, now)
        self.settle(now)


def open_socket(host: str, port: int) -> socket.socket:
    """Bind a non-blocking UDP socket with a receive buffer for bursts. Raises OSError."""
    family, kind, proto, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def address_towards(peer: SockAddr) -> str:
    """Return the host address of this machine from which a peer is reached. Raises OSError."""
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        # Nothing is sent: this asks for the route only.
        sock.connect(peer)
        host: str = sock.getsockname()[0]
    return host.removeprefix("::ffff:") if "." in host else host
