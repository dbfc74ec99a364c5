"""Parsers of messages and reports (7.3.4, 7.3.6), with the tolerances their schemas call for."""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.errors import BadMessage, UnsupportedType
from msgin5g.jsontext import loads
from msgin5g.limits import (
    MAX_AGGREGATED,
    MAX_APPLICATIONS,
    MAX_PAYLOAD_BYTES,
    MAX_RANGES,
    MAX_SEGMENTS,
    MAX_URI_BYTES,
)
from msgin5g.moments import parse_date_time

_OBJECT = "an object is wanted"
_ORIGINS = (n.UE, n.AS)
_DESTINATIONS = (n.UE, n.AS, n.GROUP, n.BC, n.TOPIC)
_PRIORITY = {
    n.HIGH: n.HIGH,
    n.NORMAL: n.NORMAL,
    n.LOW: n.LOW,
    # Annex A and TS 29.538 have other names for the middle one.
    "MEDIUM": n.NORMAL,
    "MIDDLE": n.NORMAL,
}
_UUID_DASHES = (8, 13, 18, 23)


class Message:
    """A message of the family; which attributes are set depends on `msg_type`.

    origin, destination: (type, text); recipient: UE Service ID of the member that a group or topic
    message goes to; applications: list of Application IDs as text; payload: text; expires_ms:
    milliseconds since the epoch or None; segment: Segment or None; entries: list of Entry for an
    aggregate; status: "success", "failure" or "stored for deferred delivery"; set_id, ranges,
    result: of SEGREC and SEGCONFIR.
    """

    msg_type = None
    service_id = None
    message_id = None
    origin = None
    destination = None
    recipient = None
    applications = ()
    report = False
    store = False
    expires_ms = None
    app_store = None
    payload = None
    priority = n.NORMAL
    segment = None
    entries = None
    status = None
    cause = None
    set_id = None
    ranges = None
    result = None


class Segment:
    """What a segment says of itself. number: from 1; total: None if the sender leaves it out."""

    def __init__(self, set_id, number, total=None, last=False):
        self.set_id = set_id
        self.number = number
        self.total = total
        self.last = last


class Entry:
    """One message or report of an aggregate; the attributes are those of Message."""

    message_id = None
    applications = ()
    report = False
    payload = None
    priority = n.NORMAL
    status = None
    cause = None


def parse_message(payload):
    """Return the Message in a POST's payload. Raises BadMessage, UnsupportedType."""
    value = loads(payload)
    if value.__class__ is not dict:
        raise BadMessage("", _OBJECT)
    message = Message()
    kind = value.get(n.MSG_TYPE)
    if kind == n.MSG:
        _msg(message, value)
    elif kind == n.IMDN:
        _imdn(message, value)
    elif kind == n.MSGRESP:
        _msgresp(message, value)
    elif kind == n.SEGREC:
        message.set_id = checks.text(value.get(n.SEG_ID), n.SEG_ID)
        message.ranges = parse_ranges(value.get(n.SEG_NO_LIST))
    elif kind == n.SEGCONFIR or kind == gaps.SEGCOFIR:
        kind = n.SEGCONFIR
        message.set_id = checks.text(value.get(n.SEG_ID), n.SEG_ID)
        if n.RESULT not in value:
            raise BadMessage(n.RESULT, "missing")
        message.result = _truth(value[n.RESULT], n.RESULT)
    elif kind is None:
        raise BadMessage(n.MSG_TYPE, "missing")
    else:
        raise UnsupportedType(n.MSG_TYPE, "a message or report is wanted here")
    message.msg_type = kind
    message.service_id = checks.text(value.get(n.MSG_IDEN), n.MSG_IDEN, MAX_URI_BYTES)
    return message


