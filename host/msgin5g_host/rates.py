"""How much passes: a sample each second, for the plots of the page."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from msgin5g_host.clock import iso

STEP_S = 1
MAX_SAMPLES = 300
# Quantiles are of the deliveries of so many samples: a second alone has too few.
_WINDOW = 30
_MAX_DELIVERIES = 1_000

Sample = dict[str, Any]


class Rates:
    """The last MAX_SAMPLES samples. `delivered` hears how long each delivery took."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._before: Mapping[str, int] | None = None
        self._times: deque[tuple[int, int]] = deque(maxlen=_MAX_DELIVERIES)
        self._count = 0

    def delivered(self, took_ms: int) -> None:
        """Note a delivery."""
        self._times.append((self._count, took_ms))

    def sample(self, totals: Mapping[str, int], queue: int, now: int) -> Sample:
        """Take a sample. totals: counters that only grow; the sample has what they grew by."""
        before, self._before = self._before or totals, dict(totals)
        self._count += 1
        while self._times and self._times[0][0] < self._count - _WINDOW:
            self._times.popleft()
        times = sorted(took for _, took in self._times)
        grown = {name: max(value - before.get(name, 0), 0) for name, value in totals.items()}
        made = {
            **{"t": iso(now), **grown},
            **{"p50_ms": _quantile(times, 50), "p99_ms": _quantile(times, 99), "queue": queue},
        }
        self.samples.append(made)
        return made


def _quantile(times: list[int], percent: int) -> int | None:
    return times[(len(times) * percent - 1) // 100] if times else None
