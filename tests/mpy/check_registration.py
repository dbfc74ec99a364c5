"""Run every registration vector: `micropython check_registration.py tests/vectors`.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import json
import os
import sys

from msgin5g import registration
from msgin5g.payload_errors import BadMessage

ATTRIBUTES = (
    "msg_type",
    "service_id",
    "ue_service_id",
    "urgent",
    "wait_s",
    "profile",
    "ue_id",
    "expires_s",
    "result",
    "lifetime_s",
    "expected_s",
    "accepted_s",
    "cause",
)


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


def build(vector):
    """Return what the vector's builder makes of its arguments."""
    arguments = dict(vector["build"]["arguments"])
    if "entries" in arguments:
        arguments["entries"] = [entry.encode() for entry in arguments["entries"]]
    return getattr(registration, vector["build"]["function"])(**arguments)


def parse(vector, payload):
    """Return the parsed payload. Raises BadMessage."""
    if vector["kind"] == "request":
        return registration.parse_request(payload)
    return registration.parse_answer(payload)


def describe(message):
    """Return the attributes of a Request or Answer that are not None."""
    found = {}
    for name in ATTRIBUTES:
        value = getattr(message, name, None)
        if value is not None:
            found[name] = value
    if message.entries is not None:
        found["entries"] = [describe(entry) for entry in message.entries]
    return found


def check(vector):
    """Return what is wrong with a vector, or an empty string."""
    payload = payload_of(vector)
    try:
        found = describe(parse(vector, payload))
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
    for vector in load(folder + "/registration"):
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
