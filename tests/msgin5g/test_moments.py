"""Date-times of RFC 3339, compared with Python's own."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from msgin5g.errors import CallerError
from msgin5g.moments import format_date_time, parse_date_time
from msgin5g.payload_errors import BadMessage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
LAST_MS = 253402300799999
DAY_MS = 86_400_000


def parse(text):
    return parse_date_time(text, "key")


def reference(moment_ms):
    text = (EPOCH + moment_ms * MILLISECOND).isoformat(timespec="milliseconds")
    return text.replace(".000", "").replace("+00:00", "Z")


@settings(deadline=None)
@given(st.integers(0, LAST_MS))
@example(0)
@example(LAST_MS)
@example(951_782_400_000)  # 2000-02-29
@example(4_107_542_399_999)  # the end of February 2100, which has 28 days
def test_there_and_back(moment_ms):
    text = format_date_time(moment_ms)
    assert text == reference(moment_ms)
    assert parse(text) == moment_ms


def test_every_day_until_2401():
    """Four hundred years and more, each day once: the calendar repeats after 400."""
    for moment_ms in range(0, 431 * 366 * DAY_MS, DAY_MS):
        text = format_date_time(moment_ms)
        assert text == reference(moment_ms)
        assert parse(text) == moment_ms


offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)),
    offsets,
    st.integers(0, 12),
    st.sampled_from("Tt"),
)
def test_offsets_and_fractions(moment, offset_minutes, digits, between):
    zone = timezone(timedelta(minutes=offset_minutes))
    fraction = f"{moment.microsecond:06}000000"[:digits]
    text = moment.strftime(f"%Y-%m-%d{between}%H:%M:%S") + ("." + fraction if digits else "")
    sign = "-" if offset_minutes < 0 else "+"
    text += f"{sign}{abs(offset_minutes) // 60:02}:{abs(offset_minutes) % 60:02}"
    kept = int(f"{fraction}000"[:3]) if digits else 0
    wanted = moment.replace(microsecond=1000 * kept, tzinfo=zone)
    assert parse(text) == (wanted - EPOCH) // MILLISECOND


def is_date_time(year, month, day, hour, minute, second):
    try:
        datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return False
    return year >= 1970 and second <= 60


@settings(deadline=None)
@given(
    st.tuples(
        st.integers(1960, 2110) | st.integers(0, 9999),
        st.integers(0, 13),
        st.integers(0, 32),
        st.integers(0, 24),
        st.integers(0, 60),
        st.integers(0, 61),
    )
)
def test_days_and_times_that_do_not_exist(numbers):
    text = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*numbers)
    if is_date_time(*numbers):
        *front, second = numbers
        moment = datetime(*front, min(second, 59), tzinfo=UTC)
        assert parse(text) == (moment - EPOCH) // MILLISECOND
        return
    with pytest.raises(BadMessage, match="key: a date-time"):
        parse(text)


NOISE = st.sampled_from("0123456789-+:.TtZz \u0660\u00b2") | st.characters()


@settings(deadline=None)
@given(st.lists(NOISE, max_size=30).map("".join))
def test_any_text(text):
    try:
        moment_ms = parse(text)
    except BadMessage:
        return
    assert 0 <= moment_ms <= LAST_MS


@settings(deadline=None)
@given(st.integers(0, 29), NOISE)
def test_one_character_is_another(at, character):
    text = "2026-01-31T08:00:00.123+01:00"
    text = text[:at] + character + text[at + 1 :]
    try:
        moment_ms = parse(text)
    except BadMessage:
        return
    if text[17:19] == "60":
        text = text.replace(":60", ":59")
    assert datetime.fromisoformat(text.upper()) == EPOCH + moment_ms * MILLISECOND


@pytest.mark.parametrize(
    "value", [None, True, 5, 5.5, {}, {4: "-"}, [], ["2026-01-31T08:00:00Z"], b"", ()]
)
def test_what_is_no_text(value):
    with pytest.raises(BadMessage):
        parse(value)


@pytest.mark.parametrize("moment_ms", [-1, LAST_MS + 1, -(10**30), 10**30])
def test_the_caller_did_wrong(moment_ms):
    with pytest.raises(CallerError, match="1970 to 9999"):
        format_date_time(moment_ms)
