"""The UDP link: one connected socket, awaited through the asyncio poller, without polling."""

import asyncio
import errno
import socket

MAX_DATAGRAM_BYTES = 1280


class UdpLink:
    """A link to the gateway. url: udp://host:port."""

    name = "udp"

    def __init__(self, url):
        host, _, port = url[len("udp://") :].rpartition(":")
        self._host = host.strip("[]")
        self._port = int(port)
        self._socket = None
        self._buffer = bytearray(MAX_DATAGRAM_BYTES + 1)
        self._view = memoryview(self._buffer)

    def open(self):
        """Open the socket unless it is open. Raises OSError."""
        if self._socket is not None:
            return
        family, kind, proto, _, address = socket.getaddrinfo(
            self._host, self._port, 0, socket.SOCK_DGRAM
        )[0]
        self._socket = socket.socket(family, kind, proto)
        self._socket.setblocking(False)
        self._socket.connect(address)

    def close(self):
        """Close the socket, if it is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, datagram):
        """Send one datagram; one that cannot be sent now is lost. Returns False then."""
        if self._socket is None:
            return False
        try:
            self._socket.send(datagram)
        except OSError:
            return False
        return True

    async def receive(self):
        """Wait for a datagram; return a view of it, valid until the next call. Raises OSError."""
        while True:
            await _readable(self._socket)
            try:
                size = self._socket.readinto(self._buffer)
            except OSError as problem:
                # The gateway is not there (yet); the exchange's own timer deals with it.
                if problem.errno == errno.ECONNREFUSED:
                    continue
                raise
            if size:
                return self._view[:size]


async def _readable(sock):
    """Wait until the socket can be read (MicroPython's poller takes any stream object)."""
    yield asyncio.core._io_queue.queue_read(sock)
