"""The L3 messages of MSGin5G-5 (Annex A.2): 3 bytes to 64 KiB, without transaction identifiers.

Builders return bytes; `decode` returns an `L3Message`. What the annex leaves doubtful, such as
identifiers of elements, is in `gaps`. Formats are those of TS 24.007 clause 11.2.
"""

from msgin5g import gaps
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage
from msgin5g.targets import decode_target, encode_target

MESSAGE_SENDING_REQUEST = 0x01
MESSAGE_SENDING_RESPONSE = 0x02
MESSAGE_RECEIVED_REQUEST = 0x03
MESSAGE_RECEIVED_RESPONSE = 0x04
DELIVERY_REPORT_SENDING_REQUEST = 0x05
DELIVERY_REPORT_RECEIVED_REQUEST = 0x06
REGISTRATION_REQUEST = 0x07
REGISTRATION_ACCEPT = 0x08
REGISTRATION_REJECT = 0x09
DEREGISTRATION_REQUEST = 0x0A
DEREGISTRATION_REJECT = gaps.L3_DEREGISTRATION_REJECT
DEREGISTRATION_ACCEPT = gaps.L3_DEREGISTRATION_ACCEPT

NAMES = {
    MESSAGE_SENDING_REQUEST: "MESSAGE SENDING REQUEST",
    MESSAGE_SENDING_RESPONSE: "MESSAGE SENDING RESPONSE",
    MESSAGE_RECEIVED_REQUEST: "MESSAGE RECEIVED REQUEST",
    MESSAGE_RECEIVED_RESPONSE: "MESSAGE RECEIVED RESPONSE",
    DELIVERY_REPORT_SENDING_REQUEST: "DELIVERY REPORT SENDING REQUEST",
    DELIVERY_REPORT_RECEIVED_REQUEST: "DELIVERY REPORT RECEIVED REQUEST",
    REGISTRATION_REQUEST: "REGISTRATION REQUEST",
    REGISTRATION_ACCEPT: "REGISTRATION ACCEPT",
    REGISTRATION_REJECT: "REGISTRATION REJECT",
    DEREGISTRATION_REQUEST: "DEREGISTRATION REQUEST",
    DEREGISTRATION_REJECT: "DEREGISTRATION REJECT",
    DEREGISTRATION_ACCEPT: "DEREGISTRATION ACCEPT",
}

CAUSE_NOT_ALLOWED = 1
CAUSE_INVALID_CREDENTIALS = 2
CAUSE_CONFLICT = 3
CAUSE_CONNECTION_GONE = 4
CAUSE_LACK_OF_RESOURCES = 5
CAUSE_CONGESTION = 6
CAUSE_UNKNOWN_DEVICE = 7
CAUSE_PROTOCOL_ERROR = 111

# A.2.2.17; the texts are also the failure reasons of the CoAP form.
CAUSES = {
    CAUSE_NOT_ALLOWED: "access via this gateway not allowed",
    CAUSE_INVALID_CREDENTIALS: "invalid credentials",
    CAUSE_CONFLICT: "conflict of transport identifier",
    CAUSE_CONNECTION_GONE: "connection not available any more",
    CAUSE_LACK_OF_RESOURCES: "lack of resources",
    CAUSE_CONGESTION: "congestion",
    CAUSE_UNKNOWN_DEVICE: "unknown device",
    CAUSE_PROTOCOL_ERROR: "protocol error",
}

_TARGET_TYPES = (n.UE, n.GROUP, n.AS)
_PRIORITIES = ("LOW", "MEDIUM", "HIGH")
_ID_BYTES = 16
_REGISTRATION_ID_BYTES = 6
_OCTET_LENGTH_MAX = 255
_LENGTH_MAX = 65535
_OCTETS = (bytes, bytearray, memoryview)


