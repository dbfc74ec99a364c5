"""Messages that arrive at a UE with an MSGin5G client: once, whole, and reported."""

import json
import random

import pytest

from msgin5g import coap
from msgin5g.message import Entry
from tests.firmware.bench import UE
from tests.firmware.message_bench import (
    GROUP,
    PEER_UE,
    MessageBench,
    a_confirmation,
    a_message,
    a_recovery,
    a_report,
    a_response,
    new_id,
    segments,
)
from ue.inbox import REASSEMBLY_PART_BYTES, RECOVERY_RANGES, RECOVERY_ROUNDS
from ue.postman import MAX_SEEN


def test_a_message_is_acknowledged_and_handed_on():
    bench = MessageBench()
    message_id = new_id()
    answer = bench.bring("23.5", message_id=message_id, applications=["thermo"], priority="HIGH")
    assert (answer.type, answer.code, answer.payload) == (coap.ACK, coap.CHANGED, b"")
    (message,) = bench.received()
    assert message.payload == b"23.5" and message.message_id == message_id
    assert message.origin == PEER_UE and list(message.applications) == ["thermo"]
    assert message.priority == "HIGH" and message.group is None and not message.report
    assert not bench.sent("IMDN")


def test_octets_come_back_as_octets():
    bench = MessageBench()
    bench.bring("data:;base64,AP8=")
    bench.bring("grün")
    assert [one.payload for one in bench.received()] == [b"\x00\xff", "grün".encode()]


def test_a_group_message_names_the_group():
    bench = MessageBench()
    assert bench.bring(to=GROUP, recipient=UE).code == coap.CHANGED
    assert bench.bring(to=("TOPIC", "weather")).code == coap.CHANGED
    assert [one.group for one in bench.received()] == ["urn:example:group:1", "weather"]


@pytest.mark.parametrize(
    "payload",
    [
        a_message(to=("UE", "urn:example:ue:3")),
        a_message(to=GROUP, recipient="urn:example:ue:3"),
        a_message("data:;base64,?"),
        a_message().replace(b"urn:msgin5g:service", b"urn:other"),
        a_message().replace(b'"msgId"', b'"nsgId"'),
        a_report(new_id(), to=("UE", "urn:example:ue:3")),
        a_response(new_id(), ue="urn:example:ue:3"),
        b'{"msgType":"MSG"}',
    ],
)
def test_what_is_not_for_this_ue_or_malformed_gets_4_00(payload):
    bench = MessageBench()
    answer = bench.post(payload)
    assert answer.code == coap.BAD_REQUEST and answer.payload
    assert not bench.received() and bench.counters["messages_malformed"] == 1


def test_a_repeated_message_is_answered_and_not_handed_on_again():
    bench = MessageBench()
    payload = a_message(report=True)
    for mid in (1, 1, 2):
        assert bench.post(payload, mid=mid).code == coap.CHANGED
    assert len(bench.received()) == 1 and len(bench.sent("IMDN")) == 1
    assert bench.counters["messages_repeated"] == 1
    bench.bring(origin=("UE", "urn:example:ue:3"), message_id=json.loads(payload)["msgId"])
    assert len(bench.received()) == 2, "another sender's message"


def test_what_was_seen_is_bounded():
    bench = MessageBench()
    for _ in range(200):
        bench.bring()
    assert len(bench.received()) == 200
    assert len(bench.core.messages()._seen._keys) == MAX_SEEN


def test_a_report_is_sent_at_once_and_copies_the_message_id():
    bench = MessageBench()
    message_id = new_id()
    bench.bring(message_id=message_id, report=True)
    (report,) = bench.sent("IMDN")
    assert report["msgId"] == message_id and report["DelSta"] == "success"
    assert report["oriAddr"] == {"oriAddrType": "UE", "addr": UE}
    assert report["destAddr"] == {"destAddrType": "UE", "addr": "urn:example:ue:2"}


def test_an_application_that_reports_itself_is_waited_for():
    bench = MessageBench()
    bench.core.reports_itself = True
    bench.bring(report=True, origin=("AS", "urn:example:as:1"))
    assert not bench.sent("IMDN")
    (message,) = bench.received()
    bench.core.messages().report(message, False, "valve stuck", bench.now)
    bench.flush()
    (report,) = bench.sent("IMDN")
    assert (report["DelSta"], report["Cause"]) == ("failure", "valve stuck")
    assert report["destAddr"] == {"destAddrType": "AS", "addr": "urn:example:as:1"}


