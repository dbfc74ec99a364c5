"""The registration state machine: every way in, out and back."""

import json
import random

import pytest

from msgin5g import coap, registration
from tests.firmware.bench import SERVICE, UE, Bench, interim, kind_of

SERVER_AWAY = (coap.GATEWAY_TIMEOUT, b"server unreachable")


# In and out


@pytest.mark.clause("6.3.5.1-p1", "6.3.0-p4", "6.3.4.2.1-d3", "6.3.4.2.1-d6")
def test_the_way_in_is_sign_up_then_reg_then_regresp():
    bench = Bench(wait_s=7)
    request = bench.to_waiting()
    assert [kind_of(one) for one in bench.got] == ["GWREG", "REG"]
    body = json.loads(request.payload)
    assert body["urgentTag"] is False and body["reqExpTime"] == 7
    assert bench.info == {"expected_s": 3}
    answer = bench.regresp(request)
    assert (answer.code, answer.payload, answer.token) == (coap.CHANGED, b"", request.token)
    assert bench.names() == ["signing-up", "signed-up", "registering", "waiting", "registered"]
    assert bench.core.counters["attempts"] == bench.core.counters["registrations"] == 1


@pytest.mark.clause("6.3.0-p4", "6.3.4.2.2-d1-d3")
def test_a_ue_that_reboots_signs_up_again_before_it_leaves():
    before = Bench()
    before.to_registered()
    bench = Bench(saved=before.saved)
    bench.deregister()
    assert [kind_of(one) for one in bench.got] == ["GWREG", "DEREG"]
    bench.deregresp(bench.got[1])
    assert bench.state == "deregistered" and bench.saved["known"] is False


def test_a_sign_up_that_ran_out_is_renewed_before_the_ue_leaves():
    bench = Bench(refresh_s=0)
    bench.script["GWREG"] = (coap.CREATED, registration.gwreg_answer(UE, True, 60))
    bench.to_registered()
    bench.script["GWREG"] = None
    bench.now += 61_000
    bench.script["GWREG"] = (coap.CHANGED, registration.gwreg_answer(UE, True, 60))
    bench.got.clear()
    bench.deregister()
    assert [kind_of(one) for one in bench.got] == ["GWREG", "DEREG"]


def test_a_ue_that_never_registered_leaves_without_a_word():
    bench = Bench()
    bench.deregister()
    assert bench.state == "deregistered" and not bench.got


def test_a_reboot_while_leaving_does_not_count_as_having_left():
    before = Bench()
    before.to_registered()
    before.deregister()
    assert before.state == "leaving" and before.core.wanted == "deregistered"
    bench = Bench(saved=before.saved)
    assert bench.core.wanted == "deregistered"
    bench.deregister()
    assert bench.state == "leaving"


@pytest.mark.parametrize("cause", ["not registered", None])
def test_leaving_ends_with_the_final_answer_of_the_request_too(cause):
    bench = Bench(urgent=True)
    bench.script["REG"] = (coap.CREATED, registration.reg_answer(UE, True))
    bench.script["DEREG"] = (coap.CHANGED, registration.dereg_answer(UE, cause is None, cause))
    bench.register()
    bench.deregister()
    assert bench.state == "deregistered"
    bench.run(10_000_000)
    assert len(bench.got) == 3, "nothing is renewed any more"


def test_a_refused_way_out_is_tried_again_rarely():
    bench = Bench(refused_retry_s=300)
    bench.to_registered()
    bench.deregister()
    bench.deregresp(bench.got[-1], False, "gateway may not speak for this UE")
    assert bench.state == "refused" and bench.info["cause"] == "gateway may not speak for this UE"
    bench.got.clear()
    bench.run(220_000)
    assert not bench.got
    bench.run(160_000)
    assert kind_of(bench.got[-1]) == "DEREG"


def test_registering_again_after_leaving_goes_the_whole_way():
    bench = Bench()
    bench.to_registered()
    bench.deregister()
    bench.deregresp(bench.got[-1])
    bench.got.clear()
    bench.to_registered()
    assert [kind_of(one) for one in bench.got] == ["GWREG", "REG"]
    assert bench.core.counters["registrations"] == 2


def test_changing_ones_mind_under_way_leaves_one_request_outstanding():
    bench = Bench()
    bench.script["GWREG"] = None
    bench.register()
    bench.deregister()
    bench.register()
    bench.script["GWREG"] = (coap.CREATED, registration.gwreg_answer(UE, True, 3600))
    bench.run(5000)
    assert bench.state == "waiting" and len(bench.requests("REG")) == 1


