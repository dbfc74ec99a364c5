"""Messages while the server is out of reach: on disk before 2.04, sent when it is back."""

import pytest

from msgin5g import coap
from msgin5g import message as builders
from msgin5g import registration as messages
from msgin5g.registration import reg_answer
from tests.gateway.bench import SERVICE, Bench, body, imdn, make_id, msg, ue_id


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, outbox={"per_second": 1000.0})
    yield made
    made.close()


def cut(bench):
    """The server stops answering; the gateway learns it from UE 3, whose message is kept."""
    bench.receive(msg(3, 7, 999), 3)
    bench.server_fails(bench.north.pop()[0])
    assert bench.answer_to(bench.last) == (coap.CHANGED, b"")


def ids(bench):
    return [body(payload)["msgId"] for _, payload in bench.north]


def drain(bench, code=coap.CHANGED, payload=b""):
    """The server is back: it answers everything; returns the JSON of all, in order."""
    got = []
    for _ in range(1000):
        for _ in range(40):
            if not bench.north:
                bench.wait(1000)
        if not bench.north:
            return got
        got.append(bench.server_takes(code, payload))
    raise AssertionError("it never ends")


def test_a_message_is_on_disk_before_the_ue_is_told(bench):
    bench.receive(msg())
    assert bench.answer_to(bench.last) is None
    core = bench.core
    core.north_failed(bench.north.pop()[0], "timeout", bench.now)
    core.commit()
    assert [effect[0] for effect in core.take()] == ["answer"]
    bench.crash()
    (row,) = bench.store.outbox.values()
    assert (row.ue, row.payload, row.kind) == (ue_id(1), msg(), "MSG")


def test_before_the_commit_nothing_was_promised(bench):
    bench.receive(msg())
    bench.core.north_failed(bench.north.pop()[0], "timeout", bench.now)
    bench.crash()
    assert not bench.store.outbox and not bench.answers


@pytest.mark.parametrize(
    "payload",
    [
        msg(),
        imdn(1, 2),
        builders.segrec(SERVICE, "set-1", [(1, 1)]),
        builders.segconfir(SERVICE, "set-1", True),
    ],
)
def test_every_kind_is_kept_and_sent_as_it_was(bench, payload):
    payload = payload.replace(b"{", b'{ "x":1,', 1)
    bench.receive(payload)
    bench.server_fails(bench.north.pop()[0])
    assert bench.answer_to(bench.last) == (coap.CHANGED, b"")
    bench.crash()
    bench.wait(1000)
    ref, sent = bench.north.pop(0)
    assert sent == payload
    bench.server(ref, b"", coap.CHANGED)
    bench.crash()
    assert not bench.store.outbox and not bench.north
    assert len(bench.answers) == 0


def test_a_server_that_takes_too_long_is_out_of_reach(bench):
    bench.receive(msg())
    bench.wait(19_999)
    assert bench.answer_to(bench.last) is None
    bench.wait(1)
    assert bench.answer_to(bench.last) == (coap.CHANGED, b"")
    assert bench.events("server-unreachable")


def test_while_the_server_is_down_messages_are_kept_at_once(bench):
    cut(bench)
    assert bench.receive(msg(1)) == (coap.CHANGED, b"")
    assert bench.receive(msg(2, 3), 2) == (coap.CHANGED, b"")
    assert not bench.north
    assert [event["ue"] for event in bench.events("kept")] == [ue_id(3), ue_id(1), ue_id(2)]


def test_what_waits_behind_a_failed_message_is_kept_in_order(bench):
    for number in (1, 2, 3):
        bench.receive(msg(number=number))
    bench.server_fails(bench.north.pop()[0])
    assert [code for _, code, _ in bench.answers] == [coap.CHANGED] * 3
    assert [one["msgId"] for one in drain(bench)] == [make_id(one) for one in (1, 2, 3)]


def test_the_server_is_asked_with_one_message_until_it_answers(bench):
    cut(bench)
    for number in (1, 2, 3):
        bench.receive(msg(1, number=number))
    for _ in range(5):
        while not bench.north:
            bench.wait(500)
        bench.wait(10_000)
        assert len(bench.north) == 1
        bench.server_fails(bench.north.pop()[0])
    assert len(bench.store.outbox) == 4
    assert len(drain(bench)) == 4


def test_the_pauses_between_the_attempts_grow_to_half_a_minute(bench):
    cut(bench)
    bench.answers.clear()
    times = []
    for _ in range(10):
        while not bench.north:
            bench.wait(500)
        times.append(bench.now)
        bench.server_fails(bench.north.pop()[0])
    pauses = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert max(pauses[:2]) < 6_000 and all(20_000 < one < 40_000 for one in pauses[6:])


