"""What log lines say of messages and requests, so that server, gateway and UE name them alike."""

from typing import Any

from msgin5g import names as n
from msgin5g.limits import MAX_MESSAGE_BYTES
from msgin5g.message import parse_message
from msgin5g.payload_errors import BadMessage
from msgin5g_host.journal import printable


def of_token(token: bytes) -> str:
    """Return the trace of a request of the registration family."""
    return "r-" + bytes(token).hex()


def named_of(message: Any) -> dict[str, Any]:
    """Return the fields that name a message, without its ways and what it says."""
    fields: dict[str, Any] = {}
    if message.message_id is not None:
        fields["trace"] = message.message_id
    set_id = message.set_id if message.segment is None else message.segment.set_id
    if set_id is not None:
        fields["set"] = set_id
    if message.entries is not None:
        fields["traces"] = [one.message_id for one in message.entries]
    if message.msg_type == n.IMDN and message.status == n.FAILURE:
        fields["status"] = message.status
    return fields


def named_in(payload: bytes) -> dict[str, Any]:
    """Return what `named_of` says of a message as it was received; nothing for what is none."""
    try:
        return named_of(parse_message(payload, MAX_MESSAGE_BYTES))
    except BadMessage:
        return {}


def of_message(message: Any) -> dict[str, Any]:
    """Return the fields of an `msgin5g.message.Message`: trace, from, to, text and others.

    An aggregate has a trace of its own and names those inside; a segment set without a message, as
    SEGREC has, is told by `set`.
    """
    segment = message.segment
    fields: dict[str, Any] = {
        **named_of(message),
        "from": message.origin and message.origin[1],
        "to": message.destination and message.destination[1],
        "status": message.status,
    }
    if message.msg_type == n.MSGRESP:
        # It goes to the originator; the standard gives it no other address.
        fields["from"], fields["to"] = None, message.origin[1]
    if message.entries is not None:
        texts = [one.payload for one in message.entries if one.payload is not None]
        fields["text"] = printable(" | ".join(texts)) if texts else None
    elif message.payload is not None:
        fields["text"] = printable(message.payload)
    if segment is not None:
        fields["part"] = f"{segment.number}/{segment.total or '?'}"
    return fields