def test_a_report_waits_for_a_gateway_that_is_away():
    bench = MessageBench()
    bench.script["IMDN"] = (coap.UNAVAILABLE, b"later")
    bench.bring(report=True)
    bench.run(10_000)
    bench.script["IMDN"] = (coap.CHANGED, b"")
    bench.run(60_000)
    assert len(bench.sent("IMDN")) >= 2 and not bench.named("outcome")


def test_an_aggregate_comes_apart():
    bench = MessageBench()
    first, second = Entry(), Entry()
    first.message_id, first.payload, first.report = new_id(), "one", True
    second.message_id, second.payload = new_id(), "data:;base64,AA=="
    second.applications = ["b"]
    assert bench.bring(None, entries=[first, second], applications=["a"]).code == coap.CHANGED
    one, two = bench.received()
    assert (one.payload, one.message_id, list(one.applications)) == (
        b"one",
        first.message_id,
        ["a"],
    )
    assert (two.payload, two.message_id, list(two.applications)) == (
        b"\x00",
        second.message_id,
        ["b"],
    )
    assert [report["msgId"] for report in bench.sent("IMDN")] == [first.message_id]
    assert bench.bring("one", message_id=first.message_id).code == coap.CHANGED
    assert len(bench.received()) == 2, "alone it is a repeated one"


def test_reports_and_responses_reach_the_application_once():
    bench = MessageBench()
    first, second = new_id(), new_id()
    for _ in range(2):
        assert bench.post(a_report(first)).code == coap.CHANGED
        assert bench.post(a_report(second, "failure", "valve stuck")).code == coap.CHANGED
        assert bench.post(a_response(second, "stored for deferred delivery")).code == coap.CHANGED
        assert bench.post(a_response(second, "failure", "expired")).code == coap.CHANGED
    assert bench.named("report") == [(first, True, None), (second, False, "valve stuck")]
    assert bench.named("response") == [
        (second, "stored for deferred delivery", None),
        (second, "failure", "expired"),
    ]


def test_reports_of_several_members_are_all_handed_on():
    bench = MessageBench()
    message_id = new_id()
    for number in (2, 3):
        bench.post(a_report(message_id, origin=("UE", f"urn:example:ue:{number}")))
    assert len(bench.named("report")) == 2


# Segments


def test_segments_in_any_order_become_one_message_and_are_confirmed():
    bench = MessageBench()
    parts = segments(["alpha ", "beta ", "gamma"], report=True)
    set_id = json.loads(parts[0])["segParams"]["segId"]
    for part in (parts[2], parts[0]):
        assert bench.post(part).code == coap.CHANGED
        assert not bench.received()
    assert bench.post(parts[1]).code == coap.CHANGED
    (message,) = bench.received()
    assert message.payload == b"alpha beta gamma" and message.report
    (confirmation,) = bench.sent("SEGCONFIR")
    assert confirmation["segId"] == set_id and confirmation["result"] is True
    assert len(bench.sent("IMDN")) == 1 and not bench.sent("SEGREC")


def test_a_segment_twice_is_answered_and_changes_nothing():
    bench = MessageBench()
    parts = segments(["alpha ", "beta"])
    for part in (parts[0], parts[0], parts[1], parts[0], parts[1]):
        assert bench.post(part).code == coap.CHANGED
    assert len(bench.received()) == 1


def test_the_same_message_in_a_new_set_is_confirmed_and_not_handed_on_again():
    bench = MessageBench()
    message_id = new_id()
    for part in segments(["alpha ", "beta"], message_id) + segments(
        ["alph", "a beta"], message_id
    ):
        assert bench.post(part).code == coap.CHANGED
    assert len(bench.received()) == 1
    assert [one["result"] for one in bench.sent("SEGCONFIR")] == [True, True]


def test_a_message_whose_first_set_broke_off_arrives_in_a_second_one():
    bench = MessageBench()
    message_id = new_id()
    bench.post(segments(["alpha ", "beta"], message_id)[0])
    for part in segments(["alpha ", "beta"], message_id):
        bench.post(part)
    assert [one.payload for one in bench.received()] == [b"alpha beta"]


def test_missing_segments_are_asked_for_and_then_given_up():
    bench = MessageBench(segment_wait_s=10)
    parts = segments(list("abcdefgh"), report=True)
    for at in (0, 1, 4, 7):
        bench.post(parts[at])
    bench.run(9_000)
    assert not bench.sent("SEGREC")
    bench.run(2_000)
    (recovery,) = bench.sent("SEGREC")
    assert recovery["segNoList"] == "(3-4, 6-7)"
    bench.post(parts[2])
    bench.run(11_000)
    assert bench.sent("SEGREC")[1]["segNoList"] == "(4-4, 6-7)"
    bench.run(700_000)
    assert len(bench.sent("SEGREC")) == 1 + RECOVERY_ROUNDS, "they count from the last segment"
    assert [one["result"] for one in bench.sent("SEGCONFIR")] == [False]
    (report,) = bench.sent("IMDN")
    assert (report["DelSta"], report["Cause"]) == ("failure", "segments are missing")
    assert bench.counters["sets_given_up"] == 1 and not bench.received()


