"""Time for programs on CPython: whole milliseconds since the epoch that never go back."""

import time
from datetime import UTC, datetime


class Clock:
    """The wall clock as it was at the start, moved on by the monotonic clock.

    A step of the system clock changes nothing while the program runs; a restart picks it up.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        """Return milliseconds since the epoch."""
        return (time.monotonic_ns() + self._offset_ns) // 1_000_000


def iso(now_ms: int) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now_ms % 1000:03d}Z"
