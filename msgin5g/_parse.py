"""Parsers of the registration family (clause 7.3.3), with the tolerances its defects call for."""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.jsontext import check_depth, loads
from msgin5g.limits import MAX_BULK_ENTRIES, MAX_BULK_JSON_DEPTH, MAX_JSON_DEPTH, MAX_URI_BYTES
from msgin5g.payload_errors import BadMessage, UnsupportedType
from msgin5g.profile import check_profile

_ORI_TYPE = n.ORI_ADDR + "." + n.ORI_ADDR_TYPE
_ORI_ADDR = n.ORI_ADDR + "." + n.ADDR
_ORI_UE_TYPE = n.ORI_UE_ADDR + "." + n.ORI_ADDR_TYPE
_ORI_UE_ADDR = n.ORI_UE_ADDR + "." + n.ADDR
_OBJECT = "an object is wanted"


class Request:
    """A request of the family; which attributes are set depends on `msg_type`.

    urgent, result: bool; wait_s, expires_s: seconds; profile: dict as of `check_profile`;
    entries: list of Request, for bulk requests only.
    """

    msg_type = None
    service_id = None
    ue_service_id = None
    urgent = None
    wait_s = None
    profile = None
    ue_id = None
    expires_s = None
    entries = None
    result = None
    cause = None


class Answer:
    """The payload of a 2.xx answer; `result` None means interim (6.3.4.3.1 b2).

    lifetime_s, expected_s, accepted_s: seconds; entries: list of Answer, for bulk answers only.
    """

    ue_service_id = None
    result = None
    lifetime_s = None
    expected_s = None
    accepted_s = None
    cause = None
    entries = None


def parse_request(payload):
    """Return the Request in a POST's payload. Raises BadMessage, UnsupportedType."""
    if payload.__class__ is not bytes:
        payload = bytes(payload)
    value = loads(payload, MAX_BULK_JSON_DEPTH)
    if value.__class__ is not dict:
        raise BadMessage("", _OBJECT)
    request = Request()
    kind = value.get(n.MSG_TYPE)
    if kind == n.REG:
        _registration(request, value)
    elif kind == n.DEREG or kind == gaps.BDEREG:
        if kind == gaps.BDEREG or _has_list(value):
            kind = n.DEREG
            _bulk(request, value, kind, gaps.DEREG_REQ_NUM, gaps.DEREG_REQ_LIST)
        else:
            _deregistration(request, value)
    elif kind == n.BREG:
        _bulk(request, value, n.REG, gaps.REG_REQ_NUM, gaps.REG_REQ_LIST)
    elif kind == n.GWREG:
        _sign_up(request, value)
    elif kind == n.REGRESP or kind == n.DEREGRESP:
        _final(request, value)
    elif kind in n.OTHER_FAMILIES:
        raise UnsupportedType(n.MSG_TYPE, "%s is not supported here" % kind)
    elif kind is None:
        raise BadMessage(n.MSG_TYPE, "missing")
    else:
        raise BadMessage(n.MSG_TYPE, "unknown Message Type")
    request.msg_type = kind
    if request.entries is None:
        # What a gateway takes must fit into a bulk request as well, two levels deeper.
        check_depth(payload, MAX_JSON_DEPTH)
    if n.MSG_IDEN in value:
        request.service_id = checks.text(value[n.MSG_IDEN], n.MSG_IDEN, MAX_URI_BYTES)
    elif kind != n.REGRESP and kind != n.DEREGRESP:
        raise BadMessage(n.MSG_IDEN, "missing")
    return request


def parse_answer(payload):
    """Return the Answer in a 2.xx payload. Raises BadMessage."""
    value = loads(payload)
    if value.__class__ is not dict:
        raise BadMessage("", _OBJECT)
    for name in (gaps.REG_RESP_LIST, gaps.DEREG_RESP_LIST):
        if name in value:
            # The count of a de-registration answer is printed "... registration responses".
            number = gaps.DEREG_RESP_NUM
            if name == gaps.REG_RESP_LIST or number not in value:
                number = gaps.REG_RESP_NUM
            answer = Answer()
            answer.entries = _entries(value, number, name, _answer)
            return answer
    for number in (gaps.REG_RESP_NUM, gaps.DEREG_RESP_NUM):
        if number in value:
            raise BadMessage(number, "a number without its list")
    return _answer(value)


def _registration(request, value):
    request.ue_service_id = _originator(value)
    if n.CLI_PROFILE in value:
        request.profile = check_profile(value[n.CLI_PROFILE])
    if n.URGENT_TAG in value:
        request.urgent = checks.boolean(value[n.URGENT_TAG], n.URGENT_TAG)
    if n.REQ_EXP_TIME in value:
        request.wait_s = checks.seconds(value[n.REQ_EXP_TIME], n.REQ_EXP_TIME)


def _deregistration(request, value):
    request.ue_service_id = _originator(value)
    key = gaps.DEREG_URGENT_TAG
    if key in value:
        request.urgent = checks.boolean(value[key], key)
    key = gaps.DEREG_REQ_EXP_TIME
    if key in value:
        request.wait_s = checks.seconds(value[key], key)


