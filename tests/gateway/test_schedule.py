"""The three triggers of a bulk request, without the requests."""

import pytest

from msgin5g_gateway.schedule import Schedule


def test_nothing_is_due_without_requests():
    assert Schedule(3, 5000).due_at() is None


@pytest.mark.clause("6.3.4.3.2-n", "6.3.4.3.5-n")
@pytest.mark.parametrize(
    ("wait_ms", "leaves_ms"), [(0, 0), (1000, 900), (4000, 3600), (5000, 4500), (60_000, 59_500)]
)
def test_it_leaves_a_tenth_but_at_most_the_margin_before_the_per_ue_timer(wait_ms, leaves_ms):
    schedule = Schedule(3, 1_000_000)
    assert schedule.add(100, 100 + wait_ms, 100) == 100 + leaves_ms


def test_without_a_margin_it_leaves_when_the_timer_ends():
    assert Schedule(3, 1_000_000, margin_ms=0).add(0, 4000, 0) == 4000


def test_the_soonest_timer_counts():
    schedule = Schedule(3, 1_000_000)
    schedule.add(0, 10_000, 0)
    schedule.add(0, 2000, 0)
    schedule.add(0, 20_000, 0)
    assert schedule.due_at() == 1800


def test_the_periodic_timer_starts_with_the_first_request_and_is_not_pushed_back():
    schedule = Schedule(10, 5000)
    schedule.add(1000, 100_000, 1000)
    schedule.add(4000, 100_000, 4000)
    assert schedule.due_at() == 6000
    schedule.left(2, 0)
    assert schedule.due_at() is None
    schedule.add(9000, 100_000, 9000)
    assert schedule.due_at() == 14_000


def test_more_than_the_maximum_leave_at_once_the_maximum_itself_does_not():
    schedule = Schedule(2, 5000)
    assert schedule.add(0, 100_000, 0) == 5000
    assert schedule.add(10, 100_000, 10) == 5000
    assert schedule.add(20, 100_000, 20) == 20


def test_a_removed_request_does_not_count():
    schedule = Schedule(2, 5000)
    for now in range(50):
        schedule.add(now, 100_000, now)
        if now:
            schedule.remove()
    assert schedule.count == 1 and schedule.due_at() == 5000
    schedule.remove()
    assert schedule.due_at() is None


def test_a_request_that_came_back_is_looked_at_when_it_should():
    schedule = Schedule(2, 5000)
    schedule.back(8000)
    schedule.back(7000)
    assert (schedule.count, schedule.due_at()) == (2, 7000)


def test_those_that_stay_are_looked_at_again():
    schedule = Schedule(2, 5000)
    for now in range(3):
        schedule.add(now, 1000, now)
    schedule.left(2, 4000)
    assert (schedule.count, schedule.due_at()) == (1, 4000)
