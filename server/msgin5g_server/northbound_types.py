"""The data types of TS 29.538 and what they use of TS 29.122 and 29.571, as JSON.

Names and spelling are the standard's. What a schema cannot say, such as bytes of a text, is told
in the answer's `failureCause`. Unknown members are ignored, as TS 29.501 has it.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from msgin5g.limits import MAX_CAUSE_BYTES, MAX_MESSAGE_BYTES, MAX_SEGMENTS, MAX_URI_BYTES

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z"
_URI = r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+\Z"
_NAME = r"^[^\u0000-\u001f\u007f-\u009f]+\Z"
_PORT = r"(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_TARGET = rf"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:{_PORT})?(/[!-~]*)?\Z"
# What a text that does not match is told.
WANTED = {
    _UUID: "a UUID is wanted, such as 7c9a3a5e-3c1e-4a55-9d55-0d6f1f6c2b11",
    _URI: "a URI is wanted, such as urn:example:ue:1",
    _NAME: "a text without control characters is wanted",
    _TARGET: "an http or https URL is wanted, such as http://127.0.0.1:9000/in",
}
MAX_TARGET_URI = 2_000

ServiceId = Annotated[
    str,
    Meta(
        pattern=_URI,
        max_length=MAX_URI_BYTES,
        description="A Service ID, a URI.",
        examples=["urn:example:ue:1"],
    ),
]
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=_NAME,
        description="A name: an area, a topic or an Application ID.",
        examples=["temperature"],
    ),
]
MessageId = Annotated[
    str,
    Meta(
        pattern=_UUID,
        description="Message ID: a UUID that the sender makes, the same when it sends again.",
        examples=["7c9a3a5e-3c1e-4a55-9d55-0d6f1f6c2b11"],
    ),
]
Text = Annotated[str, Meta(max_length=255)]
Payload = Annotated[
    str, Meta(max_length=MAX_MESSAGE_BYTES, description="Text, at most 65,536 bytes of UTF-8.")
]
Cause = Annotated[str, Meta(max_length=4 * MAX_CAUSE_BYTES, description="Why it failed.")]
TargetUri = Annotated[
    str,
    Meta(
        pattern=_TARGET,
        max_length=MAX_TARGET_URI,
        description="Where the AS takes messages, reports and acks, by POST.",
        examples=["http://127.0.0.1:9000/msgin5g"],
    ),
]
# JSON knows no difference between 2 and 2.0, nor does JSON Schema.
SegmentNumber = Annotated[float, Meta(ge=0, le=MAX_SEGMENTS, multiple_of=1)]
SegmentCount = Annotated[float, Meta(ge=1, le=MAX_SEGMENTS, multiple_of=1)]
Latency = Annotated[
    float,
    Meta(ge=0, multiple_of=1, description="Milliseconds; has no effect here."),
]
DateTime = Annotated[datetime, Meta(tz=True)]


class _Address(Struct, tag_field="addrType"):
    """Who, by the kind of address."""


class UeAddress(_Address, tag="UE"):
    """The UE Service ID of a UE."""

    addr: ServiceId


class AsAddress(_Address, tag="AS"):
    """The AS Service ID of an Application Server."""

    addr: ServiceId


class AsOrigin(Struct):
    """An AsAddress where nothing else may stand; a lone type would not need its tag."""

    addrType: Literal["AS"]
    addr: ServiceId


class GroupAddress(_Address, tag="GROUP"):
    """A Group Service ID: all its members but the sender."""

    addr: ServiceId


class AreaAddress(_Address, tag="BC"):
    """A Broadcast Area ID."""

    addr: Name


class TopicAddress(_Address, tag="TOPIC"):
    """A Messaging Topic: all its subscribers but the sender."""

    addr: Name


Address = UeAddress | AsAddress | GroupAddress | AreaAddress | TopicAddress
AsDestination = UeAddress | GroupAddress | AreaAddress | TopicAddress
Party = UeAddress | AsAddress
Priority = Annotated[
    str,
    Meta(
        description="HIGH, MIDDLE or LOW; others count as MIDDLE (29.538 leaves room for them).",
        max_length=255,
        examples=["MIDDLE"],
    ),
]


class MessageSegmentParameters(Struct, omit_defaults=True):
    """Which part of a segmented message this is."""

    segId: Name
    segNumb: SegmentNumber
    totalSegCount: SegmentCount | UnsetType = UNSET
    lastSegFlag: bool | UnsetType = UNSET


class StoreAndForwardParameters(Struct, omit_defaults=True):
    """Until when a message waits for who cannot be reached."""

    exprTime: DateTime | UnsetType = UNSET


class _Delivery(Struct, kw_only=True, omit_defaults=True):
    msgId: MessageId
    appId: Name | UnsetType = UNSET
    delivStReqInd: bool | UnsetType = UNSET
    payload: Payload | UnsetType = UNSET
    segInd: bool | UnsetType = UNSET
    segParams: MessageSegmentParameters | UnsetType = UNSET


class ASMessageDelivery(_Delivery, kw_only=True, omit_defaults=True):
    """A message of an AS to a UE, a group, a topic or a broadcast area."""

    oriAddr: AsOrigin
    destAddr: AsDestination
    stoAndFwInd: bool
    stoAndFwParams: StoreAndForwardParameters | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    latency: Latency | UnsetType = UNSET


class UEMessageDelivery(_Delivery, kw_only=True, omit_defaults=True):
    """A message of a UE: from a message gateway, between Servers, and to an AS.

    Between Servers the originator may be an AS as well: there is no other operation for it.
    """

    oriAddr: Party
    destAddr: Address
    stoAndFwInd: bool
    stoAndFwParams: StoreAndForwardParameters | UnsetType = UNSET


class DeliveryStatusReport(Struct, kw_only=True, omit_defaults=True):
    """Whether a message was delivered; msgId is that of the message."""

    oriAddr: Party
    destAddr: Party
    msgId: MessageId
    delivSt: Annotated[
        str,
        Meta(
            max_length=255,
            description="REPT_DELY_SUCCESS or REPT_DELY_FAILED; others count as failed.",
            examples=["REPT_DELY_SUCCESS"],
        ),
    ]
    failureCause: Cause | UnsetType = UNSET


class MessageDeliveryAck(Struct, kw_only=True, omit_defaults=True):
    """A message was taken, or was not: DELY_FAILED with a cause, or waits: DELY_STORED."""

    oriAddr: Party
    msgId: str
    status: Annotated[str, Meta(examples=["DELY_STORED"])] | UnsetType = UNSET
    failureCause: str | UnsetType = UNSET


class InvalidParam(Struct, omit_defaults=True):
    """A member that cannot be used."""

    param: str
    reason: str | UnsetType = UNSET


class ProblemDetails(Struct, omit_defaults=True):
    """What went wrong (RFC 9457, TS 29.122)."""

    status: int | UnsetType = UNSET
    title: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    invalidParams: list[InvalidParam] | UnsetType = UNSET


class ASProfile(Struct, omit_defaults=True):
    """What an AS tells of itself."""

    appName: Text | UnsetType = UNSET
    appProviders: Annotated[list[Text], Meta(min_length=1, max_length=16)] | UnsetType = UNSET
    # The schema's spelling.
    appSenarios: Annotated[list[Text], Meta(min_length=1, max_length=16)] | UnsetType = UNSET
    appCategory: Text | UnsetType = UNSET
    asStatus: Text | UnsetType = UNSET


class ASRegistration(Struct, omit_defaults=True):
    """An AS that wants to take and send messages."""

    asSvcId: ServiceId
    appId: Name | UnsetType = UNSET
    targetUri: TargetUri | UnsetType = UNSET
    asProf: ASProfile | UnsetType = UNSET


class ASRegistrationAck(Struct):
    """The outcome; the standard has a ProblemDetails for success as well."""

    asSvcId: str
    result: ProblemDetails


class GatewayMessageDelivery(_Delivery, kw_only=True, omit_defaults=True):
    """L3gMessageDelivery and N3gMessageDelivery: a message to a UE of a message gateway."""

    oriAddr: Party
    destAddr: UeAddress


class BgMessageDelivery(_Delivery, kw_only=True, omit_defaults=True):
    """A message to a Broadcast Area."""

    oriAddr: Party
    destAddr: AreaAddress
    priority: Priority | UnsetType = UNSET
