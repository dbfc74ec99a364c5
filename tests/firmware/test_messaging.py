"""Messages of a UE with an MSGin5G client: sending, outages, segments, aggregates."""

import json
import uuid

import pytest

from msgin5g import coap, registration
from msgin5g.errors import CallerError
from tests.firmware.bench import SERVICE, UE
from tests.firmware.message_bench import MessageBench, a_confirmation, a_recovery, a_response
from ue.messaging import SENT_SETS


def later(*_):
    return coap.UNAVAILABLE, b"later"


def test_a_message_goes_out_and_its_outcome_is_told():
    bench = MessageBench()
    message_id = bench.send("23.5", report=True, application="thermo")
    assert uuid.UUID(message_id).version == 4
    (body,) = bench.sent()
    assert body == {
        "msgIden": SERVICE,
        "msgType": "MSG",
        "appId": "thermo",
        "msgId": message_id,
        "isDelivStatReq": True,
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "destAddr": {"destAddrType": "UE", "addr": "urn:example:ue:2"},
        "sfFlag": True,
        "payload": "23.5",
    }
    assert bench.named("outcome") == [(message_id, None)]
    assert bench.counters["messages_sent"] == 1


@pytest.mark.parametrize("kind", ["UE", "AS", "GROUP", "BC", "TOPIC"])
def test_every_kind_of_recipient(kind):
    bench = MessageBench()
    to = "weather/north" if kind in ("BC", "TOPIC") else "urn:example:x"
    bench.send(to=to, kind=kind, store=False, priority="HIGH")
    (body,) = bench.sent()
    assert body["destAddr"] == {"destAddrType": kind, "addr": to}
    assert body["sfFlag"] is False and body["priority"] == "HIGH"


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "MOON"}, {"to": ""}, {"to": "no uri"}, {"priority": "URGENT"}]
    + [{"payload": "x" * 5000}, {"to": "urn:x:" + "y" * 600}],
)
def test_what_cannot_be_sent_raises_at_once(wrong):
    bench = MessageBench()
    with pytest.raises(CallerError):
        bench.send(**wrong)
    assert not bench.sent() and not bench.named("outcome")


@pytest.mark.parametrize(
    ("payload", "text"),
    [("grün", "grün"), (b"\x00\xff", "data:;base64,AP8="), (b"plain", "plain")]
    + [("data:;base64,AA==", "data:;base64,ZGF0YTo7YmFzZTY0LEFBPT0=")],
)
def test_octets_travel_as_text(payload, text):
    bench = MessageBench()
    bench.send(payload)
    assert bench.sent()[0]["payload"] == text


def test_a_message_waits_for_the_registration():
    bench = MessageBench(registered=False)
    message_id = bench.send()
    bench.run(10_000)
    assert not bench.sent()
    bench.to_registered()
    assert [one["msgId"] for one in bench.sent()] == [message_id]


def test_one_request_at_a_time_in_order():
    bench = MessageBench()
    bench.script["MSG"] = None
    ids = [bench.send(f"number {number}") for number in range(4)]
    bench.run(1_000)
    assert len(bench.sent()) == 1
    bench.script["MSG"] = (coap.CHANGED, b"")
    bench.run(10_000)
    assert [one["msgId"] for one in bench.sent()] == ids
    assert bench.named("outcome") == [(one, None) for one in ids]


def test_a_refusal_is_told_with_its_text_and_ends_that_message_only():
    bench = MessageBench()
    answers = [(coap.BAD_REQUEST, b"destAddr: missing"), (coap.CHANGED, b"")]
    bench.script["MSG"] = lambda message: answers.pop(0)
    first, second = bench.send("one"), bench.send("two")
    assert bench.named("outcome") == [(first, "4.00 destAddr: missing"), (second, None)]
    assert bench.counters["messages_refused"] == 1
    bench.run(600_000)
    assert len(bench.sent()) == 2


@pytest.mark.parametrize("code", [coap.UNAVAILABLE, coap.GATEWAY_TIMEOUT, coap.INTERNAL_ERROR])
def test_a_gateway_that_is_away_is_asked_again_with_growing_pauses(code):
    bench = MessageBench(backoff_min_s=2, backoff_max_s=16, refresh_s=0, gateway_time_s=0)
    bench.script["MSG"] = lambda message: (code, b"later")
    times = []
    bench.script["MSG"] = lambda message: times.append(bench.now) or (code, b"later")
    message_id = bench.send()
    bench.run(120_000)
    pauses = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert 1_500 <= pauses[0] <= 2_500 and 12_000 <= pauses[-1] <= 20_000 and len(pauses) < 16
    assert bench.state == "registered" and not bench.named("outcome")
    bench.script["MSG"] = (coap.CHANGED, b"")
    bench.run(20_000)
    assert bench.named("outcome") == [(message_id, None)]


