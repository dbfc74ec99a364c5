"""What the core does with each request: sign-up, checks, refusals, effects after the commit."""

import pytest

from msgin5g import coap
from msgin5g import registration as messages
from msgin5g_gateway import core as core_module
from msgin5g_gateway.store import StoreError
from tests.gateway.bench import SERVICE, Bench, body, dereg, gwreg, reg, ue_id


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def fresh(tmp_path):
    made = Bench(tmp_path, sign_up=False, gateway_time_s=600)
    yield made
    made.close()


@pytest.mark.clause("6.3.5.2.1-p1", "6.3.5.2.1-b", "6.3.5.2.1-b2-i-ii", "6.3.5.2.1-b2-iii")
def test_a_sign_up_is_granted_for_as_long_as_asked_but_not_longer_than_allowed(fresh):
    for asked, granted in ((None, 600), (100, 100), (3600, 600)):
        code, payload = fresh.receive(gwreg(1, expires_s=asked))
        assert body(payload) == {
            "oriAddr": {"oriAddrType": "UE", "addr": ue_id(1)},
            "result": True,
            "acceptedTime": granted,
        }
        assert code == (coap.CREATED if asked is None else coap.CHANGED), "2.01 new, 2.04 again"
    assert not fresh.north


@pytest.mark.clause("6.3.5.2.1-a", "6.3.5.2.1-b2-iv")
def test_who_is_not_in_the_table_gets_a_failure_reason_and_is_not_stored(fresh):
    code, payload = fresh.receive(gwreg(9), 9)
    assert (code, body(payload)["result"]) == (coap.CHANGED, False)
    assert body(payload)["failure reason"] == "UE may not use this gateway"
    assert not fresh.store.signups


@pytest.mark.clause("6.3.5.2.1-a")
def test_a_ue_id_that_is_configured_is_compared_when_it_is_sent(tmp_path):
    bench = Bench(tmp_path, sign_up=False)
    bench.settings.rows["ue"][0]["ue_id"] = "urn:example:dev:1"
    bench.crash()
    for shown, result in (("urn:example:dev:2", False), ("urn:example:dev:1", True), (None, True)):
        _, payload = bench.receive(gwreg(1, ue_id=shown))
        assert body(payload)["result"] is result
        assert bool(bench.store.signups) is result
    bench.close()


def test_an_open_gateway_takes_everybody(tmp_path):
    bench = Bench(tmp_path, sign_up=False, open=True)
    assert body(bench.receive(gwreg(77), 77)[1])["result"] is True
    bench.receive(reg(77), 77)
    assert len(bench.store.pending) == 1
    bench.close()


def test_a_sign_up_for_no_time_at_all_ends_it(bench):
    _, payload = bench.receive(gwreg(1, expires_s=0))
    assert body(payload)["acceptedTime"] == 0
    bench.receive(reg(1))
    assert bench.take_north()[1]["msgType"] == "REG", "no longer signed up: not bulked"
    bench.wait(120_000)
    assert ue_id(1) not in bench.store.signups


def test_sign_ups_are_bounded(fresh, monkeypatch):
    monkeypatch.setattr(core_module, "MAX_SIGNUPS", 2)
    results = [body(fresh.receive(gwreg(number), number)[1])["result"] for number in (1, 2, 3, 1)]
    assert results == [True, True, False, True]


@pytest.mark.parametrize("make", [reg, dereg])
def test_a_ue_that_is_not_in_the_table_is_refused_with_a_cause(bench, make):
    for urgent in (True, False):
        code, payload = bench.receive(make(9, urgent), 9)
        assert (code, body(payload)["result"]) == (coap.CHANGED, False)
        assert body(payload)["cause"] == "UE may not use this gateway"
    assert not bench.north and not bench.store.pending
    assert bench.core.counters["refused"] == 2


def test_a_ue_that_left_the_table_is_signed_off_at_the_next_start(bench):
    bench.register(1)
    bench.settings.rows["ue"] = [{"ue_service_id": ue_id(2), "ue_id": None}]
    bench.crash()
    assert set(bench.store.signups) == {ue_id(2)}
    bench.wait(3_600_000)
    assert not bench.north, "its registration is no longer refreshed"


