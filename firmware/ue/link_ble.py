"""The BLE link: a peripheral with a UART-like service, on MicroPython's own `bluetooth` module.

    ble://[?name=kitchen&interval_ms=100]

Values are written to us without response and notified by us, see `msgin5g.ble_framing`. The
interrupt handler only puts what comes into a queue; a notification that finds the stack without
memory is tried again. The stack is switched on once, and from nothing only after it failed:
switching it off and on for every gateway that leaves is what boards do worst.
"""

import asyncio
import errno
import time

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

# The largest frame is 68 of the smallest values, or 6 at the MTU asked for.
MAX_QUEUED_VALUES = 72
MAX_RECEIVED_VALUES = 32

_MTU = 247
_INTERVAL_MS = 100
_NAME = "msgin5g"
_MAX_NAME_BYTES = 8
_RETRY_MS = 5
# How long the stack may be without memory before what waits is dropped.
_GIVE_UP_MS = 5000
# Values handed to the stack in one go: NimBLE has twelve blocks, for what comes in as well.
_WINDOW = 8
_PAUSE_MS = 10
# A central that answers nothing for so long is no gateway, or has lost its subscription.
_SILENT_MS = 60000
# EBUSY has no name on boards.
_BUSY = (errno.ENOMEM, errno.EAGAIN, 16)
_IRQ_CENTRAL_CONNECT = 1
_IRQ_CENTRAL_DISCONNECT = 2
_IRQ_GATTS_WRITE = 3
_IRQ_MTU_EXCHANGED = 21
# The handle of every connection: the radio itself is gone.
_ALL = 65535


