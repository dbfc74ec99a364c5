"""One device that the gateway is connected to over BLE: its frames in and out."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

from msgin5g.ble_framing import (
    MAX_FRAME_BYTES,
    MIN_VALUE_BYTES,
    NOTIFY_UUID,
    WRITE_UUID,
    Reassembler,
    following,
    fragments,
)
from msgin5g.errors import PeerError

# As many as two frames of the largest size in the smallest values.
MAX_QUEUED_VALUES = 160
_WRITE_S = 10.0
# Values without an answer in a row; the next one is written with one, which a busy device delays.
_WINDOW = 8
_MAX_VALUE_BYTES = 244
# Failed writes in a row that end the connection; one costs its frame.
_MAX_FAILURES = 2


class BlePeer:
    """A connected device. `client` is bleak's; on_frame(frame) takes what it sends,
    on_broken(reason) hears that nothing can be written any more.

    is_up: the connection was told as such; has_heard: the device has sent something.
    """

    def __init__(
        self,
        client: Any,
        identifier: str,
        on_frame: Callable[[bytes], None],
        on_broken: Callable[[str], None],
        counters: Counter[str],
    ) -> None:
        self.identifier = identifier
        self.heard_at = asyncio.get_running_loop().time()
        self.has_heard = False
        self.is_up = False
        self._client = client
        self._on_frame = on_frame
        self._on_broken = on_broken
        self._counters = counters
        self._joined = Reassembler(MAX_FRAME_BYTES, counters)
        self._queue: list[bytes] = []
        self._wake = asyncio.Event()
        self._number = 0
        self._characteristic: Any = None
        self._sender: asyncio.Task[None] | None = None
        self._is_stopped = False

    @property
    def is_connected(self) -> bool:
        """Tell whether the stack still knows of a connection."""
        return bool(self._client.is_connected)

    async def start(self) -> None:
        """Subscribe to what the device sends. Raises what bleak raises, PeerError."""
        characteristic = self._client.services.get_characteristic(WRITE_UUID)
        if characteristic is None or "write-without-response" not in characteristic.properties:
            raise PeerError("it advertises the service, and has nothing to write to")
        self._characteristic = characteristic
        await self._client.start_notify(NOTIFY_UUID, self._heard)
        if not self._is_stopped:
            self._sender = asyncio.create_task(self._write())

    def send(self, frame: bytes) -> bool:
        """Queue a frame; False when the queue is full."""
        values = fragments(frame, self._value_bytes(), self._number)
        if self._is_stopped or len(self._queue) + len(values) > MAX_QUEUED_VALUES:
            return False
        self._number = following(self._number, len(values))
        self._queue += values
        self._wake.set()
        return True

    def stop(self) -> None:
        """The connection has ended; what was not sent is lost."""
        self._is_stopped = True
        self._queue.clear()
        if self._sender is not None:
            self._sender.cancel()

    async def disconnect(self) -> None:
        """End the connection."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_WRITE_S):
                await self._client.disconnect()

    def _value_bytes(self) -> int:
        """What a value may hold now: BlueZ may learn the MTU after it has connected."""
        if self._characteristic is None:
            return MIN_VALUE_BYTES
        most = int(self._characteristic.max_write_without_response_size)
        return max(min(most, _MAX_VALUE_BYTES), MIN_VALUE_BYTES)

    def _heard(self, _: object, value: bytearray) -> None:
        if self._is_stopped:
            return
        self.heard_at = asyncio.get_running_loop().time()
        self.has_heard = True
        frame = self._joined.receive(bytes(value))
        if frame is not None:
            self._on_frame(frame)

    async def _write(self) -> None:
        can_answer = "write" in self._characteristic.properties
        count = failures = 0
        while True:
            while self._queue:
                value = self._queue.pop(0)
                count += 1
                answered = can_answer and count % _WINDOW == 0
                try:
                    async with asyncio.timeout(_WRITE_S):
                        await self._client.write_gatt_char(
                            self._characteristic, value, response=answered
                        )
                    failures = 0
                except Exception as problem:
                    self._counters["write_failures"] += 1
                    failures += 1
                    # The rest of the frame is of no use.
                    self._queue.clear()
                    if isinstance(problem, TimeoutError):
                        self._on_broken("no answer to a write")
                    elif failures >= _MAX_FAILURES or not self.is_connected:
                        self._on_broken(" ".join(str(problem).split()) or type(problem).__name__)
            self._wake.clear()
            await self._wake.wait()
