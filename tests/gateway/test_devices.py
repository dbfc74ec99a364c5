"""Devices without an MSGin5G client: registration and de-registration over MSGin5G-5 (6.3.2)."""

import pytest

from msgin5g import app_client, coap, gaps, l3
from msgin5g import registration as messages
from msgin5g_gateway import devices as devices_module
from msgin5g_gateway import throttle as throttle_module
from msgin5g_gateway.throttle import Throttle
from tests.gateway.bench import SERVICE, Bench

LOCAL, PROXIED, OTHER = 4660, 17, 18
SECRET = b"s3cret"
UE = "urn:example:ue:9"
CABLE, AIR = "serial:///dev/ttyS1", "ble://AA:BB:CC:DD:EE:FF"
TABLE = [(LOCAL, "s3cret", None), (PROXIED, "s3cret", UE), (OTHER, "s3cret", None)]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, count=0, devices=TABLE)
    yield made
    made.close()


def register(bench, application=LOCAL, credential=SECRET, peer=CABLE):
    """Register over L3; returns the L3 message that answers at once, or None."""
    frame = bench.receive_l3(l3.registration_request(application, credential), peer)
    return None if frame is None else l3.decode(frame)


def registered(bench, application=LOCAL, peer=CABLE):
    answer = register(bench, application, peer=peer)
    if answer is None:
        bench.serve()
        answer = l3.decode(bench.frames.pop()[1])
    assert answer.type == l3.REGISTRATION_ACCEPT
    return answer.registration_id


def deregister(bench, registration_id, peer=CABLE):
    frame = bench.receive_l3(l3.deregistration_request(registration_id), peer)
    return None if frame is None else l3.decode(frame)


def coap_register(bench, application=LOCAL, credential=SECRET, peer="udp://d:1"):
    return bench.receive(app_client.registration(SERVICE, application, credential), peer=peer)


@pytest.mark.clause("6.3.2.1.1-p1", "6.3.2.1.1-a", "6.3.2.1.1-b", "6.3.2.1.1-c")
def test_a_local_device_gets_a_registration_id_and_the_server_hears_nothing(bench):
    answer = register(bench)
    assert answer.type == l3.REGISTRATION_ACCEPT and len(answer.registration_id) == 6
    device = bench.store.devices[LOCAL]
    assert (device.peer, device.registration_id) == (CABLE, answer.registration_id)
    assert not bench.north
    other = register(bench, OTHER, peer=AIR)
    assert other.registration_id != answer.registration_id


@pytest.mark.clause("6.3.2.1.1-a-n2")
def test_the_transport_identifier_is_the_links_not_the_payloads(bench):
    payload = app_client.registration(SERVICE, LOCAL, SECRET)
    payload = payload[:-1] + b',"l2ID":"00:11:22:33:44:55"}'
    assert bench.receive(payload, peer="udp://10.0.0.7:4711")[0] == coap.CREATED
    assert bench.store.devices[LOCAL].peer == "udp://10.0.0.7:4711"


@pytest.mark.clause("6.3.2.1.1-rej", "6.3.2.1.1-rej-ab")
@pytest.mark.parametrize(
    ("application", "credential", "cause"),
    [
        (99, SECRET, l3.CAUSE_NOT_ALLOWED),
        (LOCAL, b"wrong", l3.CAUSE_INVALID_CREDENTIALS),
        (LOCAL, b"s3cre", l3.CAUSE_INVALID_CREDENTIALS),
        (LOCAL, b"s3crets", l3.CAUSE_INVALID_CREDENTIALS),
    ],
)
def test_a_refusal_has_its_cause_and_leaves_nothing(bench, application, credential, cause):
    answer = register(bench, application, credential)
    assert (answer.type, answer.cause) == (l3.REGISTRATION_REJECT, cause)
    code, payload = coap_register(bench, application, credential)
    answer = app_client.parse_answer(payload)
    assert code == coap.CHANGED
    assert (answer.result, answer.cause) == (False, l3.CAUSES[cause])
    assert not bench.store.devices and not bench.north


@pytest.mark.clause("6.3.2.1.2-a", "6.3.2.1.2-b1", "6.3.2.1.2-b2")
def test_a_local_device_leaves_with_its_registration_id(bench):
    registration_id = registered(bench)
    answer = deregister(bench, registration_id)
    assert answer.type == l3.DEREGISTRATION_ACCEPT
    assert answer.registration_id == registration_id
    assert not bench.store.devices and not bench.north


@pytest.mark.clause("6.3.2.1.2-b3")
def test_a_registration_id_that_nobody_has_is_refused(bench):
    registered(bench)
    answer = deregister(bench, bytes(6))
    assert (answer.type, answer.cause) == (l3.DEREGISTRATION_REJECT, l3.CAUSE_UNKNOWN_DEVICE)
    assert bench.store.devices


