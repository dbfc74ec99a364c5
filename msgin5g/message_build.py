"""Builders of messages and reports (7.3.4, 7.3.6): the schema's keys in the schema's order.

All raise CallerError for what the schema forbids. How long a payload may be is the business of who
sends it: what an Application Server gets may be longer.
"""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.jsontext import array, obj
from msgin5g.message_types import DESTINATIONS, ORIGINS
from msgin5g.payload_errors import BadMessage


def msg(service_id, message, keep_store=True, keep_priority=True):
    """Build MSG (7.3.4.1) from a Message: single, segment, or aggregate if it has entries.

    keep_store, keep_priority: False leaves out what a Server takes away before it delivers
    (6.4.1.2.6 c).
    """
    entries = message.entries
    # An aggregate has neither (6.4.1.1.3 a, d).
    segment, payload = (None, None) if entries else (message.segment, message.payload)
    stores = keep_store and message.store
    _no_two_servers(message)
    return obj(
        (
            (n.MSG_IDEN, _text(service_id, n.MSG_IDEN)),
            (n.MSG_TYPE, n.MSG),
            (n.APP_ID, _one_or_list(message.applications)),
            (n.MSG_ID, _text(message.message_id, n.MSG_ID)),
            (n.REPORT, True if message.report else None),
            (n.ORI_ADDR, _address(message.origin, n.ORI_ADDR, n.ORI_ADDR_TYPE, ORIGINS)),
            (
                n.DEST_ADDR,
                _address(message.destination, n.DEST_ADDR, n.DEST_ADDR_TYPE, DESTINATIONS),
            ),
            (gaps.RECIPIENT, _recipient(message.recipient)),
            (n.SF_FLAG, message.store if keep_store else None),
            (n.SF_PARAM, _store_parameters(message) if stores else None),
            (n.PRIORITY, _priority(message) if keep_priority else None),
            (n.IS_SEGMENTED, True if segment else None),
            (n.SEG_PARAMS, _segment(segment) if segment else None),
            (gaps.IND_MSG_NUM, len(entries) if entries else None),
            (gaps.IND_MSG_LIST, _entry_list(entries, _msg_entry)),
            (n.PAYLOAD, payload),
        )
    )


def imdn(service_id, message):
    """Build IMDN (7.3.4.2) from a Message: single, or aggregate if it has entries."""
    entries = message.entries
    _no_two_servers(message)
    return obj(
        (
            (n.MSG_IDEN, _text(service_id, n.MSG_IDEN)),
            (n.MSG_TYPE, n.IMDN),
            (n.ORI_ADDR, _address(message.origin, n.ORI_ADDR, n.ORI_ADDR_TYPE, ORIGINS)),
            (n.DEST_ADDR, _address(message.destination, n.DEST_ADDR, n.DEST_ADDR_TYPE, ORIGINS)),
            (n.MSG_ID, _text(message.message_id, n.MSG_ID)),
            # Both are the entries' (6.4.1.1.5 a).
            (n.DEL_STA, None if entries else _status(message)),
            (n.IMDN_CAUSE, None if entries else _cause(message)),
            (gaps.IND_MSG_NUM, len(entries) if entries else None),
            (gaps.IND_MSG_LIST, _entry_list(entries, _imdn_entry)),
        )
    )


def msgresp(service_id, origin, message_id, status, cause=None):
    """Build MSGRESP (7.3.4.3): rejected, discarded ("failure") or stored for later."""
    if status not in (n.FAILURE, n.STORED):
        raise CallerError("%s: failure or stored for deferred delivery is wanted" % n.DEL_STA)
    return obj(
        (
            (n.MSG_IDEN, _text(service_id, n.MSG_IDEN)),
            (n.MSG_TYPE, n.MSGRESP),
            (n.ORI_ADDR, _address(origin, n.ORI_ADDR, n.ORI_ADDR_TYPE, ORIGINS)),
            (n.MSG_ID, _text(message_id, n.MSG_ID)),
            (n.DEL_STA, status),
            (n.IMDN_CAUSE, _cut(cause)),
        )
    )


