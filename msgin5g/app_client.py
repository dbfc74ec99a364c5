"""The CoAP form of MSGin5G-5 (Annex A.3): an Application Client on a device without a client.

The attributes are those of `l3.L3Message` where both forms have them: Message IDs and Registration
IDs are bytes, an Application ID is a number, a payload is bytes.
"""

from binascii import hexlify, unhexlify

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.errors import BadMessage, CallerError
from msgin5g.jsontext import loads, obj
from msgin5g.l3 import (
    DELIVERY_REPORT_RECEIVED_REQUEST,
    DELIVERY_REPORT_SENDING_REQUEST,
    MESSAGE_RECEIVED_REQUEST,
    MESSAGE_RECEIVED_RESPONSE,
    MESSAGE_SENDING_REQUEST,
    MESSAGE_SENDING_RESPONSE,
    NAMES,
)
from msgin5g.limits import MAX_PAYLOAD_BYTES, MAX_URI_BYTES
from msgin5g.message_parts import uuid
from msgin5g.octets import from_text, to_text, uuid_text

_TARGET_TYPES = (n.UE, n.AS, n.GROUP)
_PRIORITIES = ("LOW", "MEDIUM", "HIGH")
_REGISTRATION_ID_BYTES = 6
_SUCCESS, _FAILED = "SUCCESS", "FAILED"
_MESSAGE_TYPES = {NAMES[kind]: kind for kind in NAMES if kind <= DELIVERY_REPORT_RECEIVED_REQUEST}
_MESSAGE_TYPES[gaps.APP_SENDING_REQUEST] = MESSAGE_SENDING_REQUEST
_MESSAGE_TYPES[gaps.APP_REPORT_SENDING_REQUEST] = DELIVERY_REPORT_SENDING_REQUEST
_MESSAGE_TYPES[gaps.APP_RECEIVED_REQUEST] = MESSAGE_RECEIVED_REQUEST


class AppRequest:
    """A request of an Application Client, or of the gateway to one.

    msg_type: "REG", "DEREG", or a message type of `l3` (a number) for messages and reports.
    """

    msg_type = None
    service_id = None
    application_id = None
    credential = None
    registration_id = None
    message_id = None
    reply_to = None
    payload = None
    target = None
    target_type = None
    report = None
    success = None
    cause = None
    originator = None
    group = None
    priority = None


class AppAnswer:
    """The answer to a registration or de-registration."""

    result = None
    registration_id = None
    cause = None


# Registration (A.3.2.7, A.3.2.8)


def registration(service_id, application_id, credential):
    """Build an application's REG. credential: bytes."""
    if not 0 <= application_id <= 0xFFFF:
        raise CallerError("an Application ID is a number from 0 to 65535")
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.REG),
            (n.APP_ID, str(application_id)),
            (n.CREDENTIAL, to_text(credential)),
        )
    )


def deregistration(service_id, registration_id):
    """Build an application's DEREG. registration_id: 6 bytes."""
    return obj(
        (
            (n.MSG_IDEN, service_id),
            (n.MSG_TYPE, n.DEREG),
            (gaps.REGISTRATION_ID_REQUEST, _hex(registration_id)),
        )
    )


def answer(result, registration_id=None, reason=None):
    """Build the answer to either: a Registration ID with a yes, a failure reason with a no."""
    if result:
        return obj(((n.RESULT, True), (gaps.REGISTRATION_ID_ANSWER, _hex(registration_id))))
    reason = checks.cut_cause(reason or gaps.CAUSE_UNSPECIFIED)
    return obj(((n.RESULT, False), (n.FAILURE_REASON, reason)))


def parse_answer(payload):
    """Return the AppAnswer in a 2.xx payload. Raises BadMessage."""
    value = _load(payload)
    out = AppAnswer()
    result = value.get(n.RESULT)
    if result == "true" or result == "false":
        result = result == "true"
    if result is None:  # the schema's default is not applied
        raise BadMessage(n.RESULT, "missing")
    out.result = checks.boolean(result, n.RESULT)
    out.registration_id = _registration_id(value, False)
    out.cause = _reason(value, gaps.CAUSE_KEYS)
    return out


def is_app_request(payload):
    """Tell whether a payload looks like an application's request and not a UE's.

    A UE's request has `oriAddr`; an application's has an Application ID or Registration ID, or a
    Message Type of A.3. A payload that is neither is left to the parser of the UE's requests.
    """
    payload = bytes(payload)
    if b'"%s"' % n.ORI_ADDR.encode() in payload and b"RECEIVED REQ" not in payload:
        return False
    return (
        b'"%s"' % n.APP_ID.encode() in payload
        or b"egistration" in payload
        or b" SENDING REQ" in payload
    )


