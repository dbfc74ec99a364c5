"""What became of the messages that passed, and how long they took."""

from collections import Counter

from msgin5g_host.timings import Timings

UP, DOWN = "up", "down"
PASSED_ON, KEPT, FULL = "passed on", "kept", "full"
DELIVERED, FAILED, UNKNOWN = "delivered", "failed", "unknown"
# In place of a Message Type: what a device of MSGin5G-5 is handed.
DEVICE = "DEVICE"


class Traffic:
    """Counts by (direction, type, result); `took` has the times of those that arrived."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.took = {UP: Timings(), DOWN: Timings()}

    def note(self, direction: str, kind: str, result: str, took_ms: int | None = None) -> None:
        """Count a message."""
        self.counts[direction, kind, result] += 1
        if took_ms is not None:
            self.took[direction].note(took_ms)
