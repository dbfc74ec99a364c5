"""How long something takes, counted in buckets."""

from bisect import bisect_left
from collections.abc import Iterator

BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_BOUNDS_MS = [int(bound * 1000) for bound in BOUNDS_S]


class Timings:
    """Counts durations; costs a search among the bounds, and keeps nothing else."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_MS) + 1)
        self.sum_ms = 0

    def note(self, took_ms: int) -> None:
        """Count one."""
        self._counts[bisect_left(_BOUNDS_MS, took_ms)] += 1
        self.sum_ms += took_ms

    def buckets(self) -> Iterator[tuple[str, int]]:
        """Yield (bound in seconds, how many took at most so long), "+Inf" last."""
        total = 0
        for bound, count in zip((*BOUNDS_S, "+Inf"), self._counts, strict=True):
            total += count
            yield str(bound), total
