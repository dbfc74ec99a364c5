"""What doctor says of clocks."""

import pytest

from msgin5g_tools.doctor import clock

INSTALLED_S = 1_790_000_000.0
HOUR_S, YEAR_S = 3600, 365 * 86_400


@pytest.mark.parametrize(
    ("now_s", "synchronized", "state", "found"),
    [
        (INSTALLED_S + HOUR_S, True, "ok", ", synchronized"),
        (INSTALLED_S + HOUR_S, None, "ok", "cannot be told here"),
        (INSTALLED_S + HOUR_S, False, "note", "not synchronized"),
        (INSTALLED_S - HOUR_S, True, "ok", ", synchronized"),
        (0, True, "note", "it says 1970-01-01 00:00:00 UTC, which cannot be"),
        (INSTALLED_S - YEAR_S, True, "note", "which cannot be"),
        (INSTALLED_S + 30 * YEAR_S, True, "note", "which cannot be"),
    ],
)
def test_a_clock_is_judged(now_s, synchronized, state, found):
    finding = clock.judge(now_s, INSTALLED_S, synchronized)
    assert finding.state == state and found in finding.found
    assert bool(finding.do) == (state != "ok")


def test_the_kernel_knows_whether_it_is_synchronized():
    assert clock.is_synchronized() in (True, False)
    assert [one.what for one in clock.examine()] == ["clock"]
