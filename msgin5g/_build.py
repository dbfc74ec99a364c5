"""Builders of the registration family (clause 7.3.3): the schema's keys in the schema's order."""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.jsontext import array, obj, quote
from msgin5g.limits import MAX_BULK_ENTRIES, MAX_SECONDS, MAX_URI_BYTES
from msgin5g.payload_errors import BadMessage
from msgin5g.profile import build_profile

_ADDRESS = '{"%s":"%s","%s":' % (n.ORI_ADDR_TYPE, n.UE, n.ADDR)


def reg(ue_service_id, service_id, urgent=None, wait_s=None, profile=None):
    """Build REG (7.3.3.1); `urgent` None leaves `urgentTag` out, as towards a Server."""
    return obj(
        (
            (n.MSG_IDEN, _service(service_id)),
            (n.MSG_TYPE, n.REG),
            (n.URGENT_TAG, _flag(urgent, n.URGENT_TAG)),
            (n.ORI_ADDR, _ue(ue_service_id)),
            (n.CLI_PROFILE, None if profile is None else build_profile(profile)),
            (n.REQ_EXP_TIME, _seconds(wait_s, n.REQ_EXP_TIME)),
        )
    )


def dereg(ue_service_id, service_id, urgent=None, wait_s=None):
    """Build DEREG (7.3.3.2), with the urgency keys of REG (GAP 6.3.4.2.2)."""
    return obj(
        (
            (n.MSG_IDEN, _service(service_id)),
            (n.MSG_TYPE, n.DEREG),
            (gaps.DEREG_URGENT_TAG, _flag(urgent, gaps.DEREG_URGENT_TAG)),
            (n.ORI_ADDR, _ue(ue_service_id)),
            (gaps.DEREG_REQ_EXP_TIME, _seconds(wait_s, gaps.DEREG_REQ_EXP_TIME)),
        )
    )


def gwreg(ue_service_id, service_id, ue_id=None, expires_s=None):
    """Build GWREG (7.3.3.3), the sign-up to the gateway service."""
    return obj(
        (
            (n.MSG_IDEN, _service(service_id)),
            (n.MSG_TYPE, n.GWREG),
            (n.ORI_ADDR, _ue(ue_service_id)),
            (n.ORI_UE_ADDR, None if ue_id is None else _ue_id(ue_id)),
            (n.EXPIRED_TIME, _seconds(expires_s, n.EXPIRED_TIME)),
        )
    )


def breg(gateway_id, service_id, entries):
    """Build BREG (6.3.4.3.2) from cached REG payloads, which go in as they are."""
    return _bulk(gateway_id, service_id, n.BREG, gaps.REG_REQ_NUM, gaps.REG_REQ_LIST, entries)


def bulk_dereg(gateway_id, service_id, entries):
    """Build a bulk de-registration (6.3.4.3.5): DEREG with a list."""
    return _bulk(gateway_id, service_id, n.DEREG, gaps.DEREG_REQ_NUM, gaps.DEREG_REQ_LIST, entries)


def regresp(ue_service_id, service_id, result, cause=None):
    """Build REGRESP (7.3.3.4), the gateway's POST with the final result."""
    front = ((n.MSG_IDEN, _service(service_id)), (n.MSG_TYPE, n.REGRESP))
    return _verdict(front, ue_service_id, result, cause)


def deregresp(ue_service_id, service_id, result, cause=None):
    """Build DEREGRESP (7.3.3.5)."""
    front = ((n.MSG_IDEN, _service(service_id)), (n.MSG_TYPE, n.DEREGRESP))
    return _verdict(front, ue_service_id, result, cause)


def interim(ue_service_id, expected_s=None):
    """Build the gateway's interim answer (6.3.4.3.1 b2): it has no `result`."""
    expected_s = _seconds(expected_s, n.EXPECTED_TIME)
    return obj(((n.ORI_ADDR, _ue(ue_service_id)), (n.EXPECTED_TIME, expected_s)))


def reg_answer(ue_service_id, result, lifetime_s=None, cause=None):
    """Build the Server's answer to REG (7.3.3.1), also an entry of the answer to BREG."""
    return _verdict((), ue_service_id, result, cause, n.REG_EXP_TIME, lifetime_s)


def dereg_answer(ue_service_id, result, cause=None):
    """Build the Server's answer to DEREG (7.3.3.2)."""
    return _verdict((), ue_service_id, result, cause)


def gwreg_answer(ue_service_id, result, accepted_s=None, cause=None):
    """Build the answer to GWREG (7.3.3.3); its cause has the key `failure reason`."""
    return _verdict(
        (), ue_service_id, result, cause, n.ACCEPTED_TIME, accepted_s, n.FAILURE_REASON
    )


def breg_answer(entries):
    """Build the answer to BREG (6.3.4.4.1) from answers to REG."""
    return obj(((gaps.REG_RESP_NUM, _count(entries)), (gaps.REG_RESP_LIST, array(entries))))


def bulk_dereg_answer(entries):
    """Build the answer to a bulk de-registration (6.3.4.4.2) from answers to DEREG."""
    return obj(((gaps.DEREG_RESP_NUM, _count(entries)), (gaps.DEREG_RESP_LIST, array(entries))))


def _bulk(gateway_id, service_id, msg_type, number, name, entries):
    return obj(
        (
            (n.MSG_IDEN, _service(service_id)),
            (n.MSG_TYPE, msg_type),
            (n.ORI_ADDR, _ue(gateway_id)),
            (number, _count(entries)),
            (name, array(entries)),
        )
    )


def _verdict(front, ue_service_id, result, cause, time_key=None, time_s=None, cause_key=n.CAUSE):
    """A result with its time when good, with its cause when not, never with the other's."""
    if result is True:
        if cause is not None:
            raise CallerError("%s goes with a result that is False" % cause_key)
        cause_key = None
    elif result is False:
        if time_s is not None:
            raise CallerError("%s goes with a result that is True" % time_key)
        if cause is not None and cause.__class__ is not str:
            raise CallerError("%s: a string is wanted" % cause_key)
        cause = checks.cut_cause(cause or gaps.CAUSE_UNSPECIFIED)
    else:
        raise CallerError("%s: True or False is wanted" % n.RESULT)
    return obj(
        front
        + (
            (n.ORI_ADDR, _ue(ue_service_id)),
            (n.RESULT, result),
            (time_key, _seconds(time_s, time_key)),
            (cause_key, cause),
        )
    )


def _ue(ue_service_id):
    try:
        checks.uri(ue_service_id, "UE Service ID")
        return (_ADDRESS + quote(ue_service_id) + "}").encode()
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))


def _ue_id(ue_id):
    try:
        checks.text(ue_id, "MSGin5G UE ID", MAX_URI_BYTES)
        return (_ADDRESS + quote(ue_id) + "}").encode()
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))


def _service(service_id):
    try:
        return checks.uri(service_id, n.MSG_IDEN)
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))


def _flag(value, key):
    if value is not None and value.__class__ is not bool:
        raise CallerError("%s: True, False or None is wanted" % key)
    return value


def _seconds(value, key):
    """A duration; one above the limit is sent as the limit."""
    if value is None:
        return None
    if value.__class__ is not int or value < 0:
        raise CallerError("%s: a whole number of seconds is wanted" % key)
    return value if value < MAX_SECONDS else MAX_SECONDS


def _count(entries):
    if not 0 < len(entries) <= MAX_BULK_ENTRIES:
        raise CallerError("a bulk message has 1 to %d entries" % MAX_BULK_ENTRIES)
    return len(entries)