def test_a_registration_id_counts_from_its_own_transport_only(bench):
    registration_id = registered(bench)
    answer = deregister(bench, registration_id, AIR)
    assert answer.cause == l3.CAUSE_UNKNOWN_DEVICE
    assert bench.store.devices and bench.core.counters["wrong_transport"] == 1


def test_both_are_on_disk_before_the_answer(bench):
    registration_id = registered(bench)
    bench.crash()
    assert bench.store.devices[LOCAL].registration_id == registration_id
    deregister(bench, registration_id)
    bench.crash()
    assert not bench.store.devices


def test_a_repeated_request_gets_the_same_answer(bench):
    registration_id = registered(bench)
    assert register(bench).registration_id == registration_id
    for _ in range(2):
        answer = deregister(bench, registration_id)
        assert (answer.type, answer.registration_id) == (l3.DEREGISTRATION_ACCEPT, registration_id)


def test_a_replayed_deregistration_harms_nobody_and_is_refused_after_a_minute(bench):
    first = registered(bench)
    deregister(bench, first)
    second = registered(bench)
    assert second != first
    deregister(bench, first)
    assert bench.store.devices[LOCAL].registration_id == second
    bench.wait(60_000)
    assert deregister(bench, first).cause == l3.CAUSE_UNKNOWN_DEVICE


def test_two_devices_that_claim_one_application_id(bench):
    registered(bench)
    answer = register(bench, peer=AIR)
    assert (answer.type, answer.cause) == (l3.REGISTRATION_REJECT, l3.CAUSE_CONFLICT)
    assert bench.store.devices[LOCAL].peer == CABLE
    assert bench.events("conflict")[0]["holder"] == CABLE
    # Whoever is silent for long enough gives way, and one whose link is gone at once.
    bench.wait(60_000)
    assert register(bench, peer=AIR).type == l3.REGISTRATION_ACCEPT
    assert register(bench, peer=CABLE).cause == l3.CAUSE_CONFLICT
    bench.core.link_lost(AIR)
    assert register(bench, peer=CABLE).type == l3.REGISTRATION_ACCEPT
    assert len(bench.store.devices) == 1


def test_one_transport_holds_one_application(bench):
    registered(bench, LOCAL)
    assert register(bench, OTHER).cause == l3.CAUSE_CONFLICT
    bench.core.link_lost(CABLE)
    assert register(bench, OTHER).type == l3.REGISTRATION_ACCEPT
    assert list(bench.store.devices) == [OTHER]


def test_guesses_are_slowed_down_and_counted(bench):
    looked_at = 0
    for _ in range(1_000):
        answer = register(bench, credential=b"guess")
        looked_at += answer.cause == l3.CAUSE_INVALID_CREDENTIALS
        assert answer.cause in (l3.CAUSE_INVALID_CREDENTIALS, l3.CAUSE_CONGESTION)
        bench.now += 100
    counters = bench.core.counters
    assert looked_at == counters["wrong_credentials"] < 20
    assert counters["guesses_unseen"] == 1_000 - looked_at
    # The right one is not looked at either until the pause is over; others are not affected.
    assert register(bench).cause == l3.CAUSE_CONGESTION
    assert register(bench, OTHER, peer=AIR).type == l3.REGISTRATION_ACCEPT
    bench.now += 60_000
    assert register(bench).type == l3.REGISTRATION_ACCEPT


def test_a_guesser_is_known_by_its_host_whatever_its_port(bench):
    for port in range(20):
        answer = coap_register(bench, credential=b"guess", peer=f"udp://10.0.0.9:{port}")
    assert app_client.parse_answer(answer[1]).cause == l3.CAUSES[l3.CAUSE_CONGESTION]
    assert coap_register(bench, peer="udp://10.0.0.8:1")[0] == coap.CREATED


def test_guessers_are_bounded():
    throttle = Throttle()
    for number in range(throttle_module.MAX_GUESSERS + 5):
        for _ in range(9):
            throttle.failed(number, 0)
    assert len(throttle) == throttle_module.MAX_GUESSERS
    assert not throttle.is_closed(0, 1) and throttle.is_closed(500, 1)


def test_devices_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(devices_module, "MAX_DEVICES", 1)
    registered(bench)
    assert register(bench, OTHER, peer=AIR).cause == l3.CAUSE_LACK_OF_RESOURCES
    assert register(bench).type == l3.REGISTRATION_ACCEPT


