"""The registration family of clause 7.3.3: build, parse, validate.

What is emitted has the schema's spelling; what is accepted follows the tolerances that the
contradictions of the standard call for. Keys that no schema has come from `msgin5g.gaps`.
"""

from msgin5g import gaps
from msgin5g import names as n
from msgin5g.errors import BadMessage, CallerError, UnsupportedType
from msgin5g.jsontext import array, loads, obj
from msgin5g.limits import MAX_BULK_ENTRIES, MAX_SECONDS, MAX_TEXT_BYTES, MAX_URI_BYTES
from msgin5g.profile import check_profile

_DEREG_LISTS = (
    gaps.DEREG_REQ_NUM,
    gaps.DEREG_REQ_LIST,
    gaps.REG_REQ_NUM,
    gaps.REG_REQ_LIST,
)


class Request:
    """A request of the family; which attributes are set depends on `msg_type`."""

    __slots__ = (
        "msg_type",
        "service_id",
        "ue_service_id",
        "urgent",
        "wait_s",
        "profile",
        "ue_id",
        "expires_s",
        "entries",
        "result",
        "cause",
    )

    def __init__(self):
        self.service_id = None
        self.ue_service_id = None
        self.urgent = None
        self.wait_s = None
        self.profile = None
        self.ue_id = None
        self.expires_s = None
        self.entries = None
        self.result = None
        self.cause = None


class Answer:
    """The payload of a 2.xx answer; `result` None means interim (6.3.4.3.1 b2)."""

    __slots__ = (
        "ue_service_id",
        "result",
        "lifetime_s",
        "expected_s",
        "accepted_s",
        "cause",
        "entries",
    )

    def __init__(self):
        self.ue_service_id = None
        self.result = None
        self.lifetime_s = None
        self.expected_s = None
        self.accepted_s = None
        self.cause = None
        self.entries = None


# Building


def _address(ue_service_id):
    if not ue_service_id or ue_service_id.__class__ is not str:
        raise CallerError("a UE Service ID is a URI, got %r" % (ue_service_id,))
    return {n.ORI_ADDR_TYPE: n.UE, n.ADDR: ue_service_id}


def _ue(ue_service_id):
    _address(ue_service_id)
    return obj(((n.ORI_ADDR_TYPE, n.UE), (n.ADDR, ue_service_id)))


def _profile(profile):
    """The profile with its keys in the schema's order, as JSON."""
    if profile is None:
        return None
    try:
        profile = check_profile(profile, n.CLI_PROFILE)
    except BadMessage as problem:
        raise CallerError("the client profile is not valid: %s" % problem)
    parts = []
    trigger = profile.get(n.TRI_INFO)
    if trigger is not None:
        ports = trigger.get(n.CLI_PORTS)
        if ports is not None:
            ports = array(
                [
                    obj(((n.PORT_NUM, port[n.PORT_NUM]), (n.PROTOCOL, port[n.PROTOCOL])))
                    for port in ports
                ]
            )
        pairs = (
            (n.UE_ID, trigger[n.UE_ID]),
            (n.CLI_PORT, trigger.get(n.CLI_PORT)),
            (n.CLI_PORTS, ports),
        )
        parts.append((n.TRI_INFO, obj(pairs)))
    available = profile.get(n.COM_AVAIL)
    if available is not None:
        keys = (n.SCH_TIME, n.DUR_TIME, n.PERI_INDI, n.PERI_INTERVAL, n.DATA_SIZE, n.STORE_FORWARD)
        parts.append((n.COM_AVAIL, obj([(key, available.get(key)) for key in keys])))
    return obj(parts)


def reg(ue_service_id, service_id, urgent=None, wait_s=None, profile=None):
    """Build REG (7.3.3.1); `urgent` None leaves `urgentTag` out, as towards a Server."""
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.REG),
            (n.URGENT_TAG, urgent),
            (n.ORI_ADDR, _ue(ue_service_id)),
            (n.CLI_PROFILE, _profile(profile)),
            (n.REQ_EXP_TIME, wait_s),
        )
    )


