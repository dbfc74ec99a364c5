"""What a service manager is to a daemon: a datagram socket that it tells of its life."""

import contextlib
import os
import socket

WAIT_S = 20.0


class Manager:
    """The socket where a service manager listens."""

    def __init__(self, address):
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(WAIT_S)
        self._socket.bind(address.replace("@", "\0", 1))

    def environment(self, watchdog_us=0):
        found = {**os.environ, "NOTIFY_SOCKET": self.address}
        if watchdog_us:
            found["WATCHDOG_USEC"] = str(watchdog_us)
        return found

    def take(self):
        """Return the next datagram as a dictionary."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def until(self, **fields):
        """Return all datagrams up to the first that has these fields."""
        found = []
        while not found or not fields.items() <= found[-1].items():
            found.append(self.take())
            assert len(found) < 1000, found[-3:]
        return found

    def drain(self):
        """Forget what was told so far, so that there is room for more."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(4096)
        self._socket.settimeout(WAIT_S)

    def close(self):
        self._socket.close()


@contextlib.contextmanager
def managing(address):
    manager = Manager(str(address))
    try:
        yield manager
    finally:
        manager.close()