@pytest.mark.clause("A.3.1.8", "A.3.1.8-b2", "A.3.1.10", "A.3.1.10-b2")
def test_the_coap_form_says_the_same(bench):
    code, payload = coap_register(bench)
    answer = app_client.parse_answer(payload)
    assert code == coap.CREATED and answer.result is True
    device = bench.store.devices[LOCAL]
    assert answer.registration_id == device.registration_id
    leaves = app_client.deregistration(SERVICE, device.registration_id)
    code, payload = bench.receive(leaves, peer="udp://d:1")
    answer = app_client.parse_answer(payload)
    assert code == coap.CHANGED
    assert (answer.result, answer.registration_id) == (True, device.registration_id)
    assert not bench.store.devices


@pytest.mark.clause("A.3.1.8-b3", "A.3.1.10-b3")
def test_the_coap_form_names_the_failure_reason(bench):
    code, payload = coap_register(bench, credential=b"x")
    assert b'"failure reason":"' in payload and b'"result":false' in payload
    code, payload = bench.receive(app_client.deregistration(SERVICE, bytes(6)), peer="udp://d:1")
    assert app_client.parse_answer(payload).cause == l3.CAUSES[l3.CAUSE_UNKNOWN_DEVICE]


def test_another_service_is_not_ours(bench):
    payload = app_client.registration("urn:other", LOCAL, SECRET)
    code, text = bench.receive(payload)
    assert code == coap.BAD_REQUEST and text == b"msgIden: not this service"


@pytest.mark.clause("A.2.2.1-rsv")
@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (b"\x0d\x01", None),
        (b"\x07", l3.registration_reject(111)),
        (b"\x07\x12\x34\x00\x09abc", l3.registration_reject(111)),
        (b"\x0a\x01\x02", l3.deregistration_reject(111)),
        (b"\x08\x01\x02\x03\x04\x05\x06", None),
        (b"\x09\x01", None),
        (b"\x08", None),
    ],
)
def test_a_frame_that_makes_no_sense(bench, frame, answer):
    assert bench.receive_l3(frame) == answer
    assert not bench.store.devices


# On behalf: the gateway registers and de-registers the device's own UE Service ID.


@pytest.mark.clause("S4-p2")
def test_on_behalf_the_answer_waits_for_the_servers(bench):
    assert register(bench, PROXIED) is None
    _, request = bench.north[0][0], messages.parse_request(bench.north[0][1])
    assert (request.msg_type, request.ue_service_id) == ("REG", UE)
    assert not bench.store.devices
    bench.serve()
    answer = l3.decode(bench.frames.pop()[1])
    assert answer.type == l3.REGISTRATION_ACCEPT
    assert bench.store.devices[PROXIED].ue == UE


@pytest.mark.clause("S4-p1", "S4-p2", "S4-a", "S4-b1", "S4-c")
def test_on_behalf_a_device_leaves_the_server_first(bench):
    registration_id = registered(bench, PROXIED)
    registered(bench, OTHER, AIR)
    assert deregister(bench, registration_id) is None
    assert len(bench.north) == 1
    request = messages.parse_request(bench.north[0][1])
    assert (request.msg_type, request.ue_service_id) == ("DEREG", UE)
    assert PROXIED in bench.store.devices
    bench.serve()
    peer, frame = bench.frames.pop()
    answer = l3.decode(frame)
    assert (peer, answer.type) == (CABLE, l3.DEREGISTRATION_ACCEPT)
    assert answer.registration_id == registration_id
    bench.settle()
    assert list(bench.store.devices) == [OTHER]


@pytest.mark.clause("S4-d")
def test_on_behalf_the_mapping_outlives_the_sending_of_the_answer(bench):
    registration_id = registered(bench, PROXIED)
    deregister(bench, registration_id)
    ref, request = bench.take_north()
    core = bench.core
    core.north_answer(ref, coap.CHANGED, messages.dereg_answer(UE, True), bench.now)
    core.commit()
    (effect,) = core.take()
    assert effect[2] == l3.deregistration_accept(registration_id)
    assert PROXIED in bench.store.devices and core.next_deadline() <= bench.now
    bench.settle()
    assert PROXIED not in bench.store.devices
    # Gone for good, though its answer may have been lost.
    answer = deregister(bench, registration_id)
    assert answer.type == l3.DEREGISTRATION_ACCEPT and not bench.north


@pytest.mark.clause("S4-b2")
@pytest.mark.parametrize("act", [registered, None])
def test_on_behalf_the_servers_no_is_the_devices(bench, act):
    registration_id = act(bench, PROXIED) if act else None
    if act:
        assert deregister(bench, registration_id) is None
    else:
        assert register(bench, PROXIED) is None
    bench.serve(refuse=(UE,), cause="gateway may not speak for this UE")
    answer = l3.decode(bench.frames.pop()[1])
    assert answer.cause == l3.CAUSE_NOT_ALLOWED
    assert (PROXIED in bench.store.devices) == bool(act)
    assert bench.events("refused")[-1]["cause"] == "gateway may not speak for this UE"


