"""Parsers of messages and reports (7.3.4, 7.3.6), with the tolerances their schemas call for."""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.jsontext import loads
from msgin5g.limits import (
    MAX_AGGREGATED,
    MAX_APPLICATIONS,
    MAX_PAYLOAD_BYTES,
    MAX_URI_BYTES,
)
from msgin5g.message_parts import OBJECT, address, parse_ranges, segment, truth, uuid
from msgin5g.message_types import DESTINATIONS, ORIGINS, Entry, Message
from msgin5g.payload_errors import BadMessage, UnsupportedType

_OTHER_FAMILIES = (n.REG, n.DEREG, n.BREG, n.GWREG, n.REGRESP, n.DEREGRESP, gaps.BDEREG)
_PRIORITY = {
    n.HIGH: n.HIGH,
    n.NORMAL: n.NORMAL,
    n.LOW: n.LOW,
    # Annex A and TS 29.538 have other names for the middle one.
    "MEDIUM": n.NORMAL,
    "MIDDLE": n.NORMAL,
}


def parse_message(payload, longest=MAX_PAYLOAD_BYTES):
    """Return the Message in a POST's payload. Raises BadMessage, UnsupportedType.

    longest: bytes of text that a message may have; what a Server joined has more than UEs send.
    """
    value = loads(payload)
    if value.__class__ is not dict:
        raise BadMessage("", OBJECT)
    message = Message()
    kind = value.get(n.MSG_TYPE)
    if kind == n.MSG:
        _msg(message, value, longest)
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
        message.result = truth(value[n.RESULT], n.RESULT)
    elif kind is None:
        raise BadMessage(n.MSG_TYPE, "missing")
    elif kind in _OTHER_FAMILIES:
        raise UnsupportedType(n.MSG_TYPE, "a message or report is wanted here")
    else:
        raise BadMessage(n.MSG_TYPE, "unknown Message Type")
    message.msg_type = kind
    message.service_id = checks.text(value.get(n.MSG_IDEN), n.MSG_IDEN, MAX_URI_BYTES)
    return message


def _msg(message, value, longest):
    message.message_id = uuid(value.get(n.MSG_ID), n.MSG_ID)
    message.origin = address(value, n.ORI_ADDR, n.ORI_ADDR_TYPE, ORIGINS)
    message.destination = address(value, n.DEST_ADDR, n.DEST_ADDR_TYPE, DESTINATIONS)
    if message.origin[0] == n.AS and message.destination[0] == n.AS:
        raise BadMessage(n.DEST_ADDR, "an AS writes to no AS")
    if gaps.RECIPIENT in value:
        message.recipient = address(value, gaps.RECIPIENT, n.DEST_ADDR_TYPE, (n.UE, n.AS))[1]
    if n.SF_FLAG in value:
        message.store = checks.boolean(value[n.SF_FLAG], n.SF_FLAG)
    if message.store and n.SF_PARAM in value:
        _store(message, value[n.SF_PARAM])
    _elements(message, value)
    if gaps.IND_MSG_LIST in value or gaps.IND_MSG_NUM in value:
        # No outer payload and no segments are looked at (6.4.1.1.3 a, d).
        message.entries = _entries(value, _msg_entry)
        return
    message.payload = _payload(value, longest)
    if n.IS_SEGMENTED in value and truth(value[n.IS_SEGMENTED], n.IS_SEGMENTED):
        message.segment = segment(value.get(n.SEG_PARAMS))


def _imdn(message, value):
    message.origin = address(value, n.ORI_ADDR, n.ORI_ADDR_TYPE, ORIGINS)
    message.destination = address(value, n.DEST_ADDR, n.DEST_ADDR_TYPE, ORIGINS)
    if message.origin[0] == n.AS and message.destination[0] == n.AS:
        raise BadMessage(n.DEST_ADDR, "an AS reports to no AS")
    message.message_id = uuid(value.get(n.MSG_ID), n.MSG_ID)
    if gaps.IND_MSG_LIST in value or gaps.IND_MSG_NUM in value:
        message.entries = _entries(value, _imdn_entry)
    else:
        _status(message, value, (n.SUCCESS, n.FAILURE))


def _msgresp(message, value):
    message.origin = address(value, n.ORI_ADDR, n.ORI_ADDR_TYPE, ORIGINS)
    message.message_id = uuid(value.get(n.MSG_ID), n.MSG_ID)
    message.status = n.SUCCESS
    # An element that may be there (6.4.1.2.2 e4): without it the message was taken.
    if n.DEL_STA in value:
        _status(message, value, (n.FAILURE, n.STORED))


def _elements(message, value):
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


def _payload(value, longest):
    if n.PAYLOAD not in value:
        return None
    payload = value[n.PAYLOAD]
    if payload.__class__ is not str:
        raise BadMessage(n.PAYLOAD, "a string is wanted")
    if len(payload) * 4 > longest and len(payload.encode()) > longest:
        raise BadMessage(n.PAYLOAD, "at most %d bytes are wanted" % longest)
    return payload


def _applications(value):
    """One Application ID as the schema has it, or several as the procedure has them."""
    items = value if value.__class__ is list else [value]
    if not 0 < len(items) <= MAX_APPLICATIONS:
        raise BadMessage(n.APP_ID, "1 to %d are wanted" % MAX_APPLICATIONS)
    return [checks.text(one, n.APP_ID) for one in items]


def _store(message, value):
    if value.__class__ is not dict:
        raise BadMessage(n.SF_PARAM, OBJECT)
    if n.EXPIRE_TIME in value:
        # Servers take it away before they deliver: a UE has no need of that module.
        from msgin5g.moments import parse_date_time

        key = n.SF_PARAM + "." + n.EXPIRE_TIME
        message.expires_ms = parse_date_time(value[n.EXPIRE_TIME], key)
    if n.APP_SPEC_SF in value:
        message.app_store = value[n.APP_SPEC_SF]
        if message.app_store.__class__ is not dict:
            raise BadMessage(n.SF_PARAM + "." + n.APP_SPEC_SF, OBJECT)


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
                raise BadMessage("", OBJECT)
            entry = Entry()
            entry.message_id = uuid(item.get(n.MSG_ID), n.MSG_ID)
            read(entry, item)
            entries.append(entry)
        except BadMessage as problem:
            at = "%s[%d]" % (gaps.IND_MSG_LIST, len(entries))
            raise BadMessage(at + "." + problem.key if problem.key else at, problem.reason)
    return entries


def _msg_entry(entry, item):
    _elements(entry, item)
    entry.payload = _payload(item, MAX_PAYLOAD_BYTES)
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
