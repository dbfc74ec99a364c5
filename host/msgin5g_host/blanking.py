"""Credentials taken out of frames before anybody else sees these; lengths stay."""

import json
import re

from msgin5g import coap, jsontext, l3
from msgin5g import names as n
from msgin5g.payload_errors import BadMessage

_BLANK = b"*"
# Behind the Message Type, the Application ID and the length.
_L3_CREDENTIAL_AT = 5
# The name of the element, or letters of it as escapes.
_SUSPECT = re.compile(rb"credential|\\u00[4-7]", re.IGNORECASE)
_STRING = rb'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(rb"(" + _STRING + rb")(\s*:\s*)?", re.DOTALL)
_VALUE = re.compile(_STRING + rb"|[^,}\]\s\"\[{]+", re.DOTALL)


def blanked(frame: bytes) -> bytes:
    """Return a frame with asterisks for the credential of a REGISTRATION REQUEST (Annex A.2, A.3).

    What is damaged is blanked rather too much than too little.
    """
    if not frame:
        return frame
    if frame[0] == l3.REGISTRATION_REQUEST:
        return frame[:_L3_CREDENTIAL_AT] + _BLANK * (len(frame) - _L3_CREDENTIAL_AT)
    if l3.is_l3(frame[0]) or _SUSPECT.search(frame) is None:
        return frame
    try:
        start = len(frame) - len(coap.decode(frame).payload)
    except coap.FormatError:
        return frame[:1] + _BLANK * (len(frame) - 1)
    return frame[:start] + _blanked_json(frame[start:])


def _blanked_json(text: bytes) -> bytes:
    try:
        jsontext.loads(text)
    except BadMessage:
        # Where strings begin and end is anybody's guess then.
        return text if _SUSPECT.search(text) is None else _BLANK * len(text)
    out = bytearray(text)
    at = 0
    while (token := _TOKEN.search(text, at)) is not None:
        at = token.end()
        if token[2] is None or json.loads(token[1]).lower() != n.CREDENTIAL:
            continue
        value = _VALUE.match(text, at)
        if value is None:
            # An array or object is no credential; what is in it is nobody's business either.
            return bytes(out[:at]) + _BLANK * (len(out) - at)
        start, at = value.span()
        if value[0].startswith(b'"'):
            out[start + 1 : at - 1] = _BLANK * (at - start - 2)
        else:
            out[start:at] = _BLANK * (at - start)
    return bytes(out)
