"""kill -9 at each step: what was promised is kept, and nothing is done twice for the UE."""

import pytest

from msgin5g import coap
from tests.gateway.bench import Bench, body, dereg, gwreg, reg, ue_id

KINDS = pytest.mark.parametrize(
    ("make", "what", "told"), [(reg, "BREG", "REGRESP"), (dereg, "DEREG", "DEREGRESP")]
)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def test_before_the_commit_nothing_was_promised_and_nothing_is_left(bench):
    bench.core.receive("ref", reg(1, wait_s=60), "udp://ue1", 1, b"t", bench.now)
    bench.crash()
    assert not bench.store.pending and not bench.north and not bench.answers


@KINDS
def test_after_the_interim_answer_the_request_is_sent_after_the_restart(bench, make, what, told):
    bench.receive(make(1, wait_s=60), 1, 5, b"mine")
    bench.crash()
    assert body(bench.north[0][1])["msgType"] == what
    bench.serve()
    _, peer, result, token, mid = bench.take_post()
    assert (peer, token, mid, result["msgType"]) == ("udp://ue1", b"mine", 5, told)


@KINDS
def test_while_it_is_at_the_server_it_is_sent_again_and_answered_once(bench, make, what, told):
    bench.receive(make(1, wait_s=0), 1, 5, b"mine")
    assert len(bench.north) == 1
    bench.crash()
    assert body(bench.north[0][1])["msgType"] == what
    bench.serve()
    (result,) = bench.acknowledge_all()
    assert (result["msgType"], result["result"]) == (told, True)
    bench.crash()
    assert not bench.north and not bench.posts


@KINDS
def test_after_the_servers_answer_the_ue_is_told_and_the_server_not_asked(bench, make, what, told):
    bench.receive(make(1, wait_s=0), 1, 5, b"mine")
    bench.serve(refuse=[ue_id(1)], cause="no luck")
    bench.crash()
    assert not bench.north
    _, _, result, token, mid = bench.take_post()
    assert (result["msgType"], result["cause"], token, mid) == (told, "no luck", b"mine", 5)


def test_after_the_ues_acknowledgement_it_is_over(bench):
    bench.register(1)
    bench.crash()
    assert not bench.posts and not bench.north and not bench.store.pending


def test_a_request_that_is_repeated_after_the_restart_is_one_request(bench):
    bench.receive(reg(1, wait_s=60), 1, 5, b"mine")
    bench.crash()
    # The interim answer was lost: the UE sends the same datagram to the new process.
    assert bench.receive(reg(1, wait_s=60), 1, 5, b"mine")[0] == coap.CHANGED
    while bench.north:
        bench.serve()
        bench.wait(60_000)
    while bench.north:
        bench.serve()
    assert [post[3] for post in bench.posts] == [b"mine"]


@pytest.mark.parametrize(
    ("first", "second", "last"), [(reg, dereg, "DEREG"), (dereg, reg, "BREG")]
)
def test_of_two_kinds_on_disk_the_later_one_goes(bench, first, second, last):
    bench.receive(first(1, wait_s=0), 1, 5, b"first")
    bench.receive(second(1, wait_s=0), 1, 6, b"second")
    bench.crash()
    assert [body(payload)["msgType"] for _, payload in bench.north] == [last]
    _, _, result, token, _ = bench.take_post()
    assert (token, result["cause"]) == (b"first", "superseded by a later request")
    bench.crash()
    assert [body(payload)["msgType"] for _, payload in bench.north] == [last]


def test_of_two_of_one_kind_on_disk_the_later_one_goes(bench):
    bench.receive(reg(1, wait_s=0), 1, 5, b"first")
    bench.receive(reg(1, wait_s=0), 1, 6, b"second")
    assert len(bench.store.pending) == 2
    bench.crash()
    assert len(bench.store.pending) == 1
    bench.serve()
    assert [post[3] for post in bench.posts] == [b"second"]


def test_a_sign_up_survives_and_ends_when_it_would_have_ended(bench):
    bench.receive(gwreg(1, expires_s=100))
    bench.crash()
    bench.wait(90_000)
    assert bench.receive(reg(1, wait_s=60))[0] == coap.CHANGED
    bench.crash()
    bench.serve()
    bench.wait(11_000)
    assert bench.receive(reg(1, wait_s=60)) is None, "forwarded: its sign-up is over"


def test_many_crashes_in_a_row_lose_nothing(bench):
    for number in (1, 2, 3):
        bench.receive(reg(number, wait_s=60), number, number, b"t%d" % number)
        bench.crash()
    for _ in range(5):
        bench.crash()
    bench.serve()
    for _ in range(3):
        bench.crash()
    told = sorted(post[3] for post in bench.posts)
    assert told == [b"t1", b"t2", b"t3"]