# What is not success


def test_an_answer_without_result_never_registers():
    bench = Bench(wait_s=0)
    bench.script["REG"] = interim(None)
    bench.register()
    bench.run(600_000)
    assert "registered" not in bench.names()
    assert bench.core.counters["unanswered"] >= 2


@pytest.mark.parametrize(
    "answer",
    [
        (coap.CHANGED, b""),
        (coap.CHANGED, b"{}"),
        (coap.CHANGED, b'{"result":true}'),
        (coap.CHANGED, registration.reg_answer("urn:example:ue:2", True)),
        (coap.CHANGED, b'{"oriAddr":{"oriAddrType":"UE","addr":"%s"},"result":1}' % UE.encode()),
    ],
)
def test_a_malformed_answer_is_an_outage(answer):
    bench = Bench()
    bench.script["REG"] = answer
    bench.register()
    assert bench.state == "backoff" and "malformed" in bench.info["reason"]


def test_a_sign_up_without_result_is_a_refusal():
    bench = Bench()
    bench.script["GWREG"] = (coap.CREATED, registration.interim(UE))
    bench.register()
    assert bench.state == "refused"


def test_a_refused_sign_up_tells_the_gateways_reason():
    bench = Bench()
    answer = registration.gwreg_answer(UE, False, cause="UE may not use this gateway")
    bench.script["GWREG"] = (coap.CHANGED, answer)
    bench.register()
    assert bench.state == "refused" and bench.info["cause"] == "UE may not use this gateway"
    assert not bench.requests("REG")


@pytest.mark.parametrize("cause", ["congestion", "server unreachable"])
def test_a_temporary_cause_is_an_outage_and_not_a_refusal(cause):
    bench = Bench(backoff_min_s=2)
    bench.regresp(bench.to_waiting(), False, cause)
    assert bench.state == "backoff" and bench.info["reason"] == cause
    bench.run(3000)
    assert len(bench.requests("REG")) == 2


def test_a_diagnostic_payload_that_is_no_plain_text_is_not_passed_on():
    bench = Bench()
    for payload, cause in (
        (b"\x1b[2J", "4.00"),
        (b"\xff\xfe", "4.00"),
        ("ä".encode() * 41, "ä" * 40),
        (b"x" + "ä".encode() * 41, "x" + "ä" * 39),
    ):
        bench.script["REG"] = (coap.BAD_REQUEST, payload)
        bench.register()
        assert bench.info["cause"] == cause


# Posts of the gateway


def test_posts_that_answer_nothing_get_2_04_and_are_counted():
    bench = Bench()
    request = bench.to_registered()
    for payload, token in (
        (registration.regresp(UE, SERVICE, True), request.token),
        (registration.deregresp(UE, SERVICE, True), request.token),
        (registration.regresp(UE, SERVICE, False, "x"), b"else"),
        (registration.deregresp(UE, SERVICE, False, "x"), b"else"),
    ):
        assert bench.post(payload, token).code == coap.CHANGED
        assert bench.state == "registered"
    assert bench.core.counters["stray"] == 4


def test_a_regresp_before_the_interim_answer_counts():
    bench = Bench()
    bench.lose = lambda direction, data: direction == "down" and b"expectedTime" in data
    bench.register()
    assert bench.state == "registering"
    bench.regresp(bench.requests("REG")[0])
    assert bench.state == "registered"
    bench.run(20_000)
    assert len(bench.requests("REG")) == 1


def test_a_regresp_that_comes_after_the_wait_counts_and_ends_the_back_off():
    bench = Bench(wait_s=1, answer_margin_s=1, backoff_min_s=30)
    request = bench.to_waiting()
    bench.run(6000)
    assert bench.state == "backoff"
    bench.got.clear()
    bench.regresp(request)
    assert bench.state == "registered"
    bench.run(600_000)
    assert not bench.got, "the sign-up of before still holds"


def test_a_regresp_that_comes_while_the_ue_begins_anew_ends_that():
    bench = Bench(wait_s=1, answer_margin_s=1, backoff_min_s=1)
    request = bench.to_waiting()
    bench.script["GWREG"] = None
    bench.run(6000)
    assert bench.state == "signing-up"
    bench.regresp(request)
    bench.run(300_000)
    assert bench.state == "registered" and bench.names().count("registered") == 1


def test_the_regresp_of_an_older_request_changes_nothing():
    bench = Bench(wait_s=1, answer_margin_s=1, backoff_min_s=1)
    old = bench.to_waiting()
    bench.run(6000)
    assert len(bench.requests("REG")) == 2 and bench.state == "waiting"
    assert bench.regresp(old).code == coap.CHANGED
    assert bench.state == "waiting"


