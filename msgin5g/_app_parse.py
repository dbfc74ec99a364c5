"""Parsers of the CoAP form of MSGin5G-5 (Annex A.3), with the tolerances its schemas call for."""

from binascii import unhexlify

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.jsontext import loads
from msgin5g.l3 import (
    DELIVERY_REPORT_RECEIVED_REQUEST,
    DELIVERY_REPORT_SENDING_REQUEST,
    MESSAGE_RECEIVED_REQUEST,
    MESSAGE_RECEIVED_RESPONSE,
    MESSAGE_SENDING_REQUEST,
    MESSAGE_SENDING_RESPONSE,
    NAMES,
)
from msgin5g.limits import MAX_URI_BYTES
from msgin5g.message_parts import uuid
from msgin5g.octets import from_text
from msgin5g.payload_errors import BadMessage

TARGET_TYPES = (n.UE, n.AS, n.GROUP)
PRIORITIES = ("LOW", "MEDIUM", "HIGH")
REGISTRATION_ID_BYTES = 6
SUCCESS, FAILED = "SUCCESS", "FAILED"
_ORI_ADDR, _APP_ID = b'"%s"' % n.ORI_ADDR.encode(), b'"%s"' % n.APP_ID.encode()
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


def is_app_request(payload):
    """Tell an application's request from a UE's; what is no JSON is neither.

    Most of a UE's requests are told without reading the JSON. Who reads it anyway calls
    `is_app_object` and `parse_object`.
    """
    payload = bytes(payload)
    if b" SENDING " not in payload and b" RECEIVED " not in payload and b"\\u" not in payload:
        if _ORI_ADDR in payload:
            return False
        if _APP_ID not in payload and b"egistration" not in payload:
            return False
    try:
        return is_app_object(loads(payload))
    except BadMessage:
        return False


def is_app_object(value):
    """Tell an application's request from a UE's by its JSON value.

    REG and DEREG are a UE's if they have `oriAddr`; an application's has an Application ID or a
    Registration ID (A.3.1.7, A.3.1.9). Messages and reports have Message Types of their own.
    """
    if value.__class__ is not dict:
        return False
    kind = value.get(n.MSG_TYPE)
    if kind == n.REG:
        return n.APP_ID in value and n.ORI_ADDR not in value
    if kind == n.DEREG:
        return n.ORI_ADDR not in value and _registration_key(value) is not None
    return kind.__class__ is str and kind in _MESSAGE_TYPES


def parse_request(payload):
    """Return the AppRequest in a POST's payload. Raises BadMessage."""
    return parse_object(loads(payload))


def parse_object(value):
    """Return the AppRequest in a JSON value. Raises BadMessage."""
    _check_object(value)
    out = AppRequest()
    kind = value.get(n.MSG_TYPE)
    if kind == n.REG:
        out.application_id = _application(value)
        out.credential = _octets(value, n.CREDENTIAL)
        if not out.credential:
            raise BadMessage(n.CREDENTIAL, "empty")
    elif kind == n.DEREG:
        out.registration_id = _registration_id(value, True)
    elif kind.__class__ is str and kind in _MESSAGE_TYPES:
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


def parse_answer(payload):
    """Return the AppAnswer in a 2.xx payload. Raises BadMessage."""
    value = loads(payload)
    _check_object(value)
    out = AppAnswer()
    result = value.get(n.RESULT)
    if result == "true" or result == "false":
        result = result == "true"
    if result is None:  # the schema's default is not applied
        raise BadMessage(n.RESULT, "missing")
    out.result = checks.boolean(result, n.RESULT)
    out.registration_id = _registration_id(value, False)
    if not result:
        out.cause = _reason(value, gaps.CAUSE_KEYS)
    return out


def uuid_bytes(text, key=n.MSG_ID):
    """Return the 16 bytes of a UUID's text form. Raises BadMessage."""
    return unhexlify(uuid(text, key).replace("-", ""))


def _read_sending(out, value):
    out.message_id = uuid_bytes(value.get(n.MSG_ID))
    if n.APP_ID in value:
        out.application_id = _application(value)
    address = value.get(n.DEST_ADDR)
    if address.__class__ is not dict:
        raise BadMessage(n.DEST_ADDR, "missing" if address is None else "an object is wanted")
    if address.get(n.DEST_ADDR_TYPE) not in TARGET_TYPES:
        key = n.DEST_ADDR + "." + n.DEST_ADDR_TYPE
        raise BadMessage(key, "one of %s is wanted" % ", ".join(TARGET_TYPES))
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
        if out.priority not in PRIORITIES:
            raise BadMessage(n.PRIORITY, "one of %s is wanted" % ", ".join(PRIORITIES))
    _read_payload(out, value)


def _read_payload(out, value):
    out.report = False
    if n.REPORT in value:
        out.report = checks.boolean(value[n.REPORT], n.REPORT)
    out.payload = _octets(value, n.PAYLOAD)


def _read_report(out, value):
    out.message_id = uuid_bytes(value.get(n.MSG_ID))
    if n.REPLY_TO in value:
        out.reply_to = uuid_bytes(value[n.REPLY_TO], n.REPLY_TO)
    out.success = _success(value, n.DELIVERY_STATUS)


def _read_response(out, value):
    out.success = _success(value, n.RESULT)
    if not out.success:
        out.cause = _reason(value, (n.FAIL_REASON,) + gaps.CAUSE_KEYS)


_READ = {
    MESSAGE_SENDING_REQUEST: _read_sending,
    MESSAGE_SENDING_RESPONSE: _read_response,
    MESSAGE_RECEIVED_REQUEST: _read_received,
    MESSAGE_RECEIVED_RESPONSE: _read_response,
    DELIVERY_REPORT_SENDING_REQUEST: _read_report,
    DELIVERY_REPORT_RECEIVED_REQUEST: _read_report,
}


def _check_object(value):
    if value.__class__ is not dict:
        raise BadMessage("", "an object is wanted")


def _octets(value, key):
    """Return the octets that a string stands for; any character may be in it."""
    text = value.get(key)
    if text.__class__ is not str:
        raise BadMessage(key, "missing" if text is None else "a string is wanted")
    return from_text(text, key)


def _success(value, key):
    status = value.get(key)
    if status != SUCCESS and status != FAILED:
        wanted = "SUCCESS or FAILED is wanted"
        raise BadMessage(key, "missing" if status is None else wanted)
    return status == SUCCESS


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


def _registration_key(value):
    for key in gaps.REGISTRATION_ID_KEYS:
        if key in value:
            return key
    return None


def _registration_id(value, needed):
    key = _registration_key(value)
    if key is None:
        if needed:
            raise BadMessage(gaps.REGISTRATION_ID_REQUEST, "missing")
        return None
    try:
        data = unhexlify(checks.text(value[key], key))
    except ValueError:
        data = b""
    if len(data) != REGISTRATION_ID_BYTES:
        raise BadMessage(key, "12 hex digits are wanted")
    return data
