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

# As many as two frames of the largest size in the smallest values.
MAX_QUEUED_VALUES = 160
_WRITE_S = 10.0
# Values without an answer in a row; the next one is written with one, which a busy device delays.
_WINDOW = 8
_MAX_VALUE_BYTES = 244


class BlePeer:
    """A connected device. `client` is bleak's; on_frame(frame) takes what it sends."""

    def __init__(
        self,
        client: Any,
        identifier: str,
        on_frame: Callable[[bytes], None],
        counters: Counter[str],
    ) -> None:
        self.identifier = identifier
        self.heard_at = asyncio.get_running_loop().time()
        self._client = client
        self._on_frame = on_frame
        self._counters = counters
        self._joined = Reassembler(MAX_FRAME_BYTES)
        self._queue: list[bytes] = []
        self._wake = asyncio.Event()
        self._number = 0
        self._value_bytes = MIN_VALUE_BYTES
        self._sender: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe to what the device sends. Raises what bleak raises."""
        await self._client.start_notify(NOTIFY_UUID, self._heard)
        characteristic = self._client.services.get_characteristic(WRITE_UUID)
        most = int(characteristic.max_write_without_response_size)
        self._value_bytes = max(min(most, _MAX_VALUE_BYTES), MIN_VALUE_BYTES)
        self._sender = asyncio.create_task(self._write())

    def send(self, frame: bytes) -> bool:
        """Queue a frame; False when the queue is full."""
        values = fragments(frame, self._value_bytes, self._number)
        if len(self._queue) + len(values) > MAX_QUEUED_VALUES:
            return False
        self._number = following(self._number, len(values))
        self._queue += values
        self._wake.set()
        return True

    def stop(self) -> None:
        """The connection has ended; what was not sent is lost."""
        if self._sender is not None:
            self._sender.cancel()
        for name, count in self._joined.counters.items():
            self._counters[name] += count

    async def disconnect(self) -> None:
        """End the connection."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_WRITE_S):
                await self._client.disconnect()

    def _heard(self, _: object, value: bytearray) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        frame = self._joined.receive(bytes(value))
        if frame is not None:
            self._on_frame(frame)

    async def _write(self) -> None:
        count = 0
        while True:
            while self._queue:
                value = self._queue.pop(0)
                count += 1
                answered = count % _WINDOW == 0
                try:
                    async with asyncio.timeout(_WRITE_S):
                        await self._client.write_gatt_char(WRITE_UUID, value, response=answered)
                except Exception as problem:
                    # The rest of the frame is of no use; a lost connection is told elsewhere.
                    self._counters["write_failures"] += 1
                    self._queue.clear()
                    if isinstance(problem, TimeoutError):
                        await self.disconnect()
            self._wake.clear()
            await self._wake.wait()
