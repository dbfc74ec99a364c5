"""What drives one CoAP endpoint on a host: frames in, timers, commit, frames out.

Between the last event of a batch and the first frame sent stands `before_send`: that is where a
caller puts on disk what the answers are going to promise.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from msgin5g.exchange import Endpoint
from msgin5g.l3 import is_l3
from msgin5g_host.capture import Tap


class Clock(Protocol):
    """What tells the time: whole milliseconds that never go back."""

    def now(self) -> int: ...


class Pump:
    """Drive an `Endpoint`; a subclass reads its link and implements `transmit`.

    on_event(event, now) takes every event of the endpoint; before_send(now) runs once per batch;
    on_l3(peer, frame, now) takes what begins like an L3 message (Annex A.2). None must block for
    long. Call `flush` after using the endpoint outside of these. `tap` sees every frame while
    somebody captures, see `msgin5g_host.capture`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        on_event: Callable[[tuple[Any, ...], int], None],
        before_send: Callable[[int], None] | None = None,
        on_l3: Callable[[Any, bytes, int], None] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.closed = False
        self.tap: Tap | None = None
        self._clock = clock
        self._on_event = on_event
        self._before_send = before_send
        self._on_l3 = on_l3
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0

    def close(self) -> None:
        """Stop; what was not polled yet is dropped."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()

    def transmit(self, data: bytes, peer: Any) -> None:
        """Send one frame now, or lose it."""
        raise NotImplementedError

    def send(self, data: bytes, peer: Any) -> None:
        """Send one frame that is not the endpoint's, or lose it."""
        if self.tap is not None:
            self.tap(data, peer, True, self._clock.now())
        self.transmit(data, peer)

    def receive(self, data: bytes, peer: Any, now: int) -> None:
        """Take one frame; `settle` ends the batch."""
        if self.tap is not None:
            self.tap(data, peer, False, now)
        if self._on_l3 is not None and data and is_l3(data[0]):
            self._on_l3(peer, data, now)
            return
        endpoint = self.endpoint
        endpoint.receive(data, peer, now)
        while event := endpoint.next_event():
            self._on_event(event, now)

    def flush(self) -> None:
        """Run due timers, let the caller commit, and send what the endpoint has to send."""
        if not self.closed:
            self.settle(self._clock.now())

    def settle(self, now: int) -> None:
        """End a batch: let the caller commit, then send."""
        if self._before_send is not None:
            self._before_send(now)
        endpoint = self.endpoint
        transmit = self.transmit
        out = endpoint.poll(now)
        while event := endpoint.next_event():
            self._on_event(event, now)
        for data, peer in out:
            if self.tap is not None:
                self.tap(data, peer, True, now)
            transmit(data, peer)
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
        self.settle(self._clock.now())
