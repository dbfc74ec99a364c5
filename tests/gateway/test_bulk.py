"""Bulk handling: what is cached, what leaves when, and what comes of the answer."""

import pytest

from msgin5g import coap
from msgin5g import registration as messages
from tests.gateway.bench import Bench, body, dereg, reg, ue_id

HOUR_MS = 3_600_000
KINDS = pytest.mark.parametrize(("make", "what"), [(reg, "BREG"), (dereg, "DEREG")])


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.clause("6.3.4.3.1-b1", "6.3.4.3.1-b2", "6.3.4.3.1-b2-ii", "6.3.4.3.1-b2-ii-time")
@pytest.mark.clause("6.3.4.3.4-b1", "6.3.4.3.4-b2", "6.3.4.3.4-b2-ii", "6.3.4.3.4-b2-ii-time")
@pytest.mark.parametrize("make", [reg, dereg])
@pytest.mark.parametrize(("wait_s", "expected"), [(0, 1), (2, 2), (4, 4), (60, 6), (None, 2)])
def test_the_interim_answer_says_when_the_result_can_be_expected(bench, make, wait_s, expected):
    code, payload = bench.receive(make(1, wait_s=wait_s), 1, 0x1234, b"token")
    assert code == coap.CHANGED
    assert body(payload) == {
        "oriAddr": {"oriAddrType": "UE", "addr": ue_id(1)},
        "expectedTime": expected,
    }
    (row,) = bench.store.pending.values()
    assert (row.payload, row.mid, row.token) == (make(1, wait_s=wait_s), 0x1234, b"token")
    assert row.peer == "udp://ue1"


