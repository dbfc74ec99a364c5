"""Checks of what only messages and reports have (7.3.4, 7.3.6); each returns the value or raises.

What is raised is BadMessage.
"""

from msgin5g import checks
from msgin5g import names as n
from msgin5g.limits import MAX_RANGES, MAX_SEGMENTS
from msgin5g.message_types import Segment
from msgin5g.payload_errors import BadMessage

OBJECT = "an object is wanted"
_UUID_DASHES = (8, 13, 18, 23)


def uuid(value, key):
    """A UUID in its text form; returned in lower case."""
    checks.text(value, key)
    good = len(value) == 36
    for at in range(36 if good else 0):
        char = value[at]
        if at in _UUID_DASHES:
            good = good and char == "-"
        else:
            good = good and ("0" <= char <= "9" or "a" <= char <= "f" or "A" <= char <= "F")
    if not good:
        raise BadMessage(key, "a UUID is wanted")
    return value.lower()


def address(value, key, type_key, known):
    """Return (type, text) of an address object."""
    found = value.get(key)
    if found.__class__ is not dict:
        raise BadMessage(key, "missing" if found is None else OBJECT)
    kind = found.get(type_key)
    if kind not in known:
        raise BadMessage(key + "." + type_key, "one of %s is wanted" % ", ".join(known))
    text = found.get(n.ADDR)
    # Areas and topics are strings (TS 23.554 6), the others URIs.
    check = checks.text if kind in (n.BC, n.TOPIC) else checks.uri
    return kind, check(text, key + "." + n.ADDR)


def truth(value, key):
    """A boolean, or the strings "true" and "false" that the schemas print in places."""
    if value == "true":
        return True
    if value == "false":
        return False
    return checks.boolean(value, key)


def segment(value):
    """Return the Segment that `segParams` describes."""
    if value.__class__ is not dict:
        raise BadMessage(n.SEG_PARAMS, "missing" if value is None else OBJECT)
    prefix = n.SEG_PARAMS + "."
    set_id = checks.text(value.get(n.SEG_ID), prefix + n.SEG_ID)
    number = _count(value.get(n.SEG_NUMB), prefix + n.SEG_NUMB, 0)
    total = None
    if n.TOTAL_SEG_COUNT in value:
        total = _count(value[n.TOTAL_SEG_COUNT], prefix + n.TOTAL_SEG_COUNT, 1)
        if number > total:
            raise BadMessage(prefix + n.SEG_NUMB, "above %s" % n.TOTAL_SEG_COUNT)
    last = False
    if n.LAST_SEG_FLAG in value:
        last = truth(value[n.LAST_SEG_FLAG], prefix + n.LAST_SEG_FLAG)
    return Segment(set_id, number, total, last)


def parse_ranges(value):
    """Return [(first, last), ...] of a `segNoList` such as "(5-7, 10-10)", ascending and apart.

    Parentheses and spaces may be missing, a single number may stand alone, and a JSON array of
    either is taken as well. No number comes out twice: what is asked for is sent once. Raises
    BadMessage.
    """
    if value.__class__ is list:
        items = [str(one) for one in value]
    elif value.__class__ is str:
        items = value.strip(" ").lstrip("(").rstrip(")").split(",")
    else:
        raise BadMessage(n.SEG_NO_LIST, "missing" if value is None else "a string is wanted")
    if not 0 < len(items) <= MAX_RANGES:
        raise BadMessage(n.SEG_NO_LIST, "1 to %d ranges are wanted" % MAX_RANGES)
    ranges = []
    for item in items:
        first, dash, last = item.partition("-")
        first, last = _small(first), _small(last if dash else first)
        if first is None or last is None or first > last:
            raise BadMessage(n.SEG_NO_LIST, "ranges such as (5-7, 10-10) are wanted")
        ranges.append((first, last))
    ranges.sort()
    apart = ranges[:1]
    for first, last in ranges[1:]:
        if first > apart[-1][1] + 1:
            apart.append((first, last))
        elif last > apart[-1][1]:
            apart[-1] = (apart[-1][0], last)
    return apart


def _count(value, key, least):
    if value.__class__ is not int or not least <= value <= MAX_SEGMENTS:
        raise BadMessage(key, "a number from %d to %d is wanted" % (least, MAX_SEGMENTS))
    return value


def _small(text):
    """Return the number in a text, None unless it is a segment's."""
    text = text.strip(" ")
    if not text or len(text) > 5:
        return None
    for char in text:
        if not "0" <= char <= "9":
            return None
    number = int(text)
    return number if number <= MAX_SEGMENTS else None