class BleLink:
    """A link to whatever gateway connects. Raises ValueError for another URL.

    counters: those of `Reassembler`; overflow: values that found the queue of received ones full,
    or no memory; dropped: frames that found the queue to send full, or the stack stuck.
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
        self._flag = None
        self._is_open = False
        # The handler sets these five, between any two bytecodes of what is below; to the list it
        # adds, and never takes from it or puts another in its place.
        self._conn = None
        self._is_lost = False
        self._value_bytes = MIN_VALUE_BYTES
        self._received = []
        # When the first frame was sent that was not answered; None: all were.
        self._asked_at = None
        self._number = 0
        self._queue = []
        self._is_sending = False

    def open(self):
        """Switch BLE on and advertise, unless that is done. Raises OSError."""
        if self._is_open:
            return
        try:
            if self._ble is None:
                self._switch_on()
            # No central can be connected now: the handler has nothing to add.
            self._received = []
            self._joined.reset()
            self._is_lost = False
            self._advertise()
        except OSError:
            self._switch_off()
            raise
        self._is_open = True

    def close(self):
        """End the connection and advertise no more; what was not sent yet is lost."""
        conn, self._conn = self._conn, None
        self._is_open = False
        self._drop_queue()
        if self._ble is None:
            return
        try:
            self._ble.gap_advertise(None)
        except OSError:
            self._switch_off()
            return
        self._disconnect(conn)

    def send(self, frame):
        """Queue one frame. Returns False when it is lost: not connected, too long, queue full."""
        if self._conn is None or not 0 < len(frame) <= MAX_FRAME_BYTES:
            return False
        now = time.ticks_ms()
        asked_at = self._asked_at
        if asked_at is None:
            self._asked_at = now
        elif time.ticks_diff(now, asked_at) > _SILENT_MS:
            conn, self._conn = self._conn, None
            self._disconnect(conn)
            self._is_lost = True
            self._flag.set()
            return False
        try:
            values = fragments(frame, self._value_bytes, self._number)
        except MemoryError:
            values = None
        if values is None or len(self._queue) + len(values) > MAX_QUEUED_VALUES:
            self.counters["dropped"] += 1
            return False
        self._number = following(self._number, len(values))
        self._queue += values
        if not self._is_sending:
            self._is_sending = True
            asyncio.create_task(self._send_queue(self._queue))
        return True

    async def receive(self):
        """Wait for a whole frame and return it. Raises OSError when the gateway is gone."""
        while True:
            while self._received:
                frame = self._joined.receive(self._received.pop(0))
                if frame is not None:
                    return frame
            if self._is_lost:
                raise OSError(errno.ECONNRESET, "the gateway has left")
            await self._flag.wait()

    async def _send_queue(self, queue):
        """Send until the queue is empty, or another one has taken its place."""
        sent = waited_ms = 0
        while queue:
            conn = self._conn
            if conn is None:
                queue.clear()
                break
            try:
                self._ble.gatts_notify(conn, self._notify, queue[0])
            except OSError as problem:
                if problem.errno in _BUSY and waited_ms < _GIVE_UP_MS:
                    waited_ms += _RETRY_MS
                    await asyncio.sleep_ms(_RETRY_MS)
                    continue
                # A lost connection is told elsewhere; the rest of a frame is of no use.
                self.counters["dropped"] += 1
                queue.clear()
                break
            waited_ms = 0
            queue.pop(0)
            sent += 1
            if sent % _WINDOW == 0:
                await asyncio.sleep_ms(_PAUSE_MS)
        if queue is self._queue:
            self._is_sending = False

    def _drop_queue(self):
        # The task that sends it ends with it.
        self._queue.clear()
        self._queue = []
        self._is_sending = False
        self._asked_at = None

    def _switch_on(self):
        import bluetooth

        self._flag = asyncio.ThreadSafeFlag()
        self._ble = ble = bluetooth.BLE()
        ble.active(True)
        ble.config(mtu=_MTU, gap_name=self._name)
        ble.irq(self._on_event)
        uuid = bluetooth.UUID(SERVICE_UUID)
        writes = bluetooth.FLAG_WRITE | bluetooth.FLAG_WRITE_NO_RESPONSE
        characteristics = (
            (bluetooth.UUID(WRITE_UUID), writes),
            (bluetooth.UUID(NOTIFY_UUID), bluetooth.FLAG_NOTIFY),
        )
        ((self._write, self._notify),) = ble.gatts_register_services(((uuid, characteristics),))
        # Without this a board cuts every value at 20 bytes.
        ble.gatts_set_buffer(self._write, _MTU)
        self._service = bytes(uuid)  # type: ignore[call-overload]

    def _switch_off(self):
        ble, self._ble = self._ble, None
        self._conn = None
        if ble is None:
            return
        try:
            ble.active(False)
        except OSError:
            pass

    def _disconnect(self, conn):
        if conn is None:
            return
        try:
            self._ble.gap_disconnect(conn)
        except OSError:
            pass

    def _advertise(self):
        name = self._name.encode()
        data = b"\x02\x01\x06" + bytes((len(self._service) + 1, 7)) + self._service
        data += bytes((len(name) + 1, 9)) + name
        self._ble.gap_advertise(self._interval_ms * 1000, data)

    def _on_event(self, event, data):
        """Called between two bytecodes: short, nothing in here waits, and nothing raises."""
        try:
            if event == _IRQ_GATTS_WRITE:
                if data[1] == self._write and data[0] == self._conn:
                    self._asked_at = None
                    if len(self._received) < MAX_RECEIVED_VALUES:
                        self._received.append(self._ble.gatts_read(self._write))
                    else:
                        self.counters["overflow"] += 1
            elif event == _IRQ_CENTRAL_CONNECT:
                self._value_bytes = MIN_VALUE_BYTES
                self._conn = data[0]
            elif event == _IRQ_CENTRAL_DISCONNECT:
                if data[0] == self._conn or data[0] == _ALL:
                    self._conn = None
                    self._is_lost = True
            elif event == _IRQ_MTU_EXCHANGED:
                if data[0] == self._conn:
                    self._value_bytes = max(min(data[1], _MTU) - 3, MIN_VALUE_BYTES)
        except MemoryError:
            # As good as a value that was lost on the air.
            self.counters["overflow"] += 1
        self._flag.set()


def _parse(url):
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    name, interval_ms = _NAME, _INTERVAL_MS
    if scheme != "ble" or place:
        raise ValueError("%s: ble:// or ble://?name=NAME is wanted" % url)
    for item in query.split("&") if query else ():
        key, _, value = item.partition("=")
        if key == "name" and value:
            name = value
            # What is left of 31 bytes of advertising beside the service's UUID.
            while len(name.encode()) > _MAX_NAME_BYTES:
                name = name[:-1]
        elif key == "interval_ms" and value.isdigit() and 20 <= int(value) <= 10000:
            interval_ms = int(value)
        else:
            raise ValueError("%s: name=NAME or interval_ms=20..10000 is wanted" % url)
    return name, interval_ms
