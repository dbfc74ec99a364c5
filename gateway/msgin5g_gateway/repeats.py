"""What a UE has not acknowledged is sent again: three attempts, after growing pauses."""

from collections.abc import Callable
from typing import Any

_MAX_ATTEMPTS = 3
_FIRST_PAUSE_MS = 5_000
_NO_ROOM = "no room"
_NO_ROOM_PAUSE_MS = 1_000


class Repeats:
    """Rows that are sent again, each at its time, by send(row, now).

    A row has `attempts`, which `send` counts up.
    """

    def __init__(self, send: Callable[[Any, int], None]) -> None:
        self._send = send
        self._again: dict[Any, int] = {}

    def failed(self, row: Any, reason: str, now: int) -> bool:
        """The UE did not answer: tells whether it is sent again."""
        if reason == _NO_ROOM:
            # Nothing was sent: others wait for the same peer.
            row.attempts -= 1
            self._again[row] = now + _NO_ROOM_PAUSE_MS
            return True
        if row.attempts >= _MAX_ATTEMPTS:
            return False
        self._again[row] = now + (_FIRST_PAUSE_MS << (row.attempts - 1))
        return True

    def forget(self, row: Any) -> None:
        """Do not send it again."""
        self._again.pop(row, None)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return min(self._again.values(), default=None)

    def poll(self, now: int) -> None:
        """Send again what is due."""
        for row in [row for row, at in self._again.items() if now >= at]:
            del self._again[row]
            self._send(row, now)
