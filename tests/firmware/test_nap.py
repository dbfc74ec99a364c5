"""When a board goes to sleep: nothing to say, nothing heard, or nobody there."""

from ue.nap import Nap
from ue.states import BACKOFF, REFUSED, REGISTERED, WAITING


class Clock:
    ms = 0

    def now(self):
        return self.ms


class Ue:
    state = REGISTERED
    is_quiet = True


def nap(awake_ms=5000):
    clock = Clock()
    return Nap(awake_ms, clock), clock, Ue()


def test_it_is_due_after_a_while_without_an_event():
    made, clock, ue = nap()
    clock.ms = 4999
    assert not made.is_due(ue)
    made.heard("received")
    clock.ms = 9998
    assert not made.is_due(ue)
    clock.ms = 9999
    assert made.is_due(ue)


def test_a_lost_link_keeps_nobody_awake():
    made, clock, ue = nap()
    clock.ms = 4000
    for name in ("link-lost", "wifi", "storage"):
        made.heard(name)
    clock.ms = 5000
    assert made.is_due(ue)


def test_it_waits_for_what_is_under_way_and_not_for_a_gateway_that_is_away():
    made, clock, ue = nap()
    clock.ms, ue.is_quiet = 60_000, False
    assert not made.is_due(ue)
    ue.state = WAITING
    assert not made.is_due(ue)
    for ue.state in (BACKOFF, REFUSED):
        assert made.is_due(ue)