@KINDS
def test_requests_of_one_kind_leave_together_and_each_once(bench, make, what):
    for number in (1, 2, 3):
        bench.receive(make(number, wait_s=60 if number > 1 else 1), number)
    bench.wait(1000)
    _, request = bench.take_north()
    assert request["msgType"] == what and not bench.north
    bench.wait(HOUR_MS // 4)
    assert not bench.north, "they are at the server"


def test_registrations_and_de_registrations_are_never_at_the_server_together(bench):
    bench.receive(reg(1, wait_s=1), 1)
    bench.receive(dereg(2, wait_s=1), 2)
    bench.wait(5000)
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["BREG"]
    bench.serve()
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["DEREG"]


@pytest.mark.clause("6.3.4.3.2-trig-c")
def test_the_maximum_counts_cached_requests_not_received_ones(tmp_path):
    bench = Bench(tmp_path, bulk={"max_requests": 2, "interval_s": 60.0})
    for mid in range(20):
        bench.receive(reg(1, wait_s=60), 1, mid)
    assert not bench.north
    bench.receive(reg(2, wait_s=60), 2)
    assert not bench.north, "not more than the maximum"
    bench.receive(reg(3, wait_s=60), 3)
    assert body(bench.north[0][1])["regReqNum"] == 3
    bench.close()


def test_more_than_a_bulk_request_can_hold_go_in_several(tmp_path, monkeypatch):
    monkeypatch.setattr("msgin5g_gateway.bulk.MAX_BULK_ENTRIES", 2)
    bench = Bench(tmp_path, 5)
    for number in range(1, 6):
        bench.receive(reg(number, wait_s=1), number)
    bench.wait(1000)
    sizes = []
    while bench.north:
        sizes.append(len(bench.serve()))
    assert sizes == [2, 2, 1]
    assert len(bench.acknowledge_all()) == 5 and not bench.store.pending
    bench.close()


def test_a_newer_request_replaces_an_older_one_of_the_same_kind(bench):
    bench.receive(reg(1, wait_s=60), 1, 10, b"first")
    bench.receive(reg(1, wait_s=1), 1, 11, b"second", peer="udp://moved")
    bench.wait(1000)
    assert len(bench.serve()) == 1
    _, peer, result, token, mid = bench.take_post()
    assert (peer, token, mid, result["result"]) == ("udp://moved", b"second", 11, True)
    assert not bench.posts and bench.core.counters["replaced"] == 1


def test_a_request_of_the_other_kind_supersedes_the_cached_one(bench):
    bench.receive(reg(1, wait_s=60), 1, 10, b"first")
    bench.receive(dereg(1, wait_s=1), 1, 11, b"second")
    _, _, result, token, mid = bench.take_post()
    assert (token, mid, result["result"]) == (b"first", 10, False)
    assert result["cause"] == "superseded by a later request"
    bench.wait(HOUR_MS // 60)
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["DEREG"]


def test_the_same_request_again_while_the_first_is_at_the_server_goes_with_the_next(bench):
    bench.receive(reg(1, wait_s=1), 1, 10, b"first")
    bench.wait(1000)
    bench.receive(reg(1, wait_s=1), 1, 11, b"second")
    bench.wait(5000)
    assert len(bench.north) == 1
    bench.serve()
    assert not bench.posts, "the UE waits for its newer request"
    bench.serve()
    assert bench.take_post()[3] == b"second" and not bench.posts
    bench.wait(1)
    assert [row.state for row in bench.store.pending.values()] == ["answered"]


@pytest.mark.parametrize(
    ("first", "second", "kind", "told"),
    [(reg, dereg, "DEREG", "REGRESP"), (dereg, reg, "BREG", "DEREGRESP")],
)
@pytest.mark.parametrize("end", ["failed", "5.03", "left out"])
def test_after_an_outage_only_the_last_of_two_kinds_goes(bench, first, second, kind, told, end):
    bench.receive(first(1, wait_s=1), 1, 10, b"first")
    bench.wait(1000)
    bench.receive(second(1, wait_s=1), 1, 11, b"second")
    ref, _ = bench.take_north()
    if end == "failed":
        bench.server_fails(ref)
    elif end == "5.03":
        bench.server(ref, b"later", coap.UNAVAILABLE)
    else:
        bench.server(ref, b'{"regRespNum":0,"regRespList":[]}')
    _, _, result, token, _ = bench.take_post()
    assert (result["msgType"], token, result["result"]) == (told, b"first", False)
    bench.wait(HOUR_MS // 2)
    assert [body(payload)["msgType"] for _, payload in bench.north] == [kind]


@pytest.mark.clause("6.3.4.3.3-a", "6.3.4.3.6-a")
@KINDS
def test_every_ue_gets_its_own_part_of_the_answer(bench, make, what):
    for number in (1, 2, 3):
        bench.receive(make(number, wait_s=1), number, number, b"t%d" % number)
    bench.wait(1000)
    bench.serve(refuse=[ue_id(2)], cause="not today")
    told = {}
    while bench.posts:
        _, peer, result, token, mid = bench.take_post()
        told[peer] = (result["oriAddr"]["addr"], token, mid, result["result"], result.get("cause"))
    assert told == {
        "udp://ue1": (ue_id(1), b"t1", 1, True, None),
        "udp://ue2": (ue_id(2), b"t2", 2, False, "not today"),
        "udp://ue3": (ue_id(3), b"t3", 3, True, None),
    }


def test_an_entry_that_nobody_asked_for_is_dropped_and_logged(bench):
    bench.receive(reg(1, wait_s=0))
    ref, _ = bench.take_north()
    entries = [messages.reg_answer(ue, True, 60) for ue in (ue_id(1), "urn:x:stray")]
    bench.server(ref, messages.breg_answer(entries))
    assert len(bench.posts) == 1
    assert bench.events("dropped")[-1]["ue"] == "urn:x:stray"
    assert bench.core.counters["stray_answers"] == 1


def test_a_request_that_the_server_left_out_stays_until_its_lifetime_ends(tmp_path):
    bench = Bench(tmp_path, bulk={"pending_lifetime_s": 30.0})
    bench.receive(reg(1, wait_s=0))
    for _ in range(100):
        bench.wait(1000)
        if bench.north:
            bench.server(bench.north.pop(0)[0], b'{"regRespNum":0,"regRespList":[]}')
        if bench.posts:
            break
    assert bench.take_post()[2]["cause"] == "the server gave no answer for this UE"
    assert 30_000 <= bench.now - 1_000_000 <= 36_000
    bench.close()


@pytest.mark.parametrize("how", ["timeout", "5.03", "4.03", "nonsense", "no list"])
def test_while_the_server_does_not_serve_all_stays_cached_and_pauses_grow(bench, how):
    for number in (1, 2):
        bench.receive(reg(number, wait_s=0), number)
    pauses = []
    for _ in range(9):
        before = bench.now
        while not bench.north:
            bench.wait(100)
        pauses.append(bench.now - before)
        ref, _ = bench.take_north()
        if how == "timeout":
            bench.server_fails(ref)
        elif how == "5.03":
            bench.server(ref, b"overload", coap.UNAVAILABLE)
        elif how == "4.03":
            bench.server(ref, b"", coap.FORBIDDEN)
        else:
            payload = b"{" if how == "nonsense" else messages.reg_answer(ue_id(1), True, 60)
            bench.server(ref, payload)
        assert not bench.posts and not [one for one in bench.answers if one[1] >= 0x80]
    assert pauses[-1] > 4 * pauses[2] and max(pauses) <= 37_600
    assert len(bench.events("server-unreachable")) == 1, "logged when it changes"
    while not bench.north:
        bench.wait(1000)
    bench.serve()
    assert len(bench.acknowledge_all()) == 2 and not bench.store.pending
    assert len(bench.events("server-back")) == 1


def test_what_the_server_never_answers_is_refused_after_its_lifetime(tmp_path):
    bench = Bench(tmp_path, bulk={"pending_lifetime_s": 60.0})
    bench.receive(dereg(1, wait_s=0), token=b"mine")
    while not bench.posts:
        bench.wait(1000)
        if bench.north:
            bench.server_fails(bench.north.pop(0)[0])
    _, _, result, token, _ = bench.take_post()
    assert (result["msgType"], token) == ("DEREGRESP", b"mine")
    assert (result["result"], result["cause"]) == (False, "server unreachable")
    bench.close()


@KINDS
def test_one_bad_entry_is_found_by_sending_one_at_a_time(bench, make, what):
    for number in (1, 2, 3):
        bench.receive(make(number, wait_s=1), number)
    bench.wait(1000)
    ref, _ = bench.take_north()
    bench.server(ref, b"regReqList[1].oriAddr: bad", coap.BAD_REQUEST)
    order = []
    while bench.north:
        ref, request = bench.north[0]
        if ue_id(2).encode() in request:
            del bench.north[0]
            order.append("bad")
            bench.server(ref, b"oriAddr: bad", coap.BAD_REQUEST)
        else:
            order += bench.serve()
    assert order == [ue_id(1), "bad", ue_id(3)]
    told = {one["oriAddr"]["addr"]: one for one in bench.acknowledge_all()}
    assert [told[ue_id(number)]["result"] for number in (1, 2, 3)] == [True, False, True]
    assert told[ue_id(2)]["cause"] == "4.00 oriAddr: bad"


def test_a_request_that_is_no_longer_wanted_is_not_sent_alone(bench):
    for number in (1, 2, 3):
        bench.receive(reg(number, wait_s=1), number)
    bench.wait(1000)
    ref, _ = bench.take_north()
    bench.server(ref, b"bad", coap.BAD_REQUEST)
    bench.receive(dereg(3, wait_s=60), 3)
    bench.serve()
    bench.serve()
    assert not bench.north


def test_an_answer_to_a_bulk_request_of_an_older_core_changes_nothing(bench):
    bench.receive(reg(1, wait_s=0))
    old, _ = bench.take_north()
    bench.crash()
    bench.server(old, messages.breg_answer([messages.reg_answer(ue_id(1), True, 60)]))
    bench.server_fails(old)
    assert bench.core.counters["late_answers"] == 2
    assert len(bench.store.pending) == 1 and not bench.posts
    bench.serve()
    assert len(bench.acknowledge_all()) == 1
