"""A capture on disk: at most two files of MAX_CAPTURE_BYTES, the older one ends with `.1`.

A thread writes, for a disk may be slow, and the event loop has the links to serve.
"""

import asyncio
import contextlib
import os
import stat
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from msgin5g_host.capture import Capture
from msgin5g_host.capture_queue import CaptureQueue
from msgin5g_host.config import Settings
from msgin5g_host.log import EventLog

MAX_CAPTURE_BYTES = 64 << 20
_FLUSH_S = 0.2
_CLOSE_S = 2.0


class CaptureFile:
    """Write a capture to a file. A full disk ends it, with a line in the log, and nothing else.

    name: of the configuration's key, for errors. Raises OSError.
    """

    def __init__(
        self, path: str, capture: Capture, log: EventLog, name: str, limit: int = MAX_CAPTURE_BYTES
    ) -> None:
        self._path = Path(path)
        self._capture = capture
        self._log = log
        self._limit = limit
        self._size = 0
        self._flusher: asyncio.TimerHandle | None = None
        try:
            self._file: IO[bytes] = self._open()
        except OSError as problem:
            reason = problem.strerror or problem
            raise OSError(f"{name} {path}: {reason}; name another file with --capture") from None
        self._loop = asyncio.get_running_loop()
        self._waiting = CaptureQueue(capture, self._wake)
        self._is_open, self._is_writing = True, False
        # What the thread has to write, None for the end; and what went wrong there.
        self._jobs: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._problem: OSError | None = None
        self._writer = threading.Thread(target=self._run, name="capture", daemon=True)
        self._writer.start()
        capture.follow(self._waiting)

    def close(self) -> None:
        """End the capture."""
        if not self._is_open:
            return
        self._leave()
        self._jobs.put(self._waiting.all())
        self._jobs.put(None)
        self._writer.join(_CLOSE_S)
        if self._problem is not None:
            self._tell(self._problem.strerror or str(self._problem))
        elif self._writer.is_alive():
            self._tell("the disk does not answer")

    def _wake(self) -> None:
        if self._flusher is None and not self._is_writing:
            self._flusher = self._loop.call_later(_FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._flusher = None
        self._is_writing = True
        self._jobs.put(self._waiting.all())

    def _written(self) -> None:
        self._is_writing = False
        if not self._is_open:
            return
        if self._problem is not None:
            self._leave()
            self._tell(self._problem.strerror or str(self._problem))
        elif len(self._waiting):
            self._wake()

    def _leave(self) -> None:
        self._is_open = False
        self._capture.leave(self._waiting)
        if self._flusher is not None:
            self._flusher.cancel()

    def _tell(self, reason: str) -> None:
        self._log.event("capture-ended", file=str(self._path), reason=reason)

    # In the thread

    def _run(self) -> None:
        try:
            while (blocks := self._jobs.get()) is not None:
                for block in blocks:
                    self._write(block)
                self._file.flush()
                self._report()
            self._file.close()
        except OSError as problem:
            self._problem = problem
            # What is in its buffer cannot be written either.
            with contextlib.suppress(OSError):
                self._file.close()
            self._report()

    def _report(self) -> None:
        # The loop may be closed by then.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._written)

    def _write(self, block: bytes) -> None:
        """Write a block, into a new file if this one is full."""
        if self._size and self._size + len(block) > self._limit:
            self._file.close()
            self._file = self._open()
            block = self._capture.head() + block
        self._file.write(block)
        self._size += len(block)

    def _open(self) -> IO[bytes]:
        """Begin the file; what was there is kept as the older one."""
        path = self._path
        if path.exists():
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise OSError("is not a file")
            if found.st_size:
                path.replace(path.with_name(path.name + ".1"))
        self._size = 0
        # Messages of others are in it.
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        return os.fdopen(number, "wb")


def open_capture(
    settings: Settings, name: str, capture: Capture, log: EventLog
) -> CaptureFile | None:
    """Begin the capture that a key names, if it names one. Raises OSError."""
    path = settings[name]
    return CaptureFile(path, capture, log, name) if path else None