def parse_ranges(value):
    """Return [(first, last), ...] of a `segNoList` such as "(5-7, 10-10)"; sorted as given.

    Parentheses and spaces may be missing, a single number may stand alone, and a JSON array of
    either is taken as well. Raises BadMessage.
    """
    if value.__class__ is list:
        items = [str(one) for one in value]
    elif value.__class__ is str:
        items = value.strip().lstrip("(").rstrip(")").split(",")
    else:
        raise BadMessage(n.SEG_NO_LIST, "missing" if value is None else "a string is wanted")
    if len(items) > MAX_RANGES:
        raise BadMessage(n.SEG_NO_LIST, "more than %d ranges" % MAX_RANGES)
    ranges = []
    for item in items:
        first, dash, last = item.strip().partition("-")
        first, last = _small(first), _small(last if dash else first)
        if first is None or last is None or first > last:
            raise BadMessage(n.SEG_NO_LIST, "ranges such as (5-7, 10-10) are wanted")
        ranges.append((first, last))
    return ranges


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


def _msg(message, value):
    message.message_id = uuid(value.get(n.MSG_ID), n.MSG_ID)
    message.origin = _address(value, n.ORI_ADDR, n.ORI_ADDR_TYPE, _ORIGINS)
    message.destination = _address(value, n.DEST_ADDR, n.DEST_ADDR_TYPE, _DESTINATIONS)
    if message.origin[0] == n.AS and message.destination[0] == n.AS:
        raise BadMessage(n.DEST_ADDR, "an AS writes to no AS")
    if gaps.RECIPIENT in value:
        message.recipient = _address(value, gaps.RECIPIENT, n.DEST_ADDR_TYPE, (n.UE, n.AS))[1]
    if n.SF_FLAG in value:
        message.store = checks.boolean(value[n.SF_FLAG], n.SF_FLAG)
    if message.store and n.SF_PARAM in value:
        _store(message, value[n.SF_PARAM])
    _content(message, value)
    if gaps.IND_MSG_LIST in value or gaps.IND_MSG_NUM in value:
        message.entries = _entries(value, _msg_entry)
        message.payload = None
        return
    if n.IS_SEGMENTED in value and _truth(value[n.IS_SEGMENTED], n.IS_SEGMENTED):
        message.segment = _segment(value.get(n.SEG_PARAMS))


def _imdn(message, value):
    message.origin = _address(value, n.ORI_ADDR, n.ORI_ADDR_TYPE, _ORIGINS)
    message.destination = _address(value, n.DEST_ADDR, n.DEST_ADDR_TYPE, _ORIGINS)
    if message.origin[0] == n.AS and message.destination[0] == n.AS:
        raise BadMessage(n.DEST_ADDR, "an AS reports to no AS")
    message.message_id = uuid(value.get(n.MSG_ID), n.MSG_ID)
    if gaps.IND_MSG_LIST in value or gaps.IND_MSG_NUM in value:
        message.entries = _entries(value, _imdn_entry)
    else:
        _status(message, value, (n.SUCCESS, n.FAILURE))


def _msgresp(message, value):
    message.origin = _address(value, n.ORI_ADDR, n.ORI_ADDR_TYPE, _ORIGINS)
    message.message_id = uuid(value.get(n.MSG_ID), n.MSG_ID)
    _status(message, value, (n.FAILURE, n.STORED))


def _content(message, value):
    """What a message and an entry of an aggregate have in common."""
    if n.APP_ID in value:
        message.applications = _applications(value[n.APP_ID])
    if n.REPORT in value:
        message.report = checks.boolean(value[n.REPORT], n.REPORT)
    if n.PRIORITY in value:
        priority = value[n.PRIORITY]
        if priority.__class__ is not str or priority not in _PRIORITY:
            raise BadMessage(n.PRIORITY, "HIGH, NORMAL or LOW is wanted")
        message.priority = _PRIORITY[priority]
    if n.PAYLOAD in value:
        payload = value[n.PAYLOAD]
        if payload.__class__ is not str:
            raise BadMessage(n.PAYLOAD, "a string is wanted")
        if len(payload) * 4 > MAX_PAYLOAD_BYTES and len(payload.encode()) > MAX_PAYLOAD_BYTES:
            raise BadMessage(n.PAYLOAD, "at most %d bytes are wanted" % MAX_PAYLOAD_BYTES)
        message.payload = payload


def _applications(value):
    """One Application ID as the schema has it, or several as the procedure has them."""
    items = value if value.__class__ is list else [value]
    if not 0 < len(items) <= MAX_APPLICATIONS:
        raise BadMessage(n.APP_ID, "1 to %d are wanted" % MAX_APPLICATIONS)
    return [checks.text(one, n.APP_ID) for one in items]


