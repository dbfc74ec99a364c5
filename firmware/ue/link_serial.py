"""The serial link: a UART of a board, or a tty where MicroPython's Unix port runs.

    serial://uart1?baud=115200&tx=4&rx=5    a board; UART 0 of an ESP32 belongs to the REPL
    serial:///dev/ttyUSB0?baud=115200       the Unix port

8 data bits, no parity, 1 stop bit, no flow control.
"""

import asyncio
import errno

from msgin5g.serial_framing import END, Deframer, encode

MAX_FRAME_BYTES = 1280
MAX_QUEUED_BYTES = 4096

_BAUD = 115200
_CHUNK_BYTES = 256
# What comes in while the board collects garbage or writes its flash: 0.17 s at 115200 baud.
_UART_BUFFER_BYTES = 2048
_UART_OUT_BYTES = 512  # most frames at once; of longer ones the rest waits in the queue
_TTY_BAUDS = (9600, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000)
_VMIN = 6
_REASONS = {
    errno.ENOENT: "no such device; is it plugged in?",
    errno.EACCES: "permission refused; add the user to the group dialout",
}


class SerialLink:
    """A link to the gateway. Raises ValueError for a URL that is not one of the above.

    counters: those of `Deframer`, and `dropped` frames that found the queue full.
    """

    name = "serial"
    max_frame_bytes = MAX_FRAME_BYTES

    def __init__(self, url):
        self._line = _line(url)
        self._deframer = Deframer(MAX_FRAME_BYTES)
        self.counters = self._deframer.counters
        self.counters["dropped"] = 0
        self._chunk = memoryview(bytearray(_CHUNK_BYTES))
        self._stream = None
        self._writer = None
        self._queue = []
        self._queued_bytes = 0
        self._is_first = True

    def open(self):
        """Open the line unless it is open. Raises OSError, say while nothing is plugged in."""
        if self._stream is None:
            self._stream = self._line.open()
            self._is_first = True

    def close(self):
        """Close the line, if it is open; what was not sent yet is lost."""
        if self._writer is not None:
            self._writer.cancel()
        self._drop_queue()
        self._deframer.reset()
        if self._stream is not None:
            self._line.close(self._stream)
            self._stream = None

    def send(self, frame):
        """Queue one frame. Returns False when it is lost: not open, too long, queue full."""
        if self._stream is None or not 0 < len(frame) <= MAX_FRAME_BYTES:
            return False
        data = encode(frame)
        if self._is_first:
            data = END + data
        if self._queued_bytes + len(data) > MAX_QUEUED_BYTES:
            self.counters["dropped"] += 1
            return False
        self._is_first = False
        self._queue.append(data)
        self._queued_bytes += len(data)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return True

    async def receive(self):
        """Wait for a whole frame and return it. Raises OSError when the line is lost."""
        while True:
            frame = self._deframer.next_frame()
            if frame is not None:
                return frame
            await _readable(self._stream)
            size = self._line.read_into(self._stream, self._chunk)
            if size:
                self._deframer.feed(self._chunk[:size])

    async def _write(self):
        try:
            while self._queue:
                await _writable(self._stream)
                data = self._queue[0]
                size = self._stream.write(data) or 0
                self._queued_bytes -= size
                if size < len(data):
                    self._queue[0] = memoryview(data)[size:]
                else:
                    self._queue.pop(0)
            self._writer = None
        except (OSError, MemoryError):
            # A lost line is the reader's to report; half a frame ends with the next one's END.
            self._drop_queue()

    def _drop_queue(self):
        self._writer = None
        self._queue = []
        self._queued_bytes = 0
        self._is_first = True


class _Tty:
    """A tty. The descriptor blocks (MicroPython cannot ask for another), which costs no wait:
    a read takes what is there, and a tty that is ready for output takes a whole frame.
    """

    def __init__(self, path, baud):
        if baud not in _TTY_BAUDS:
            raise ValueError("baud is one of " + ", ".join([str(one) for one in _TTY_BAUDS]))
        self._path = path
        self._baud = baud

    def open(self):
        import termios

        stream = None
        try:
            stream = open(self._path, "r+b", 0)
            fd = stream.fileno()
            termios.setraw(fd)
            settings = termios.tcgetattr(fd)
            settings[4] = settings[5] = getattr(termios, "B%d" % self._baud)
            # A read returns at once with what is there; nothing at all is the end.
            settings[6][_VMIN] = 0
            termios.tcsetattr(fd, termios.TCSANOW, settings)
        except OSError as problem:
            if stream is not None:
                stream.close()
            reason = _REASONS.get(problem.errno, "cannot be used as a serial line")
            raise OSError(problem.errno, "%s: %s" % (self._path, reason))
        return stream

    def read_into(self, stream, chunk):
        try:
            size = stream.readinto(chunk)
        except OSError:
            size = 0
        if not size:
            raise OSError(errno.EIO, "%s: the line hung up" % self._path)
        return size

    def close(self, stream):
        stream.close()


class _Uart:
    """A UART of the board, with the pins that its port gives it by default."""

    def __init__(self, number, baud, pins):
        self._number = number
        self._baud = baud
        self._pins = pins

    def open(self):
        import machine

        if not hasattr(machine, "UART"):
            raise OSError(errno.ENODEV, "uart%d: this machine has no UART" % self._number)
        settings = {name: machine.Pin(number) for name, number in self._pins.items()}
        settings["rxbuf"] = _UART_BUFFER_BYTES
        settings["txbuf"] = _UART_OUT_BYTES
        try:
            return machine.UART(  # type: ignore[call-overload]
                self._number, baudrate=self._baud, timeout=0, **settings
            )
        except ValueError as problem:
            raise OSError(errno.ENODEV, "uart%d: %s" % (self._number, problem))

    def read_into(self, stream, chunk):
        # Never more than is there: some ports wait for the rest, a character at a time.
        size = min(stream.any(), len(chunk))
        return stream.readinto(chunk[:size]) if size else 0

    def close(self, stream):
        stream.deinit()


def _line(url):
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    number = place[4:] if place.startswith("uart") else ""
    if scheme != "serial" or not (number.isdigit() or place.startswith("/")):
        raise ValueError("%s: serial:///dev/NAME or serial://uartN is wanted" % url)
    try:
        given = _numbers(query, ("baud", "rx", "tx") if number else ("baud",))
        baud = given.pop("baud", _BAUD)
        return _Uart(int(number), baud, given) if number else _Tty(place, baud)
    except ValueError as problem:
        raise ValueError("%s: %s" % (url, problem))


def _numbers(query, known):
    found = {}
    for item in query.split("&") if query else ():
        key, _, value = item.partition("=")
        if key not in known:
            raise ValueError("unknown key '%s'; known are %s" % (key, ", ".join(known)))
        if not value.isdigit():
            raise ValueError("%s: a number is wanted, not '%s'" % (key, value))
        found[key] = int(value)
    return found


async def _readable(stream):
    """Wait until the stream can be read (MicroPython's poller takes any stream object)."""
    yield asyncio.core._io_queue.queue_read(stream)  # type: ignore[attr-defined]


async def _writable(stream):
    """Wait until the stream can be written."""
    yield asyncio.core._io_queue.queue_write(stream)  # type: ignore[attr-defined]