def parse_request(payload):
    """Return the AppRequest in a POST's payload. Raises BadMessage."""
    value = _load(payload)
    out = AppRequest()
    kind = value.get(n.MSG_TYPE)
    if kind == n.REG:
        out.application_id = _application(value)
        out.credential = from_text(
            checks.text(value.get(n.CREDENTIAL), n.CREDENTIAL, MAX_PAYLOAD_BYTES), n.CREDENTIAL
        )
    elif kind == n.DEREG:
        out.registration_id = _registration_id(value, True)
    elif kind in _MESSAGE_TYPES:
        kind = _MESSAGE_TYPES[kind]
        _READ[kind](out, value)
    else:
        reason = "missing" if kind is None else "unknown Message Type"
        raise BadMessage(n.MSG_TYPE, reason)
    out.msg_type = kind
    if n.MSG_IDEN in value:
        out.service_id = checks.text(value[n.MSG_IDEN], n.MSG_IDEN, MAX_URI_BYTES)
    elif kind == n.REG or kind == n.DEREG:
        raise BadMessage(n.MSG_IDEN, "missing")
    return out


# Messages and reports (A.3.2.1 to A.3.2.6)


def sending_request(target_type, target, message_id, payload, application_id=None, report=False):
    """Build MESSAGE SENDING REQUEST. target: text; message_id: 16 bytes; payload: bytes."""
    if target_type not in _TARGET_TYPES:
        raise CallerError("target_type: one of %s is wanted" % ", ".join(_TARGET_TYPES))
    return obj(
        (
            (n.MSG_TYPE, gaps.APP_SENDING_REQUEST),
            (n.APP_ID, None if application_id is None else str(application_id)),
            (n.MSG_ID, uuid_text(message_id)),
            (n.REPORT, True if report else None),
            (n.DEST_ADDR, obj(((n.DEST_ADDR_TYPE, target_type), (n.ADDR, target)))),
            (n.PAYLOAD, to_text(payload)),
        )
    )


def received_request(
    message_id, payload, originator=None, group=None, report=False, priority=None
):
    """Build MESSAGE RECEIVED REQUEST. priority: LOW, MEDIUM or HIGH."""
    return obj(
        (
            (n.MSG_TYPE, gaps.APP_RECEIVED_REQUEST),
            (n.MSG_ID, uuid_text(message_id)),
            (n.ORI_ADDR, originator),
            (n.GROUP_ID, group),
            (n.REPORT, True if report else None),
            (n.PRIORITY, priority),
            (n.PAYLOAD, to_text(payload)),
        )
    )


def report_sending_request(success, message_id, reply_to):
    """Build DELIVERY REPORT SENDING REQUEST."""
    return _report(gaps.APP_REPORT_SENDING_REQUEST, success, message_id, reply_to)


def report_received_request(success, message_id, reply_to):
    """Build DELIVERY REPORT RECEIVED REQUEST."""
    name = NAMES[DELIVERY_REPORT_RECEIVED_REQUEST]
    return _report(name, success, message_id, reply_to)


def sending_response(success, reason=None):
    """Build MESSAGE SENDING RESPONSE, the payload of a 2.05."""
    return _response(MESSAGE_SENDING_RESPONSE, success, reason)


def received_response(success, reason=None):
    """Build MESSAGE RECEIVED RESPONSE, the payload of a 2.05."""
    return _response(MESSAGE_RECEIVED_RESPONSE, success, reason)


def uuid_bytes(text, key=n.MSG_ID):
    """Return the 16 bytes of a UUID's text form. Raises BadMessage."""
    return unhexlify(uuid(text, key).replace("-", ""))


def _report(name, success, message_id, reply_to):
    return obj(
        (
            (n.MSG_TYPE, name),
            (n.MSG_ID, uuid_text(message_id)),
            (n.REPLY_TO, uuid_text(reply_to)),
            (n.DELIVERY_STATUS, _SUCCESS if success else _FAILED),
        )
    )


def _response(kind, success, reason):
    return obj(
        (
            (n.MSG_TYPE, NAMES[kind]),
            (n.RESULT, _SUCCESS if success else _FAILED),
            (n.FAIL_REASON, None if reason is None else checks.cut_cause(reason)),
        )
    )