def test_a_timeout_is_an_outage_and_the_message_keeps_its_id():
    bench = MessageBench(max_retransmit=1)
    bench.script["MSG"] = None
    message_id = bench.send()
    bench.run(30_000)
    assert bench.named("waiting")[0][0]["reason"] == "timeout"
    bench.script["MSG"] = (coap.CHANGED, b"")
    bench.run(60_000)
    bodies = bench.sent()
    assert len(bodies) >= 2 and {one["msgId"] for one in bodies} == {message_id}
    assert len({one.mid for one in bench.requests("MSG")}) == len(bodies)


def test_registration_and_messages_take_turns():
    bench = MessageBench(refresh_s=20, gateway_time_s=30, max_retransmit=1)
    bench.got.clear()
    bench.script["MSG"] = None
    for number in range(3):
        bench.send(f"{number}")
    done = []

    def refreshed(message):
        done.append(bench.now)
        return coap.CREATED, registration.reg_answer(UE, True, 3600)

    bench.script["REG"] = refreshed
    bench.run(120_000)
    assert len(done) >= 2, "the registration is refreshed while messages get no answer"
    assert len(bench.sent()) >= 3, "and messages are tried meanwhile"


def test_a_registration_that_is_lost_holds_messages_back():
    bench = MessageBench(backoff_min_s=60, backoff_max_s=60)
    request = bench.requests("REG")[-1]
    bench.regresp(request, False, "account closed")
    assert bench.state == "backoff"
    bench.send()
    bench.run(20_000)
    assert not bench.sent()
    bench.run(80_000)
    bench.regresp(bench.requests("REG")[-1])
    bench.flush()
    assert len(bench.sent()) == 1


def test_a_server_that_has_forgotten_the_ue_makes_it_register_anew():
    bench = MessageBench()
    bench.got.clear()
    message_id = bench.send()
    bench.post(a_response(message_id, cause="not registered"))
    assert len(bench.requests("REG")) == 1
    assert bench.named("response") == [(message_id, "failure", "not registered")]


# Segments


def whole(bodies):
    ordered = sorted(bodies, key=lambda one: one["segParams"]["segNumb"])
    return "".join(one["payload"] for one in ordered)


def test_a_payload_at_the_limit_is_one_message_and_one_byte_more_two():
    bench = MessageBench(segment_bytes=100)
    bench.send("x" * 100)
    bench.send("x" * 101)
    bodies = bench.sent()
    assert [one.get("isSegmented") for one in bodies] == [None, True, True]
    assert [len(one["payload"]) for one in bodies] == [100, 100, 1]


def test_segments_carry_what_the_clause_wants():
    bench = MessageBench(segment_bytes=64)
    message_id = bench.send("ä" * 90, report=True)
    bodies = bench.sent()
    assert {one["msgId"] for one in bodies} == {message_id}
    assert len({one["segParams"]["segId"] for one in bodies}) == 1
    assert [one["segParams"]["segNumb"] for one in bodies] == [1, 2, 3]
    assert [one["segParams"]["totalSegCount"] for one in bodies] == [3, 3, 3]
    assert [one["segParams"].get("lastSegFlag") for one in bodies] == [None, None, "true"]
    assert [one.get("isDelivStatReq") for one in bodies] == [True, None, None]
    assert all(one["sfFlag"] is True for one in bodies)
    assert whole(bodies) == "ä" * 90
    assert bench.named("outcome") == [(message_id, None)]


def test_a_payload_that_json_makes_longer_still_fits_the_frame():
    bench = MessageBench()
    bench.core.max_frame_bytes = 1280
    bench.send("\x01" * 640)
    sizes = [len(one.payload) for one in bench.requests("MSG")]
    assert len(sizes) > 1 and max(sizes) <= 1280 - 64
    assert whole(bench.sent()) == "\x01" * 640


def test_segments_go_on_where_an_outage_cut_them():
    bench = MessageBench(segment_bytes=64)
    answers = [(coap.CHANGED, b""), (coap.UNAVAILABLE, b"later")]
    bench.script["MSG"] = lambda message: answers.pop(0) if answers else (coap.CHANGED, b"")
    bench.send("x" * 200)
    bench.run(60_000)
    assert [one["segParams"]["segNumb"] for one in bench.sent()] == [1, 2, 2, 3, 4]