class L3Message:
    """A decoded message. What it does not carry is None.

    type: of the constants above; application_id: 0 to 65535; credential, payload: bytes;
    registration_id: 6 bytes; message_id, reply_to: 16 bytes; cause: of the CAUSE constants;
    target: ("ipv4" | "ipv6" | "fqdn", text); target_type: "UE", "GROUP" or "AS"; report, success:
    bool; originator, group: text; priority: "LOW", "MEDIUM" or "HIGH".
    """

    type = None
    application_id = None
    credential = None
    registration_id = None
    cause = None
    message_id = None
    reply_to = None
    payload = None
    target = None
    target_type = None
    report = None
    success = None
    originator = None
    group = None
    priority = None


def is_l3(first_octet):
    """Tell an L3 message from CoAP by its first octet."""
    return 0x01 <= first_octet <= 0x0C


# Building


def registration_request(application_id, credential):
    """Build REGISTRATION REQUEST (A.2.1.7). credential: 1 to 65535 bytes."""
    return (
        bytes((REGISTRATION_REQUEST,))
        + _number(application_id)
        + _long(credential, "credential", 1)
    )


def registration_accept(registration_id):
    """Build REGISTRATION ACCEPT (A.2.1.8)."""
    return _with_id(REGISTRATION_ACCEPT, registration_id)


def registration_reject(cause):
    """Build REGISTRATION REJECT (A.2.1.9)."""
    return bytes((REGISTRATION_REJECT, _known_cause(cause)))


def deregistration_request(registration_id):
    """Build DEREGISTRATION REQUEST (A.2.1.10)."""
    return _with_id(DEREGISTRATION_REQUEST, registration_id)


def deregistration_accept(registration_id):
    """Build DEREGISTRATION ACCEPT (A.2.1.11)."""
    return _with_id(DEREGISTRATION_ACCEPT, registration_id)


def deregistration_reject(cause):
    """Build DEREGISTRATION REJECT (A.2.1.12)."""
    return bytes((DEREGISTRATION_REJECT, _known_cause(cause)))


def message_sending_request(
    target_type, target, message_id, payload, application_id=None, report=None
):
    """Build MESSAGE SENDING REQUEST (A.2.1.1). target: (kind, text) as in L3Message.

    target_type None leaves the element out.
    """
    out = bytes((MESSAGE_SENDING_REQUEST,)) + encode_target(target)
    out += _uuid(message_id) + _long(payload, "payload", gaps.L3_MIN_SENDING_PAYLOAD_BYTES)
    if application_id is not None:
        out += bytes((gaps.L3_IEI_APPLICATION_ID,)) + _number(application_id)
    out += _half(gaps.L3_IEI_REPORT, None if report is None else int(bool(report)))
    if target_type is not None:
        out += _half(gaps.L3_IEI_TARGET_TYPE, _index(_TARGET_TYPES, target_type, "target_type"))
    return out


def message_received_request(
    message_id, payload, originator=None, group=None, report=None, priority=None
):
    """Build MESSAGE RECEIVED REQUEST (A.2.1.3). originator, group: text of at most 255 bytes."""
    out = bytes((MESSAGE_RECEIVED_REQUEST,)) + _uuid(message_id) + _long(payload, "payload", 0)
    out += _text(gaps.L3_IEI_ORIGINATOR, originator, "originator")
    out += _text(gaps.L3_IEI_GROUP_ID, group, "group")
    out += _half(gaps.L3_IEI_REPORT, None if report is None else int(bool(report)))
    if priority is not None:
        out += _half(gaps.L3_IEI_PRIORITY, _index(_PRIORITIES, priority, "priority"))
    return out


def message_sending_response(success, cause=None):
    """Build MESSAGE SENDING RESPONSE (A.2.1.5)."""
    return _response(MESSAGE_SENDING_RESPONSE, success, cause)


def message_received_response(success, cause=None):
    """Build MESSAGE RECEIVED RESPONSE (A.2.1.6)."""
    return _response(MESSAGE_RECEIVED_RESPONSE, success, cause)


def delivery_report_sending_request(success, message_id, reply_to):
    """Build DELIVERY REPORT SENDING REQUEST (A.2.1.2)."""
    return _report(DELIVERY_REPORT_SENDING_REQUEST, success, message_id, reply_to)


def delivery_report_received_request(success, message_id, reply_to):
    """Build DELIVERY REPORT RECEIVED REQUEST (A.2.1.4)."""
    return _report(DELIVERY_REPORT_RECEIVED_REQUEST, success, message_id, reply_to)