def segrec(service_id, set_id, ranges):
    """Build SEGREC (7.3.6.2). ranges: [(first, last), ...] of the segments that are missing."""
    if not ranges:
        raise CallerError("%s: at least one range is wanted" % n.SEG_NO_LIST)
    text = "(" + ", ".join(["%d-%d" % (first, last) for first, last in ranges]) + ")"
    return obj(
        (
            (n.MSG_IDEN, _text(service_id, n.MSG_IDEN)),
            (n.MSG_TYPE, n.SEGREC),
            (n.SEG_ID, _text(set_id, n.SEG_ID)),
            (n.SEG_NO_LIST, text),
        )
    )


def segconfir(service_id, set_id, result):
    """Build SEGCONFIR (7.3.6.1)."""
    return obj(
        (
            (n.MSG_IDEN, _text(service_id, n.MSG_IDEN)),
            (n.MSG_TYPE, n.SEGCONFIR),
            (n.SEG_ID, _text(set_id, n.SEG_ID)),
            (n.RESULT, bool(result)),
        )
    )


def _text(value, key):
    try:
        return checks.text(value, key)
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))


def _address(address, key, type_key, known):
    kind, text = address or (None, None)
    if kind not in known:
        raise CallerError("%s: one of %s is wanted" % (key, ", ".join(known)))
    return obj(((type_key, kind), (n.ADDR, _text(text, key))))


def _recipient(ue_service_id):
    if ue_service_id is None:
        return None
    return _address((n.UE, ue_service_id), gaps.RECIPIENT, n.DEST_ADDR_TYPE, (n.UE,))


def _no_two_servers(message):
    origin, destination = message.origin, message.destination
    if origin and destination and origin[0] == n.AS and destination[0] == n.AS:
        raise CallerError("%s: an AS writes to no AS" % n.DEST_ADDR)


def _store_parameters(message):
    if message.expires_ms is None and message.app_store is None:
        return None
    expires = None
    if message.expires_ms is not None:
        from msgin5g.moments import format_date_time

        expires = format_date_time(message.expires_ms)
    return obj(((n.EXPIRE_TIME, expires), (n.APP_SPEC_SF, message.app_store)))


def _one_or_list(applications):
    if not applications:
        return None
    return applications[0] if len(applications) == 1 else list(applications)


def _priority(message):
    return None if message.priority == n.NORMAL else message.priority


def _segment(segment):
    return obj(
        (
            (n.SEG_ID, _text(segment.set_id, n.SEG_ID)),
            (n.TOTAL_SEG_COUNT, segment.total),
            (n.SEG_NUMB, segment.number),
            # The schema types it as a string (GAP 7.3.4.1).
            (n.LAST_SEG_FLAG, "true" if segment.last else None),
        )
    )


def _entry_list(entries, build):
    return array([build(one) for one in entries]) if entries else None


def _msg_entry(entry):
    if entry.payload is None:
        raise CallerError("%s: each message of an aggregate has one" % n.PAYLOAD)
    return obj(
        (
            (n.MSG_ID, _text(entry.message_id, n.MSG_ID)),
            (n.APP_ID, _one_or_list(entry.applications)),
            (n.REPORT, True if entry.report else None),
            (n.PRIORITY, _priority(entry)),
            (n.PAYLOAD, entry.payload),
        )
    )


def _imdn_entry(entry):
    return obj(
        (
            (n.MSG_ID, _text(entry.message_id, n.MSG_ID)),
            (n.DEL_STA, _status(entry)),
            (n.IMDN_CAUSE, _cause(entry)),
        )
    )


def _status(report):
    if report.status not in (n.SUCCESS, n.FAILURE):
        raise CallerError("%s: success or failure is wanted" % n.DEL_STA)
    return report.status


def _cause(report):
    """A cause goes with a failure only (7.3.4.2)."""
    return _cut(report.cause) if report.status == n.FAILURE else None


def _cut(cause):
    return None if cause is None else checks.cut_cause(cause)
