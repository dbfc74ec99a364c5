"""Messages and reports: golden vectors, round trips, and whatever a peer may send."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgin5g import gaps, message, names
from msgin5g.errors import CallerError
from msgin5g.limits import MAX_APPLICATIONS, MAX_RANGES, MAX_SEGMENTS, MAX_URI_BYTES
from msgin5g.message import Entry, Message, Segment, parse_message
from msgin5g.payload_errors import BadMessage, UnsupportedType
from tests.mpy import check_message as vectors

FOLDER = Path(__file__).parents[1] / "vectors" / "message"
VECTORS = vectors.load(str(FOLDER))
SERVICE, UE, AS = gaps.SERVICE_ID, "urn:example:ue:1", "urn:example:as:1"
ID, SET = "6f1ed002-ab5b-4f3c-9c2f-8a4f5e6d7c8b", "3d1f6a52-0c5e-4b7a-9f5e-1a2b3c4d5e6f"
# The codec alone proves statements about payloads, not those about what a role does with them.
PAYLOAD_STATEMENTS = ("7.", "6.4.1.1.2-d", "6.4.1.1.3-", "6.4.1.1.4-d", "6.4.1.1.5-", "6.5.1.2.")
OF_A_ROLE = ("6.4.1.1.2-d13", "6.4.1.1.4-d4", "6.4.1.1.4-d5")


def vector_params():
    for vector in VECTORS:
        ids = [
            one
            for one in vector["clause"]
            if one.startswith(PAYLOAD_STATEMENTS) and one not in OF_A_ROLE
        ]
        marks = [pytest.mark.clause(*ids)] if ids else []
        yield pytest.param(vector, id=vector["name"], marks=marks)


@pytest.mark.parametrize("vector", list(vector_params()))
def test_vector(vector):
    assert vectors.check(vector) == ""


def test_every_builder_has_a_vector():
    built = {one["build"]["function"] for one in VECTORS if "build" in one}
    assert built == {"msg", "imdn", "msgresp", "segrec", "segconfir"}


def test_vectors_are_named_after_their_files():
    stems = [path.stem for path in sorted(FOLDER.glob("*.json"))]
    assert stems == [json.loads((FOLDER / f"{one}.json").read_text())["name"] for one in stems]


def test_what_is_sent_has_a_builder_in_its_vector():
    """Names say what is only tolerated or refused; all the rest is what builders make."""
    sent = {one["name"] for one in VECTORS if "build" in one}
    assert sent == {
        one["name"]
        for one in VECTORS
        if "-tolerated-" not in one["name"] and not one["name"].startswith("bad-")
    }


def set_up(found, **attributes):
    for name, value in attributes.items():
        setattr(found, name, value)
    return found


def message_of(**attributes):
    return set_up(Message(), **attributes)


def entry_of(**attributes):
    return set_up(Entry(), **attributes)


def rebuild(found):
    """Return what is sent for a parsed message, None where nothing like it is sent."""
    if found.msg_type == names.MSG:
        return message.msg(found.service_id, found)
    if found.msg_type == names.IMDN:
        return message.imdn(found.service_id, found)
    if found.msg_type == names.SEGREC:
        return message.segrec(found.service_id, found.set_id, found.ranges)
    if found.msg_type == names.SEGCONFIR:
        return message.segconfir(found.service_id, found.set_id, found.result)
    if found.status == names.SUCCESS:
        return None
    return message.msgresp(
        found.service_id, found.origin, found.message_id, found.status, found.cause
    )


def without_idle_causes(described):
    """A cause belongs to a failure; beside a success it is read, but not sent on."""
    for one in [described, *described.get("entries", ())]:
        if one.get("status") == names.SUCCESS:
            one.pop("cause", None)
    return described


def assert_can_be_sent_on(found):
    """What is accepted can be sent on, and is the same then."""
    payload = rebuild(found)
    if payload is not None:
        again = vectors.describe(parse_message(payload))
        assert again == without_idle_causes(vectors.describe(found))


@pytest.mark.parametrize(
    "vector", [one for one in VECTORS if "parsed" in one], ids=lambda one: one["name"]
)
def test_what_is_accepted_can_be_sent_on(vector):
    assert_can_be_sent_on(parse_message(vectors.payload_of(vector)))


characters = st.characters(blacklist_categories=["Cs"])
plain = st.characters(blacklist_categories=["Cs", "Cc"])
texts = st.text(plain, min_size=1, max_size=60)
uris = st.builds(
    "{}:{}".format,
    st.sampled_from(["urn", "sip", "a+b"]),
    st.text(
        st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters=" "), min_size=1
    ).map(lambda text: text[:60]),
)
uuids = st.uuids().map(str)
causes = st.none() | st.text(characters, max_size=60)
parties = st.tuples(st.sampled_from(["UE", "AS"]), uris)
destinations = st.one_of(
    st.tuples(st.sampled_from(["UE", "GROUP"]), uris),
    st.tuples(st.sampled_from(["BC", "TOPIC"]), texts),
)
contents = {
    "applications": st.lists(texts, max_size=MAX_APPLICATIONS),
    "report": st.booleans(),
    "priority": st.sampled_from(["HIGH", "NORMAL", "LOW"]),
}
entries = st.builds(
    entry_of, message_id=uuids, payload=st.text(characters, max_size=30), **contents
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
numbers = st.integers(1, MAX_SEGMENTS)
segments = st.builds(
    lambda set_id, number, more, knows, last: Segment(
        set_id, number, min(number + more, MAX_SEGMENTS) if knows else None, last
    ),
    texts,
    numbers,
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
)
messages = st.builds(
    message_of,
    message_id=uuids,
    origin=parties,
    destination=destinations,
    recipient=st.none() | uris,
    payload=st.none() | st.text(characters, max_size=60),
    segment=st.none() | segments,
    entries=st.none() | st.lists(entries, min_size=1, max_size=3),
    store=st.booleans(),
    expires_ms=st.none() | st.integers(0, 253402300799999),
    app_store=st.none() | st.dictionaries(texts, json_values, max_size=2),
    **contents,
)


def expected(found, *gone):
    """Return what is read from a Message that was built without `gone`."""
    found = copy.copy(found)
    for name in gone:
        setattr(found, name, getattr(Message, name))
    if found.entries:
        found.segment = found.payload = None
    if not found.store:
        found.expires_ms = found.app_store = None
    described = vectors.describe(found)
    for one in [described, *described.get("entries", ())]:
        if not one.get("applications", True):
            del one["applications"]
    return described | {"msg_type": "MSG", "service_id": SERVICE}


def is_typed(value, kind, optional=True):
    return (optional and value is None) or type(value) is kind


def assert_address(value, key, kinds):
    assert list(value) == [key, "addr"]
    assert value[key] in kinds
    assert is_typed(value["addr"], str, False)


def assert_schema(payload):
    """Check an MSG against clause 7.3.4.1 as printed, with what the parser takes left aside."""
    value = json.loads(payload)
    assert {"msgIden", "msgType", "msgId", "oriAddr", "destAddr"} <= set(value)
    assert value["msgType"] == "MSG"
    assert_address(value["oriAddr"], "oriAddrType", ("UE", "AS"))
    assert_address(value["destAddr"], "destAddrType", ("UE", "AS", "GROUP", "BC", "TOPIC"))
    kinds = (value["oriAddr"]["oriAddrType"], value["destAddr"]["destAddrType"])
    assert kinds != ("AS", "AS")
    for key in ("isDelivStatReq", "sfFlag", "isSegmented"):
        assert is_typed(value.get(key), bool)
    assert is_typed(value.get("payload"), str)
    assert "payload" not in value or list(value)[-1] == "payload"
    assert value.get("priority") in (None, "HIGH", "NORMAL", "LOW")
    assert "sfParam" not in value or value["sfFlag"]
    assert ("segParams" in value) == ("isSegmented" in value)
    if "indMsgList" in value:
        assert value["indMsgNum"] == len(value["indMsgList"])
        assert not {"payload", "isSegmented", "segParams"} & set(value)
        for one in value["indMsgList"]:
            assert {"msgId", "payload"} <= set(one)


@pytest.mark.clause("7.3.4.1", "7.3.4.1-addr", "7.3.4.1-prio", "7.3.4.1-sf", "7.3.4.1-seg")
@pytest.mark.clause("6.4.1.1.2-d19-last", "6.4.1.1.2-d18", "6.4.1.1.3-a", "6.4.1.1.3-d")
@settings(deadline=None)
@given(messages)
def test_msg_round_trip(found):
    payload = message.msg(SERVICE, found)
    assert_schema(payload)
    assert json.loads(payload)["sfFlag"] is found.store
    assert vectors.describe(parse_message(payload)) == expected(found)


@settings(deadline=None)
@given(messages, st.booleans())
def test_what_a_server_takes_away(found, keeps):
    payload = message.msg(SERVICE, found, keep_store=False, keep_priority=keeps)
    assert_schema(payload)
    assert not {"sfFlag", "sfParam"} & set(json.loads(payload))
    gone = ("store", "expires_ms", "app_store") + (() if keeps else ("priority",))
    assert vectors.describe(parse_message(payload)) == expected(found, *gone)


@pytest.mark.clause("7.3.4.2", "6.4.1.1.5-a", "6.4.1.1.5-bc", "6.4.1.1.4-d6", "6.4.1.1.4-d7")
@settings(deadline=None)
@given(
    parties,
    uris,
    uuids,
    st.booleans(),
    causes,
    st.lists(st.tuples(uuids, st.booleans(), causes), max_size=4),
)
def test_imdn_round_trip(origin, ue, message_id, success, cause, reports):
    def status(good):
        return names.SUCCESS if good else names.FAILURE

    found = message_of(
        origin=origin,
        destination=("UE", ue),
        message_id=message_id,
        status=status(success),
        cause=cause,
        entries=[
            entry_of(message_id=one, status=status(good), cause=why) for one, good, why in reports
        ],
    )
    payload = message.imdn(SERVICE, found)
    value = json.loads(payload)
    for one in value["indMsgList"] if reports else [value]:
        assert one["DelSta"] in ("success", "failure")
        assert "Cause" not in one or one["DelSta"] == "failure"
    again = parse_message(payload)
    assert (again.origin, again.destination, again.message_id) == (origin, ("UE", ue), message_id)
    if not reports:
        assert again.entries is None
        assert (again.status, again.cause) == (status(success), None if success else cause)
        return
    assert "DelSta" not in value and "Cause" not in value
    assert value["indMsgNum"] == len(reports)
    assert (again.status, again.cause) == (None, None)
    assert [(one.message_id, one.status, one.cause) for one in again.entries] == [
        (one, status(good), None if good else why) for one, good, why in reports
    ]


@settings(deadline=None)
@given(parties, uuids, st.sampled_from([names.FAILURE, names.STORED]), causes)
def test_msgresp_round_trip(origin, message_id, status, cause):
    found = parse_message(message.msgresp(SERVICE, origin, message_id, status, cause))
    assert (found.msg_type, found.origin, found.message_id) == ("MSGRESP", origin, message_id)
    assert (found.status, found.cause, found.destination) == (status, cause, None)


@settings(deadline=None)
@given(texts, st.sets(st.integers(0, MAX_SEGMENTS), min_size=1, max_size=MAX_RANGES))
def test_segrec_round_trip(set_id, missing):
    ranges = [(one, one) for one in sorted(missing)]
    found = parse_message(message.segrec(SERVICE, set_id, ranges))
    assert (found.msg_type, found.set_id) == ("SEGREC", set_id)
    assert {one for first, last in found.ranges for one in range(first, last + 1)} == missing
    # Ascending, and no two of them touch.
    bounds = [one for pair in found.ranges for one in pair]
    assert bounds == sorted(bounds)
    assert all(b[0] > a[1] + 1 for a, b in zip(found.ranges, found.ranges[1:], strict=False))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, MAX_SEGMENTS), st.integers(0, MAX_SEGMENTS)),
        min_size=1,
        max_size=MAX_RANGES,
    )
)
def test_ranges_in_any_order(pairs):
    ranges = [(min(pair), max(pair)) for pair in pairs]
    text = ",".join(f"{first}-{last}" for first, last in ranges)
    wanted = {one for first, last in ranges for one in range(first, last + 1)}
    found = message.parse_ranges(text)
    assert sorted(wanted) == [one for first, last in found for one in range(first, last + 1)]
    assert found == message.parse_ranges(list(reversed(text.split(","))))


@settings(deadline=None)
@given(texts, st.booleans())
def test_segconfir_round_trip(set_id, result):
    found = parse_message(message.segconfir(SERVICE, set_id, result))
    assert (found.msg_type, found.set_id, found.result) == ("SEGCONFIR", set_id, result)


def try_to_parse(payload):
    try:
        found = parse_message(payload)
    except BadMessage as problem:
        assert str(problem).isascii()
        assert 0 < len(str(problem)) <= 120
    else:
        assert_can_be_sent_on(found)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(payload):
    try_to_parse(payload)


known_keys = st.sampled_from(
    [value for key, value in vars(names).items() if key.isupper() and isinstance(value, str)]
    + [gaps.IND_MSG_NUM, gaps.IND_MSG_LIST, gaps.RECIPIENT]
)
known_values = st.sampled_from(
    [ID, SET, UE, "UE", "AS", "TOPIC", "true", "HIGH", "failure", "(1-2)", "2026-01-31T08:00:00Z"]
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | known_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(known_keys, inner, max_size=6),
    max_leaves=12,
)
kinds = st.sampled_from(["MSG", "IMDN", "MSGRESP", "SEGREC", "SEGCONFIR", "SEGCOFIR"])


@settings(deadline=None)
@given(st.dictionaries(known_keys, anything, max_size=8), kinds, st.booleans())
def test_any_json(value, kind, escape):
    value = {
        "msgIden": SERVICE,
        "msgId": ID,
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "destAddr": {"destAddrType": "UE", "addr": UE},
        "segId": SET,
    } | value
    payload = json.dumps(value | {"msgType": kind}, ensure_ascii=escape)
    try_to_parse(payload.encode(errors="surrogatepass"))


def places(value, path=()):
    """Yield where something can be put instead of something in a JSON value."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


