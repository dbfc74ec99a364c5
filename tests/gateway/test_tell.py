"""Bringing each UE its result: REGRESP and DEREGRESP until the UE acknowledges."""

import pytest

from msgin5g import coap
from tests.gateway.bench import SERVICE, Bench, dereg, gwreg, reg, ue_id


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.clause("6.3.4.3.3-b1", "S0-6.3.4.3.3-b1", "6.3.4.3.3-b2-i-ii", "6.3.4.3.3-b2-iii")
@pytest.mark.clause("6.3.4.3.3-b2-iv", "6.3.4.3.3-b2-v", "6.3.4.3.6-b1", "S0-6.3.4.3.6-b1")
@pytest.mark.clause("6.3.4.3.6-b2-i-ii", "6.3.4.3.6-b2-iii", "6.3.4.3.6-b2-iv")
@pytest.mark.clause("6.3.4.3.6-b2-v")
@pytest.mark.parametrize(("make", "what"), [(reg, "REGRESP"), (dereg, "DEREGRESP")])
@pytest.mark.parametrize("good", [True, False])
def test_the_result_carries_token_and_message_id_of_the_ues_own_request(bench, make, what, good):
    bench.receive(gwreg(1), 1, 1, b"gw")
    bench.receive(reg(1, wait_s=60), 1, 2, b"older")
    bench.receive(make(1, wait_s=1), 1, 0xBEEF, b"mine")
    bench.posts.clear()
    bench.wait(1000)
    bench.serve(refuse=() if good else [ue_id(1)], cause="because")
    _, peer, result, token, mid = bench.take_post()
    assert (peer, token, mid) == ("udp://ue1", b"mine", 0xBEEF)
    wanted = {
        "msgIden": SERVICE,
        "msgType": what,
        "oriAddr": {"oriAddrType": "UE", "addr": ue_id(1)},
        "result": good,
    }
    assert result == (wanted if good else {**wanted, "cause": "because"})


def test_by_policy_the_message_id_is_not_copied(tmp_path):
    bench = Bench(tmp_path, copy_message_id=False)
    bench.receive(reg(1, wait_s=0), token=b"mine")
    bench.serve()
    assert bench.take_post()[3:] == (b"mine", None)
    bench.close()


def test_a_result_without_a_cause_gets_one(bench):
    bench.receive(reg(1, wait_s=0))
    ref, _ = bench.take_north()
    entry = b'{"oriAddr":{"oriAddrType":"UE","addr":"%s"},"result":false}' % ue_id(1).encode()
    bench.server(ref, b'{"regRespNum":1,"regRespList":[%s]}' % entry)
    assert bench.take_post()[2]["cause"] == "no cause given"


def test_a_ue_that_acknowledges_is_done(bench):
    bench.register(1)
    assert not bench.store.pending
    assert bench.core.counters["results_delivered"] == 1


def test_a_ue_that_refuses_its_result_is_done_too_and_logged(bench):
    bench.receive(reg(1, wait_s=0))
    bench.serve()
    bench.ue_answers(bench.take_post()[0], coap.BAD_REQUEST)
    assert not bench.store.pending
    assert bench.events("dropped")[-1]["reason"] == "the UE answered 4.00"


def test_an_unanswered_result_is_repeated_with_growing_pauses_then_the_ue_is_gone(bench):
    bench.receive(reg(1, wait_s=0), token=b"mine")
    bench.serve()
    pauses = []
    for _ in range(2):
        ref, _, _, token, mid = bench.take_post()
        assert (token, mid) == (b"mine", 7)
        before = bench.now
        bench.ue_fails(ref)
        while not bench.posts:
            bench.wait(500)
        pauses.append(bench.now - before)
    assert pauses == [5000, 10_000]
    bench.ue_fails(bench.take_post()[0], "timeout")
    bench.wait(3_600_000 // 4)
    assert not bench.posts and not bench.store.pending
    assert bench.events("dropped")[-1]["reason"] == "UE gone: timeout"
    assert bench.core.counters["ue_gone"] == 1


def test_a_result_that_could_not_be_sent_for_lack_of_room_costs_no_attempt(bench):
    bench.receive(reg(1, wait_s=0))
    bench.serve()
    for _ in range(20):
        bench.ue_fails(bench.take_post()[0], "no room")
        bench.wait(1000)
    bench.ue_fails(bench.take_post()[0])
    bench.wait(5000)
    assert len(bench.posts) == 1 and len(bench.store.pending) == 1


def test_a_ue_that_has_moved_gets_the_repetition_where_it_is_now(bench):
    bench.receive(reg(1, wait_s=0))
    bench.serve()
    bench.receive(gwreg(1), 1, peer="udp://elsewhere")
    ref, peer, *_ = bench.take_post()
    assert peer == "udp://ue1", "where the request came from"
    bench.ue_fails(ref)
    bench.wait(5000)
    assert bench.take_post()[1] == "udp://elsewhere"


def test_who_asks_anew_is_not_bothered_with_the_older_result(bench):
    bench.receive(reg(1, wait_s=0), 1, 10, b"first")
    bench.serve()
    ref, *_ = bench.take_post()
    bench.receive(reg(1, wait_s=1), 1, 11, b"second")
    bench.ue_fails(ref)
    bench.wait(1000)
    bench.serve()
    bench.wait(60_000)
    assert [post[3] for post in bench.posts] == [b"second"]
    assert [row.token for row in bench.store.pending.values()] == [b"second"]
