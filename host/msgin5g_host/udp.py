"""A UDP socket that feeds one CoAP endpoint, for gateway and server.

Datagrams are drained in batches. Between the last event of a batch and the first datagram sent
stands `before_send`: that is where a caller puts on disk what the answers are going to promise.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Protocol

from msgin5g.exchange import Endpoint

_BATCH = 64
_BUFFER_BYTES = 4 << 20

SockAddr = tuple[Any, ...]


class _Clock(Protocol):
    def now(self) -> int: ...


class UdpSocket:
    """Carry datagrams between a UDP socket and an `Endpoint`.

    on_event(event, now) takes every event of the endpoint; before_send(now) runs once per batch.
    Both must not block for long. Call `flush` after using the endpoint outside of these two.
    """

    def __init__(
        self,
        sock: socket.socket,
        endpoint: Endpoint,
        clock: _Clock,
        on_event: Callable[[tuple[Any, ...], int], None],
        before_send: Callable[[int], None] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.send_errors = 0
        self._socket = sock
        self._clock = clock
        self._on_event = on_event
        self._before_send = before_send
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._size = endpoint.params.max_datagram_bytes + 1
        self._loop.add_reader(sock, self._readable)

    @property
    def address(self) -> tuple[str, int]:
        """The bound (host, port)."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Stop reading and close the socket; datagrams not polled yet are dropped."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()

    def flush(self) -> None:
        """Run due timers, let the caller commit, and send what the endpoint has to send."""
        if self._socket.fileno() >= 0:
            self._flush(self._clock.now())

    def _readable(self) -> None:
        now = self._clock.now()
        receive = self.endpoint.receive
        next_event = self.endpoint.next_event
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
            while event := next_event():
                self._on_event(event, now)
        self._flush(now)

    def _flush(self, now: int) -> None:
        if self._before_send is not None:
            self._before_send(now)
        endpoint = self.endpoint
        sendto = self._socket.sendto
        out = endpoint.poll(now)
        while event := endpoint.next_event():
            self._on_event(event, now)
        for data, peer in out:
            try:
                sendto(data, peer)
            except OSError:
                # Full buffer or no route: to the peer it is a lost datagram, and CON repeats it.
                self.send_errors += 1
        self._schedule(now)

    def _schedule(self, now: int) -> None:
        deadline = self.endpoint.next_deadline()
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer_at <= deadline and self._timer_at > now:
                return
            self._timer.cancel()
        self._timer_at = max(deadline, now + 1)
        self._timer = self._loop.call_later((self._timer_at - now) / 1000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._flush(self._clock.now())


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