def test_in_order_one_at_a_time_per_ue_and_the_ues_in_turn(bench):
    cut(bench)
    for number in range(1, 5):
        bench.receive(msg(1, number=number), 1)
    for number in range(11, 14):
        bench.receive(msg(2, number=number), 2)
    got = []
    bench.wait(2000)
    got.append(bench.server_takes())
    while bench.north:
        pending = [body(payload)["oriAddr"]["addr"] for _, payload in bench.north]
        assert len(set(pending)) == len(pending), "one of each UE"
        got.append(bench.server_takes())
        bench.wait(10)
    order = [one["msgId"] for one in got[1:]]
    assert order == [make_id(one) for one in (1, 11, 2, 12, 3, 13, 4)]


def test_messages_leave_at_the_pace_of_the_configuration(tmp_path):
    bench = Bench(tmp_path, outbox={"per_second": 2.0})
    cut(bench)
    for number in range(1, 9):
        bench.receive(msg(1, number=number))
    bench.wait(2_000)
    bench.server_takes()
    sent = []
    start = bench.now
    while len(sent) < 8:
        bench.wait(50)
        while bench.north:
            bench.server_takes()
            sent.append(bench.now - start)
    assert 3_400 < sent[-1] < 4_500, sent
    bench.close()


def test_new_messages_of_a_ue_wait_behind_its_old_ones(bench):
    cut(bench)
    bench.receive(msg(1, number=1))
    bench.receive(msg(1, number=2))
    bench.wait(2000)
    bench.server_takes()  # UE 3's, with which the server was asked
    bench.wait(1)
    assert ids(bench) == [make_id(1)]
    assert bench.receive(msg(1, number=3)) == (coap.CHANGED, b""), "kept, for older ones wait"
    assert bench.receive(msg(2, 3, number=4), 2) is None, "passed on at once"
    order = [one["msgId"] for one in drain(bench)]
    assert order == [make_id(one) for one in (1, 4, 2, 3)]
    assert bench.receive(msg(1, number=5)) is None, "all is as before"


def test_a_message_that_a_ue_repeats_is_kept_once(bench):
    cut(bench)
    for _ in range(3):
        assert bench.receive(msg(1)) == (coap.CHANGED, b"")
    assert len(bench.store.outbox) == 2
    assert bench.core.counters["outbox_repeated"] == 2
    drain(bench)
    bench.receive(msg(1))
    bench.server_fails(bench.north.pop()[0])
    assert len(bench.store.outbox) == 1


def test_a_full_outbox_is_5_03_and_drops_nothing(tmp_path):
    bench = Bench(tmp_path, outbox={"max_messages": 2})
    cut(bench)
    assert bench.receive(msg(1))[0] == coap.CHANGED
    code, text = bench.receive(msg(2, 3), 2)
    assert code == coap.UNAVAILABLE and b"outbox is full" in text
    assert bench.core.counters["outbox_full"] == 1 and bench.events("outbox-full")
    bench.crash()
    assert [row.ue for row in bench.store.outbox.values()] == [ue_id(3), ue_id(1)]
    bench.close()


def test_what_is_too_old_is_dropped_the_oldest_first(tmp_path):
    bench = Bench(tmp_path, outbox={"max_age_s": 100.0})
    cut(bench)
    bench.wait(50_000)
    bench.north.clear()
    bench.receive(msg(1))
    bench.wait(50_000)
    assert [row.ue for row in bench.store.outbox.values()] == [ue_id(1)]
    (event,) = bench.events("dropped")
    assert (event["ue"], event["reason"]) == (ue_id(3), "too old")
    assert bench.core.counters["outbox_too_old"] == 1
    bench.crash()
    assert len(bench.store.outbox) == 1
    bench.close()


def test_the_servers_later_is_tried_again_and_holds_up_nobody_else(bench):
    cut(bench)
    bench.receive(msg(1, number=1))
    bench.receive(msg(2, number=2), 2)
    bench.wait(2000)
    bench.server_takes()
    bench.wait(1)
    assert bench.server_takes(coap.UNAVAILABLE, b"later")["msgId"] == make_id(1)
    assert bench.server_takes()["msgId"] == make_id(2)
    assert not bench.north and len(bench.store.outbox) == 1
    bench.wait(3_000)
    assert bench.server_takes()["msgId"] == make_id(1)
    assert not bench.store.outbox


def refused(bench, **more):
    cut(bench)
    bench.receive(msg(1, **more))
    bench.wait(2000)
    bench.server_takes()
    bench.wait(1)
    return bench.server_takes(coap.BAD_REQUEST, b"no such thing")


def test_a_message_refused_later_is_dropped_with_its_reason(bench):
    refused(bench)
    assert not bench.store.outbox and not bench.posts
    (event,) = bench.events("dropped")
    assert event["reason"] == "the server refused it: no such thing"
    assert event["message"] == make_id(1)