@pytest.mark.clause("6.3.0-p4")
@pytest.mark.parametrize("make", [reg, dereg])
def test_without_a_sign_up_a_request_is_forwarded_as_it_is(fresh, make):
    assert fresh.receive(make(1)) is None
    assert fresh.north[0][1] == make(1)
    fresh.serve()
    assert body(fresh.answer_to(fresh.last)[1])["result"] is True


@pytest.mark.parametrize(("policy", "forwarded"), [(False, False), (True, True)])
@pytest.mark.parametrize("make", [reg, dereg])
def test_an_absent_urgent_tag_is_what_the_policy_says(tmp_path, make, policy, forwarded):
    bench = Bench(tmp_path, absent_is_urgent=policy)
    bench.receive(make(1, None))
    assert bool(bench.north) is forwarded and bool(bench.store.pending) is not forwarded
    bench.close()


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"\xff", "not"),
        (b"[]", "an object is wanted"),
        (b'{"msgType":"REG"}', "oriAddr"),
        (reg(1).replace(SERVICE.encode(), b"urn:other"), "msgIden: not this service"),
        (messages.breg(ue_id(1), SERVICE, [reg(1)]), "no bulk"),
        (messages.bulk_dereg(ue_id(1), SERVICE, [dereg(1)]), "no bulk"),
        (messages.regresp(ue_id(1), SERVICE, True), "REGRESP"),
        (messages.deregresp(ue_id(1), SERVICE, True), "DEREGRESP"),
        (reg(1).replace(b'"REG"', b'"MSG"'), "msgId: missing"),
        (reg(1).replace(b'"REG"', b'"XYZ"'), "msgType"),
    ],
)
def test_what_is_not_for_a_gateway_is_answered_4_00_with_a_reason(bench, payload, text):
    code, said = bench.receive(payload)
    assert code == coap.BAD_REQUEST and text in said.decode()
    assert not bench.north and not bench.store.pending
    counted = [one for one in bench.core.counters if one.startswith("malformed: ")]
    assert len(counted) == 1 and bench.core.counters[counted[0]] == 1


def test_a_full_cache_answers_5_03_keeps_nothing_and_still_takes_replacements(tmp_path):
    bench = Bench(tmp_path, bulk={"max_pending": 2})
    for number in (1, 2, 3):
        answer = bench.receive(reg(number, wait_s=60), number, b"a")
    assert answer[0] == coap.UNAVAILABLE
    assert [row.ue for row in bench.store.pending.values()] == [ue_id(1), ue_id(2)]
    assert bench.receive(reg(1, wait_s=30))[0] == coap.CHANGED
    assert bench.core.counters["cache_full"] == 1
    bench.close()


def test_a_new_address_of_a_ue_is_noted_and_counted(bench):
    bench.receive(reg(1, wait_s=60), peer="udp://elsewhere")
    assert bench.store.signups[ue_id(1)].peer == "udp://elsewhere"
    bench.receive(gwreg(1))
    assert bench.store.signups[ue_id(1)].peer == "udp://ue1"
    assert bench.core.counters["moved"] == 2


def test_nothing_is_promised_when_the_disk_refuses(bench):
    bench.store._db.execute("PRAGMA query_only=ON")
    bench.core.receive("ref", reg(1, wait_s=60), "udp://ue1", 1, b"t", bench.now)
    with pytest.raises(StoreError):
        bench.core.commit()


def test_an_effect_is_there_once(bench):
    bench.core.receive("ref", reg(1, wait_s=60), "udp://ue1", 1, b"t", bench.now)
    bench.core.commit()
    assert len(bench.core.take()) == 1
    assert bench.core.take() == []


def test_protocol_messages_are_logged_on_both_interfaces(bench):
    bench.register(1)
    seen = [(one["iface"], one["direction"], one["what"]) for one in bench.events("message")]
    assert seen[-6:] == [
        ("MSGin5G-6", "rx", "REG"),
        ("MSGin5G-6", "tx", "2.04"),
        ("MSGin5G-1", "tx", "BREG"),
        ("MSGin5G-1", "rx", "2.01"),
        ("MSGin5G-6", "tx", "REGRESP"),
        ("MSGin5G-6", "rx", "2.04"),
    ]
