"""Messages of UEs to the server: unchanged, its answer back, the order of each UE."""

import pytest

from msgin5g import coap
from msgin5g import message as builders
from msgin5g_gateway import messaging as messaging_module
from msgin5g_gateway import sets as sets_module
from msgin5g_gateway import uplink as uplink_module
from tests.gateway.bench import SERVICE, Bench, body, imdn, make_id, msg, ue_id

SEGREC = builders.segrec(SERVICE, "set-1", [(2, 3)])
SEGCONFIR = builders.segconfir(SERVICE, "set-1", True)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    "payload", [msg(), imdn(1, 2), SEGREC, SEGCONFIR, msg(segment=("set-1", 1, 2))]
)
def test_the_payload_goes_on_and_the_answer_comes_back_octet_by_octet(bench, payload):
    payload = payload.replace(b"{", b'{ "x" : [1,2] ,\n', 1)
    assert bench.receive(payload) is None
    ref, sent = bench.north.pop()
    assert sent == payload
    bench.server(ref, b"as it is", coap.CHANGED)
    assert bench.answer_to(bench.last) == (coap.CHANGED, b"as it is")
    assert not bench.store.outbox and not bench.posts


@pytest.mark.parametrize("code", [coap.BAD_REQUEST, coap.UNAVAILABLE, coap.FORBIDDEN])
def test_an_error_of_the_server_is_passed_back_too(bench, code):
    bench.receive(msg())
    bench.server(bench.north.pop()[0], b"why", code)
    assert bench.answer_to(bench.last) == (code, b"why")
    assert not bench.store.outbox


@pytest.mark.parametrize(
    "payload",
    [msg(7, 2), imdn(7, 2), msg(("AS", ue_id(1)), 2), msg("urn:example:gw:1", 2)],
)
def test_who_may_not_use_the_gateway_or_is_not_the_origin_is_4_03(bench, payload):
    assert bench.receive(payload)[0] == coap.FORBIDDEN
    assert not bench.north and bench.core.counters["messages refused"] == 1
    assert bench.events("refused")[0]["cause"] == "UE may not use this gateway"


def test_the_name_of_a_device_is_not_for_a_ue_to_use(tmp_path):
    bench = Bench(tmp_path, open=True)
    bench.store.device_of["urn:example:ue:9"] = object()
    assert bench.receive(msg("urn:example:ue:9", 2))[0] == coap.FORBIDDEN
    bench.close()


@pytest.mark.parametrize("payload", [SEGREC, SEGCONFIR])
def test_what_carries_no_address_counts_from_where_a_ue_has_signed_up(bench, payload):
    assert bench.receive(payload, peer="udp://stranger")[0] == coap.FORBIDDEN
    assert bench.receive(payload, 2) is None
    assert len(bench.north) == 1


def test_msgresp_comes_from_servers_only(bench):
    payload = builders.msgresp(SERVICE, ("UE", ue_id(1)), make_id(1), "failure")
    assert bench.receive(payload)[0] == coap.BAD_REQUEST
    assert not bench.north


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (msg().replace(SERVICE.encode(), b"urn:other"), b"not this service"),
        (b'{"msgType":"MSG"}', b"msgId"),
        (imdn(1, 2).replace(b"success", b"maybe"), b"DelSta"),
    ],
)
def test_a_malformed_message_goes_nowhere(bench, payload, said):
    code, text = bench.receive(payload)
    assert code == coap.BAD_REQUEST and said in text
    assert not bench.north


def test_a_text_that_looks_like_a_devices_message_is_a_text(bench):
    text = "MESSAGE RECEIVED REQEUST for registration"
    assert bench.receive(msg(payload=text, applications=["17"])) is None
    assert body(bench.north[0][1])["payload"] == text