GOOD = [json.loads(one["payload"]) for one in VECTORS if "build" in one]


@settings(deadline=None)
@given(st.data(), st.sampled_from(GOOD), anything)
def test_one_element_is_another(data, value, other):
    value = copy.deepcopy(value)
    *path, last = data.draw(st.sampled_from(list(places(value))[:60]))
    inner = value
    for key in path:
        inner = inner[key]
    inner[last] = other
    try_to_parse(json.dumps(value).encode())


@settings(deadline=None)
@given(st.sampled_from(GOOD), st.integers(0, 2000), st.binary(max_size=3), st.integers(0, 3))
def test_octets_that_changed(value, at, octets, skipped):
    payload = json.dumps(value, ensure_ascii=False).encode()
    try_to_parse(payload[:at] + octets + payload[at + skipped :])


@pytest.mark.parametrize("kind", [memoryview, bytearray])
def test_other_kinds_of_bytes(kind):
    payload = kind(message.segconfir(SERVICE, SET, True))
    assert parse_message(payload).set_id == SET


@pytest.mark.clause("7.1-values")
@pytest.mark.parametrize("kind", ["REG", "DEREG", "BREG", "BDEREG", "GWREG", "REGRESP"])
def test_other_families_are_told_apart(kind):
    with pytest.raises(UnsupportedType):
        parse_message(json.dumps({"msgIden": SERVICE, "msgType": kind}).encode())
    with pytest.raises(BadMessage) as unknown:
        parse_message(json.dumps({"msgIden": SERVICE, "msgType": "X"}).encode())
    assert not isinstance(unknown.value, UnsupportedType)


