"""The host clock: whole milliseconds since the epoch that never go back."""

import time

from msgin5g_host.clock import Clock, iso


def test_clock_starts_at_the_wall_clock() -> None:
    assert abs(Clock().now() - time.time() * 1000) < 1000
    assert isinstance(Clock().now(), int)


def test_clock_ignores_steps_of_the_wall_clock(monkeypatch) -> None:
    clock = Clock()
    before = clock.now()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert before <= clock.now() < before + 60_000


def test_clock_moves_with_the_monotonic_clock(monkeypatch) -> None:
    clock = Clock()
    before = clock.now()
    start = time.monotonic_ns()
    monkeypatch.setattr(time, "monotonic_ns", lambda: start + 5_000_000_000)
    assert 4_000 < clock.now() - before < 6_000


def test_iso_is_utc_with_milliseconds() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
