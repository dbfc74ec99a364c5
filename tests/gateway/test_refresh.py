"""Refreshes on behalf of UEs that are signed up."""

import pytest

from msgin5g import coap
from msgin5g import registration as messages
from msgin5g_gateway import refresh as refresh_module
from tests.gateway.bench import Bench, body, dereg, gwreg, reg, ue_id

MINUTE_MS = 60_000


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, gateway_time_s=100_000)
    yield made
    made.close()


def test_a_registration_is_refreshed_before_it_ends_with_the_ues_own_reg(bench):
    bench.receive(reg(1, wait_s=0, profile={"triInfo": {"ueId": "urn:x:1", "cliPort": "1"}}))
    bench.serve(lifetime_s=1000)
    bench.acknowledge_all()
    bench.wait(499_000)
    assert not bench.north
    bench.wait(251_000)
    ref, request = bench.take_north()
    assert request["msgType"] == "BREG"
    assert request["regReqList"][0]["cliProfile"]["triInfo"]["cliPort"] == "1"
    bench.server(ref, messages.breg_answer([messages.reg_answer(ue_id(1), True, 1000)]))
    assert not bench.posts, "the UE has no part in it"
    bench.wait(750_000)
    assert bench.north, "and again"


def test_an_urgent_registration_is_refreshed_as_well(bench):
    bench.receive(reg(1, True))
    bench.serve(lifetime_s=100)
    bench.wait(75_000)
    assert bench.serve() == [ue_id(1)]


def test_cached_registrations_go_along_with_a_refresh(bench):
    bench.register(1, lifetime_s=10)
    bench.wait(5900)
    bench.receive(reg(2, wait_s=60), 2)
    bench.wait(200)
    assert bench.serve() == [ue_id(2), ue_id(1)]


def test_a_ue_is_told_when_the_server_takes_it_no_longer(bench):
    bench.register(1, lifetime_s=100, token=b"its reg")
    bench.wait(75_000)
    bench.serve(refuse=[ue_id(1)], cause="account closed")
    _, peer, result, token, mid = bench.take_post()
    assert (peer, token, mid) == ("udp://ue1", b"its reg", None)
    assert (result["msgType"], result["result"]) == ("REGRESP", False)
    assert result["cause"] == "account closed"
    bench.wait(10 * MINUTE_MS)
    assert not bench.north and ue_id(1) not in bench.store.registered


def test_without_a_sign_up_a_registration_just_ends(bench):
    bench.register(1, lifetime_s=100)
    bench.receive(gwreg(1, expires_s=1))
    bench.wait(10 * MINUTE_MS)
    assert not bench.north and not bench.posts and not bench.store.registered


def test_a_ue_that_signs_up_again_in_time_is_refreshed_at_once(bench):
    bench.register(1, lifetime_s=100)
    bench.receive(gwreg(1, expires_s=1))
    bench.wait(80_000)
    assert not bench.north
    bench.receive(gwreg(1))
    assert bench.serve() == [ue_id(1)]


def test_a_registration_that_lasted_no_time_is_not_refreshed_without_a_pause(bench):
    bench.receive(reg(1, wait_s=0))
    bench.serve(lifetime_s=0)
    bench.acknowledge_all()
    sent = 0
    for _ in range(10):
        bench.wait(500)
        while bench.north:
            bench.serve(lifetime_s=0)
            sent += 1
    assert sent <= 5


def test_a_de_registration_ends_the_refreshes_from_the_moment_it_is_taken(bench):
    bench.register(1, lifetime_s=100)
    bench.receive(dereg(1, wait_s=60))
    assert not bench.store.registered
    bench.crash()
    bench.serve()
    bench.wait(10 * MINUTE_MS)
    assert not bench.north


def test_a_refresh_whose_ue_de_registers_meanwhile_does_not_bring_it_back(bench):
    bench.register(1, lifetime_s=100)
    bench.wait(60_000)
    assert len(bench.north) == 1
    bench.receive(dereg(1, True))
    bench.serve()
    assert not bench.store.registered
    bench.serve()
    bench.wait(10 * MINUTE_MS)
    assert not bench.north and not bench.posts


