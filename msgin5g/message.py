"""Messages and reports of clause 7.3.4 and 7.3.6: MSG, MSGRESP, IMDN, SEGREC, SEGCONFIR as JSON.

Addresses are (type, text) such as ("UE", "urn:example:ue:1").
"""

from msgin5g._message_build import imdn, msg, msgresp, segconfir, segrec
from msgin5g._message_parse import Entry, Message, Segment, parse_message, parse_ranges, uuid

__all__ = [
    "Entry",
    "Message",
    "Segment",
    "imdn",
    "msg",
    "msgresp",
    "parse_message",
    "parse_ranges",
    "segconfir",
    "segrec",
    "uuid",
]
