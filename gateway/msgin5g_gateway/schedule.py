"""When cached requests of one kind leave (6.3.4.3.2, 6.3.4.3.5): three triggers."""

_MARGIN_PERMILLE = 100


class Schedule:
    """The per-UE timers, the periodic timer and the maximum count of one kind of request.

    margin_ms: at most so long before the end of a per-UE timer the requests leave.
    """

    def __init__(self, max_requests: int, interval_ms: int, margin_ms: int = 500) -> None:
        self.count = 0
        self._max_requests = max_requests
        self._interval_ms = interval_ms
        self._margin_ms = margin_ms
        self._soonest: int | None = None

    def add(self, received_ms: int, due_ms: int, now: int) -> int:
        """Count a cached request whose per-UE timer ends at `due_ms`; return when it leaves.

        A bulk request leaves a little before the timer ends, so that the server's answer can be
        back in the time that the UE allowed (6.3.4.3.2, NOTE).
        """
        self.count += 1
        wait_ms = max(due_ms - received_ms, 0)
        leave = due_ms - min(wait_ms * _MARGIN_PERMILLE // 1000, self._margin_ms)
        if self._soonest is None:
            self._soonest = now + self._interval_ms
        self._soonest = min(self._soonest, leave)
        if self.count > self._max_requests:
            self._soonest = min(self._soonest, now)
        return self._soonest

    def remove(self) -> None:
        """One cached request is gone without having left: replaced or superseded."""
        self.count -= 1
        if self.count == 0:
            self._soonest = None

    def back(self, until_ms: int) -> None:
        """One request that had left is cached again; look at it at `until_ms`."""
        self.count += 1
        self._soonest = until_ms if self._soonest is None else min(self._soonest, until_ms)

    def due_at(self) -> int | None:
        """Return when the cached requests leave, or None if there are none."""
        return self._soonest

    def left(self, leaving: int, again_ms: int) -> None:
        """So many cached requests leave; look at `again_ms` at those that stay, if any."""
        self.count -= leaving
        self._soonest = again_ms if self.count else None
