"""A serial cable without hardware: two paths that programs open as ttys, joined by a thread."""

import contextlib
import os
import pty
import random
import select
import threading
from pathlib import Path

_PENDING_BYTES = 1 << 16
_CLOSE_S = 10.0


class Port:
    """A serial port: a path that a program opens as a tty, and the far end in our hand.

    As with a USB adapter, the path is there only while plugged, and another device each time.
    The tty begins as the system makes it: with echo and line editing.
    """

    def __init__(self, path: str | Path, plugged: bool = True) -> None:
        self.path = str(path)
        self.url = f"serial://{self.path}"
        self.fd: int | None = None
        self._tty: int | None = None
        if plugged:
            self.plug()

    def plug(self) -> None:
        """Put the device there."""
        self.fd, self._tty = pty.openpty()
        os.set_blocking(self.fd, False)
        os.symlink(os.ttyname(self._tty), self.path)

    def unplug(self) -> None:
        """Take the device away; who has it open finds it hung up."""
        if self.fd is not None and self._tty is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            os.close(self.fd)
            os.close(self._tty)
            self.fd = self._tty = None

    @property
    def device(self) -> str:
        """The pty that the path points to now. Raises ValueError while unplugged."""
        if self._tty is None:
            raise ValueError(f"{self.path} is not plugged in")
        return os.ttyname(self._tty)

    def read(self) -> bytes:
        """Return the bytes that the program sent."""
        try:
            return b"" if self.fd is None else os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return b""


class Cable:
    """A thread that carries bytes between two ports; each is damaged with a probability `rate`."""

    def __init__(self, one: Port, other: Port, rate: float = 0.0, seed: int = 1) -> None:
        self.ports = (one, other)
        self.carried = self.damaged = 0
        self._rate = rate
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Unplug both ends."""
        with self._lock:
            for port in self.ports:
                port.unplug()

    def mend(self) -> None:
        """Plug both ends in again."""
        with self._lock:
            for port in self.ports:
                port.plug()

    def close(self) -> None:
        """Unplug both ends and end the thread."""
        self._ended = True
        self._thread.join(_CLOSE_S)
        self.cut()

    def _run(self) -> None:
        pending = [b"", b""]
        while not self._ended:
            with self._lock:
                moved = [self._carry(side, pending) for side in (0, 1)]
                fds = [port.fd for port in self.ports if port.fd is not None]
            if not any(moved):
                # Short, for a port that was plugged meanwhile is not among them; one that was
                # unplugged meanwhile is no descriptor any more.
                with contextlib.suppress(OSError, ValueError):
                    select.select(fds, [], [], 0.01)

    def _carry(self, side: int, pending: list[bytes]) -> bool:
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

    def _damage(self, data: bytes) -> bytes:
        self.carried += len(data)
        if not self._rate:
            return data
        damaged = bytearray(data)
        for at in range(len(damaged)):
            if self._random.random() < self._rate:
                damaged[at] ^= self._random.randrange(1, 256)
                self.damaged += 1
        return bytes(damaged)