def test_a_ue_that_speaks_from_elsewhere_has_moved(bench):
    bench.receive(msg(), peer="udp://elsewhere")
    assert bench.store.signups[ue_id(1)].peer == "udp://elsewhere"
    assert list(bench.store.ues_at) == ["udp://ue2", "udp://ue3", "udp://elsewhere"]


def test_one_message_of_a_ue_is_at_the_server_at_a_time(bench):
    for number in (1, 2, 3):
        bench.receive(msg(1, number=number))
    bench.receive(msg(2, 3, number=4), 2)
    assert [body(payload)["msgId"] for _, payload in bench.north] == [make_id(1), make_id(4)]
    order = []
    while bench.north:
        order.append(bench.server_takes()["msgId"])
    assert order == [make_id(one) for one in (1, 4, 2, 3)]
    assert len(bench.answers) == 4


def test_an_answer_after_the_end_is_nobodys(bench):
    bench.receive(msg())
    ref, _ = bench.north[0]
    bench.server_takes()
    bench.server(ref, b"", coap.BAD_REQUEST)
    assert len(bench.answers) == 1 and bench.core.counters["late_answers"] == 1


def test_messages_of_one_ue_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(uplink_module, "MAX_RELAYS_OF_ONE", 2)
    got = [bench.receive(msg(number=number)) for number in (1, 2, 3)]
    assert got[:2] == [None, None] and got[2][0] == coap.UNAVAILABLE
    assert bench.receive(msg(2, 3), 2) is None
    assert bench.core.counters["relays_full"] == 1


def test_messages_of_all_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(uplink_module, "MAX_RELAYS", 2)
    got = [bench.receive(msg(ue), ue) for ue in (1, 2, 3)]
    assert got[:2] == [None, None] and got[2][0] == coap.UNAVAILABLE
    bench.server_takes()
    assert bench.receive(msg(3), 3) is None


def test_killed_while_it_is_at_the_server_nothing_was_promised(bench):
    bench.receive(msg())
    bench.crash()
    assert not bench.north and not bench.answers
    # The UE repeats it, for nobody has answered.
    bench.receive(msg())
    bench.server_takes()
    assert bench.answer_to(bench.last)[0] == coap.CHANGED


def test_the_senders_of_segments_are_known_after_a_restart(bench):
    bench.receive(msg(2, 3, segment=("set-1", 1, 2)), 2)
    bench.crash()
    bench.receive_north(SEGREC)
    ref, peer, request, _, _ = bench.take_post()
    assert (peer, request["segNoList"]) == ("udp://ue2", "(2-3)")


def test_the_senders_of_segments_are_bounded_and_the_oldest_goes(bench, monkeypatch):
    monkeypatch.setattr(sets_module, "MAX_SENT_SETS", 2)
    for number in (1, 2, 3):
        bench.receive(msg(number=number, segment=(f"set-{number}", 1, 2)))
        bench.server_takes()
    assert list(bench.store.sent_sets) == ["set-2", "set-3"]
    bench.crash()
    assert list(bench.store.sent_sets) == ["set-2", "set-3"]
    assert bench.receive_north(SEGREC)[0] == coap.NOT_FOUND


def test_tokens_for_msgresp_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(messaging_module, "MAX_TOKENS", 2)
    for number in (1, 2, 3):
        bench.receive(msg(number=number), token=b"%d" % number)
        bench.server_takes()
    assert len(bench.core.messaging._tokens) == 2


def test_a_gateway_that_the_server_does_not_recognise_registers_again(tmp_path):
    bench = Bench(tmp_path, register=True)
    bench.serve()
    bench.receive(imdn(1, 2))
    bench.server_takes(coap.BAD_REQUEST, b"oriAddr: originator does not speak from here")
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["REG"]
    bench.serve()
    bench.wait(60_000)
    cause = "originator does not speak from here"
    bench.receive_north(builders.msgresp(SERVICE, ("UE", ue_id(1)), make_id(1), "failure", cause))
    assert [body(payload)["msgType"] for _, payload in bench.north] == ["REG"]
    bench.close()
