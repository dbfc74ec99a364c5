"""Time on a board: milliseconds since the start, from a counter that wraps."""

import time


class Clock:
    """Accumulate `ticks_ms`; ask at least once per half of its period (a board: six days)."""

    def __init__(self):
        self._ticks = time.ticks_ms()
        self._now = 0

    def now(self):
        """Return milliseconds since the start; never goes back, never wraps."""
        ticks = time.ticks_ms()
        self._now += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._now
