"""Messages and reports of clause 7.3.4 and 7.3.6: MSG, MSGRESP, IMDN, SEGREC, SEGCONFIR as JSON.

Addresses are (type, text) such as ("UE", "urn:example:ue:1"). A board loads only the modules that
it needs: `message_build`, `message_parse`, `message_types`.
"""

from msgin5g.message_build import imdn, msg, msgresp, segconfir, segrec
from msgin5g.message_parse import parse_message
from msgin5g.message_parts import parse_ranges, uuid
from msgin5g.message_types import Entry, Message, Segment

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
