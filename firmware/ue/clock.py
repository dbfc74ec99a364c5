"""Time on a board: milliseconds since the start, from a counter that wraps."""

import time

_YEAR = 2024  # a clock that says less was never set
_FROM_2000_MS = 946684800000


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

    def unix_ms(self, later_ms=0):
        """Return the time in milliseconds since 1970, or None if nobody has set the clock."""
        if time.gmtime()[0] < _YEAR:
            return None
        # Boards count from 2000, the Unix port from 1970.
        start_ms = _FROM_2000_MS if time.gmtime(0)[0] == 2000 else 0
        return time.time() * 1000 + start_ms + int(later_ms)