def dereg(ue_service_id, service_id, urgent=None, wait_s=None):
    """Build DEREG (7.3.3.2), with the urgency keys of REG (GAP 6.3.4.2.2)."""
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.DEREG),
            (n.URGENT_TAG, urgent),
            (n.ORI_ADDR, _ue(ue_service_id)),
            (n.REQ_EXP_TIME, wait_s),
        )
    )


def gwreg(ue_service_id, service_id, ue_id=None, expires_s=None):
    """Build GWREG (7.3.3.3), the sign-up to the gateway service."""
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.GWREG),
            (n.ORI_ADDR, _ue(ue_service_id)),
            (n.ORI_UE_ADDR, None if ue_id is None else _ue(ue_id)),
            (n.EXPIRED_TIME, expires_s),
        )
    )


def _bulk(gateway_id, service_id, msg_type, number, name, entries):
    if not 0 < len(entries) <= MAX_BULK_ENTRIES:
        raise CallerError("a bulk request has 1 to %d entries" % MAX_BULK_ENTRIES)
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, msg_type),
            (n.ORI_ADDR, _ue(gateway_id)),
            (number, len(entries)),
            (name, array(entries)),
        )
    )


def breg(gateway_id, service_id, entries):
    """Build BREG (6.3.4.3.2) from cached REG payloads, which go in as they are."""
    return _bulk(gateway_id, service_id, n.BREG, gaps.REG_REQ_NUM, gaps.REG_REQ_LIST, entries)


def bulk_dereg(gateway_id, service_id, entries):
    """Build a bulk de-registration (6.3.4.3.5): DEREG with a list."""
    return _bulk(
        gateway_id, service_id, n.DEREG, gaps.DEREG_REQ_NUM, gaps.DEREG_REQ_LIST, entries
    )


def _verdict(ue_service_id, result, cause, front, key=n.CAUSE, extra=(None, None)):
    if result.__class__ is not bool:
        raise CallerError("a result is True or False, got %r" % (result,))
    if result and cause is not None:
        raise CallerError("a cause goes with a failed result only")
    if not result and extra[1] is not None:
        raise CallerError("%s goes with a good result only" % extra[0])
    pairs = front + (
        (n.ORI_ADDR, _ue(ue_service_id)),
        (n.RESULT, result),
        extra,
        (key, None if cause is None else cause[:MAX_TEXT_BYTES]),
    )
    return obj(pairs)


def regresp(ue_service_id, service_id, result, cause=None):
    """Build REGRESP (7.3.3.4), the gateway's POST with the final result."""
    front = ((n.MSG_IDEN, service_id), (n.MSG_TYPE, n.REGRESP))
    return _verdict(ue_service_id, result, cause, front)


def deregresp(ue_service_id, service_id, result, cause=None):
    """Build DEREGRESP (7.3.3.5)."""
    front = ((n.MSG_IDEN, service_id), (n.MSG_TYPE, n.DEREGRESP))
    return _verdict(ue_service_id, result, cause, front)


def interim(ue_service_id, expected_s=None):
    """Build the gateway's interim answer (6.3.4.3.1 b2): it has no `result`."""
    return obj(((n.ORI_ADDR, _ue(ue_service_id)), (n.EXPECTED_TIME, expected_s)))


def reg_answer(ue_service_id, result, lifetime_s=None, cause=None):
    """Build the Server's answer to REG (7.3.3.1), also an entry of the answer to BREG."""
    return _verdict(ue_service_id, result, cause, (), extra=(n.REG_EXP_TIME, lifetime_s))


def dereg_answer(ue_service_id, result, cause=None):
    """Build the Server's answer to DEREG (7.3.3.2)."""
    return _verdict(ue_service_id, result, cause, ())


def gwreg_answer(ue_service_id, result, accepted_s=None, cause=None):
    """Build the answer to GWREG (7.3.3.3); its cause has the key `failure reason`."""
    extra = (n.ACCEPTED_TIME, accepted_s)
    return _verdict(ue_service_id, result, cause, (), n.FAILURE_REASON, extra)


