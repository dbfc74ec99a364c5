"""The L3 messages of Annex A.2 by octets: what elements they have, and a frame cut into them."""

from collections.abc import Iterator
from dataclasses import dataclass

from msgin5g import gaps, l3

# Formats of TS 24.007 clause 11.2: how many octets of length there are, or how many of value.
V, LV, LV_E, HALF, TV, TLV = "V", "LV", "LV-E", "TV, half octet", "TV", "TLV"


@dataclass(frozen=True)
class Element:
    """An information element. octets: of its value, 0 if it says itself; iei: if optional."""

    name: str
    clause: str
    form: str
    octets: int
    content: str
    iei: int = 0

    @property
    def size(self) -> str:
        """The octets of the whole element."""
        return {
            V: str(self.octets),
            LV: "1 + n",
            LV_E: "2 + n",
            HALF: "1",
            TV: str(self.octets + 1),
            TLV: "2 + n",
        }[self.form]


@dataclass(frozen=True)
class Layout:
    """A message: its elements in order. example: a file of tests/vectors/l3."""

    kind: int
    clause: str
    way: str
    example: str
    elements: tuple[Element, ...]


_UP, _DOWN = "device → gateway", "gateway → device"
_MESSAGE_ID = Element("Message ID", "A.2.2.4", V, 16, "UUID")
_PAYLOAD = Element("Payload", "A.2.2.5", LV_E, 0, "octets")
_REGISTRATION_ID = Element("Registration ID", "A.2.2.16", V, 6, "given by the gateway")
_CAUSE = Element("Failure Reason", "A.2.2.17", V, 1, "see causes")
_REPORT_WANTED = Element(
    *("Delivery status required", "A.2.2.6", HALF, 0, "0 no, 1 yes", gaps.L3_IEI_REPORT)
)
_RESPONSE = (
    Element("Spare, Result", "A.2.2.18, A.2.2.11", V, 1, "0x00 failed, 0x01 success"),
    Element("Failure Reason", "A.2.2.17", TV, 1, "see causes", gaps.L3_IEI_CAUSE),
)
_DELIVERY_REPORT = (
    Element("Delivery Status", "A.2.2.8", V, 1, "0 failed, 1 success"),
    Element("Message ID", "A.2.2.4", V, 16, "UUID of the report"),
    Element("Reply-to Message ID", "A.2.2.13", V, 16, "UUID of the message reported on"),
)
LAYOUTS = (
    Layout(
        l3.MESSAGE_SENDING_REQUEST,
        "A.2.1.1",
        _UP,
        "sending-request-to-as",
        (
            Element(
                "Target address",
                "A.2.2.2",
                LV,
                0,
                "1, 2 or 3 for IPv4, IPv6 or name, then 4 or 16 octets or labels as in DNS; a "
                "name carries a Service ID as well",
            ),
            _MESSAGE_ID,
            _PAYLOAD,
            Element(
                "Application ID", "A.2.2.3", TV, 2, "of the recipient", gaps.L3_IEI_APPLICATION_ID
            ),
            _REPORT_WANTED,
            Element(
                *("Target Type", "A.2.2.7", HALF, 0, "0 UE, 1 group, 2 AS"),
                gaps.L3_IEI_TARGET_TYPE,
            ),
        ),
    ),
    Layout(
        *(l3.MESSAGE_SENDING_RESPONSE, "A.2.1.5", _DOWN, "sending-response-failed-6", _RESPONSE)
    ),
    Layout(
        l3.MESSAGE_RECEIVED_REQUEST,
        "A.2.1.3",
        _DOWN,
        "received-request-all",
        (
            _MESSAGE_ID,
            _PAYLOAD,
            Element(
                "Originator Address", "A.2.2.10", TLV, 0, "Service ID", gaps.L3_IEI_ORIGINATOR
            ),
            Element("Group ID", "A.2.2.11", TLV, 0, "Group Service ID", gaps.L3_IEI_GROUP_ID),
            _REPORT_WANTED,
            Element(
                *("Priority", "A.2.2.9", HALF, 0, "0 low, 1 medium, 2 high"),
                gaps.L3_IEI_PRIORITY,
            ),
        ),
    ),
    Layout(
        *(l3.MESSAGE_RECEIVED_RESPONSE, "A.2.1.6", _UP, "received-response-success", _RESPONSE)
    ),
    Layout(
        *(l3.DELIVERY_REPORT_SENDING_REQUEST, "A.2.1.2", _UP, "report-sending"),
        _DELIVERY_REPORT,
    ),
    Layout(
        *(l3.DELIVERY_REPORT_RECEIVED_REQUEST, "A.2.1.4", _DOWN, "report-received"),
        _DELIVERY_REPORT,
    ),
    Layout(
        l3.REGISTRATION_REQUEST,
        "A.2.1.7",
        _UP,
        "registration-request",
        (
            Element("Application ID", "A.2.2.3", V, 2, "0 to 65535"),
            Element("Credential information", "A.2.2.15", LV_E, 0, "octets, at least one"),
        ),
    ),
    Layout(
        *(l3.REGISTRATION_ACCEPT, "A.2.1.8", _DOWN, "registration-accept", (_REGISTRATION_ID,))
    ),
    Layout(l3.REGISTRATION_REJECT, "A.2.1.9", _DOWN, "registration-reject-2", (_CAUSE,)),
    Layout(
        *(l3.DEREGISTRATION_REQUEST, "A.2.1.10", _UP, "deregistration-request"),
        (_REGISTRATION_ID,),
    ),
    Layout(l3.DEREGISTRATION_REJECT, "A.2.1.12", _DOWN, "deregistration-reject", (_CAUSE,)),
    Layout(
        *(l3.DEREGISTRATION_ACCEPT, "A.2.1.11", _DOWN, "deregistration-accept"),
        (_REGISTRATION_ID,),
    ),
)


def cut(layout: Layout, frame: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the elements of a frame as (name, octets). Raises ValueError if they do not fit."""
    yield l3.NAMES[layout.kind], frame[:1]
    at = 1
    for element in layout.elements:
        if element.iei and not _is_next(element, frame, at):
            continue
        end = at + _size(element, frame[at:])
        if end > len(frame):
            raise ValueError(f"{element.name} is cut short")
        yield element.name, frame[at:end]
        at = end
    if at < len(frame):
        raise ValueError(f"{len(frame) - at} octets are left over")


def _is_next(element: Element, frame: bytes, at: int) -> bool:
    found = frame[at : at + 1]
    if element.form == HALF:
        return bool(found) and found[0] >> 4 == element.iei
    return found == bytes((element.iei,))


def _size(element: Element, rest: bytes) -> int:
    """Return the octets of the element that `rest` begins with."""
    if element.form == V:
        return element.octets
    if element.form == LV:
        return 1 + rest[0]
    if element.form == LV_E:
        return 2 + int.from_bytes(rest[:2], "big")
    if element.form == TLV:
        return 2 + rest[1]
    return 1 if element.form == HALF else 1 + element.octets