def test_a_ue_that_is_leaving_is_not_told_that_its_refresh_was_refused(bench):
    bench.register(1, lifetime_s=100)
    bench.wait(60_000)
    bench.receive(dereg(1, wait_s=60))
    bench.serve(refuse=[ue_id(1)])
    assert not bench.posts


def test_a_newer_result_takes_the_place_of_a_lost_registration(bench):
    bench.register(1, lifetime_s=100, token=b"old")
    bench.wait(60_000)
    bench.receive(reg(1, wait_s=1), 1, 9, b"new")
    bench.serve(refuse=[ue_id(1)])
    lost, *_ = bench.take_post()
    bench.wait(1000)
    bench.serve()
    assert [row.token for row in bench.store.pending.values()] == [b"new"]
    bench.ue_fails(lost)
    bench.wait(60_000)
    assert [post[3] for post in bench.posts] == [b"new"]


def test_a_refused_registration_is_not_refreshed(bench):
    bench.register(1, lifetime_s=1000)
    bench.receive(reg(1, wait_s=0))
    bench.serve(refuse=[ue_id(1)])
    bench.wait(100 * MINUTE_MS)
    assert not bench.north


def test_a_refresh_waits_while_the_ues_own_request_is_cached(bench):
    bench.register(1, lifetime_s=10)
    bench.wait(5000)
    bench.core._shared.settings.values["bulk.interval_s"] = 60.0
    bench.receive(reg(1, wait_s=2), 1, 9, b"new")
    bench.wait(2000)
    assert bench.serve() == [ue_id(1)]
    assert bench.take_post()[3] == b"new"


@pytest.mark.parametrize("how", ["timeout", "5.03", "left out"])
def test_a_refresh_that_was_not_answered_is_tried_again(bench, how):
    bench.register(1, lifetime_s=100)
    bench.wait(60_000)
    for _ in range(3):
        ref, _ = bench.take_north()
        if how == "timeout":
            bench.server_fails(ref)
        elif how == "5.03":
            bench.server(ref, b"", coap.UNAVAILABLE)
        else:
            bench.server(ref, b'{"regRespNum":0,"regRespList":[]}')
        bench.wait(15_000)
    assert bench.serve() == [ue_id(1)] and not bench.posts
    assert bench.core.counters["refreshed"] == 1


def test_one_bad_refresh_does_not_end_the_others(bench):
    for number in (1, 2, 3):
        bench.receive(reg(number, wait_s=1), number)
    bench.wait(1000)
    bench.serve(lifetime_s=100)
    bench.acknowledge_all()
    bench.wait(60_000)
    bench.server(bench.north.pop()[0], b"bad", coap.BAD_REQUEST)
    while bench.north:
        ref, request = bench.north[0]
        if ue_id(2).encode() in request:
            del bench.north[0]
            bench.server(ref, b"bad", coap.BAD_REQUEST)
        else:
            bench.serve()
    assert set(bench.store.registered) == {ue_id(1), ue_id(3)}
    (told,) = bench.acknowledge_all()
    assert (told["oriAddr"]["addr"], told["result"]) == (ue_id(2), False)


def test_what_is_remembered_is_bounded(bench, monkeypatch):
    monkeypatch.setattr(refresh_module, "MAX_REGISTERED", 2)
    for number in (1, 2, 3, 1):
        bench.register(number)
    assert set(bench.store.registered) == {ue_id(1), ue_id(2)}
    assert bench.core.counters["registered_full"] == 1


def test_registering_over_and_over_leaves_nothing_behind(bench):
    for _ in range(300):
        bench.register(1)
    assert len(bench.core.bulk.refreshes._heap) <= 70
    bench.wait(3_000_000)
    assert len(bench.north) == 1


def test_after_a_restart_refreshes_go_on(bench):
    bench.register(1, lifetime_s=100)
    bench.crash()
    bench.wait(59_000)
    assert not bench.north
    bench.wait(1100)
    (request,) = [body(payload) for _, payload in bench.north]
    assert request["regReqNum"] == 1