def _with_id(kind, registration_id):
    return bytes((kind,)) + _fixed(registration_id, "a Registration ID", _REGISTRATION_ID_BYTES)


def _response(kind, success, cause):
    # Result is the low half octet, the spare one above it is zero.
    if success and cause is not None:
        raise CallerError("a cause goes with a failure")
    out = bytes((kind, int(bool(success))))
    if cause is not None:
        out += bytes((gaps.L3_IEI_CAUSE, _known_cause(cause)))
    return out


def _report(kind, success, message_id, reply_to):
    return bytes((kind, int(bool(success)))) + _uuid(message_id) + _uuid(reply_to)


def _known_cause(cause):
    if cause.__class__ is not int or cause not in CAUSES:
        raise CallerError("cause: one of %s is wanted" % ", ".join(map(str, sorted(CAUSES))))
    return cause


def _number(application_id):
    if application_id.__class__ is not int or not 0 <= application_id <= 0xFFFF:
        raise CallerError("an Application ID is a number from 0 to 65535")
    return bytes((application_id >> 8, application_id & 255))


def _uuid(value):
    return _fixed(value, "a Message ID", _ID_BYTES)


def _fixed(data, what, count):
    if not isinstance(data, _OCTETS) or len(data) != count:
        raise CallerError("%s has %d bytes" % (what, count))
    return bytes(data)


def _long(data, what, least):
    if not isinstance(data, _OCTETS) or not least <= len(data) <= _LENGTH_MAX:
        raise CallerError("%s: %d to %d bytes are wanted" % (what, least, _LENGTH_MAX))
    return bytes((len(data) >> 8, len(data) & 255)) + bytes(data)


def _text(iei, text, what):
    if text is None:
        return b""
    try:
        data = text.encode()
    except UnicodeError:
        data = b""
    if not 0 < len(data) <= _OCTET_LENGTH_MAX:
        raise CallerError("%s: text of 1 to %d bytes is wanted" % (what, _OCTET_LENGTH_MAX))
    return bytes((iei, len(data))) + data


def _half(iei, value):
    return b"" if value is None else bytes((iei << 4 | value,))


def _index(known, value, what):
    for at, one in enumerate(known):
        if one == value:
            return at
    raise CallerError("%s: one of %s is wanted" % (what, ", ".join(known)))


# Reading


def decode(frame):
    """Return the L3Message in a frame. Raises BadMessage for anything that is none."""
    if frame.__class__ is not bytes:
        frame = bytes(frame)
    if not frame:
        raise BadMessage("Message Type", "missing")
    message = L3Message()
    kind = message.type = frame[0]
    at = 1
    if kind == REGISTRATION_REQUEST:
        data, at = _take(frame, at, 2, "Application ID")
        message.application_id = data[0] << 8 | data[1]
        message.credential, at = _take_long(frame, at, "Credential information")
        if not message.credential:
            raise BadMessage("Credential information", "empty")
    elif kind in (REGISTRATION_ACCEPT, DEREGISTRATION_REQUEST, DEREGISTRATION_ACCEPT):
        message.registration_id, at = _take(frame, at, _REGISTRATION_ID_BYTES, "Registration ID")
    elif kind == REGISTRATION_REJECT or kind == DEREGISTRATION_REJECT:
        data, at = _take(frame, at, 1, "Failure Reason")
        message.cause = _cause(data[0])
    elif kind == MESSAGE_SENDING_REQUEST:
        message.target, at = decode_target(frame, at)
        message.message_id, at = _take(frame, at, _ID_BYTES, "Message ID")
        message.payload, at = _take_long(frame, at, "Payload")
    elif kind == MESSAGE_RECEIVED_REQUEST:
        message.message_id, at = _take(frame, at, _ID_BYTES, "Message ID")
        message.payload, at = _take_long(frame, at, "Payload")
    elif kind == MESSAGE_SENDING_RESPONSE or kind == MESSAGE_RECEIVED_RESPONSE:
        data, at = _take(frame, at, 1, "Result")
        # Reserved values count as FAILED; the spare half octet is not looked at.
        message.success = data[0] & 15 == 1
    elif kind == DELIVERY_REPORT_SENDING_REQUEST or kind == DELIVERY_REPORT_RECEIVED_REQUEST:
        data, at = _take(frame, at, 1, "Delivery Status")
        message.success = data[0] == 1
        message.message_id, at = _take(frame, at, _ID_BYTES, "Message ID")
        message.reply_to, at = _take(frame, at, _ID_BYTES, "Reply-to Message ID")
    else:
        raise BadMessage("Message Type", "unknown: %d" % kind)
    _optional(message, frame, at)
    if message.success:
        message.cause = None  # a reason goes with a failure
    return message


