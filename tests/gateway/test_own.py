"""The gateway's own registration at the server."""

import pytest

from msgin5g import coap
from msgin5g import registration as messages
from tests.gateway.bench import Bench, body, reg
from tests.world import GATEWAY


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, register=True)
    yield made
    made.close()


def test_it_registers_first_of_all_and_says_so(bench):
    bench.receive(reg(1, wait_s=0))
    first, second = (body(payload) for _, payload in bench.north)
    assert (first["msgType"], second["msgType"]) == ("REG", "BREG")
    assert first["oriAddr"]["addr"] == GATEWAY and "urgentTag" not in first
    bench.serve()
    assert bench.events("own-registered")[0]["lifetime_s"] == 3600


def test_it_refreshes_between_a_half_and_three_quarters_of_the_lifetime(bench):
    bench.serve(lifetime_s=1000)
    for _ in range(3):
        bench.wait(499_000)
        assert not bench.north
        for _ in range(251):
            if not bench.north:
                bench.wait(1000)
        assert bench.serve(lifetime_s=1000) == [GATEWAY]
    assert len(bench.events("own-registered")) == 1


def test_while_nobody_answers_the_pauses_grow_up_to_a_limit(bench):
    pauses = []
    for _ in range(10):
        ref, _ = bench.take_north()
        before = bench.now
        bench.server_fails(ref)
        while not bench.north:
            bench.wait(100)
        pauses.append(bench.now - before)
    assert pauses[0] < 2000 and pauses[-1] > 40_000 and max(pauses) <= 76_000


def test_a_server_that_is_not_there_is_told_soon_and_asked_again(bench):
    ref, _ = bench.take_north()
    bench.wait(19_999)
    assert not bench.events("server-unreachable") and not bench.north
    bench.wait(1)
    assert [one["reason"] for one in bench.events("server-unreachable")] == [
        "no answer within 20 s"
    ]
    bench.server_fails(ref, "taken back")
    bench.wait(2000)
    assert bench.serve() == [GATEWAY] and not bench.north
    assert bench.events("server-back") and bench.events("own-registered")


@pytest.mark.parametrize("how", ["refused", "error", "nonsense"])
def test_a_refusal_is_logged_and_tried_again_after_a_minute(bench, how):
    ref, _ = bench.take_north()
    if how == "refused":
        bench.server(ref, messages.reg_answer(GATEWAY, False, cause="unknown"), coap.CHANGED)
    elif how == "error":
        bench.server(ref, b"", coap.NOT_FOUND)
    else:
        bench.server(ref, b"{}")
    assert len(bench.events("own-refused")) == 1
    bench.wait(59_000)
    assert not bench.north
    bench.wait(1000)
    assert bench.serve() == [GATEWAY]


def test_it_de_registers_when_it_leaves_and_does_not_come_back(bench):
    bench.serve()
    assert bench.core.leave() is True
    bench.settle()
    assert body(bench.north[0][1])["msgType"] == "DEREG"
    bench.wait(4_000_000)
    assert len(bench.north) == 1
    assert bench.core.leave() is False


def test_there_is_nothing_to_leave_before_it_is_registered(bench):
    assert bench.core.leave() is False


def test_by_configuration_it_does_not_register(tmp_path):
    bench = Bench(tmp_path, register=False)
    bench.wait(4_000_000)
    assert not bench.north and bench.core.leave() is False
    bench.close()


def test_an_urgent_request_waits_until_the_server_knows_the_gateway(bench):
    ref, own = bench.take_north()
    assert own["oriAddr"]["addr"] == GATEWAY
    bench.receive(reg(1, urgent=True))
    assert not bench.north, "the server would refuse it"
    bench.server(ref, messages.reg_answer(GATEWAY, True, 3600))
    assert bench.take_north()[1] == body(reg(1, urgent=True))


def test_an_urgent_request_does_not_wait_for_ever(bench):
    bench.receive(reg(1, urgent=True))
    bench.wait(600_000)
    assert bench.answer_to(bench.last)[0] == coap.GATEWAY_TIMEOUT
