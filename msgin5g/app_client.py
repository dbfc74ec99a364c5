"""The CoAP form of MSGin5G-5 (Annex A.3): an Application Client on a device without a client.

The attributes are those of `l3.L3Message` where both forms have them: Message IDs and Registration
IDs are bytes, an Application ID is a number, a payload is bytes.
"""

from binascii import hexlify

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g._app_parse import (
    FAILED,
    PRIORITIES,
    REGISTRATION_ID_BYTES,
    SUCCESS,
    TARGET_TYPES,
    AppAnswer,
    AppRequest,
    is_app_object,
    is_app_request,
    parse_answer,
    parse_object,
    parse_request,
    uuid_bytes,
)
from msgin5g.errors import CallerError
from msgin5g.jsontext import obj
from msgin5g.l3 import (
    DELIVERY_REPORT_RECEIVED_REQUEST,
    MESSAGE_RECEIVED_RESPONSE,
    MESSAGE_SENDING_RESPONSE,
    NAMES,
)
from msgin5g.limits import MAX_URI_BYTES
from msgin5g.octets import from_text, to_text, uuid_text
from msgin5g.payload_errors import BadMessage

__all__ = (
    "AppAnswer",
    "AppRequest",
    "answer",
    "deregistration",
    "from_text",
    "is_app_object",
    "is_app_request",
    "parse_answer",
    "parse_object",
    "parse_request",
    "received_request",
    "received_response",
    "registration",
    "report_received_request",
    "report_sending_request",
    "sending_request",
    "sending_response",
    "to_text",
    "uuid_bytes",
    "uuid_text",
)

# Registration (A.3.2.7, A.3.2.8)


def registration(service_id, application_id, credential):
    """Build an application's REG. credential: bytes, at least one."""
    if not credential:
        raise CallerError("a credential is wanted")
    return obj(
        (
            (n.MSG_IDEN, _some(service_id, "service_id")),
            (n.MSG_TYPE, n.REG),
            (n.APP_ID, _number(application_id)),
            (n.CREDENTIAL, to_text(credential)),
        )
    )


def deregistration(service_id, registration_id):
    """Build an application's DEREG. registration_id: 6 bytes."""
    return obj(
        (
            (n.MSG_IDEN, _some(service_id, "service_id")),
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


# Messages and reports (A.3.2.1 to A.3.2.6)


def sending_request(target_type, target, message_id, payload, application_id=None, report=False):
    """Build MESSAGE SENDING REQUEST. target: text; message_id: 16 bytes; payload: bytes."""
    if target_type not in TARGET_TYPES:
        raise CallerError("target_type: one of %s is wanted" % ", ".join(TARGET_TYPES))
    address = (n.DEST_ADDR_TYPE, target_type), (n.ADDR, _some(target, "target"))
    return obj(
        (
            (n.MSG_TYPE, gaps.APP_SENDING_REQUEST),
            (n.APP_ID, None if application_id is None else _number(application_id)),
            (n.MSG_ID, uuid_text(message_id)),
            (n.REPORT, True if report else None),
            (n.DEST_ADDR, obj(address)),
            (n.PAYLOAD, to_text(payload)),
        )
    )


def received_request(
    message_id, payload, originator=None, group=None, report=False, priority=None
):
    """Build MESSAGE RECEIVED REQUEST. priority: LOW, MEDIUM or HIGH."""
    if priority is not None and priority not in PRIORITIES:
        raise CallerError("priority: one of %s is wanted" % ", ".join(PRIORITIES))
    return obj(
        (
            (n.MSG_TYPE, gaps.APP_RECEIVED_REQUEST),
            (n.MSG_ID, uuid_text(message_id)),
            (n.ORI_ADDR, None if originator is None else _some(originator, "originator")),
            (n.GROUP_ID, None if group is None else _some(group, "group")),
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


def _report(name, success, message_id, reply_to):
    return obj(
        (
            (n.MSG_TYPE, name),
            (n.MSG_ID, uuid_text(message_id)),
            (n.REPLY_TO, uuid_text(reply_to)),
            (n.DELIVERY_STATUS, SUCCESS if success else FAILED),
        )
    )


def _response(kind, success, reason):
    if success and reason is not None:
        raise CallerError("a reason goes with a failure")
    return obj(
        (
            (n.MSG_TYPE, NAMES[kind]),
            (n.RESULT, SUCCESS if success else FAILED),
            (n.FAIL_REASON, None if reason is None else checks.cut_cause(reason)),
        )
    )


def _some(text, what):
    """Return a caller's text of 1 to MAX_URI_BYTES bytes without control characters."""
    try:
        return checks.text(text, what, MAX_URI_BYTES)
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))


def _number(application_id):
    if application_id.__class__ is not int or not 0 <= application_id <= 0xFFFF:
        raise CallerError("an Application ID is a number from 0 to 65535")
    return str(application_id)


def _hex(registration_id):
    if registration_id is None or len(registration_id) != REGISTRATION_ID_BYTES:
        raise CallerError("a Registration ID has 6 bytes")
    return hexlify(registration_id).decode()