def _read_sending(out, value):
    out.message_id = uuid_bytes(value.get(n.MSG_ID))
    if n.APP_ID in value:
        out.application_id = _application(value)
    address = value.get(n.DEST_ADDR)
    if address.__class__ is not dict:
        raise BadMessage(n.DEST_ADDR, "missing" if address is None else "an object is wanted")
    if address.get(n.DEST_ADDR_TYPE) not in _TARGET_TYPES:
        key = n.DEST_ADDR + "." + n.DEST_ADDR_TYPE
        raise BadMessage(key, "one of %s is wanted" % ", ".join(_TARGET_TYPES))
    out.target_type = address[n.DEST_ADDR_TYPE]
    text = checks.text(address.get(n.ADDR), n.DEST_ADDR + "." + n.ADDR, MAX_URI_BYTES)
    out.target = ("fqdn", text)
    _read_payload(out, value)


def _read_received(out, value):
    out.message_id = uuid_bytes(value.get(n.MSG_ID))
    if n.ORI_ADDR in value:
        out.originator = checks.text(value[n.ORI_ADDR], n.ORI_ADDR, MAX_URI_BYTES)
    if n.GROUP_ID in value:
        out.group = checks.text(value[n.GROUP_ID], n.GROUP_ID, MAX_URI_BYTES)
    if n.PRIORITY in value:
        priority = value[n.PRIORITY]
        # The printed default, NORMAL, is not in the printed list.
        out.priority = "MEDIUM" if priority == n.NORMAL else priority
        if out.priority not in _PRIORITIES:
            raise BadMessage(n.PRIORITY, "one of %s is wanted" % ", ".join(_PRIORITIES))
    _read_payload(out, value)


def _read_payload(out, value):
    out.report = False
    if n.REPORT in value:
        out.report = checks.boolean(value[n.REPORT], n.REPORT)
    payload = value.get(n.PAYLOAD)
    if payload.__class__ is not str:
        raise BadMessage(n.PAYLOAD, "missing" if payload is None else "a string is wanted")
    out.payload = from_text(payload)


def _read_report(out, value):
    out.message_id = uuid_bytes(value.get(n.MSG_ID))
    if n.REPLY_TO in value:
        out.reply_to = uuid_bytes(value[n.REPLY_TO], n.REPLY_TO)
    out.success = _success(value, n.DELIVERY_STATUS)


def _read_response(out, value):
    out.success = _success(value, n.RESULT)
    out.cause = _reason(value, (n.FAIL_REASON,) + gaps.CAUSE_KEYS)


_READ = {
    MESSAGE_SENDING_REQUEST: _read_sending,
    MESSAGE_SENDING_RESPONSE: _read_response,
    MESSAGE_RECEIVED_REQUEST: _read_received,
    MESSAGE_RECEIVED_RESPONSE: _read_response,
    DELIVERY_REPORT_SENDING_REQUEST: _read_report,
    DELIVERY_REPORT_RECEIVED_REQUEST: _read_report,
}


def _load(payload):
    value = loads(payload)
    if value.__class__ is not dict:
        raise BadMessage("", "an object is wanted")
    return value


def _success(value, key):
    status = value.get(key)
    if status != _SUCCESS and status != _FAILED:
        wanted = "SUCCESS or FAILED is wanted"
        raise BadMessage(key, "missing" if status is None else wanted)
    return status == _SUCCESS


def _reason(value, keys):
    for key in keys:
        if key in value:
            if value[key].__class__ is not str:
                raise BadMessage(key, "a string is wanted")
            return checks.cut_cause(value[key])
    return None


def _application(value):
    text = value.get(n.APP_ID)
    if text.__class__ is int:
        text = str(text)
    checks.text(text, n.APP_ID)
    for char in text:
        if not "0" <= char <= "9":
            raise BadMessage(n.APP_ID, "a number from 0 to 65535 is wanted")
    if len(text) > 5 or int(text) > 0xFFFF:
        raise BadMessage(n.APP_ID, "a number from 0 to 65535 is wanted")
    return int(text)


def _registration_id(value, needed):
    for key in gaps.REGISTRATION_ID_KEYS:
        if key in value:
            text = checks.text(value[key], key)
            try:
                data = unhexlify(text)
            except ValueError:
                data = b""
            if len(data) != _REGISTRATION_ID_BYTES:
                raise BadMessage(key, "12 hex digits are wanted")
            return data
    if needed:
        raise BadMessage(gaps.REGISTRATION_ID_REQUEST, "missing")
    return None


def _hex(registration_id):
    if registration_id is None or len(registration_id) != _REGISTRATION_ID_BYTES:
        raise CallerError("a Registration ID has 6 bytes")
    return hexlify(registration_id).decode()