def test_a_recovery_gets_exactly_the_segments_it_lists():
    bench = MessageBench(segment_bytes=64)
    message_id = bench.send("0123456789" * 40)
    bodies = bench.sent()
    set_id = bodies[0]["segParams"]["segId"]
    bench.got.clear()
    answer = bench.post(a_recovery(set_id, (2, 3), (6, 9)))
    assert (answer.type, answer.code) == (coap.ACK, coap.CHANGED)
    again = bench.sent()
    assert again == [bodies[1], bodies[2], bodies[5], bodies[6]]
    assert bench.named("outcome") == [(message_id, None)], "told once"


def test_a_recovery_of_an_unknown_or_confirmed_set_is_acknowledged_and_nothing_more():
    bench = MessageBench(segment_bytes=64)
    bench.send("x" * 100)
    set_id = bench.sent()[0]["segParams"]["segId"]
    assert bench.post(a_recovery("what", (1, 1))).code == coap.CHANGED
    assert bench.post(a_confirmation(set_id)).code == coap.CHANGED
    bench.got.clear()
    assert bench.post(a_recovery(set_id, (1, 1))).code == coap.CHANGED
    assert not bench.sent() and bench.counters["stray"] == 2


def test_only_the_last_sets_are_kept_for_recovery():
    bench = MessageBench(segment_bytes=64)
    for number in range(SENT_SETS + 1):
        bench.send(f"{number}" * 100)
    sets = list(dict.fromkeys(one["segParams"]["segId"] for one in bench.sent()))
    bench.got.clear()
    bench.post(a_recovery(sets[0], (1, 1)))
    assert not bench.sent()
    bench.post(a_recovery(sets[1], (1, 1)))
    assert len(bench.sent()) == 1
    bench.run(300_000)
    bench.got.clear()
    bench.post(a_recovery(sets[2], (1, 1)))
    assert not bench.sent()


# Aggregates


def several(bench, payloads, **options):
    options = {"kind": "UE", "report": False, "store": True, "priority": "NORMAL", **options}
    options = (*options.values(), None)
    ids = bench.core.messages().send_several("urn:example:ue:2", payloads, options, bench.now)
    bench.flush()
    return ids


def test_several_small_messages_travel_as_one():
    bench = MessageBench()
    ids = several(bench, ["one", b"two", b"\x00"], report=True)
    (body,) = bench.sent()
    assert body["indMsgNum"] == 3 and "payload" not in body and "isSegmented" not in body
    assert body["indMsgList"] == [
        {"msgId": ids[0], "isDelivStatReq": True, "payload": "one"},
        {"msgId": ids[1], "isDelivStatReq": True, "payload": "two"},
        {"msgId": ids[2], "isDelivStatReq": True, "payload": "data:;base64,AA=="},
    ]
    assert body["msgId"] not in ids
    assert bench.named("outcome") == [(one, None) for one in ids]


def test_an_aggregate_keeps_to_the_segment_size_and_the_frame():
    bench = MessageBench(segment_bytes=200)
    bench.core.max_frame_bytes = 1280
    ids = several(bench, ["x" * 90, "y" * 90, "z" * 90, "w" * 300])
    bodies = bench.sent()
    assert [one.get("indMsgNum") for one in bodies] == [2, None, None, None]
    assert bodies[1]["payload"] == "z" * 90 and bodies[1]["msgId"] == ids[2]
    assert bodies[2]["isSegmented"] and len(ids) == 4
    many = MessageBench(segment_bytes=2048)
    many.core.max_frame_bytes = 1280
    several(many, [f"{number}" for number in range(30)])
    assert max(len(one.payload) for one in many.requests("MSG")) <= 1280 - 64
    assert sum(one["indMsgNum"] for one in many.sent()) == 30


def test_urgent_messages_are_never_aggregated():
    bench = MessageBench()
    several(bench, ["one", "two"], priority="HIGH")
    assert [one["payload"] for one in bench.sent()] == ["one", "two"]


def test_the_frames_are_what_the_events_say():
    bench = MessageBench(segment_bytes=64)
    bench.send("x" * 100)
    told = [one for one in bench.named("message") if one[1] == "MSG"]
    assert [one[2]["part"] for one in told] == ["1/2", "2/2"]
    assert json.dumps(told)
