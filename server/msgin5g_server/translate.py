"""Messages and reports between the forms of TS 24.538 (CoAP) and TS 29.538 (HTTP)."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from msgin5g import names as n
from msgin5g.limits import MAX_MESSAGE_BYTES, MAX_TEXT_BYTES
from msgin5g.message import Message, Segment
from msgin5g.payload_errors import BadMessage
from msgin5g_server import northbound_types as t
from msgin5g_server.outside import BMG, SERVER, Link

FAILED, STORED = "DELY_FAILED", "DELY_STORED"
REPORT_SUCCESS, REPORT_FAILED = "REPT_DELY_SUCCESS", "REPT_DELY_FAILED"
_FROM_PRIORITY = {"HIGH": n.HIGH, "LOW": n.LOW}
_TO_PRIORITY = {n.HIGH: "HIGH", n.NORMAL: "MIDDLE", n.LOW: "LOW"}
_ADDRESSES: dict[str, Any] = {
    n.UE: t.UeAddress,
    n.AS: t.AsAddress,
    n.GROUP: t.GroupAddress,
    n.BC: t.AreaAddress,
    n.TOPIC: t.TopicAddress,
}
_KINDS = {type_: kind for kind, type_ in _ADDRESSES.items()} | {t.AsOrigin: n.AS}
_LAST_MS = 253402300799999


def address(kind: str, text: str) -> Any:
    """Return the Address of a kind and a text."""
    return _ADDRESSES[kind](text)


def pair(given: Any) -> tuple[str, str]:
    """Return (kind, text) of an Address."""
    return _KINDS[type(given)], given.addr


def to_message(given: t.ASMessageDelivery | t.UEMessageDelivery) -> Message:
    """Return the MSG that a delivery asks for. Raises BadMessage for what no schema says."""
    message = Message()
    message.msg_type = n.MSG
    message.message_id = given.msgId.lower()
    message.origin, message.destination = pair(given.oriAddr), pair(given.destAddr)
    if message.origin[0] == n.AS and message.destination[0] == n.AS:
        raise BadMessage("destAddr", "an AS writes to no AS")
    _check_bytes(message.destination[1], "destAddr.addr", MAX_TEXT_BYTES)
    if given.appId is not UNSET:
        _check_bytes(given.appId, "appId", MAX_TEXT_BYTES)
        message.applications = [given.appId]
    message.report = given.delivStReqInd is True
    if given.payload is not UNSET:
        _check_bytes(given.payload, "payload", MAX_MESSAGE_BYTES)
        message.payload = given.payload
    message.store = given.stoAndFwInd
    if given.stoAndFwInd and given.stoAndFwParams is not UNSET:
        moment = given.stoAndFwParams.exprTime
        if moment is not UNSET:
            message.expires_ms = _milliseconds(moment)
    if isinstance(given, t.ASMessageDelivery) and given.priority is not UNSET:
        message.priority = _FROM_PRIORITY.get(given.priority, n.NORMAL)
    if given.segInd is True:
        message.segment = _segment(given)
    return message


def to_report(given: t.DeliveryStatusReport) -> Message:
    """Return the IMDN of a report."""
    report = Message()
    report.msg_type = n.IMDN
    report.message_id = given.msgId.lower()
    report.origin, report.destination = pair(given.oriAddr), pair(given.destAddr)
    if report.origin[0] == n.AS and report.destination[0] == n.AS:
        raise BadMessage("destAddr", "an AS reports to no AS")
    report.status = n.SUCCESS if given.delivSt == REPORT_SUCCESS else n.FAILURE
    if report.status == n.FAILURE and given.failureCause is not UNSET:
        report.cause = given.failureCause
    return report


def ack(origin: tuple[str, str], message_id: str, told: tuple[str, str | None] | None) -> bytes:
    """Return a MessageDeliveryAck. told: (status, cause) of a MSGRESP, or None."""
    made = t.MessageDeliveryAck(oriAddr=address(*origin), msgId=message_id)
    if told is not None:
        made.status = STORED if told[0] == n.STORED else FAILED
        if told[0] != n.STORED and told[1]:
            made.failureCause = told[1]
    return msgspec.json.encode(made)


def outgoing(message: Message, recipient: str, link: Link) -> tuple[str, bytes]:
    """Return (what follows the link's URL, JSON) that brings something to its recipient."""
    if message.msg_type == n.MSGRESP:
        told = None if message.status == n.SUCCESS else (message.status, message.cause)
        return "", ack(message.origin, message.message_id, told)
    if message.msg_type == n.IMDN:
        return _path(link, "deliver-report"), msgspec.json.encode(_report(message))
    made: Struct
    if link.kind == n.AS or link.kind == SERVER:
        made = t.UEMessageDelivery(
            **_common(message),
            destAddr=_destination(message, recipient, link),
            stoAndFwInd=message.store,
            stoAndFwParams=_store_parameters(message),
        )
        operation = "deliver-ue-message"
    elif link.kind == BMG:
        made = t.BgMessageDelivery(
            **_common(message),
            destAddr=t.AreaAddress(message.destination[1]),
            priority=_TO_PRIORITY[message.priority],
        )
        operation = "deliver-message"
    else:
        made = t.GatewayMessageDelivery(**_common(message), destAddr=t.UeAddress(recipient))
        operation = "deliver-message"
    return _path(link, operation), msgspec.json.encode(made)


def _path(link: Link, operation: str) -> str:
    """An AS has one URI for everything; the others have TS 29.538's paths below their apiRoot."""
    if link.kind == n.AS:
        return ""
    if link.kind == SERVER:
        return f"/msgs-msgdelivery/v1/{operation}"
    api = {"L3G": "msgg-l3gdelivery", "N3G": "msgg-n3gdelivery", BMG: "msgg-bgdelivery"}
    return f"/{api[link.kind]}/v1/{operation}"


def _common(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = {
        "oriAddr": address(*message.origin),
        "msgId": message.message_id,
        "delivStReqInd": True if message.report else UNSET,
        "payload": UNSET if message.payload is None else message.payload,
    }
    if message.applications:
        # TS 29.538 has room for one; the others are the recipient's business (GAP 6.4.1.1.2).
        made["appId"] = message.applications[0]
    segment = message.segment
    if segment is not None:
        made["segInd"] = True
        made["segParams"] = t.MessageSegmentParameters(
            segId=segment.set_id,
            segNumb=segment.number,
            totalSegCount=UNSET if segment.total is None else segment.total,
            lastSegFlag=True if segment.last else UNSET,
        )
    return made


def _destination(message: Message, recipient: str, link: Link) -> Any:
    """The address as it was written; to a member of a group at another Server, the member's."""
    kind, text = message.destination
    if link.kind == SERVER and kind in (n.GROUP, n.TOPIC) and text != recipient:
        return t.UeAddress(recipient)
    return address(kind, text)


def _report(message: Message) -> t.DeliveryStatusReport:
    made = t.DeliveryStatusReport(
        oriAddr=address(*message.origin),
        destAddr=address(*message.destination),
        msgId=message.message_id,
        delivSt=REPORT_SUCCESS if message.status == n.SUCCESS else REPORT_FAILED,
    )
    if message.status == n.FAILURE and message.cause:
        made.failureCause = message.cause
    return made


def _store_parameters(message: Message) -> Any:
    if not message.store or message.expires_ms is None:
        return UNSET
    moment = datetime.fromtimestamp(min(message.expires_ms, _LAST_MS) / 1000, UTC)
    return t.StoreAndForwardParameters(exprTime=moment)


def _segment(given: t.ASMessageDelivery | t.UEMessageDelivery) -> Segment:
    parts = given.segParams
    if parts is UNSET:
        raise BadMessage("segParams", "missing beside segInd")
    _check_bytes(parts.segId, "segParams.segId", MAX_TEXT_BYTES)
    number = int(parts.segNumb)
    total = None if parts.totalSegCount is UNSET else int(parts.totalSegCount)
    if total is not None and number > total:
        raise BadMessage("segParams.segNumb", "above totalSegCount")
    return Segment(parts.segId, number, total, parts.lastSegFlag is True)


def _milliseconds(moment: datetime) -> int:
    """A moment that `format_date_time` can write."""
    try:
        return min(max(int(moment.timestamp() * 1000), 0), _LAST_MS)
    except (OverflowError, ValueError):
        return 0 if moment.year < 1970 else _LAST_MS


def _check_bytes(value: str, key: str, most: int) -> None:
    if len(value) * 4 > most and len(value.encode()) > most:
        raise BadMessage(key, f"at most {most} bytes are wanted")
