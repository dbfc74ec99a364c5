"""Run every L3 vector: `micropython check_l3.py tests/vectors`.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import json
import os
import sys
from binascii import hexlify, unhexlify

from msgin5g import l3
from msgin5g.payload_errors import BadMessage

ATTRIBUTES = (
    "type",
    "application_id",
    "credential",
    "registration_id",
    "cause",
    "message_id",
    "reply_to",
    "payload",
    "target",
    "target_type",
    "report",
    "success",
    "originator",
    "group",
    "priority",
)
OCTETS = ("credential", "registration_id", "message_id", "reply_to", "payload")


def load(folder):
    """Return the vectors of a folder in order of their names."""
    vectors = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(folder + "/" + name, "rb") as file:
                vectors.append(json.loads(file.read().decode()))
    return vectors


def build(module, vector):
    """Return what the vector's builder in a module makes of its arguments."""
    arguments = dict(vector["build"]["arguments"])
    for name in OCTETS:
        if name in arguments:
            arguments[name] = unhexlify(arguments[name])
    return getattr(module, vector["build"]["function"])(**arguments)


def describe(message):
    """Return the attributes that are not None, octets in hexadecimal."""
    found = {}
    for name in ATTRIBUTES:
        value = getattr(message, name)
        if value is not None:
            if name in OCTETS:
                value = hexlify(value).decode()
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def refusal(vector, problem):
    """Return what is wrong with a vector that was refused, or an empty string."""
    error = vector.get("error")
    if error is None:
        return "refused: %s" % problem
    if problem.key != error["key"] or error["reason_contains"] not in problem.reason:
        return "refused for another reason: %r %r" % (problem.key, problem.reason)
    return ""


def check(vector):
    """Return what is wrong with a vector, or an empty string."""
    frame = unhexlify(vector["frame"])
    try:
        found = describe(l3.decode(frame))
    except BadMessage as problem:
        return refusal(vector, problem)
    if "error" in vector:
        if vector.get("lenient") and sys.implementation.name == "micropython":
            return ""
        return "accepted"
    if found != vector["parsed"]:
        return "parsed as %r" % (found,)
    if "build" in vector and build(l3, vector) != frame:
        return "built as %r" % (build(l3, vector),)
    return ""


def main(vectors, check_one):
    """Check all vectors; return the exit code."""
    passed = failed = 0
    for vector in vectors:
        problem = check_one(vector)
        if problem:
            failed += 1
            print("%s: %s" % (vector["name"], problem))
        else:
            passed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(load(sys.argv[1] + "/l3"), check))