def breg_answer(entries):
    """Build the answer to BREG (6.3.4.4.1) from answers to REG."""
    return obj(((gaps.REG_RESP_NUM, len(entries)), (gaps.REG_RESP_LIST, array(entries))))


def bulk_dereg_answer(entries):
    """Build the answer to a bulk de-registration (6.3.4.4.2) from answers to DEREG."""
    return obj(((gaps.DEREG_RESP_NUM, len(entries)), (gaps.DEREG_RESP_LIST, array(entries))))


# Parsing


def parse_request(payload):
    """Return the Request in a POST's payload. Raises BadMessage, UnsupportedType."""
    return _parse_request(_object(payload), "", None)


def parse_answer(payload):
    """Return the Answer in a 2.xx payload. Raises BadMessage."""
    return _parse_answer(_object(payload), "", True)


def _object(payload):
    value = loads(payload)
    if value.__class__ is not dict:
        raise BadMessage("", "a JSON object is wanted")
    return value


def _uri(value, key):
    if value.__class__ is not str:
        raise BadMessage(key, "missing" if value is None else "a string is wanted")
    size = len(value)
    if not size or size > MAX_URI_BYTES or len(value.encode()) > MAX_URI_BYTES:
        raise BadMessage(key, "1 to %d bytes are wanted" % MAX_URI_BYTES)
    if ":" not in value[1:] or " " in value or min(value) < " ":
        raise BadMessage(key, "a URI is wanted")
    return value


def _originator(value, key):
    if value.__class__ is not dict:
        raise BadMessage(key, "missing" if value is None else "an object is wanted")
    if value.get(n.ORI_ADDR_TYPE) != n.UE:
        raise BadMessage(key + "." + n.ORI_ADDR_TYPE, '"UE" is wanted')
    return _uri(value.get(n.ADDR), key + "." + n.ADDR)


def _seconds(value, key):
    if value is None:
        return None
    if value.__class__ is not int or not 0 <= value <= MAX_SECONDS:
        raise BadMessage(key, "seconds from 0 to %d are wanted" % MAX_SECONDS)
    return value


def _text(value, key):
    if value is None:
        return None
    if value.__class__ is not str or len(value.encode()) > MAX_TEXT_BYTES:
        raise BadMessage(key, "a string of at most %d bytes is wanted" % MAX_TEXT_BYTES)
    return value


def _parse_request(value, at, entry_type):
    """Parse one object; `entry_type` is set for an entry of a bulk list, `at` its position."""
    request = Request()
    msg_type = value.get(n.MSG_TYPE, entry_type)
    if entry_type is not None and msg_type != entry_type:
        raise BadMessage(at + n.MSG_TYPE, "%s is wanted" % entry_type)
    request.msg_type = msg_type
    service_id = value.get(n.MSG_IDEN)
    if service_id is not None or (entry_type is None and msg_type not in _WITHOUT_SERVICE_ID):
        request.service_id = _uri(service_id, at + n.MSG_IDEN)
    if msg_type == n.REG or msg_type == n.DEREG or msg_type == gaps.BDEREG:
        if msg_type != n.REG:
            if entry_type is None and (
                msg_type == gaps.BDEREG or any(key in value for key in _DEREG_LISTS)
            ):
                return _parse_bulk(
                    request, value, n.DEREG, gaps.DEREG_REQ_NUM, gaps.DEREG_REQ_LIST
                )
        elif n.CLI_PROFILE in value:
            request.profile = check_profile(value[n.CLI_PROFILE], at + n.CLI_PROFILE)
        urgent = value.get(n.URGENT_TAG)
        if urgent is not None and urgent.__class__ is not bool:
            raise BadMessage(at + n.URGENT_TAG, "true or false is wanted")
        request.urgent = urgent
        if n.REQ_EXP_TIME in value:
            request.wait_s = _seconds(value[n.REQ_EXP_TIME], at + n.REQ_EXP_TIME)
    elif msg_type == n.BREG:
        return _parse_bulk(request, value, n.REG, gaps.REG_REQ_NUM, gaps.REG_REQ_LIST)
    elif msg_type == n.GWREG:
        if n.ORI_UE_ADDR in value:
            request.ue_id = _originator(value[n.ORI_UE_ADDR], n.ORI_UE_ADDR)
        request.expires_s = _seconds(value.get(n.EXPIRED_TIME), n.EXPIRED_TIME)
    elif msg_type == n.REGRESP or msg_type == n.DEREGRESP:
        request.result = _result(value, "")
        if request.result is None:
            raise BadMessage(n.RESULT, "missing")
        request.cause = _cause(value, "")
    elif msg_type in n.OTHER_FAMILIES:
        raise UnsupportedType(n.MSG_TYPE, "%s is not supported here" % msg_type)
    elif msg_type is None:
        raise BadMessage(n.MSG_TYPE, "missing")
    else:
        raise BadMessage(n.MSG_TYPE, "unknown Message Type")
    request.ue_service_id = _originator(value.get(n.ORI_ADDR), at + n.ORI_ADDR)
    return request


