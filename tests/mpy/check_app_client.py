"""Run every vector of the CoAP form: `micropython check_app_client.py tests/vectors`.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import sys
from binascii import hexlify, unhexlify

try:
    import check_l3
except ImportError:
    from tests.mpy import check_l3

from msgin5g import app_client
from msgin5g.payload_errors import BadMessage

ATTRIBUTES = ("msg_type", "service_id") + check_l3.ATTRIBUTES[1:]


def payload_of(vector):
    """Return the payload of a vector as bytes."""
    if "payload_hex" in vector:
        return unhexlify(vector["payload_hex"])
    return vector["payload"].encode()


def describe(message):
    """Return the attributes that are not None, octets in hexadecimal."""
    found = {}
    for name in ATTRIBUTES + ("result",):
        value = getattr(message, name, None)
        if value is not None:
            if name in check_l3.OCTETS:
                value = hexlify(value).decode()
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def check(vector):
    """Return what is wrong with a vector, or an empty string."""
    payload = payload_of(vector)
    if "app" in vector and app_client.is_app_request(payload) != vector["app"]:
        return "taken for the other kind of request"
    parse = app_client.parse_answer
    if vector["kind"] == "request":
        parse = app_client.parse_request
    try:
        found = describe(parse(payload))
    except BadMessage as problem:
        return check_l3.refusal(vector, problem)
    if "error" in vector:
        if vector.get("lenient") and sys.implementation.name == "micropython":
            return ""
        return "accepted"
    if found != vector["parsed"]:
        return "parsed as %r" % (found,)
    if "build" in vector:
        built = check_l3.build(app_client, vector)
        if built != payload:
            return "built as %r" % (built,)
    return ""


if __name__ == "__main__":
    sys.exit(check_l3.main(check_l3.load(sys.argv[1] + "/app_client"), check))