def _store(message, value):
    if value.__class__ is not dict:
        raise BadMessage(n.SF_PARAM, _OBJECT)
    if n.EXPIRE_TIME in value:
        key = n.SF_PARAM + "." + n.EXPIRE_TIME
        message.expires_ms = parse_date_time(value[n.EXPIRE_TIME], key)
    if n.APP_SPEC_SF in value:
        message.app_store = value[n.APP_SPEC_SF]
        if message.app_store.__class__ is not dict:
            raise BadMessage(n.SF_PARAM + "." + n.APP_SPEC_SF, _OBJECT)


def _segment(value):
    if value.__class__ is not dict:
        raise BadMessage(n.SEG_PARAMS, "missing" if value is None else _OBJECT)
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
        last = _truth(value[n.LAST_SEG_FLAG], prefix + n.LAST_SEG_FLAG)
    return Segment(set_id, number, total, last)


def _entries(value, read):
    items = value.get(gaps.IND_MSG_LIST)
    if items.__class__ is not list:
        raise BadMessage(gaps.IND_MSG_LIST, "missing" if items is None else "a list is wanted")
    if not 0 < len(items) <= MAX_AGGREGATED:
        raise BadMessage(gaps.IND_MSG_LIST, "1 to %d entries are wanted" % MAX_AGGREGATED)
    count = value.get(gaps.IND_MSG_NUM)
    if count.__class__ is not int:
        raise BadMessage(gaps.IND_MSG_NUM, "missing" if count is None else "an integer is wanted")
    if count != len(items):
        raise BadMessage(gaps.IND_MSG_NUM, "the list has %d entries" % len(items))
    entries = []
    for item in items:
        try:
            if item.__class__ is not dict:
                raise BadMessage("", _OBJECT)
            entry = Entry()
            entry.message_id = uuid(item.get(n.MSG_ID), n.MSG_ID)
            read(entry, item)
            entries.append(entry)
        except BadMessage as problem:
            at = "%s[%d]" % (gaps.IND_MSG_LIST, len(entries))
            raise BadMessage(at + "." + problem.key if problem.key else at, problem.reason)
    return entries


def _msg_entry(entry, item):
    _content(entry, item)
    if entry.payload is None:
        raise BadMessage(n.PAYLOAD, "missing")


def _imdn_entry(entry, item):
    _status(entry, item, (n.SUCCESS, n.FAILURE))


def _status(message, value, known):
    status = value.get(n.DEL_STA)
    if status not in known:
        wanted = "%s or %s is wanted" % known
        raise BadMessage(n.DEL_STA, "missing" if status is None else wanted)
    message.status = status
    for key in gaps.CAUSE_KEYS:
        if key in value:
            cause = value[key]
            if cause.__class__ is not str:
                raise BadMessage(key, "a string is wanted")
            message.cause = checks.cut_cause(cause)
            return


def _address(value, key, type_key, known):
    """Return (type, text) of an address object."""
    address = value.get(key)
    if address.__class__ is not dict:
        raise BadMessage(key, "missing" if address is None else _OBJECT)
    kind = address.get(type_key)
    if kind not in known:
        raise BadMessage(key + "." + type_key, "one of %s is wanted" % ", ".join(known))
    text = address.get(n.ADDR)
    # Areas and topics are strings (TS 23.554 6), the others URIs.
    check = checks.text if kind in (n.BC, n.TOPIC) else checks.uri
    return kind, check(text, key + "." + n.ADDR)


def _truth(value, key):
    """A boolean, or the strings "true" and "false" that the schemas print in places."""
    if value == "true":
        return True
    if value == "false":
        return False
    return checks.boolean(value, key)


def _count(value, key, least):
    if value.__class__ is not int or not least <= value <= MAX_SEGMENTS:
        raise BadMessage(key, "a number from %d to %d is wanted" % (least, MAX_SEGMENTS))
    return value


def _small(text):
    """Return the number in a text, None unless it is a segment's."""
    text = text.strip()
    if not text or len(text) > 5:
        return None
    for char in text:
        if not "0" <= char <= "9":
            return None
    number = int(text)
    return number if number <= MAX_SEGMENTS else None