_WITHOUT_SERVICE_ID = (n.REGRESP, n.DEREGRESP)


def _list_of(value, number, name):
    """Return a bulk list after its count was compared with its length."""
    entries = value.get(name)
    if entries.__class__ is not list:
        raise BadMessage(name, "missing" if entries is None else "a list is wanted")
    if len(entries) > MAX_BULK_ENTRIES:
        raise BadMessage(name, "more than %d entries" % MAX_BULK_ENTRIES)
    count = value.get(number)
    if count.__class__ is not int:
        raise BadMessage(number, "missing" if count is None else "an integer is wanted")
    if count != len(entries):
        raise BadMessage(number, "%d, but the list has %d" % (count, len(entries)))
    return entries


def _parse_bulk(request, value, entry_type, number, name):
    if request.msg_type == gaps.BDEREG:
        request.msg_type = n.DEREG
    entries = _list_of(value, number, name)
    if not entries:
        raise BadMessage(name, "the list is empty")
    if n.ORI_ADDR in value:
        request.ue_service_id = _originator(value[n.ORI_ADDR], n.ORI_ADDR)
    request.entries = []
    for i, entry in enumerate(entries):
        at = "%s[%d]" % (name, i)
        if entry.__class__ is not dict:
            raise BadMessage(at, "an object is wanted")
        request.entries.append(_parse_request(entry, at + ".", entry_type))
    return request


def _result(value, at):
    result = value.get(n.RESULT)
    if result == "true":
        return True
    if result == "false":
        return False
    if result is not None and result.__class__ is not bool:
        raise BadMessage(at + n.RESULT, "true or false is wanted")
    return result


def _cause(value, at):
    for key in gaps.CAUSE_KEYS:
        if key in value:
            return _text(value[key], at + key)
    return None


def _parse_answer(value, at, outer):
    answer = Answer()
    if outer:
        for number, name in (
            (gaps.REG_RESP_NUM, gaps.REG_RESP_LIST),
            (gaps.DEREG_RESP_NUM, gaps.DEREG_RESP_LIST),
        ):
            if name in value or number in value:
                if number not in value and gaps.REG_RESP_NUM in value:
                    number = gaps.REG_RESP_NUM
                answer.entries = []
                for i, entry in enumerate(_list_of(value, number, name)):
                    where = "%s[%d]" % (name, i)
                    if entry.__class__ is not dict:
                        raise BadMessage(where, "an object is wanted")
                    answer.entries.append(_parse_answer(entry, where + ".", False))
                return answer
    answer.ue_service_id = _originator(value.get(n.ORI_ADDR), at + n.ORI_ADDR)
    answer.result = _result(value, at)
    answer.lifetime_s = _seconds(value.get(n.REG_EXP_TIME), at + n.REG_EXP_TIME)
    answer.expected_s = _seconds(value.get(n.EXPECTED_TIME), at + n.EXPECTED_TIME)
    answer.accepted_s = _seconds(value.get(n.ACCEPTED_TIME), at + n.ACCEPTED_TIME)
    answer.cause = _cause(value, at)
    return answer
