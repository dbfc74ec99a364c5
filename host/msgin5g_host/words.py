"""Words that a label of a metric may have: those of the standard and of our own texts.

Labels must stay few, whatever peers send: anything else is "other".
"""

import re

from msgin5g import configuration, configuration_document, gaps, l3, names, topics

OTHER = "other"
# Names of elements that stand nowhere else.
_ELEMENTS = (
    *("payload", "Uri-Query", "store_until", "Message Type", "valGroupId", "category"),
    *("members", "memberDetails", "memberId", "membershipType"),
    *("Application ID", "Credential information", "Registration ID", "Failure Reason"),
    *("Message ID", "Payload", "Result", "Delivery Status", "Reply-to Message ID"),
    *("Target address", "element"),
)
_TEXTS = (
    *("SUCCESS", "FAILED", "OTHER", "DEVICE", "NOTICE", "configuration", "no room", "not JSON"),
    *("UNKNOWN", "FAILURE", "TRIGGERED", "EXPIRED", "UNCONFIRMED", "REPLACED", "TERMINATE"),
    *("asked for", "reset by the client", "expired"),
)
_CODE = re.compile(r"[0-7]\.[0-3]\d\Z")


def _constants(module: object) -> set[str]:
    found = {name: getattr(module, name) for name in dir(module) if name.isupper()}
    return {value for value in found.values() if isinstance(value, str)}


_MODULES = (names, gaps, topics, configuration, configuration_document)
_NAMES = set(_ELEMENTS).union(*map(_constants, _MODULES))
_KNOWN = _NAMES | set(_TEXTS) | set(l3.CAUSES.values()) | set(l3.NAMES.values())


def element(key: str) -> str:
    """Return the element that was malformed, "oriAddr.addr" without its place in a list."""
    key = key.partition("[")[0].partition(" 0x")[0] or "payload"
    parts = key.split(".")
    return key if len(parts) <= 3 and all(part in _NAMES for part in parts) else OTHER


def known(text: str) -> str:
    """Return a cause, Message Type, code or element, or OTHER."""
    if text in _KNOWN or _CODE.match(text):
        return text
    return element(text)
