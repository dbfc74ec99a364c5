"""Date-times of clause 7 (RFC 3339) to milliseconds since 1970 and back, without a library."""

from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage

_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# 9999-12-31T23:59:59.999Z: years have four digits.
_LAST_MS = 253402300799999


def parse_date_time(text, key):
    """Return milliseconds since 1970 of a text such as 2026-01-31T08:00:00.5+01:00.

    A zone is wanted, as RFC 3339 has it; a leap second counts as the second before it. The moment
    is one that `format_date_time` writes. Raises BadMessage.
    """
    try:
        if text.__class__ is str:
            moment_ms = _parse(text)
            if 0 <= moment_ms <= _LAST_MS:
                return moment_ms
    except (ValueError, IndexError):
        pass
    raise BadMessage(key, "a date-time such as 2026-01-31T08:00:00Z is wanted")


def format_date_time(moment_ms):
    """Return the text of a moment, with milliseconds only where there are some.

    Raises CallerError for one before 1970 or after 9999.
    """
    if not 0 <= moment_ms <= _LAST_MS:
        raise CallerError("a moment from 1970 to 9999 is wanted")
    seconds, fraction = moment_ms // 1000, moment_ms % 1000
    days, rest = seconds // 86400, seconds % 86400
    year, month, day = _civil(days)
    text = "%04d-%02d-%02dT" % (year, month, day)
    text += "%02d:%02d:%02d" % (rest // 3600, rest // 60 % 60, rest % 60)
    return text + (".%03dZ" % fraction if fraction else "Z")


def _parse(text):
    if text[4] + text[7] + text[10].upper() + text[13] + text[16] != "--T::":
        raise ValueError
    year, month, day = _number(text[:4]), _number(text[5:7]), _number(text[8:10])
    hour, minute, second = _number(text[11:13]), _number(text[14:16]), _number(text[17:19])
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month] + leap:
        raise ValueError
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError
    at = 19
    fraction_ms = 0
    if text[at] == ".":
        end = at + 1
        while "0" <= text[end] <= "9":
            end += 1
        digits = text[at + 1 : end]
        if not digits:
            raise ValueError
        fraction_ms = int((digits + "00")[:3])
        at = end
    zone = text[at:]
    offset_s = 0
    if zone.upper() != "Z":
        if len(zone) != 6 or zone[3] != ":" or zone[0] not in "+-":
            raise ValueError
        hours, minutes = _number(zone[1:3]), _number(zone[4:])
        if hours > 23 or minutes > 59:
            raise ValueError
        offset_s = (hours * 3600 + minutes * 60) * (1 if zone[0] == "+" else -1)
    seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + min(second, 59)
    return (seconds - offset_s) * 1000 + fraction_ms


def _number(text):
    for char in text:
        if not "0" <= char <= "9":
            raise ValueError
    return int(text)


def _days(year, month, day):
    """Return the days from 1970-01-01; years begin in March, so that a leap day comes last."""
    year -= month < 3
    in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_year - 719468


def _civil(days):
    """Return (year, month, day) of the days from 1970-01-01; the inverse of `_days`."""
    days += 719468
    era, in_era = days // 146097, days % 146097
    year = (in_era - in_era // 1460 + in_era // 36524 - in_era // 146096) // 365
    in_year = in_era - (365 * year + year // 4 - year // 100)
    month = (5 * in_year + 2) // 153
    day = in_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year + era * 400 + (month < 3), month, day
