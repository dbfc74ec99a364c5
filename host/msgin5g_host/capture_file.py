"""A capture on disk: at most two files of MAX_CAPTURE_BYTES, the older one ends with `.1`."""

import asyncio
import os
import stat
from pathlib import Path
from typing import IO

from msgin5g_host.capture import Capture
from msgin5g_host.config import Settings
from msgin5g_host.log import EventLog

MAX_CAPTURE_BYTES = 64 << 20
_FLUSH_S = 0.2


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
            self._file: IO[bytes] | None = self._open()
        except OSError as problem:
            reason = problem.strerror or problem
            raise OSError(f"{name} {path}: {reason}; name another file with --capture") from None
        capture.follow(self)

    def take(self, block: bytes) -> None:
        """Write a block, into a new file if this one is full."""
        if self._file is None:
            return
        try:
            if self._size and self._size + len(block) > self._limit:
                self._file.close()
                self._file = self._open()
                self._write(self._capture.head())
            self._write(block)
        except OSError as problem:
            self._give_up(problem)

    def close(self) -> None:
        """End the capture."""
        self._capture.leave(self)
        if self._flusher is not None:
            self._flusher.cancel()
        if self._file is not None:
            try:
                self._file.close()
            except OSError as problem:
                self._log.event("capture-ended", file=str(self._path), reason=problem.strerror)
            self._file = None

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

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self._size += len(data)
        if self._flusher is None:
            loop = asyncio.get_running_loop()
            self._flusher = loop.call_later(_FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._flusher = None
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as problem:
                self._give_up(problem)

    def _give_up(self, problem: OSError) -> None:
        reason = problem.strerror or str(problem)
        self._log.event("capture-ended", file=str(self._path), reason=reason)
        self._capture.leave(self)
        file, self._file = self._file, None
        if file is not None:
            # What is in its buffer cannot be written either.
            try:
                file.close()
            except OSError:
                return


def open_capture(
    settings: Settings, name: str, capture: Capture, log: EventLog
) -> CaptureFile | None:
    """Begin the capture that a key names, if it names one. Raises OSError."""
    path = settings[name]
    return CaptureFile(path, capture, log, name) if path else None
