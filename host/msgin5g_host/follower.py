"""Somebody who follows a journal: what it has not taken yet is bounded."""

from collections import deque
from collections.abc import Callable
from typing import Any

MAX_FOLLOWED = 1_000

Entry = dict[str, Any]


class Follower:
    """Somebody who is given every entry from here on. missed: how many did not fit.

    on_news is called when there is something to `take`.
    """

    def __init__(self) -> None:
        self.on_news: Callable[[], None] = lambda: None
        self.missed = 0
        self._waiting: deque[Entry] = deque()

    def put(self, entry: Entry) -> None:
        """Give it an entry; the oldest goes if it takes none."""
        self._waiting.append(entry)
        if len(self._waiting) > MAX_FOLLOWED:
            self._waiting.popleft()
            self.missed += 1
        self.on_news()

    def take(self) -> tuple[int, list[Entry]]:
        """Return (how many were missed, the entries after those)."""
        missed, self.missed = self.missed, 0
        found = list(self._waiting)
        self._waiting.clear()
        return missed, found
