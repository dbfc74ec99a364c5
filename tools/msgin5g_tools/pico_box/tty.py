"""A tty in front of a TCP port of this machine, as a USB adapter would be one."""

import contextlib
import os
import pty
import select
import socket
import threading
import tty
from pathlib import Path

_READ_BYTES = 1 << 16
_PENDING_BYTES = 1 << 16
# How soon it is seen that a program opened the tty.
_OPENED_MS = 10
_CLOSE_S = 10.0


class Tty:
    """A path that programs open as a tty; what they write goes to the port and back.

    It is there only while plugged, and another device each time. What arrives while no program has
    it open is lost.
    """

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self._port = port
        self._thread: threading.Thread | None = None
        self._wake = -1

    def plug(self) -> None:
        """Put the device there. Raises OSError when nobody listens at the port."""
        if self._thread is not None:
            return
        far = socket.create_connection(("127.0.0.1", self._port), _CLOSE_S)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.setblocking(False)
        master, device = pty.openpty()
        # What the board says before a program set its own mode must not be echoed to it.
        tty.setraw(device)
        name = os.ttyname(device)
        os.close(device)
        os.set_blocking(master, False)
        self._wake = os.eventfd(0)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.path.symlink_to(name)
        self._thread = threading.Thread(target=self._run, args=(master, far), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Take the device away; who has it open finds it hung up."""
        if self._thread is None:
            return
        self.path.unlink(missing_ok=True)
        os.eventfd_write(self._wake, 1)
        self._thread.join(_CLOSE_S)
        self._thread = None
        os.close(self._wake)

    def _run(self, master: int, far: socket.socket) -> None:
        try:
            with far:
                _carry(master, far, self._wake)
        finally:
            os.close(master)


def _carry(master: int, far: socket.socket, wake: int) -> None:
    """Carry bytes both ways until the port is closed or we are woken."""
    to_far, to_tty = bytearray(), bytearray()
    opened = select.poll()
    opened.register(master, 0)
    while True:
        is_open = not any(flags & select.POLLHUP for _, flags in opened.poll(0))
        if not is_open:
            to_tty.clear()
            # What the program wrote before it closed the tty.
            with contextlib.suppress(OSError):
                to_far += os.read(master, _READ_BYTES)
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(far, select.POLLIN | (select.POLLOUT if to_far else 0))
        if is_open:
            wanted = select.POLLIN if len(to_far) < _PENDING_BYTES else 0
            poll.register(master, wanted | (select.POLLOUT if to_tty else 0))
        ready = dict(poll.poll(None if is_open else _OPENED_MS))
        if wake in ready:
            return
        try:
            if far.fileno() in ready:
                if _is_closed(far, to_tty if is_open else bytearray()):
                    return
                if to_far:
                    del to_far[: far.send(to_far)]
            if master in ready and not ready[master] & select.POLLHUP:
                if ready[master] & select.POLLIN:
                    to_far += os.read(master, _READ_BYTES)
                if ready[master] & select.POLLOUT:
                    del to_tty[: os.write(master, to_tty)]
        except OSError:
            # No room; or the program closed the tty, or the box ended: the next turn sees which.
            continue


def _is_closed(far: socket.socket, into: bytearray) -> bool:
    """Read what the port sent; what a program does not take for long is lost."""
    try:
        data = far.recv(_READ_BYTES)
    except BlockingIOError:
        return False
    except OSError:
        return True
    into += data
    del into[_PENDING_BYTES:]
    return not data