def test_if_a_report_was_asked_for_the_ue_gets_one_on_the_failure(bench):
    refused(bench, report=True)
    ref, peer, report, _, _ = bench.take_post()
    assert (peer, report["msgType"], report["DelSta"]) == ("udp://ue1", "IMDN", "failure")
    assert (report["msgId"], report["Cause"]) == (make_id(1), "no such thing")
    assert report["destAddr"]["addr"] == ue_id(1)
    assert report["oriAddr"]["addr"] == "urn:example:gw:1"
    assert len(bench.store.outbox) == 1, "until the UE has it"
    bench.ue_answers(ref)
    assert not bench.store.outbox and not bench.told


def test_the_report_on_a_failure_survives_a_crash_and_a_ue_that_is_away(bench):
    refused(bench, report=True)
    bench.crash()
    for _ in range(4):
        while not bench.posts:
            bench.wait(1000)
        bench.ue_fails(bench.take_post()[0])
    assert len(bench.store.outbox) == 1 and not bench.north
    while not bench.posts:
        bench.wait(1000)
    bench.ue_answers(bench.take_post()[0])
    bench.crash()
    assert not bench.store.outbox and not bench.posts


def test_a_restart_does_not_send_what_was_refused(bench):
    refused(bench, report=True)
    bench.crash()
    assert drain(bench) == []


def test_msgresp_to_a_kept_message_has_the_token_of_its_request(bench):
    cut(bench)
    bench.receive(msg(1), token=b"mine")
    bench.crash()
    drain(bench)
    bench.receive_north(builders.msgresp(SERVICE, ("UE", ue_id(1)), make_id(1), "failure"))
    assert bench.take_post()[3] == b"mine"


def test_nothing_leaves_before_the_gateway_has_registered_again(tmp_path):
    bench = Bench(tmp_path, register=True)
    bench.serve()
    cut(bench)
    bench.crash()
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["REG"]
    bench.server_fails(bench.north.pop()[0])
    bench.wait(3_000)
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["REG"]
    bench.serve()
    bench.wait(1)
    assert ids(bench) == [make_id(999)]
    bench.close()


def test_before_the_gateway_has_registered_messages_wait_on_disk(tmp_path):
    bench = Bench(tmp_path, register=True)
    assert bench.receive(msg(1)) == (coap.CHANGED, b"")
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["REG"]
    bench.serve()
    bench.wait(1)
    assert bench.server_takes()["msgId"] == make_id(1)
    assert bench.receive(msg(1, number=2)) is None
    bench.close()


def test_a_gateway_that_the_server_does_not_want_sends_nevertheless(tmp_path):
    bench = Bench(tmp_path, register=True)
    cut_ref, _ = bench.take_north()
    bench.server(cut_ref, messages.reg_answer("urn:example:gw:1", False, cause="no"))
    cut(bench)
    bench.wait(3000)
    assert ids(bench) == [make_id(999)]
    bench.close()


def test_a_ue_whose_registration_ran_out_meanwhile_is_refreshed_first(bench):
    bench.register(1, lifetime_s=60)
    cut(bench)
    bench.receive(msg(1))
    bench.crash()
    bench.core._shared.server_down = True
    for _ in range(40):
        bench.wait(5_000)
        while bench.north:
            bench.server_fails(bench.north.pop(0)[0])
    assert bench.store.registered[ue_id(1)].expires_ms < bench.now
    while not bench.north:
        bench.wait(1000)
    got = []
    for _ in range(50):
        bench.wait(1000)
        while bench.north:
            ref, request = bench.take_north()
            got.append(request.get("msgId", request["msgType"]))
            if request["msgType"] == "BREG":
                answer = messages.breg_answer([reg_answer(ue_id(1), True, 3600)])
                bench.server(ref, answer)
            else:
                bench.server(ref, b"", coap.CHANGED)
    assert got.index("BREG") < got.index(make_id(1)), got
    assert make_id(999) in got and not bench.store.outbox


@pytest.mark.parametrize("crash_after", range(6))
def test_killed_at_any_step_nothing_acknowledged_is_lost(tmp_path, crash_after):
    bench = Bench(tmp_path, outbox={"per_second": 1000.0})
    reached = []
    step = 0

    def maybe_crash():
        nonlocal step
        if step == crash_after:
            bench.crash()
        step += 1

    def take():
        while bench.north:
            reached.append(bench.server_takes()["msgId"])

    acknowledged = []
    for number in (1, 2, 3):
        bench.receive(msg(number=number))
        maybe_crash()
        while bench.north:
            bench.server_fails(bench.north.pop(0)[0])
        if bench.answer_to(bench.last) == (coap.CHANGED, b""):
            acknowledged.append(make_id(number))
        maybe_crash()
    for _ in range(20):
        bench.wait(5_000)
        take()
    assert set(acknowledged) <= set(reached) and len(acknowledged) >= 2
    assert reached == sorted(reached) and not bench.store.outbox
    bench.close()


def test_killed_while_a_kept_message_is_at_the_server_it_is_sent_again(bench):
    cut(bench)
    bench.wait(2000)
    assert ids(bench) == [make_id(999)]
    bench.crash()
    assert ids(bench) == [make_id(999)]
    bench.server_takes()
    bench.crash()
    assert not bench.north
