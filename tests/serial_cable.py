"""Serial ports made of ptys: plugged and unplugged at one path, joined by a cable that may lie."""

import os
import pty
import random
import select
import threading
import time

from msgin5g.serial_framing import Deframer, encode

DEADLINE_S = 10.0
_PENDING_BYTES = 1 << 16


def wait_until(condition, deadline_s=DEADLINE_S):
    """Return the condition's value once it is true."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
    return value


class Port:
    """A serial port: a path that a program opens as a tty, and the far end in the test's hand.

    As with a USB adapter, the path is there only while plugged, and another device each time.
    The tty begins as the system makes it: with echo and line editing.
    """

    def __init__(self, path, plugged=True):
        self.path = str(path)
        self.url = f"serial://{self.path}"
        self.fd = self._tty = None
        self._deframer = Deframer(2048)
        if plugged:
            self.plug()

    def plug(self):
        """Put the device there."""
        self.fd, self._tty = pty.openpty()
        os.set_blocking(self.fd, False)
        os.symlink(os.ttyname(self._tty), self.path)

    def unplug(self):
        """Take the device away; who has it open finds it hung up."""
        if self.fd is not None:
            os.unlink(self.path)
            os.close(self.fd)
            os.close(self._tty)
            self.fd = self._tty = None
            self._deframer.reset()

    @property
    def device(self):
        """The pty that the path points to now."""
        return os.ttyname(self._tty)

    def write(self, data):
        """Send bytes to the program."""
        end = time.monotonic() + DEADLINE_S
        while data:
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:
                assert time.monotonic() < end, "the program does not read"
                time.sleep(0.005)

    def send(self, *frames):
        self.write(b"".join(map(encode, frames)))

    def read(self):
        """Return the bytes that the program sent."""
        try:
            return os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return b""

    def frames(self):
        """Return the frames that the program sent and that were not returned yet."""
        while data := self.read():
            self._deframer.feed(data)
        return list(iter(self._deframer.next_frame, None))

    def wait_for(self, count=1):
        """Return that many frames of the program."""
        found = []
        wait_until(lambda: found.extend(self.frames()) or len(found) >= count)
        return found


class Cable:
    """A thread that carries bytes between two ports; each is damaged with a probability `rate`."""

    def __init__(self, one, other, rate=0.0, seed=1):
        self.ports = (one, other)
        self.carried = self.damaged = 0
        self._rate = rate
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self):
        """Unplug both ends."""
        with self._lock:
            for port in self.ports:
                port.unplug()

    def mend(self):
        """Plug both ends in again."""
        with self._lock:
            for port in self.ports:
                port.plug()

    def close(self):
        self._ended = True
        self._thread.join(DEADLINE_S)
        self.cut()

    def _run(self):
        pending = [b"", b""]
        while not self._ended:
            with self._lock:
                moved = [self._carry(side, pending) for side in (0, 1)]
                fds = [port.fd for port in self.ports if port.fd is not None]
            if not any(moved):
                # Short, for a port that was plugged meanwhile is not among them.
                select.select(fds, [], [], 0.01)

    def _carry(self, side, pending):
        source, target = self.ports[side].fd, self.ports[1 - side].fd
        if source is None or target is None:
            pending[side] = b""
            return False
        if len(pending[side]) < _PENDING_BYTES and (data := self.ports[side].read()):
            pending[side] += self._damage(data)
        try:
            size = os.write(target, pending[side]) if pending[side] else 0
        except BlockingIOError:
            size = 0
        pending[side] = pending[side][size:]
        return size > 0

    def _damage(self, data):
        self.carried += len(data)
        if not self._rate:
            return data
        damaged = bytearray(data)
        for at in range(len(damaged)):
            if self._random.random() < self._rate:
                damaged[at] ^= self._random.randrange(1, 256)
                self.damaged += 1
        return bytes(damaged)


class Echo:
    """Sends numbered frames through `send` until each came back; what a lossy line needs above."""

    def __init__(self, send, count, seed=2):
        chosen = random.Random(seed)
        self.wanted = {
            number.to_bytes(2, "big") + chosen.randbytes(chosen.randrange(1, 60))
            for number in range(count)
        }
        self.open = set(self.wanted)
        self.strange = []
        self.rounds = 0
        self._send = send

    def got(self, frame):
        """Take a frame that came back."""
        if frame not in self.wanted:
            self.strange.append(frame)
        self.open.discard(frame)

    def repeat(self):
        """Send what is still missing."""
        self.rounds += 1
        for frame in sorted(self.open):
            self._send(frame)
