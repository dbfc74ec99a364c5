"""The firmware's serial link on a UART: `micropython check_serial_link.py`.

A UART of a board in software that takes a few bytes at a time, or none; URLs; ports that refuse.
Prints a line per failure and a last line with counts.
"""

import asyncio
import errno
import io
import select
import sys

from msgin5g.serial_framing import END, Deframer, encode
from ue import link_serial
from ue.link_serial import SerialLink

_POLL = 3

results = [0, 0]


def check(condition, name, what=""):
    """Count one check; print it if it failed."""
    results[not condition] += 1
    if not condition:
        print("FAILED %s: %s" % (name, what))


class Uart(io.IOBase):
    """machine.UART: `given` are the constructor's arguments; `takes`: bytes a write takes."""

    made = []

    def __init__(self, number, **given):
        if number > 2:
            raise ValueError("UART(%d) does not exist" % number)
        self.number = number
        self.given = given
        self.incoming = bytearray()
        self.sent = bytearray()
        self.takes = []
        self.is_open = True
        self.is_writable = True
        Uart.made.append(self)

    def ioctl(self, request, flags):
        if request != _POLL:
            return -1
        ready = select.POLLIN if self.incoming else 0
        return flags & (ready | (select.POLLOUT if self.is_writable else 0))

    def any(self):
        return len(self.incoming)

    def readinto(self, chunk):
        size = len(chunk)
        check(size <= len(self.incoming), "uart", "a read that would wait for a byte")
        chunk[:] = self.incoming[:size]
        self.incoming = self.incoming[size:]
        return size

    def write(self, data):
        size = self.takes.pop(0) if self.takes else len(data)
        if size is None:
            return None
        self.sent += data[:size]
        return min(size, len(data))

    def deinit(self):
        self.is_open = False


class Machine:
    """The module `machine` of a board."""

    UART = Uart

    @staticmethod
    def Pin(number):
        return "pin %d" % number


async def turns(condition):
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep_ms(1)


def frames(data):
    deframer = Deframer(1280)
    deframer.feed(data)
    found = []
    while True:
        frame = deframer.next_frame()
        if frame is None:
            return found
        found.append(frame)


async def uart():
    link = SerialLink("serial://uart1?baud=9600&tx=4&rx=5")
    check(not link.send(b"@"), "closed", "sent")
    link.open()
    made = Uart.made[-1]
    given = made.given
    check((made.number, given["baudrate"]) == (1, 9600), "open", "%s" % given)
    check((given["tx"], given["rx"]) == ("pin 4", "pin 5"), "open", "pins")
    good = given["timeout"] == 0 and given["txbuf"] >= 512 and given["rxbuf"] > 1286
    check(good, "open", "buffers")

    made.takes = [None, 3, None, 0, 1, 2]
    check(link.send(b"@first") and link.send(memoryview(b"@second")), "send", "refused")
    wanted = END + encode(b"@first") + encode(b"@second")
    await turns(lambda: made.sent == wanted)
    check(made.sent == wanted, "send", "partial writes: %s" % made.sent)

    made.incoming += b"boot\r\n" + END + encode(b"@in") + encode(bytes(1280))[:700]
    check(await link.receive() == b"@in", "receive", "first")
    waiting = asyncio.create_task(link.receive())
    await asyncio.sleep_ms(5)
    made.incoming += encode(bytes(1280))[700:]
    check(await waiting == bytes(1280), "receive", "in two parts")
    check(link.counters["bad_cobs"] == 1, "receive", "%s" % link.counters)

    made.is_writable = False
    count = 0
    while link.send(bytes([count + 1]) * 1000):
        count += 1
    check(count == 4 and link.counters["dropped"] == 1, "queue", "%d frames" % count)
    made.sent = bytearray()
    made.is_writable = True
    await turns(lambda: len(frames(made.sent)) == count)
    check([one[0] for one in frames(made.sent)] == [1, 2, 3, 4], "queue", "order")

    made.is_writable = False
    link.send(b"@lost")
    await asyncio.sleep_ms(2)
    made.sent = bytearray()
    link.close()
    check(not made.is_open and not link.send(b"@"), "close")
    link.open()
    other = Uart.made[-1]
    link.send(b"@new")
    await turns(lambda: other.sent)
    check(other.sent == END + encode(b"@new") and not made.sent, "close", "%s" % other.sent)
    link.close()


def failing(problem):
    def open(path, mode, buffering):
        raise OSError(problem)

    return open


def reason(url):
    try:
        SerialLink(url).open()
    except (OSError, ValueError) as problem:
        return str(problem)


def refusals():
    for url, said in (
        ("serial:///dev/ttyUSB0?bauds=1", "unknown key 'bauds'; known are baud"),
        ("serial:///dev/ttyUSB0?tx=1", "unknown key 'tx'; known are baud"),
        ("serial:///dev/ttyUSB0?baud=12345", "baud is one of 9600, "),
        ("serial:///dev/ttyUSB0?baud=fast", "baud: a number is wanted, not 'fast'"),
        ("serial://uart0?dtr=1", "unknown key 'dtr'; known are baud, rx, tx"),
        ("serial://uart", "serial:///dev/NAME or serial://uartN is wanted"),
        ("serial://COM3", "serial:///dev/NAME or serial://uartN is wanted"),
        ("udp://uart0", "serial:///dev/NAME or serial://uartN is wanted"),
        ("serial://uart7", "uart7: UART(7) does not exist"),
        ("serial:///no/such/tty", "/no/such/tty: no such device"),
    ):
        check(said in (reason(url) or ""), url, reason(url))
    link_serial.open = failing(errno.EACCES)
    said = reason("serial:///dev/ttyUSB0")
    check("EACCES" in said and "dialout" in said, "refused", said)
    del link_serial.open
    sys.modules["machine"] = object()
    said = reason("serial://uart0")
    check("this machine has no UART" in said, "no UART", said)


sys.modules["machine"] = Machine
asyncio.run(uart())
refusals()
print("%d passed, %d failed" % (results[0], results[1]))
sys.exit(1 if results[1] else 0)