def test_segments_that_come_after_the_recovery_complete_the_set():
    bench = MessageBench(segment_wait_s=10)
    parts = segments(["a", "b", "c"])
    bench.post(parts[0])
    bench.run(15_000)
    for part in parts[1:]:
        bench.post(part)
    assert [one.payload for one in bench.received()] == [b"abc"]
    bench.run(100_000)
    assert len(bench.sent("SEGREC")) == 1 and len(bench.sent("SEGCONFIR")) == 1


def test_reassembly_keeps_to_its_budget():
    bench = MessageBench(reassembly_bytes=1000)
    first, second = segments(["x" * 400] * 2), segments(["y" * 400] * 2)
    bench.post(first[0])
    bench.run(1_000)
    bench.post(second[0])
    bench.post(segments(["z" * 400] * 2)[0])
    assert [one["result"] for one in bench.sent("SEGCONFIR")] == [False]
    assert bench.counters["sets_given_up"] == 1
    bench.post(second[1])
    assert [one.payload for one in bench.received()] == [b"y" * 800]
    answers = [bench.post(part) for part in segments(["w" * 600] * 2)]
    assert [one.code for one in answers] == [coap.CHANGED, coap.BAD_REQUEST]
    assert b"1000 bytes" in answers[1].payload


def test_a_set_of_too_many_segments_is_refused():
    bench = MessageBench()
    most = bench.config["reassembly_bytes"] // REASSEMBLY_PART_BYTES
    parts = segments(["x"] * (most + 1))
    assert bench.post(parts[0]).code == coap.BAD_REQUEST
    assert bench.post(segments(["x"] * most)[0]).code == coap.CHANGED


def test_a_recovery_always_fits_a_frame():
    bench = MessageBench(reassembly_bytes=65536)
    for part in segments(["x"] * 999)[::2]:
        bench.post(part)
    bench.run(11_000)
    message = bench.requests("SEGREC")[0]
    assert len(json.loads(message.payload)["segNoList"].split(",")) == RECOVERY_RANGES
    assert len(message.payload) < 1200


def test_octets_in_segments_are_read_after_joining():
    bench = MessageBench()
    for part in segments(["data:;ba", "se64,AP", "8="]):
        bench.post(part)
    assert bench.received()[0].payload == b"\x00\xff"
    codes = [bench.post(part).code for part in segments(["data:;base64,", "?"])]
    assert codes == [coap.CHANGED, coap.BAD_REQUEST]
    assert [one["result"] for one in bench.sent("SEGCONFIR")] == [True, False]


def test_a_confirmation_of_nothing_is_acknowledged():
    bench = MessageBench()
    assert bench.post(a_confirmation("nothing", False)).code == coap.CHANGED


@pytest.mark.parametrize("trips", [1, 2])
def test_a_board_without_memory_says_later(monkeypatch, trips):
    bench = MessageBench()
    inbox = bench.core.messages()
    receive, left = inbox.receive, [trips]

    def short(incoming, now):
        left[0] -= 1
        if left[0] >= 0:
            raise MemoryError
        receive(incoming, now)

    monkeypatch.setattr(inbox, "receive", short)
    answer = bench.bring()
    assert answer.code == (coap.CHANGED if trips == 1 else coap.UNAVAILABLE)
    assert bench.counters["no_memory"] == trips - 1


def test_no_mutation_of_a_message_harms_the_ue():
    generator = random.Random(5)
    seeds = [
        a_message("23.5", applications=["a"], report=True, priority="HIGH"),
        a_message(to=GROUP, recipient=UE),
        segments(["data:;base64,", "AAAA"])[0],
        a_report(new_id(), "failure", "x"),
        a_response(new_id()),
        a_confirmation("set"),
        a_recovery("set", (1, 2), (4, 9)),
    ]
    bench = MessageBench()
    for seed in seeds * 150:
        data = bytearray(seed)
        for _ in range(generator.randrange(1, 4)):
            at = generator.randrange(len(data))
            if generator.random() < 0.3:
                del data[at : at + generator.randrange(1, 9)]
            else:
                data[at] = generator.choice(b'"{}[],:0129truenfals\\\xff\x00')
        answer = bench.post(bytes(data))
        assert answer.code in (coap.CHANGED, coap.BAD_REQUEST), data
        if bench.state != "registered":
            bench = MessageBench()