@pytest.mark.parametrize("code", [coap.GET, coap.PUT, coap.DELETE])
def test_other_methods_get_4_05(code):
    bench = Bench()
    request = bench.to_waiting()
    assert bench.regresp(request, code=code).code == coap.METHOD_NOT_ALLOWED
    assert bench.state == "waiting"


def test_a_non_confirmable_regresp_is_taken_and_its_answer_costs_an_id():
    bench = Bench()
    request = bench.to_waiting()
    answer = bench.regresp(request, kind=coap.NON)
    assert (answer.type, answer.code, answer.token) == (coap.NON, coap.CHANGED, request.token)
    assert bench.state == "registered"
    for number in range(200):
        bench.post(registration.regresp(UE, SERVICE, True), b"%d" % number, kind=coap.NON)
        used = bench.answers[0].mid
        assert (bench.saved["mid"] - used) & 65535 in range(1, 65), "saved as used before used"


def test_rubbish_never_raises_and_changes_nothing():
    bench = Bench()
    bench.to_registered()
    for data in (b"", b"\x40", b"\xff" * 40, b"\x40\x02\x00\x01\xff", bytes(2000)):
        bench.core.receive(data, bench.now)
        bench.flush()
    assert bench.state == "registered"


# Renewal and refresh


def test_the_sign_up_is_renewed_at_about_two_thirds():
    for seed in range(20):
        bench = Bench(seed=seed, refresh_s=0)
        bench.script["GWREG"] = (coap.CREATED, registration.gwreg_answer(UE, True, 900))
        bench.to_registered()
        bench.run(535_000)
        assert len(bench.requests("GWREG")) == 1
        bench.run(70_000)
        assert len(bench.requests("GWREG")) == 2 and bench.state == "registered"


def test_without_an_accepted_time_the_time_asked_for_counts():
    bench = Bench(refresh_s=0, gateway_time_s=90)
    bench.script["GWREG"] = (coap.CREATED, registration.gwreg_answer(UE, True))
    bench.to_registered()
    bench.run(61_000)
    assert len(bench.requests("GWREG")) == 2


def test_without_any_time_a_sign_up_has_no_end():
    bench = Bench(refresh_s=0, gateway_time_s=0)
    bench.script["GWREG"] = (coap.CREATED, registration.gwreg_answer(UE, True))
    bench.to_registered()
    assert "expiredTime" not in json.loads(bench.requests("GWREG")[0].payload)
    assert bench.core.next_deadline() is None


def test_a_sign_up_is_renewed_while_the_result_is_awaited():
    bench = Bench(wait_s=200)
    bench.script["GWREG"] = (coap.CREATED, registration.gwreg_answer(UE, True, 60))
    request = bench.to_waiting()
    bench.run(100_000)
    assert len(bench.requests("GWREG")) >= 3 and bench.state == "waiting"
    assert len(bench.requests("REG")) == 1
    bench.regresp(request)
    assert bench.state == "registered" and bench.names().count("signing-up") == 1


def test_a_refresh_is_a_new_reg_and_the_ue_stays_registered_meanwhile():
    bench = Bench(refresh_s=100, wait_s=60)
    first = bench.to_registered()
    bench.run(126_000)
    second = bench.requests("REG")[1]
    assert second.token != first.token and second.mid != first.mid
    assert bench.state == "registered"
    bench.regresp(second)
    assert bench.state == "registered" and bench.info == {"refresh": True}
    counters = bench.core.counters
    assert (counters["attempts"], counters["refreshes"]) == (1, 1)


def test_a_refresh_without_result_is_an_outage():
    bench = Bench(refresh_s=100, wait_s=1, backoff_min_s=5)
    bench.to_registered()
    bench.run(100_000 + 25_000 + 14_000)
    assert bench.names()[-1] != "registered" and bench.core.counters["outages"] >= 1
    bench.regresp(bench.requests("REG")[-1])
    assert bench.state == "registered"


def test_the_servers_lifetime_shortens_the_refresh():
    bench = Bench(urgent=True, refresh_s=1000)
    bench.script["REG"] = (coap.CREATED, registration.reg_answer(UE, True, 90))
    bench.register()
    bench.run(61_000)
    assert len(bench.requests("REG")) == 2 and bench.state == "registered"


