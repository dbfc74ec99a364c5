"""Urgent requests: unchanged to the server, its answer back to the UE."""

import pytest

from msgin5g import coap
from msgin5g import registration as messages
from msgin5g_gateway import forward as forward_module
from tests.gateway.bench import Bench, body, dereg, reg, ue_id

BOTH = pytest.mark.parametrize("make", [reg, dereg])


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.clause("6.3.4.3.1-p1", "6.3.4.3.1-a", "6.3.4.3.4-p1", "6.3.4.3.4-a")
@BOTH
def test_the_payload_goes_on_and_the_answer_comes_back_octet_by_octet(bench, make):
    payload = make(1, True).replace(b"{", b'{ "x" : [1,2] ,\n', 1)
    assert bench.receive(payload) is None
    ref, sent = bench.north.pop()
    assert sent == payload
    answer = messages.reg_answer(ue_id(1), True, 100).replace(b"{", b'{ "y":1,', 1)
    bench.server(ref, answer, coap.CREATED)
    assert bench.answer_to(bench.last) == (coap.CREATED, answer)
    assert not bench.posts and not bench.store.pending


@pytest.mark.parametrize("code", [coap.BAD_REQUEST, coap.UNAVAILABLE])
def test_an_error_of_the_server_is_passed_back_too(bench, code):
    bench.receive(reg(1, True))
    bench.server(bench.north.pop()[0], b"why", code)
    assert bench.answer_to(bench.last) == (code, b"why")


@BOTH
def test_a_server_that_cannot_be_reached_is_5_04(bench, make):
    bench.receive(make(1, True))
    bench.server_fails(bench.north.pop()[0])
    assert bench.answer_to(bench.last) == (coap.GATEWAY_TIMEOUT, b"server unreachable")


def test_a_server_that_takes_too_long_is_5_04_and_its_late_answer_is_nobodys(bench):
    bench.receive(reg(1, True))
    bench.wait(19_999)
    assert bench.answer_to(bench.last) is None
    bench.wait(1)
    assert bench.answer_to(bench.last)[0] == coap.GATEWAY_TIMEOUT
    bench.serve()
    assert len(bench.answers) == 1 and bench.core.counters["late_answers"] == 1


def test_urgent_requests_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(forward_module, "MAX_FORWARDS", 2)
    answers = [bench.receive(reg(number, True), number) for number in (1, 2, 3)]
    assert answers[:2] == [None, None] and answers[2][0] == coap.UNAVAILABLE
    assert bench.core.counters["forwards_full"] == 1
    bench.serve()
    assert bench.receive(reg(3, True), 3) is None


@BOTH
def test_an_urgent_request_supersedes_what_is_cached(bench, make):
    bench.receive(reg(1, wait_s=60), 1, 10, b"cached")
    bench.receive(make(1, True), 1, 11, b"urgent")
    _, _, result, token, _ = bench.take_post()
    assert token == b"cached" and result["cause"] == "superseded by a later request"
    bench.serve()
    bench.wait(120_000)
    assert not bench.north


def test_an_urgent_request_waits_for_the_bulk_request_that_carries_the_same_ue(bench):
    bench.receive(reg(1, wait_s=0), 1, 10)
    bench.receive(dereg(1, True), 1, 11)
    bench.receive(dereg(2, True), 2, 12)
    sent = [body(payload) for _, payload in bench.north]
    assert [one["msgType"] for one in sent] == ["BREG", "DEREG"], "another UE's need not wait"
    assert sent[1]["oriAddr"]["addr"] == ue_id(2)
    bench.serve()
    assert body(bench.north[-1][1])["oriAddr"]["addr"] == ue_id(1)
    bench.serve()
    bench.serve()
    assert body(bench.answer_to(bench.last - 1)[1])["result"] is True


def test_after_an_outage_the_urgent_request_goes_and_the_older_cached_one_does_not(bench):
    bench.receive(reg(1, wait_s=0), 1, 10, b"older")
    bench.receive(dereg(1, True), 1, 11)
    bench.server_fails(bench.north.pop()[0])
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["DEREG"]
    assert bench.take_post()[3] == b"older"
    bench.serve()
    bench.wait(120_000)
    assert not bench.north


def test_a_request_newer_than_a_waiting_urgent_one_is_not_superseded_by_it(bench):
    bench.receive(dereg(1, wait_s=0), 1, 10)
    bench.wait(10)
    bench.receive(dereg(1, True), 1, 11)
    bench.wait(10)
    bench.receive(reg(1, wait_s=1), 1, 12, b"newest")
    bench.serve()
    assert bench.serve() == [ue_id(1)]
    bench.wait(2000)
    bench.serve()
    assert [post for post in bench.posts if post[4] == 12][0][3] == b"newest"
    assert ue_id(1) in bench.store.registered


def test_an_urgent_request_that_waits_too_long_is_5_04_and_never_sent(bench):
    bench.receive(reg(1, wait_s=0), 1, 10)
    bench.receive(dereg(1, True), 1, 11)
    bench.wait(20_000)
    assert bench.answer_to(bench.last)[0] == coap.GATEWAY_TIMEOUT
    bench.serve()
    assert not bench.north


def test_urgent_requests_of_one_ue_go_one_after_the_other(bench):
    bench.receive(reg(1, True), 1, 10)
    bench.receive(dereg(1, True), 1, 11)
    bench.receive(reg(1, True), 1, 12)
    order = []
    while bench.north:
        order.append(body(bench.north[0][1])["msgType"])
        assert len(bench.north) == 1
        bench.serve()
    assert order == ["REG", "DEREG", "REG"]


def test_a_cached_request_waits_for_the_urgent_one_before_it(bench):
    bench.receive(reg(1, True), 1, 10)
    bench.receive(dereg(1, wait_s=0), 1, 11)
    bench.receive(dereg(2, wait_s=0), 2, 12)
    ref, payload = bench.north.pop()
    bench.wait(3000)
    assert [entry["oriAddr"]["addr"] for entry in body(payload)["deregReqList"]] == [ue_id(2)]
    bench.server(ref, messages.bulk_dereg_answer([messages.dereg_answer(ue_id(2), True)]))
    bench.serve()
    bench.wait(2000)
    assert bench.serve() == [ue_id(1)]


def test_an_urgent_de_registration_ends_the_refreshes_even_if_unanswered(bench):
    bench.register(1)
    bench.receive(dereg(1, True))
    bench.server_fails(bench.north.pop()[0])
    bench.wait(2 * 3_600_000)
    assert not bench.north


def test_a_gateway_that_the_server_has_forgotten_registers_again(tmp_path):
    bench = Bench(tmp_path, register=True)
    bench.serve()
    for _ in range(3):
        bench.receive(reg(1, True))
        ref, _ = bench.north.pop()
        cause = "UE may register only through its gateway"
        bench.server(ref, messages.reg_answer(ue_id(1), False, cause=cause))
    (payload,) = [payload for _, payload in bench.north]
    assert body(payload)["oriAddr"]["addr"] == "urn:example:gw:1", "once, not each time"
    bench.close()