def _sign_up(request, value):
    request.ue_service_id = _originator(value)
    if n.ORI_UE_ADDR in value:
        address = value[n.ORI_UE_ADDR]
        if address.__class__ is not dict:
            raise BadMessage(n.ORI_UE_ADDR, _OBJECT)
        if address.get(n.ORI_ADDR_TYPE) != n.UE:
            raise BadMessage(_ORI_UE_TYPE, "UE is wanted")
        request.ue_id = checks.text(address.get(n.ADDR), _ORI_UE_ADDR, MAX_URI_BYTES)
    if n.EXPIRED_TIME in value:
        request.expires_s = checks.seconds(value[n.EXPIRED_TIME], n.EXPIRED_TIME)


def _final(request, value):
    request.ue_service_id = _originator(value)
    if n.RESULT not in value:  # the schema's default is not applied
        raise BadMessage(n.RESULT, "missing")
    request.result = _result(value[n.RESULT])
    request.cause = _cause(value)


def _has_list(value):
    """Tell whether a DEREG means to be a bulk request: it must then never count as a single one.

    Names of lists are a GAP (6.3.4.3.5), so a list of objects under any name is a sign as well.
    """
    for key in gaps.BULK_KEYS:
        if key in value:
            return True
    for item in value.values():
        if item.__class__ is list and item and item[0].__class__ is dict:
            return True
    return False


def _bulk(request, value, kind, number, name):
    # 6.3.4.3.2 d3: stage 2 has no originator in BREG, so a Server does without.
    if n.ORI_ADDR in value or kind != n.REG:
        request.ue_service_id = _originator(value)
    request.entries = _entries(value, number, name, _REQUEST_ENTRY[kind])
    if not request.entries:
        raise BadMessage(name, "the list is empty")


def _registration_entry(value):
    return _request_entry(value, n.REG, _registration)


def _deregistration_entry(value):
    if _has_list(value):
        raise BadMessage("", "a list in the entry of a list")
    return _request_entry(value, n.DEREG, _deregistration)


_REQUEST_ENTRY = {n.REG: _registration_entry, n.DEREG: _deregistration_entry}


def _request_entry(value, kind, read):
    """One request of a bulk list, which may lack `msgType` and `msgIden` (6.3.4.3.2 d5)."""
    request = Request()
    request.msg_type = kind
    if n.MSG_TYPE in value and value[n.MSG_TYPE] != kind:
        raise BadMessage(n.MSG_TYPE, "%s is wanted" % kind)
    if n.MSG_IDEN in value:
        request.service_id = checks.text(value[n.MSG_IDEN], n.MSG_IDEN, MAX_URI_BYTES)
    read(request, value)
    return request


def _entries(value, number, name, read):
    """Return the parsed entries of a list after its count was compared with its length."""
    items = value.get(name)
    if items.__class__ is not list:
        raise BadMessage(name, "missing" if items is None else "a list is wanted")
    if len(items) > MAX_BULK_ENTRIES:
        raise BadMessage(name, "more than %d entries" % MAX_BULK_ENTRIES)
    count = value.get(number)
    if count.__class__ is not int:
        raise BadMessage(number, "missing" if count is None else "an integer is wanted")
    if count != len(items):
        raise BadMessage(number, "the list has %d entries" % len(items))
    entries = []
    for item in items:
        try:
            if item.__class__ is not dict:
                raise BadMessage("", _OBJECT)
            entries.append(read(item))
        except BadMessage as problem:
            at = "%s[%d]" % (name, len(entries))
            raise BadMessage(at + "." + problem.key if problem.key else at, problem.reason)
    return entries


def _originator(value):
    """Return the UE Service ID in `oriAddr`."""
    address = value.get(n.ORI_ADDR)
    if address.__class__ is not dict:
        raise BadMessage(n.ORI_ADDR, "missing" if address is None else _OBJECT)
    if address.get(n.ORI_ADDR_TYPE) != n.UE:
        raise BadMessage(_ORI_TYPE, "UE is wanted")
    return checks.uri(address.get(n.ADDR), _ORI_ADDR)


def _result(value):
    """A boolean; the printed schemas also have the strings "true" and "false"."""
    if value == "true":
        return True
    if value == "false":
        return False
    return checks.boolean(value, n.RESULT)


def _cause(value):
    for key in gaps.CAUSE_KEYS:
        if key in value:
            cause = value[key]
            if cause.__class__ is not str:
                raise BadMessage(key, "a string is wanted")
            return checks.cut_cause(cause)
    return None


def _answer(value):
    answer = Answer()
    answer.ue_service_id = _originator(value)
    if n.RESULT in value:
        answer.result = _result(value[n.RESULT])
    if n.REG_EXP_TIME in value:
        answer.lifetime_s = checks.seconds(value[n.REG_EXP_TIME], n.REG_EXP_TIME)
    if n.EXPECTED_TIME in value:
        answer.expected_s = checks.seconds(value[n.EXPECTED_TIME], n.EXPECTED_TIME)
    if n.ACCEPTED_TIME in value:
        answer.accepted_s = checks.seconds(value[n.ACCEPTED_TIME], n.ACCEPTED_TIME)
    answer.cause = _cause(value)
    return answer