def test_a_registration_that_the_gateway_reports_lost_is_made_again():
    bench = Bench(backoff_min_s=2)
    request = bench.to_registered()
    bench.got.clear()
    bench.regresp(request, False, "account closed")
    assert bench.state == "backoff" and bench.info["reason"] == "account closed"
    bench.run(3000)
    assert [kind_of(one) for one in bench.got] == ["GWREG", "REG"]


# Outages


def test_with_the_server_away_the_pause_grows_to_its_limit_and_the_sign_up_does_not_reset_it():
    bench = Bench(backoff_min_s=2, backoff_max_s=60)
    bench.script["REG"] = SERVER_AWAY
    bench.register()
    bench.run(1_000_000)
    pauses = [info["retry_s"] for name, info in bench.states if name == "backoff"]
    for pause, wanted in zip(pauses, [2, 4, 8, 16, 32, *[60] * 100], strict=False):
        assert wanted * 3 // 4 - 1 <= pause <= wanted * 5 // 4, pauses
    assert len(pauses) < 30 and bench.core.counters["outages"] == len(pauses)
    bench.script["REG"] = interim()
    bench.run(80_000)
    bench.regresp(bench.requests("REG")[-1])
    bench.script["REG"] = SERVER_AWAY
    bench.register()
    assert bench.info["retry_s"] <= 2, "a success starts the pauses afresh"


def test_pauses_of_different_ues_differ():
    pauses = set()
    for seed in range(20):
        bench = Bench(seed=seed, backoff_min_s=10)
        bench.script["GWREG"] = (coap.UNAVAILABLE, b"")
        bench.register()
        pauses.add(bench.core.next_deadline())
    assert len(pauses) > 15 and 7500 <= min(pauses) <= max(pauses) <= 12_500


def test_a_gateway_that_starts_later_is_found():
    bench = Bench(backoff_max_s=20)
    scripts, bench.script = bench.script, {}
    bench.register()
    bench.run(400_000)
    assert set(bench.names()) == {"signing-up", "backoff"}
    bench.script = scripts
    bench.run(100_000)
    assert bench.state in ("waiting", "backoff", "signing-up") and bench.requests("REG")


def test_an_outage_in_the_middle_of_leaving_ends_with_leaving():
    bench = Bench(backoff_min_s=1, backoff_max_s=4)
    bench.to_registered()
    bench.script["DEREG"] = SERVER_AWAY
    bench.deregister()
    bench.run(30_000)
    assert bench.state == "backoff"
    bench.script["DEREG"] = interim()
    bench.got.clear()
    bench.run(6000)
    assert [kind_of(one) for one in bench.got] == ["GWREG", "DEREG"] and bench.state == "leaving"
    bench.deregresp(bench.got[-1])
    assert bench.state == "deregistered"


@pytest.mark.parametrize("seed", range(30))
def test_on_a_bad_link_the_ue_ends_registered(seed):
    bench = Bench(seed=seed, wait_s=1)
    dice = random.Random(seed)
    bench.lose = lambda direction, data: dice.random() < 0.4
    bench.copies = 2
    bench.register()
    for _ in range(4000):
        bench.run(500)
        if bench.state == "registered":
            break
        if bench.state == "waiting" and dice.random() < 0.5:
            bench.regresp(bench.requests("REG")[-1])
    assert bench.state == "registered"


# What is kept


def test_little_is_saved_and_a_number_is_saved_before_it_is_used():
    bench = Bench(refresh_s=60, gateway_time_s=0)
    bench.script["GWREG"] = (coap.CREATED, registration.gwreg_answer(UE, True))
    bench.to_registered()
    assert len(bench.saves) == 1
    for _ in range(200):
        bench.run(75_000)
        bench.regresp(bench.requests("REG")[-1])
    sent = len(bench.got)
    assert sent > 190 and len(bench.saves) <= sent // 64 + 1
    used = -1
    for event in bench.events:
        if event[0] == "save":
            used = event[1]["mid"]
        elif event[0] == "message" and event[1] == "tx" and event[2] != "2.04":
            assert (used - event[3]["mid"]) & 65535 in range(1, 65)


def test_the_saved_state_is_json_and_survives_numbers_at_their_ends():
    bench = Bench(saved={"wanted": "registered", "known": True, "mid": 65530, "token": 2**32 - 2})
    bench.script["GWREG"] = (coap.UNAVAILABLE, b"")
    bench.register()
    bench.run(3_000_000)
    assert len({one.mid for one in bench.got}) == len(bench.got) > 20
    assert len({one.token for one in bench.got}) == len(bench.got)
    assert json.loads(json.dumps(bench.saved)) == bench.saved and bench.saved["mid"] < 65536
