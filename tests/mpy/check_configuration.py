"""Run every vector of configuration: `micropython check_configuration.py tests/vectors`.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import sys

try:
    from check_message import load, payload_of
except ImportError:  # not run as a script
    from tests.mpy.check_message import load, payload_of

from msgin5g import cbor, coap, configuration, configuration_document
from msgin5g import configuration_requests as serving
from msgin5g.payload_errors import BadMessage

REQUEST = ("service_id", "document_id", "ue_id", "vendor", "type", "serial", "infos", "ue_ids")
CONFIGURATION = ("ue_service_id", "server", "segment_bytes", "ue_id")


def get(vector, payload):
    """Return the GET of a vector as it comes from the wire."""
    options = [(coap.URI_PATH, one.encode()) for one in vector["path"]]
    if payload:
        options.append((coap.CONTENT_FORMAT, coap.uint(coap.JSON_FORMAT)))
    options += [(coap.URI_QUERY, one.encode()) for one in vector["query"]]
    if "accept" in vector:
        options.append((coap.ACCEPT, coap.uint(vector["accept"])))
    return coap.decode(coap.encode(coap.CON, coap.GET, 1, b"tk", options, payload))


def attributes(found, names):
    """Return the attributes that are not None, pairs as lists."""
    out = {}
    for name in names:
        value = getattr(found, name)
        if name == "infos" and value is not None:
            value = [list(pair) for pair in value]
        if value is not None:
            out[name] = value
    return out


def parse(vector, payload):
    """Return what a vector is read as, without what is None; None for another resource."""
    if vector["kind"] == "request":
        found = serving.parse_message(get(vector, payload))
        return None if found is None else attributes(found, REQUEST)
    read = configuration.parse_answer
    if vector["kind"] == "document":
        read = configuration_document.parse_documents
    found = read(payload)
    out = {}
    if found.configuration is not None:
        out["configuration"] = attributes(found.configuration, CONFIGURATION)
    if found.wait_s is not None:
        out["wait_s"] = found.wait_s
    if found.entries is not None:
        out["entries"] = [attributes(one, CONFIGURATION) for one in found.entries]
    return out


def build(vector):
    """Return what is wrong with what is built, or an empty string."""
    function, given = vector["build"]["function"], dict(vector["build"]["arguments"])
    if "configuration" in given:
        given["configuration"] = configuration.Configuration(**given["configuration"])
    if "entries" in given:
        given["entries"] = [configuration.Configuration(**one) for one in given["entries"]]
    if vector["kind"] == "document":
        # MicroPython keeps no order in a map, which has none in CBOR.
        built, payload = configuration_document.document(**given), payload_of(vector)
        wanted = cbor.loads(payload)
        is_list = wanted.__class__ is list
        good = cbor.loads(cbor.dumps([built] if is_list else built)) == wanted
        return "" if good else "built as %r" % (built,)
    home = serving if vector["kind"] == "answer" else configuration
    built = getattr(home, function)(**given)
    return "" if built == payload_of(vector) else "built as %r" % (built,)


def check(vector):
    """Return what is wrong with a vector, or an empty string."""
    try:
        found = parse(vector, payload_of(vector))
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
    if "options" in vector:
        options = configuration.request_options(**vector["options"])
        if options != get(vector, payload_of(vector)).options:
            return "options are %r" % (options,)
    return build(vector) if "build" in vector else ""


def main(folder):
    """Check all vectors; return the exit code."""
    passed = failed = 0
    for vector in load(folder + "/configuration"):
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
