"""Run every vector of topic subscriptions: `micropython check_topics.py tests/vectors`.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import sys

try:
    from check_message import load
except ImportError:  # not run as a script
    from tests.mpy.check_message import load

from msgin5g import coap, topic_requests
from msgin5g import topics as module
from msgin5g.payload_errors import BadMessage

REQUEST = ("observe", "topic", "ue_service_id", "expires_ms")
ANSWER = ("status", "expires_ms", "cause")


def get(vector):
    """Return the GET of a vector as it comes from the wire."""
    options = [(coap.OBSERVE, coap.uint(vector["observe"]))]
    options += [(coap.URI_PATH, one.encode()) for one in vector["path"]]
    options.append((coap.CONTENT_FORMAT, coap.uint(coap.JSON_FORMAT)))
    payload = vector["payload"].encode()
    return coap.decode(coap.encode(coap.CON, coap.GET, 1, b"tk", options, payload))


def parse(vector):
    """Return what a vector is read as, without what is None."""
    if vector["kind"] == "request":
        found, names = topic_requests.parse_request(get(vector)), REQUEST
    else:
        found, names = module.parse_answer(vector["payload"].encode()), ANSWER
    values = [(name, getattr(found, name)) for name in names]
    return {name: value for name, value in values if value is not None}


def check(vector):
    """Return what is wrong with a vector, or an empty string."""
    try:
        found = parse(vector)
    except BadMessage as problem:
        error = vector.get("error")
        if error is None:
            return "refused: %s" % problem
        if problem.key != error["key"] or error["reason_contains"] not in problem.reason:
            return "refused for another reason: %r %r" % (problem.key, problem.reason)
        return ""
    if "error" in vector:
        return "accepted"
    if found != vector["parsed"]:
        return "parsed as %r" % (found,)
    if "build" not in vector:
        return ""
    function = vector["build"]["function"]
    home = topic_requests if vector["kind"] == "answer" else module
    built = getattr(home, function)(**vector["build"]["arguments"])
    if built != vector["payload"].encode():
        return "built as %r" % (built,)
    if vector["kind"] == "request":
        options = module.request_options(found["topic"], found["observe"])
        if options != get(vector).options:
            return "options are %r" % (options,)
    return ""


def main(folder):
    """Check all vectors; return the exit code."""
    passed = failed = 0
    for vector in load(folder + "/topic"):
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
