"""The BLE link: a peripheral with a UART-like service, on MicroPython's own `bluetooth` module.

    ble://[?name=kitchen&interval_ms=100]

Values are written to us without response and notified by us, see `msgin5g.ble_framing`. The
interrupt handler only puts what comes into a queue; a notification that finds the stack without
memory is tried again.
"""

import asyncio
import errno

from msgin5g.ble_framing import (
    MAX_FRAME_BYTES,
    MIN_VALUE_BYTES,
    NOTIFY_UUID,
    SERVICE_UUID,
    WRITE_UUID,
    Reassembler,
    following,
    fragments,
)

MAX_QUEUED_VALUES = 64
MAX_RECEIVED_VALUES = 32

_MTU = 247
_INTERVAL_MS = 100
_NAME = "msgin5g"
_MAX_NAME_BYTES = 8
_RETRY_MS = 5
# Values handed to the stack in one go.
_WINDOW = 8
_IRQ_CENTRAL_CONNECT = 1
_IRQ_CENTRAL_DISCONNECT = 2
_IRQ_GATTS_WRITE = 3
_IRQ_MTU_EXCHANGED = 21


class BleLink:
    """A link to whatever gateway connects. Raises ValueError for another URL.

    counters: those of `Reassembler`; overflow: values that found the queue of received ones full;
    dropped: frames that found the queue to send full.
    """

    name = "ble"
    max_frame_bytes = MAX_FRAME_BYTES

    def __init__(self, url):
        self._name, self._interval_ms = _parse(url)
        self._joined = Reassembler(MAX_FRAME_BYTES)
        self.counters = self._joined.counters
        self.counters["overflow"] = 0
        self.counters["dropped"] = 0
        self._ble = None
        self._conn = None
        self._value_bytes = MIN_VALUE_BYTES
        self._number = 0
        self._received = []
        self._queue = []
        self._sender = None
        self._flag = None
        self._is_lost = False

    def open(self):
        """Switch BLE on and advertise, unless that is done. Raises OSError."""
        if self._ble is None:
            import bluetooth

            ble = bluetooth.BLE()
            ble.active(True)
            ble.config(mtu=_MTU, gap_name=self._name)
            ble.irq(self._on_event)
            service = (
                bluetooth.UUID(SERVICE_UUID),
                (
                    (
                        bluetooth.UUID(WRITE_UUID),
                        bluetooth.FLAG_WRITE | bluetooth.FLAG_WRITE_NO_RESPONSE,
                    ),
                    (bluetooth.UUID(NOTIFY_UUID), bluetooth.FLAG_NOTIFY),
                ),
            )
            ((self._write, self._notify),) = ble.gatts_register_services((service,))
            # Without this a board cuts every value at 20 bytes.
            ble.gatts_set_buffer(self._write, _MTU)
            self._service = bytes(service[0])
            self._ble = ble
            self._flag = asyncio.ThreadSafeFlag()
        self._is_lost = False
        if self._conn is None:
            self._advertise()

    def close(self):
        """End the connection and go off the air; what was not sent yet is lost."""
        self._forget()
        ble, self._ble = self._ble, None
        if ble is None:
            return
        try:
            if self._conn is not None:
                ble.gap_disconnect(self._conn)
            ble.active(False)
        except OSError:
            pass
        self._conn = None

    def send(self, frame):
        """Queue one frame. Returns False when it is lost: not connected, too long, queue full."""
        if self._conn is None or not 0 < len(frame) <= MAX_FRAME_BYTES:
            return False
        values = fragments(frame, self._value_bytes, self._number)
        if len(self._queue) + len(values) > MAX_QUEUED_VALUES:
            self.counters["dropped"] += 1
            return False
        self._number = following(self._number, len(values))
        self._queue += values
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_queue())
        return True

    async def receive(self):
        """Wait for a whole frame and return it. Raises OSError when the gateway is gone."""
        while True:
            while self._received:
                frame = self._joined.receive(self._received.pop(0))
                if frame is not None:
                    return frame
            if self._is_lost:
                self._is_lost = False
                raise OSError(errno.ECONNRESET, "the gateway has left")
            await self._flag.wait()

    async def _send_queue(self):
        try:
            sent = 0
            while self._queue and self._conn is not None:
                try:
                    self._ble.gatts_notify(self._conn, self._notify, self._queue[0])
                except OSError as problem:
                    if problem.errno != errno.ENOMEM:
                        break
                    await asyncio.sleep_ms(_RETRY_MS)
                    continue
                self._queue.pop(0)
                sent += 1
                if sent % _WINDOW == 0:
                    await asyncio.sleep_ms(0)
        finally:
            self._sender = None

    def _advertise(self):
        name = self._name.encode()
        data = b"\x02\x01\x06" + bytes((len(self._service) + 1, 7)) + self._service
        data += bytes((len(name) + 1, 9)) + name
        self._ble.gap_advertise(self._interval_ms * 1000, data)

    def _on_event(self, event, data):
        """Called between two bytecodes: short, and nothing in here waits."""
        if event == _IRQ_GATTS_WRITE:
            if data[1] == self._write:
                if len(self._received) < MAX_RECEIVED_VALUES:
                    self._received.append(bytes(self._ble.gatts_read(self._write)))
                else:
                    self.counters["overflow"] += 1
        elif event == _IRQ_CENTRAL_CONNECT:
            self._conn = data[0]
            self._value_bytes = MIN_VALUE_BYTES
            self._forget()
        elif event == _IRQ_CENTRAL_DISCONNECT:
            self._conn = None
            self._is_lost = True
            self._forget()
        elif event == _IRQ_MTU_EXCHANGED:
            self._value_bytes = max(min(data[1], _MTU) - 3, MIN_VALUE_BYTES)
        if self._flag is not None:
            self._flag.set()

    def _forget(self):
        """Nothing of one connection goes over into the next."""
        self._received = []
        self._queue = []
        self._joined.reset()


def _parse(url):
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    name, interval_ms = _NAME, _INTERVAL_MS
    if scheme != "ble" or place:
        raise ValueError("%s: ble:// or ble://?name=NAME is wanted" % url)
    for item in query.split("&") if query else ():
        key, _, value = item.partition("=")
        if key == "name" and value:
            # What is left of 31 bytes of advertising beside the service's UUID.
            name = value.encode()[:_MAX_NAME_BYTES].decode()
        elif key == "interval_ms" and value.isdigit() and 20 <= int(value) <= 10000:
            interval_ms = int(value)
        else:
            raise ValueError("%s: name=NAME or interval_ms=20..10000 is wanted" % url)
    return name, interval_ms
