"""The serial link: one device at the far end of a cable, COBS frames with a CRC.

Survives the cable and the device: a port that goes away is opened again when it is back.
"""

import asyncio
import errno
import os
import random
import termios
from collections.abc import Callable
from typing import Any

from msgin5g.serial_framing import END, Deframer, encode
from msgin5g_gateway.carriers import LinkUnavailable
from msgin5g_host.serial_url import SerialUrl, parse_serial

MAX_FRAME_BYTES = 1280
# 1.4 s of a line at 115200 baud; what waits longer has been repeated by then.
MAX_QUEUED_BYTES = 16 * 1024
REOPEN_MIN_S = 0.5
REOPEN_MAX_S = 30.0

_READ_BYTES = 4096
_ABSENT = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO)


class SerialCarrier:
    """Carries frames over one serial port; see `Carrier`. Its one peer is the URL without query.

    counters: those of `Deframer`; `sent`; `dropped_down` and `dropped_full`: frames that found
    the port closed or the queue full; `dropped_too_long`; `lost`: how often an open port was.
    """

    scheme = "serial"
    max_frame_bytes = MAX_FRAME_BYTES

    def __init__(
        self,
        url: str,
        on_frame: Callable[[str, bytes], None],
        on_event: Callable[[str, dict[str, object]], None],
    ) -> None:
        self._line = parse_serial(url)
        self._peer = self._line.identifier
        self._url = url
        # Told at the start, and not when the cable is in.
        _pyserial(url)
        self._on_frame = on_frame
        self._on_event = on_event
        self._deframer = Deframer(MAX_FRAME_BYTES)
        self.counters: dict[str, int] = self._deframer.counters
        self.counters.update(sent=0, dropped_down=0, dropped_full=0, dropped_too_long=0, lost=0)
        self._port: Any = None
        self._queue = bytearray()
        self._is_writing = False
        self._down: asyncio.Future[str] | None = None
        self._has_heard = False

    @property
    def url(self) -> str:
        return self._url

    def reaches(self, identifier: str) -> bool:
        """Tell whether the identifier is that of the device at the far end."""
        return identifier == self._peer

    async def run(self) -> None:
        """Keep the port open until cancelled; tells "link-up" and "link-lost"."""
        told = ""
        pause_s = REOPEN_MIN_S
        try:
            while True:
                try:
                    # In a thread: a port with a sick device may take seconds to answer.
                    port = await asyncio.to_thread(_open, self._line)
                except (OSError, termios.error) as problem:
                    kind, reason = _why(problem, self._line.path)
                    if kind != told:
                        self._on_event("link-lost", {"peer": self._peer, "reason": reason})
                        told = kind
                else:
                    lost = await self._carry(port)
                    self.counters["lost"] += 1
                    self._on_event("link-lost", {"peer": self._peer, "reason": lost})
                    told = "absent"
                    if self._has_heard:
                        pause_s = REOPEN_MIN_S
                # Looking for a port that is not there costs nothing, asking one that refuses does.
                if not os.path.exists(self._line.path):
                    pause_s = REOPEN_MIN_S
                # Between 500 ms and 30 s, never in step with another gateway's.
                await asyncio.sleep(random.uniform(pause_s, min(1.5 * pause_s, REOPEN_MAX_S)))
                pause_s = min(2 * pause_s, REOPEN_MAX_S / 1.5)
        finally:
            self.close()

    def send(self, peer: str, frame: bytes) -> bool:
        """Send a frame, or queue it; False when it was dropped, which `counters` tells."""
        if self._port is None or peer != self._peer:
            self.counters["dropped_down"] += 1
            return False
        if not 0 < len(frame) <= MAX_FRAME_BYTES:
            self.counters["dropped_too_long"] += 1
            return False
        data = encode(frame)
        if len(self._queue) + len(data) > MAX_QUEUED_BYTES:
            self.counters["dropped_full"] += 1
            return False
        self._queue += data
        self.counters["sent"] += 1
        if not self._is_writing:
            self._write()
        return True

    def close(self) -> None:
        """Close the port; what was not sent yet is dropped."""
        port, self._port = self._port, None
        if port is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(port.fileno())
        loop.remove_writer(port.fileno())
        self._is_writing = False
        self._queue.clear()
        self._deframer.reset()
        _close(port)

    async def _carry(self, port: Any) -> str:
        """Carry frames until the port is lost; returns why."""
        loop = asyncio.get_running_loop()
        self._port = port
        self._has_heard = False
        self._down = loop.create_future()
        # Ends what the device took in before the port was lost.
        self._queue += END
        loop.add_reader(port.fileno(), self._read)
        self._write()
        if self._port is not None:
            self._on_event("link-up", {"peer": self._peer, "baud": self._line.baud})
        return await self._down

    def _read(self) -> None:
        try:
            data = os.read(self._port.fileno(), _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._lose(problem)
            return
        if not data:
            # It was readable and there is nothing: the device is gone.
            self._lose(None)
            return
        self._has_heard = True
        self._deframer.feed(data)
        # on_frame may close the carrier.
        while self._port is not None and (frame := self._deframer.next_frame()) is not None:
            self._on_frame(self._peer, frame)

    def _write(self) -> None:
        fd = self._port.fileno()
        try:
            del self._queue[: os.write(fd, self._queue)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as problem:
            self._lose(problem)
            return
        loop = asyncio.get_running_loop()
        if self._queue and not self._is_writing:
            loop.add_writer(fd, self._write)
        elif self._is_writing and not self._queue:
            loop.remove_writer(fd)
        self._is_writing = bool(self._queue)

    def _lose(self, problem: OSError | None) -> None:
        self.close()
        why = f": {problem.strerror}" if problem is not None and problem.strerror else ""
        if self._down is not None and not self._down.done():
            self._down.set_result(f"{self._line.path} went away{why}")


def _pyserial(url: str) -> Any:
    try:
        import serial
    except ImportError:
        raise LinkUnavailable(
            f"{url}: pyserial is not installed; type: pip install 'msgin5g[serial]'"
        ) from None
    return serial


def _open(line: SerialUrl) -> Any:
    """Open the port, without blocking it. Raises OSError, termios.error."""
    port = _pyserial(line.identifier).Serial(timeout=0, exclusive=True)
    port.port, port.baudrate = line.path, line.baud
    # The kernel asserts DTR and RTS on open. On ESP32 boards RTS alone means reset, so that RTS
    # goes first; pyserial's open would drop DTR before it, unless it believes in DSR/DTR.
    port.rts = line.dtr
    port.dsrdtr = True
    port.open()
    try:
        if not line.dtr:
            port.dtr = False
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.ENOTTY):  # a line without modem control
            port.close()
            raise
    return port


def _close(port: Any) -> None:
    try:
        # Or closing waits until a slow line has taken it all.
        port.reset_output_buffer()
    except (OSError, termios.error):
        pass
    finally:
        port.close()


def _why(problem: Exception, path: str) -> tuple[str, str]:
    """Return (kind, reason): the kind is what must change for a second event."""
    number = getattr(problem, "errno", None) or (problem.args[0] if problem.args else None)
    if number in _ABSENT:
        return "absent", f"{path}: no such device; is it plugged in?"
    if number in (errno.EACCES, errno.EPERM):
        return (
            "refused",
            f"{path}: permission refused; let the gateway's user in: sudo adduser USER dialout",
        )
    if number in (errno.EAGAIN, errno.EBUSY):
        return "taken", f"{path}: another program has the port open; stop it, perhaps a gateway"
    if isinstance(problem, LinkUnavailable):
        return "unavailable", str(problem)
    return f"other {number}", f"{path}: cannot be used as a serial line: {problem}"
