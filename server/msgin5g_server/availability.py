"""When a UE wants to be reached: its communication availability (6.3.1.1.1, 6.4.1.2.6)."""

import re
from typing import Any

from msgin5g import names as n
from msgin5g.moments import parse_date_time
from msgin5g.payload_errors import BadMessage

_DURATION = re.compile(
    r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?\Z"
)
_SECONDS = (604_800, 86_400, 3_600, 60, 1)


def opens_at(profile: dict[str, Any] | None, now: int) -> int | None:
    """Return when a UE can be reached: `now`, a later time in ms, or None for never again.

    A UE that gave no availability, or one that makes no sense, can always be reached.
    """
    given = (profile or {}).get(n.COM_AVAIL)
    if not given:
        return now
    try:
        start = parse_date_time(given[n.SCH_TIME], n.SCH_TIME)
        length = _length_ms(given[n.DUR_TIME], start)
        period = _length_ms(given[n.PERI_INTERVAL], start) if given.get(n.PERI_INDI) else 0
    except (BadMessage, KeyError):
        return now
    if length <= 0:
        return now
    if now < start:
        return start
    if period <= 0:
        return now if now < start + length else None
    since = (now - start) % period
    return now if since < length else now + period - since


def opts_out(profile: dict[str, Any] | None) -> bool:
    """Tell whether a UE does not want messages stored for it."""
    return n.STORE_FORWARD in ((profile or {}).get(n.COM_AVAIL) or {})


def _length_ms(text: str, start: int) -> int:
    """Return a period of `check_profile`: seconds, an ISO 8601 duration, or the moment it ends."""
    if text.isdigit():
        return int(text) * 1000
    found = _DURATION.match(text)
    if found:
        parts = zip(found.groups(), _SECONDS, strict=True)
        return int(sum(float(count) * unit for count, unit in parts if count) * 1000)
    return parse_date_time(text, n.DUR_TIME) - start