def _optional(message, frame, at):
    """Read the optional elements in any order; the first of several counts (24.007 11.2.4)."""
    known = _OPTIONAL.get(message.type, ())
    end = len(frame)
    if known == _RESPONSE_ONLY and end - at == 2 and not frame[at] & 0x80:
        # The Failure Reason's identifier is nowhere printed: its place tells it.
        message.cause = _cause(frame[at + 1])
        return
    while at < end:
        iei = frame[at]
        if iei & 0x80:
            half = iei >> 4
            if half in known:
                _read_half(message, half, iei & 15)
            at += 1
        elif iei in known and iei in _FIXED:
            data, at = _take(frame, at + 1, _FIXED[iei], "element 0x%02X" % iei)
            _read_fixed(message, iei, data)
        else:
            name = "element 0x%02X" % iei
            length, at = _take(frame, at + 1, 1, name)
            data, at = _take(frame, at, length[0], name)
            if iei in known:
                _read_text(message, iei, data, name)


_RESPONSE_ONLY = (gaps.L3_IEI_CAUSE,)
_FIXED = {gaps.L3_IEI_APPLICATION_ID: 2, gaps.L3_IEI_CAUSE: 1}
_OPTIONAL = {
    MESSAGE_SENDING_REQUEST: (
        gaps.L3_IEI_APPLICATION_ID,
        gaps.L3_IEI_REPORT,
        gaps.L3_IEI_TARGET_TYPE,
    ),
    MESSAGE_RECEIVED_REQUEST: (
        gaps.L3_IEI_ORIGINATOR,
        gaps.L3_IEI_GROUP_ID,
        gaps.L3_IEI_REPORT,
        gaps.L3_IEI_PRIORITY,
    ),
    MESSAGE_SENDING_RESPONSE: _RESPONSE_ONLY,
    MESSAGE_RECEIVED_RESPONSE: _RESPONSE_ONLY,
}


def _read_half(message, iei, value):
    """Reserved values: no report, a target UE, a priority in the middle."""
    if iei == gaps.L3_IEI_REPORT and message.report is None:
        message.report = value == 1
    elif iei == gaps.L3_IEI_TARGET_TYPE and message.target_type is None:
        message.target_type = _TARGET_TYPES[value if value < 3 else 0]
    elif iei == gaps.L3_IEI_PRIORITY and message.priority is None:
        message.priority = _PRIORITIES[value if value < 3 else 1]


def _read_fixed(message, iei, data):
    if iei == gaps.L3_IEI_CAUSE:
        if message.cause is None:
            message.cause = _cause(data[0])
    elif message.application_id is None:
        message.application_id = data[0] << 8 | data[1]


def _read_text(message, iei, data, name):
    attribute = "originator" if iei == gaps.L3_IEI_ORIGINATOR else "group"
    if getattr(message, attribute) is not None:
        return
    try:
        text = data.decode()
    except UnicodeError:
        raise BadMessage(name, "not UTF-8")
    if not text:
        raise BadMessage(name, "empty")
    setattr(message, attribute, text)


def _cause(value):
    return value if value in CAUSES else CAUSE_PROTOCOL_ERROR


def _take(frame, at, count, what):
    data = frame[at : at + count]
    if len(data) < count:
        raise BadMessage(what, "cut short")
    return data, at + count


def _take_long(frame, at, what):
    length, at = _take(frame, at, 2, what)
    return _take(frame, at, length[0] << 8 | length[1], what)
