"""Topic subscriptions: golden vectors, and what callers and peers may get wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import coap, gaps, topic_requests, topics
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage
from tests.mpy import check_topics as vectors
from tests.mpy.check_message import load

FOLDER = Path(__file__).parents[1] / "vectors" / "topic"
VECTORS = load(str(FOLDER))
UE = "urn:example:ue:1"


def vector_params():
    for vector in VECTORS:
        ids = [one for one in vector["clause"] if one.startswith("7.")]
        marks = [pytest.mark.clause(*ids)] if ids else []
        yield pytest.param(vector, id=vector["name"], marks=marks)


@pytest.mark.parametrize("vector", list(vector_params()))
def test_vector(vector):
    assert vectors.check(vector) == ""


def test_vectors_are_named_after_their_files():
    stems = [path.stem for path in sorted(FOLDER.glob("*.json"))]
    assert stems == [json.loads((FOLDER / f"{one}.json").read_text())["name"] for one in stems]


def test_every_builder_has_a_vector():
    built = {one["build"]["function"] for one in VECTORS if "build" in one}
    assert built == {"subscribe", "unsubscribe", "answer"}


@pytest.mark.clause("7.3.5.1", "7.3.5.2")
def test_a_subscription_has_the_keys_of_the_schema_and_no_others():
    one, other = topics.subscribe(UE, 0), topics.unsubscribe(UE)
    assert set(json.loads(one)) == {"oriAddr", "expireTime"}
    assert set(json.loads(other)) == {"oriAddr"}


@pytest.mark.parametrize("name", ["", "/top", "\\top", "a/../b", ".", "su-gm/v1", "a\nb", 7, None])
def test_a_caller_cannot_subscribe_to_what_is_no_topic(name):
    with pytest.raises(CallerError):
        topics.request_options(name, topics.SUBSCRIBE)


@pytest.mark.parametrize("ue", ["", None, "x" * 256])
def test_a_caller_has_to_give_its_ue_service_id(ue):
    with pytest.raises(CallerError):
        topics.subscribe(ue)


def test_the_host_goes_before_observe():
    numbers = [number for number, _ in topics.request_options("a/b", 1, "server.example")]
    assert numbers == [coap.URI_HOST, coap.OBSERVE, coap.URI_PATH, coap.URI_PATH, 12]


def test_what_is_left_of_a_subscription_is_whole_seconds_and_at_least_one():
    def age(left_ms):
        return dict(topic_requests.answer_options(5, left_ms))[coap.MAX_AGE]

    assert [age(0), age(1999), age(2000)] == [b"\x01", b"\x01", b"\x02"]
    assert age(1 << 60) == b"\xff" * 4


def test_observe_has_24_bits():
    assert dict(topic_requests.answer_options((1 << 24) + 3, 1000))[coap.OBSERVE] == b"\x03"


@given(st.text(max_size=80))
def test_a_topic_that_can_be_asked_for_arrives_as_it_is(name):
    try:
        options = topics.request_options(name, topics.SUBSCRIBE)
    except CallerError:
        return
    message = coap.decode(coap.encode(coap.CON, coap.GET, 1, b"", options, b"x"))
    assert topic_requests.topic_of(message) == name


@given(st.binary(max_size=60), st.lists(st.binary(max_size=20), max_size=4))
def test_whatever_a_peer_sends_is_read_or_refused(payload, path):
    options = [(coap.OBSERVE, b""), *((coap.URI_PATH, one) for one in path)]
    message = coap.decode(coap.encode(coap.CON, coap.GET, 1, b"", options, payload))
    for read in (
        lambda: topic_requests.parse_request(message),
        lambda: topics.parse_answer(payload),
    ):
        try:
            read()
        except BadMessage:
            continue


def test_paths_of_other_resources_are_told_apart():
    def reserved(*path):
        message = coap.Message()
        message.options = [(coap.URI_PATH, one.encode()) for one in path]
        return topic_requests.is_reserved(message)

    assert all(reserved(one, "x") for one in gaps.RESERVED_PATHS)
    assert not reserved("temperature", "su-gm") and not reserved()
