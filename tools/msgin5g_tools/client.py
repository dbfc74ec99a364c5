"""A UE at the shell: the firmware's own state machine over a UDP socket, straight to a server."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Callable
from typing import Any

from msgin5g import gaps
from msgin5g_host.clock import Clock
from ue.config import defaults
from ue.modes import make_core

MAX_DATAGRAM_BYTES = 2048
_SEGMENT_BYTES = 1024
_KEPT_BYTES = 1 << 20
_KEPT_MESSAGES = 64
_GOODBYE_S = 3.0
_LOOK_S = 0.02

_OF_ITS_ACCOUNT = gaps.CAUSE_UNKNOWN_UE, gaps.CAUSE_ONLY_THROUGH_GATEWAY
_ACCOUNT_WANTED = (
    "; see its [[ue]] in server.toml, where an account without `gateway` is wanted, or start the "
    "server with --open"
)

Event = tuple[Any, ...]


class ClientError(Exception):
    """The client cannot do what it should; the text says why and what to do."""


class Client:
    """One UE with an MSGin5G client that speaks MSGin5G-1. on_event takes the core's events."""

    def __init__(
        self,
        address: tuple[str, int],
        ue_service_id: str,
        service_id: str,
        on_event: Callable[[Event], None],
    ) -> None:
        config = {
            **defaults(),
            "ue_service_id": ue_service_id,
            "service_id": service_id,
            "direct": True,
            "segment_bytes": _SEGMENT_BYTES,
            "reassembly_bytes": _KEPT_BYTES,
            "outbox_bytes": _KEPT_BYTES,
            "outbox_messages": _KEPT_MESSAGES,
        }
        self.core = make_core(config, {}, random.SystemRandom().randrange, MAX_DATAGRAM_BYTES)
        self.state = ""
        self.cause = ""
        self._address = address
        self._on_event = on_event
        self._changed = asyncio.Event()
        self._topics: list[str] = []
        self._clock = Clock()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(address)
        self._loop.add_reader(self._socket, self._readable)

    async def register(self, timeout_s: float) -> None:
        """Register at the server. Raises ClientError."""
        self.core.register(self._clock.now())
        self.flush()
        host, port = self._address
        try:
            async with asyncio.timeout(timeout_s):
                while self.state not in ("registered", "refused"):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise ClientError(
                f"no answer from coap://{host}:{port} within {timeout_s:.0f} s; is the server "
                "running there? Give --server"
            ) from None
        if self.state == "refused":
            hint = _ACCOUNT_WANTED if self.cause in _OF_ITS_ACCOUNT else ""
            raise ClientError(f"the server refused the UE: {self.cause}{hint}")

    def send(
        self,
        to: str,
        payload: bytes,
        kind: str,
        report: bool,
        store: bool,
        priority: str,
        expires_ms: int | None = None,
    ) -> str:
        """Send a message; returns its Message ID. Raises CallerError."""
        options = (kind, report, store, priority, None)
        message_id: str = self.core.messages().send(
            to, payload, options, self._clock.now(), expires_ms
        )
        self.flush()
        return message_id

    def subscribe(self, topic: str, expires_s: float | None = None) -> None:
        """Subscribe to a topic; a "topic" event tells the outcome. Raises CallerError."""
        expires_ms = None if expires_s is None else int((time.time() + expires_s) * 1000)
        topics = self.core.messages().topics()
        topics.subscribe(topic, self._clock.now(), expires_s, expires_ms)
        self._topics.append(topic)
        self.flush()

    async def close(self) -> None:
        """Leave the topics, de-register, so that nothing is sent here, and close the socket."""
        if self.state == "registered":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    # The reports on what has just come are still to leave.
                    for topic in self._topics:
                        self.core.messages().topics().unsubscribe(topic, self._clock.now())
                    self.flush()
                    while self._topics or not self.core.messages().is_idle():
                        await asyncio.sleep(_LOOK_S)
            self.core.deregister(self._clock.now())
            self.flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    while self.state not in ("deregistered", "refused", "backoff"):
                        self._changed.clear()
                        await self._changed.wait()
        self._loop.remove_reader(self._socket)
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()

    def flush(self) -> None:
        """Do what is due: send, hand events on, set the timer."""
        now = self._clock.now()
        for datagram, _ in self.core.poll(now):
            self._transmit(bytes(datagram))
        while event := self.core.next_event():
            if event[0] == "state":
                self.state = event[1]
                self.cause = str(event[2].get("cause") or event[2].get("reason") or "")
                self._changed.set()
            elif event[0] == "topic" and event[2] != "subscribed":
                self._topics.remove(event[1])
            self._on_event(event)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.core.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_later(max(deadline - now, 1) / 1000, self.flush)

    def _transmit(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except OSError:
            # Lost, like any datagram; the exchange repeats it.
            return

    def _readable(self) -> None:
        while True:
            try:
                data = self._socket.recv(MAX_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                break
            except OSError:
                # Nobody listens there (yet).
                break
            self.core.receive(data, self._clock.now())
        self.flush()
