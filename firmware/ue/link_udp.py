"""The UDP link: one connected socket, awaited through the asyncio poller, without polling."""

import asyncio
import errno
import socket

MAX_DATAGRAM_BYTES = 1280


class UdpLink:
    """A link to the gateway. url: udp://host:port. Raises ValueError for any other."""

    name = "udp"
    max_frame_bytes = MAX_DATAGRAM_BYTES

    def __init__(self, url):
        scheme, _, rest = url.partition("://")
        host, _, port = rest.rpartition(":")
        if scheme != "udp" or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("%s: udp://HOST:PORT is wanted" % url)
        self._host = host.strip("[]")
        self._port = int(port)
        self._socket = None

    def open(self):
        """Open the socket unless it is open. Raises OSError, say while there is no network."""
        if self._socket is not None:
            return
        family, kind, proto, _, address = socket.getaddrinfo(
            self._host, self._port, 0, socket.SOCK_DGRAM
        )[0]
        sock = socket.socket(family, kind, proto)
        try:
            sock.setblocking(False)
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        self._socket = sock

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
        """Wait for a datagram and return it. Raises OSError.

        `recv` and not `readinto`: the latter goes on reading until its buffer is full and would
        join two datagrams that wait in the queue.
        """
        while True:
            await _readable(self._socket)
            try:
                return self._socket.recv(MAX_DATAGRAM_BYTES + 1)
            except OSError as problem:
                # Refused: the gateway is not there (yet), the exchange's own timer deals with it.
                if problem.errno not in (errno.ECONNREFUSED, errno.EAGAIN):
                    raise


async def _readable(sock):
    """Wait until the socket can be read (MicroPython's poller takes any stream object)."""
    yield asyncio.core._io_queue.queue_read(sock)  # type: ignore[attr-defined]
