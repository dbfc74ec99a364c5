"""Builders of messages and reports (7.3.4, 7.3.6): the schema's keys in the schema's order."""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.jsontext import array, obj, quote


def msg(service_id, message, keep_store=True, keep_priority=True):
    """Build MSG (7.3.4.1) from a Message: single, segment or aggregate. Raises CallerError.

    keep_store, keep_priority: False leaves out what a Server takes away before it delivers
    (6.4.1.2.6 c).
    """
    segment = message.segment
    stores = keep_store and message.store
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.MSG),
            (n.APP_ID, _one_or_list(message.applications)),
            (n.MSG_ID, message.message_id),
            (n.REPORT, True if message.report else None),
            (n.ORI_ADDR, _address(message.origin, n.ORI_ADDR_TYPE)),
            (n.DEST_ADDR, _address(message.destination, n.DEST_ADDR_TYPE)),
            (gaps.RECIPIENT, _recipient(message.recipient)),
            (n.SF_FLAG, message.store if keep_store else None),
            (n.SF_PARAM, _store_parameters(message) if stores else None),
            (n.PRIORITY, _priority(message) if keep_priority else None),
            (n.IS_SEGMENTED, True if segment else None),
            (n.SEG_PARAMS, _segment(segment) if segment else None),
            (gaps.IND_MSG_NUM, len(message.entries) if message.entries else None),
            (gaps.IND_MSG_LIST, _entry_list(message.entries, _msg_entry)),
            (n.PAYLOAD, message.payload),
        )
    )


def imdn(service_id, message):
    """Build IMDN (7.3.4.2), single or aggregate, from a Message."""
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.IMDN),
            (n.ORI_ADDR, _address(message.origin, n.ORI_ADDR_TYPE)),
            (n.DEST_ADDR, _address(message.destination, n.DEST_ADDR_TYPE)),
            (n.MSG_ID, message.message_id),
            (n.DEL_STA, message.status),
            (n.IMDN_CAUSE, _cut(message.cause)),
            (gaps.IND_MSG_NUM, len(message.entries) if message.entries else None),
            (gaps.IND_MSG_LIST, _entry_list(message.entries, _imdn_entry)),
        )
    )


def msgresp(service_id, origin, message_id, status, cause=None):
    """Build MSGRESP (7.3.4.3): rejected, discarded ("failure") or stored for later."""
    if status not in (n.FAILURE, n.STORED):
        raise CallerError("%s: failure or stored for deferred delivery is wanted" % n.DEL_STA)
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.MSGRESP),
            (n.ORI_ADDR, _address(origin, n.ORI_ADDR_TYPE)),
            (n.MSG_ID, message_id),
            (n.DEL_STA, status),
            (n.IMDN_CAUSE, _cut(cause)),
        )
    )


def segrec(service_id, set_id, ranges):
    """Build SEGREC (7.3.6.2). ranges: [(first, last), ...] of the segments that are missing."""
    text = "(" + ", ".join(["%d-%d" % (first, last) for first, last in ranges]) + ")"
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.SEGREC),
            (n.SEG_ID, set_id),
            (n.SEG_NO_LIST, text),
        )
    )


def segconfir(service_id, set_id, result):
    """Build SEGCONFIR (7.3.6.1)."""
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.SEGCONFIR),
            (n.SEG_ID, set_id),
            (n.RESULT, bool(result)),
        )
    )


def _address(address, type_key):
    kind, text = address
    return ('{"%s":"%s","%s":%s}' % (type_key, kind, n.ADDR, quote(text))).encode()


def _recipient(ue_service_id):
    return None if ue_service_id is None else _address((n.UE, ue_service_id), n.DEST_ADDR_TYPE)


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
            (n.SEG_ID, segment.set_id),
            (n.TOTAL_SEG_COUNT, segment.total),
            (n.SEG_NUMB, segment.number),
            # The schema types it as a string (GAP 7.3.4.1).
            (n.LAST_SEG_FLAG, "true" if segment.last else None),
        )
    )


def _entry_list(entries, build):
    return array([build(one) for one in entries]) if entries else None


def _msg_entry(entry):
    return obj(
        (
            (n.MSG_ID, entry.message_id),
            (n.APP_ID, _one_or_list(entry.applications)),
            (n.REPORT, True if entry.report else None),
            (n.PRIORITY, _priority(entry)),
            (n.PAYLOAD, entry.payload),
        )
    )


def _imdn_entry(entry):
    return obj(
        (
            (n.MSG_ID, entry.message_id),
            (n.DEL_STA, entry.status),
            (n.IMDN_CAUSE, _cut(entry.cause)),
        )
    )


def _cut(cause):
    return None if cause is None else checks.cut_cause(cause)
