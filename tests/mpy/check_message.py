"""Run every vector of messages and reports: `micropython check_message.py tests/vectors`.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import json
import os
import sys

from msgin5g import message as module
from msgin5g.message import Entry, Message, Segment
from msgin5g.payload_errors import BadMessage

ATTRIBUTES = (
    "msg_type",
    "service_id",
    "message_id",
    "origin",
    "destination",
    "recipient",
    "applications",
    "report",
    "store",
    "expires_ms",
    "app_store",
    "payload",
    "priority",
    "status",
    "cause",
    "set_id",
    "ranges",
    "result",
)
PAIRS = ("origin", "destination")


def load(folder):
    """Return the vectors of a folder in order of their names."""
    vectors = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(folder + "/" + name, "rb") as file:
                vectors.append(json.loads(file.read().decode()))
    return vectors


def payload_of(vector):
    """Return the payload of a vector as bytes."""
    if "payload_hex" in vector:
        text = vector["payload_hex"]
        return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])
    return vector["payload"].encode()


def describe(found, empty=Message):
    """Return the attributes of a Message or Entry that are not as in an empty one."""
    out = {}
    for name in ATTRIBUTES:
        value = getattr(found, name, None)
        if value == getattr(empty, name, None):
            continue
        if name == "ranges":
            value = [list(one) for one in value]
        out[name] = list(value) if name in PAIRS else value
    segment = getattr(found, "segment", None)
    if segment is not None:
        out["segment"] = {"set_id": segment.set_id, "number": segment.number}
        if segment.total is not None:
            out["segment"]["total"] = segment.total
        if segment.last:
            out["segment"]["last"] = True
    if getattr(found, "entries", None) is not None:
        out["entries"] = [describe(one, Entry) for one in found.entries]
    return out


def restore(attributes, found):
    """Set the attributes that `describe` returned; returns `found`."""
    for name, value in attributes.items():
        if name == "segment":
            value = Segment(**value)
        elif name == "entries":
            value = [restore(one, Entry()) for one in value]
        elif name in PAIRS:
            value = tuple(value)
        setattr(found, name, value)
    return found


def build(vector):
    """Return what the vector's builder makes of its arguments."""
    arguments = dict(vector["build"]["arguments"])
    if "message" in arguments:
        arguments["message"] = restore(arguments["message"], Message())
    return getattr(module, vector["build"]["function"])(**arguments)


def check(vector):
    """Return what is wrong with a vector, or an empty string."""
    payload = payload_of(vector)
    try:
        found = describe(module.parse_message(payload))
    except BadMessage as problem:
        error = vector.get("error")
        if error is None:
            return "refused: %s" % problem
        if problem.key != error["key"] or error["reason_contains"] not in problem.reason:
            return "refused for another reason: %r %r" % (problem.key, problem.reason)
        return ""
    if "error" in vector:
        if vector.get("lenient") and sys.implementation.name == "micropython":
            return ""
        return "accepted"
    if found != vector["parsed"]:
        return "parsed as %r" % (found,)
    if "build" in vector and build(vector) != payload:
        return "built as %r" % (build(vector),)
    return ""


def main(folder):
    """Check all vectors; return the exit code."""
    passed = failed = 0
    for vector in load(folder + "/message"):
        problem = check(vector)
        if problem:
            failed += 1
            print("%s: %s" % (vector["name"], problem))
        else:
            passed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