def sendable(**attributes):
    return message_of(
        **{"message_id": ID, "origin": ("UE", UE), "destination": ("UE", UE)} | attributes
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: message.msg("", sendable()),
        lambda: message.msg(None, sendable()),
        lambda: message.msg(SERVICE, sendable(message_id=None)),
        lambda: message.msg(SERVICE, sendable(message_id="")),
        lambda: message.msg(SERVICE, sendable(origin=None)),
        lambda: message.msg(SERVICE, sendable(origin=("TOPIC", "a"))),
        lambda: message.msg(SERVICE, sendable(origin=("UE", ""))),
        lambda: message.msg(SERVICE, sendable(origin=("UE", "urn:\ud800"))),
        lambda: message.msg(SERVICE, sendable(origin=("UE", "urn:" + "x" * MAX_URI_BYTES))),
        lambda: message.msg(SERVICE, sendable(destination=None)),
        lambda: message.msg(SERVICE, sendable(destination=("NET", "a"))),
        lambda: message.msg(SERVICE, sendable(origin=("AS", AS), destination=("AS", AS))),
        lambda: message.msg(SERVICE, sendable(recipient="")),
        lambda: message.msg(SERVICE, sendable(payload="\ud800")),
        lambda: message.msg(SERVICE, sendable(applications=["\ud800"])),
        lambda: message.msg(SERVICE, sendable(store=True, expires_ms=-1)),
        lambda: message.msg(SERVICE, sendable(store=True, expires_ms=253402300800000)),
        lambda: message.msg(SERVICE, sendable(segment=Segment("", 1, 2))),
        lambda: message.msg(SERVICE, sendable(entries=[entry_of(message_id=ID)])),
        lambda: message.msg(SERVICE, sendable(entries=[entry_of(payload="1")])),
        lambda: message.imdn(SERVICE, sendable()),
        lambda: message.imdn(SERVICE, sendable(status=names.STORED)),
        lambda: message.imdn(SERVICE, sendable(status="success", destination=("GROUP", UE))),
        lambda: message.imdn(
            SERVICE, sendable(status="success", origin=("AS", AS), destination=("AS", AS))
        ),
        lambda: message.imdn(SERVICE, sendable(entries=[entry_of(message_id=ID)])),
        lambda: message.imdn(SERVICE, sendable(entries=[entry_of(status="success")])),
        lambda: message.msgresp(SERVICE, ("UE", UE), ID, names.SUCCESS),
        lambda: message.msgresp(SERVICE, ("GROUP", UE), ID, names.FAILURE),
        lambda: message.msgresp(SERVICE, ("UE", UE), None, names.FAILURE),
        lambda: message.msgresp("", ("UE", UE), ID, names.FAILURE),
        lambda: message.segrec(SERVICE, SET, []),
        lambda: message.segrec(SERVICE, "", [(1, 1)]),
        lambda: message.segconfir(SERVICE, None, True),
    ],
)
def test_the_caller_did_wrong(call):
    with pytest.raises(CallerError):
        call()


def test_a_message_that_waits_for_an_application_server_may_be_long():
    payload = message.msg(SERVICE, sendable(destination=("AS", AS), payload="x" * 60_000))
    assert len(payload) > 60_000
