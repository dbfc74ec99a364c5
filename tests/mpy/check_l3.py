"""The L3 codec and the CoAP form on MicroPython: `micropython check_l3.py tests/vectors`.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import json
import os
import sys
from binascii import hexlify, unhexlify

from msgin5g import app_client, l3
from msgin5g.errors import BadMessage

ID = unhexlify("0123456789ab")
FIELDS = (
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

results = [0, 0]


def check(condition, name, what=""):
    """Count one check; print it if it failed."""
    results[not condition] += 1
    if not condition:
        print("FAILED %s: %s" % (name, what))


def shown(message):
    out = {}
    for name in FIELDS:
        value = getattr(message, name)
        if value is not None:
            if isinstance(value, bytes):
                value = hexlify(value).decode()
            out[name] = list(value) if isinstance(value, tuple) else value
    return out


def vector(one):
    frame = unhexlify(one["frame"])
    try:
        got = shown(l3.decode(frame))
    except BadMessage as problem:
        check("key" in one and problem.key == one["key"], one["name"], problem)
    else:
        check("fields" in one and got == one["fields"], one["name"], got)


def app_forms():
    for payload in (
        app_client.registration("urn:msgin5g:service", 4660, b"s3cret"),
        app_client.deregistration("urn:msgin5g:service", ID),
        app_client.sending_request("UE", "urn:a", bytes(16), b"\xff\x00", 7, True),
        app_client.report_sending_request(True, bytes(16), bytes(16)),
    ):
        check(app_client.is_app_request(payload), "app form", payload)
        check(app_client.parse_request(payload).msg_type is not None, "app form", payload)
    got = app_client.parse_answer(app_client.answer(True, registration_id=ID))
    check(got.result is True and got.registration_id == ID, "app answer")
    check(app_client.from_text(app_client.to_text(b"\xff\x00")) == b"\xff\x00", "octets")


folder = sys.argv[1] + "/l3"
for name in sorted(os.listdir(folder)):
    with open(folder + "/" + name, "rb") as file:
        vector(json.loads(file.read().decode()))
app_forms()
print("%d passed, %d failed" % (results[0], results[1]))
sys.exit(1 if results[1] else 0)
