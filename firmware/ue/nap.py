"""When a board that runs on a battery sleeps."""

from ue.states import BACKOFF, REFUSED

# What shows that somebody still speaks with this UE.
_SIGNS = ("state", "message", "sent", "received", "report", "response")


class Nap:
    """Due after `awake_ms` in which a UE that has nothing more to say heard nothing.

    In an outage or after a refusal it is due as well: the next try comes after the sleep, and what
    waits to be sent is in the state file.
    """

    def __init__(self, awake_ms, clock):
        self._awake_ms = awake_ms
        self._clock = clock
        self._heard_at = clock.now()

    def heard(self, name):
        """Take note of an event of the UE."""
        if name in _SIGNS:
            self._heard_at = self._clock.now()

    def is_due(self, ue):
        """Tell whether it is time to sleep."""
        if not ue.is_quiet and ue.state not in (BACKOFF, REFUSED):
            return False
        return self._clock.now() - self._heard_at >= self._awake_ms
