"""Wrong credentials are slowed down: after a few, further guesses are not even looked at."""

from collections import OrderedDict
from collections.abc import Iterator

from msgin5g_host.fill import Fill

MAX_GUESSERS = 1_000
_FREE = 5
_FIRST_PAUSE_MS = 1_000
_LONGEST_PAUSE_MS = 60_000


class Throttle:
    """How often who has failed lately; at most MAX_GUESSERS are remembered, the oldest goes.

    A guesser is any hashable value, such as (host, Application ID): one that guesses does not
    shut out another that shares its address.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[object, tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("guessers", len(self._failures), MAX_GUESSERS)

    def is_closed(self, guesser: object, now: int) -> bool:
        """Tell whether this guesser has to wait."""
        failures = self._failures.get(guesser)
        return failures is not None and now < failures[1]

    def failed(self, guesser: object, now: int) -> int:
        """Note a wrong guess; return how long the next ones are refused unseen, in ms."""
        count = self._failures.pop(guesser, (0, 0))[0] + 1
        over = count - _FREE
        pause = 0 if over < 0 else min(_FIRST_PAUSE_MS << min(over, 16), _LONGEST_PAUSE_MS)
        self._failures[guesser] = count, now + pause
        if len(self._failures) > MAX_GUESSERS:
            self._failures.popitem(last=False)
        return pause

    def passed(self, guesser: object) -> None:
        """The right credential forgives."""
        self._failures.pop(guesser, None)