@pytest.mark.parametrize("leaves", [False, True])
def test_a_server_out_of_reach_means_later_and_nothing_half_done(bench, leaves):
    registration_id = registered(bench, PROXIED) if leaves else None
    if leaves:
        assert deregister(bench, registration_id) is None
    else:
        assert register(bench, PROXIED) is None
    bench.server_fails(bench.north.pop()[0])
    answer = l3.decode(bench.frames.pop()[1])
    assert answer.cause == l3.CAUSE_CONGESTION
    assert (PROXIED in bench.store.devices) == leaves
    # The next attempt is a whole one.
    if leaves:
        assert deregister(bench, registration_id) is None
        bench.serve()
        assert l3.decode(bench.frames.pop()[1]).type == l3.DEREGISTRATION_ACCEPT
    else:
        registered(bench, PROXIED)


def test_a_server_that_does_not_know_the_device_any_more_lets_it_go(bench):
    registration_id = registered(bench, PROXIED)
    deregister(bench, registration_id)
    bench.serve(refuse=(UE,), cause=gaps.CAUSE_NOT_REGISTERED)
    assert l3.decode(bench.frames.pop()[1]).type == l3.DEREGISTRATION_ACCEPT


def test_a_device_that_repeats_itself_asks_the_server_once(bench):
    for _ in range(3):
        assert register(bench, PROXIED) is None
    assert len(bench.north) == 1
    assert register(bench, PROXIED, peer=AIR).cause == l3.CAUSE_CONFLICT
    bench.frames.clear()
    bench.serve()
    assert len(bench.frames) == 1
    assert register(bench, PROXIED).type == l3.REGISTRATION_ACCEPT and not bench.north


def test_every_coap_request_under_way_is_answered_and_they_are_bounded(bench):
    for _ in range(devices_module.MAX_ASKERS):
        assert coap_register(bench, PROXIED) is None
    code, payload = coap_register(bench, PROXIED)
    assert app_client.parse_answer(payload).cause == l3.CAUSES[l3.CAUSE_CONGESTION]
    bench.answers.clear()
    bench.serve()
    assert len(bench.answers) == devices_module.MAX_ASKERS
    assert {payload for _, _, payload in bench.answers} == {bench.answers[0][2]}


def test_the_gateway_refreshes_a_device_at_the_server(bench):
    registered(bench, PROXIED)
    bench.wait(3_600_000 * 6 // 10 + 10_000)
    _, request = bench.take_north()
    assert request["msgType"] == "BREG" and UE in str(request)


def test_a_device_that_the_server_drops_registers_there_again(bench):
    registered(bench, PROXIED)
    bench.wait(3_600_000 * 6 // 10 + 10_000)
    bench.serve(refuse=(UE,))
    assert not bench.posts and bench.core.counters["registrations_lost"] == 1
    assert register(bench, PROXIED) is None
    assert messages.parse_request(bench.north[0][1]).msg_type == "REG"


def test_a_gateway_that_was_killed_goes_on_with_its_devices(bench):
    registration_id = registered(bench, PROXIED)
    bench.crash()
    assert deregister(bench, registration_id) is None
    bench.crash()
    assert deregister(bench, registration_id) is None
    bench.serve()
    assert l3.decode(bench.frames.pop()[1]).type == l3.DEREGISTRATION_ACCEPT


def test_a_device_taken_out_of_the_table_is_gone_after_a_restart(bench):
    registered(bench)
    bench.settings.rows["device"] = []
    bench.crash()
    assert not bench.store.devices


@pytest.mark.clause("6.3.2.1.1-a-n1", "6.3.2.1.2-n", "S4-n")
def test_a_link_set_aside_for_devices_takes_no_msgin5g_client(bench):
    def receive(payload):
        bench.core.receive(1, payload, "udp2://d:1", 7, b"tk", bench.now, devices_only=True)
        bench.settle()
        return bench.answers.pop()[1:]

    code, text = receive(messages.gwreg("urn:example:ue:1", SERVICE))
    assert code == coap.BAD_REQUEST and b"without an MSGin5G client" in text
    assert receive(app_client.registration(SERVICE, LOCAL, SECRET))[0] == coap.CREATED


def test_lab_mode_takes_any_device(tmp_path):
    bench = Bench(tmp_path, count=0, devices=TABLE, open=True)
    assert register(bench, 77, b"whatever").type == l3.REGISTRATION_ACCEPT
    assert register(bench, LOCAL, b"wrong", AIR).cause == l3.CAUSE_INVALID_CREDENTIALS
    bench.close()
