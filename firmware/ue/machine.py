"""What every registration state machine of this firmware has: states, events, pauses."""

from ue.states import BACKOFF, COUNTERS, IDLE, REFUSED

_JITTER_PERCENT = 25


class Machine:
    """State, counters and event queue of a UE, and when it tries again.

    config: see `ue.config`; kept: a `Kept`; rng: a function of n returning an integer in [0, n).
    Events: ("state", name, info), ("message", "tx" or "rx", what, info), ("save", dict), those of
    `ue.postman.Postman`, and (name, info) for the log. The part that deals with messages is
    `messages()`; it is loaded when the first one comes or goes.
    """

    iface = "MSGin5G-6"
    max_frame_bytes = 1280
    # The application sends delivery reports itself.
    reports_itself = False

    def __init__(self, config, kept, rng):
        self.state = IDLE
        self.counters = {name: 0 for name in COUNTERS}
        self._config = config
        self._kept = kept
        self._rng = rng
        self._events = []
        self._is_dirty = False
        self._is_registered = False
        self._retry_at = None
        self._refresh_at = None
        self._failures = 0
        # The request without a final result: of a registration or a de-registration.
        self._open = None
        self._postman = None

    @property
    def wanted(self):
        """What was asked for last, across reboots: "registered", "deregistered" or None."""
        return self._kept.wanted

    def next_event(self):
        """Return the next event or None."""
        if self._is_dirty:
            self._is_dirty = False
            return ("save", self._kept.snapshot())
        return self._events.pop(0) if self._events else None

    def messages(self):
        """Return the `Postman` of this UE."""
        if self._postman is None:
            self._postman = self._make_postman()
        return self._postman

    def is_quiet(self):
        """Tell whether this UE is registered with nothing under way and no message that waits."""
        if not self._is_registered or not self._is_free():
            return False
        return not self._kept.outbox if self._postman is None else self._postman.is_idle()

    def emit(self, event):
        """Put an event into the queue."""
        self._events.append(event)

    def note(self, what, info):
        """Put the event of a message that came into the queue."""
        self._note(what, info)

    def save(self):
        """Have the state saved."""
        self._is_dirty = True

    def renew(self, now):
        """Register anew as soon as possible: somebody has forgotten this UE."""
        if self._is_registered and self._open is None:
            self._refresh_at = now

    def _make_postman(self):
        raise NotImplementedError

    def _post_due(self, now):
        """Let messages go; registration comes first."""
        may_send = self._is_registered and self._is_free()
        # A notification that comes before it is loaded would end its topic's subscription.
        if self._postman is not None or self._kept.topics or may_send and self._kept.outbox:
            self.messages().tick(may_send, now)

    def _post_deadline(self):
        """Return when `_post_due` has something to do, or None."""
        may_send = self._is_registered and self._is_free()
        if self._postman is not None:
            return self._postman.next_deadline(may_send)
        return 0 if self._kept.topics or may_send and self._kept.outbox else None

    def _is_free(self):
        """Tell whether no request of the registration is under way."""
        raise NotImplementedError

    def _is_talking(self):
        """Tell whether a message is under way: a request has to wait for its turn."""
        return self._postman is not None and self._postman.current is not None

    def _go(self, state, info=None):
        self.state = state
        self._events.append(("state", state, info or {}))

    def _sent(self, what, info):
        self._events.append(("message", "tx", what, info))

    def _note(self, what, info):
        self._events.append(("message", "rx", what, info))

    def _halt(self):
        """Nothing is under way and nothing is taken for granted."""
        raise NotImplementedError

    def _refuse(self, cause, now):
        """Somebody said no: try again, rarely."""
        self.counters["refusals"] += 1
        self._halt()
        self._failures = 0
        self._retry_at = now + self.spread(self._config["refused_retry_s"] * 1000)
        self._go(REFUSED, {"cause": cause})

    def _back_off(self, now, reason):
        """An outage: try again after a growing pause."""
        self.counters["outages"] += 1
        self._halt()
        longest_s = self._config["backoff_max_s"]
        delay_s = min(self._config["backoff_min_s"] << min(self._failures, 16), longest_s)
        self._failures += 1
        delay_ms = self.spread(delay_s * 1000)
        self._retry_at = now + delay_ms
        self._go(BACKOFF, {"reason": reason, "retry_s": delay_ms // 1000})

    def spread(self, delay_ms):
        """Return the delay plus or minus a quarter of it at random."""
        part = delay_ms * _JITTER_PERCENT // 100
        return delay_ms - part + self._rng(2 * part + 1)


def sooner(one, other):
    """Return the earlier of two times, either of which may be None."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
