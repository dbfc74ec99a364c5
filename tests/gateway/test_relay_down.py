"""Messages of the server to UEs: to the right one, unchanged, its answer back."""

import pytest

from msgin5g import coap
from msgin5g import message as builders
from msgin5g_gateway import downlink as downlink_module
from msgin5g_gateway import sets as sets_module
from tests.gateway.bench import SERVICE, Bench, imdn, make_id, msg, ue_id

SEGREC = builders.segrec(SERVICE, "set-1", [(2, 3)])
SEGCONFIR = builders.segconfir(SERVICE, "set-1", True)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def msgresp(number=1, ue=1):
    return builders.msgresp(SERVICE, ("UE", ue_id(ue)), make_id(number), "failure", "no luck")


@pytest.mark.clause("6.4.1.1.8-a1-a2")
@pytest.mark.parametrize(
    ("payload", "ue"),
    [
        (msg(7, 2), 2),
        (msg(7, ("GROUP", "urn:group"), recipient=ue_id(3)), 3),
        (msg(7, ("TOPIC", "weather"), recipient=ue_id(1)), 1),
        (imdn(7, 2), 2),
        (msgresp(), 1),
    ],
)
def test_each_kind_finds_its_ue_unchanged(bench, payload, ue):
    payload = payload.replace(b"{", b'{ "x" : [1,2] ,\n', 1)
    assert bench.receive_north(payload) is None
    ref, peer, sent, _, mid = bench.posts.pop()
    assert (peer, sent, mid) == (f"udp://ue{ue}", payload, None)
    bench.ue_answers(ref, coap.CHANGED, b"thanks")
    assert bench.told_to(bench.last) == (coap.CHANGED, b"thanks")


@pytest.mark.clause("6.5.1-roles")
def test_a_gap_in_a_set_is_the_recipients_business(bench):
    for number in (1, 3):
        bench.receive_north(msg(7, 2, number, segment=("set-1", number, 3)))
        bench.ue_answers(bench.take_post()[0])
        bench.receive(msg(1, 7, number, segment=("set-2", number, 3)), 1)
        bench.server_takes()
    bench.wait(600_000)
    assert not bench.posts and not bench.north
    assert bench.receive(SEGREC, 2) is None and bench.take_north()


@pytest.mark.parametrize("payload", [SEGREC, SEGCONFIR])
def test_what_carries_no_address_goes_to_who_sent_the_set(bench, payload):
    assert bench.receive_north(payload)[0] == coap.NOT_FOUND
    bench.receive(msg(2, 3, segment=("set-1", 1, 2)), 2)
    assert bench.receive_north(payload) is None
    assert bench.posts[0][1] == "udp://ue2"


def test_a_set_that_two_ues_of_this_gateway_exchange_is_asked_for_in_both_directions(bench):
    segment = msg(2, 3, segment=("set-1", 1, 2))
    bench.receive(segment, 2)
    bench.server_takes()
    bench.receive_north(segment)
    bench.ue_answers(bench.take_post()[0])
    assert bench.receive(SEGREC, 3) is None
    bench.server_takes()
    bench.receive_north(SEGREC)
    assert bench.take_post()[1] == "udp://ue2"


def test_of_several_ues_at_one_place_the_one_that_got_the_set_speaks(bench):
    bench.receive(msg(1), peer="udp://shared")
    bench.receive(msg(2), peer="udp://shared")
    bench.north.clear()
    bench.receive_north(msg(7, 2, segment=("set-1", 1, 2)))
    bench.receive(SEGREC, peer="udp://shared")
    assert len(bench.core.messaging.uplink._queues[ue_id(2)]) == 2


def test_the_receivers_of_sets_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(sets_module, "MAX_RECEIVED_SETS", 2)
    for number in (1, 2, 3):
        bench.receive_north(msg(7, 2, number, segment=(f"set-{number}", 1, 2)))
    assert list(bench.core.messaging._sets._received) == ["set-2", "set-3"]


@pytest.mark.clause("S0-6.1-b")
def test_msgresp_carries_the_token_of_the_message_it_answers(bench):
    bench.receive(msg(), token=b"mine")
    bench.server_takes()
    bench.receive_north(msgresp())
    assert bench.take_post()[3] == b"mine"
    bench.receive_north(msgresp(2))
    bench.receive_north(msg(7, 2))
    assert [post[3] for post in bench.posts] == [None]


@pytest.mark.parametrize("code", [coap.BAD_REQUEST, coap.UNAVAILABLE, coap.NOT_FOUND])
def test_the_ues_error_is_the_servers(bench, code):
    bench.receive_north(msg(7, 2))
    bench.ue_answers(bench.take_post()[0], code, b"why")
    assert bench.told_to(bench.last) == (code, b"why")


@pytest.mark.parametrize("payload", [msg(1, 7), imdn(1, 7), msgresp(ue=7)])
def test_a_ue_that_is_not_ours_is_4_04(bench, payload):
    assert bench.receive_north(payload)[0] == coap.NOT_FOUND
    assert not bench.posts


def test_a_ue_whose_sign_up_is_over_is_4_04(bench):
    bench.wait(3_600_000)
    assert bench.receive_north(msg(1, 2))[0] == coap.NOT_FOUND


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (msg(1, ("AS", "urn:as")), b"destAddr"),
        (b"[]", b"an object is wanted"),
        (b'{"msgType":"REG"}', b"msgType"),
        (msg().replace(SERVICE.encode(), b"urn:other"), b"not this service"),
    ],
)
def test_what_makes_no_sense_is_4_00(bench, payload, said):
    code, text = bench.receive_north(payload)
    assert code == coap.BAD_REQUEST and said in text
    assert not bench.posts


@pytest.mark.parametrize("reason", ["timeout", "reset", "no link to udp://ue2"])
def test_a_ue_that_does_not_answer_is_5_04_and_so_is_what_waits_behind(bench, reason):
    for number in (1, 2, 3):
        bench.receive_north(msg(7, 2, number))
    bench.receive_north(msg(7, 3, 4))
    assert [post[1] for post in bench.posts] == ["udp://ue2", "udp://ue3"]
    bench.ue_fails(bench.posts[0][0], reason)
    assert [code for _, code, _ in bench.told] == [coap.GATEWAY_TIMEOUT] * 3
    bench.ue_answers(bench.posts[1][0])
    assert bench.told_to(bench.last)[0] == coap.CHANGED


@pytest.mark.parametrize(("reason", "code"), [("too large", 0x8D), ("no room", 0xA3)])
def test_what_only_this_message_suffers_leaves_the_others_alone(bench, reason, code):
    bench.receive_north(msg(7, 2, 1))
    bench.receive_north(msg(7, 2, 2))
    bench.ue_fails(bench.take_post()[0], reason)
    assert [one[1] for one in bench.told] == [code]
    bench.ue_answers(bench.take_post()[0])
    assert bench.told_to(bench.last)[0] == coap.CHANGED


def test_a_link_that_is_lost_is_5_04_at_once(bench):
    bench.receive_north(msg(7, 2))
    bench.core.link_lost("udp://ue2", bench.now)
    bench.settle()
    assert bench.told_to(bench.last)[0] == coap.GATEWAY_TIMEOUT
    bench.core.link_lost("udp://ue2", bench.now)


def test_the_server_does_not_wait_longer_than_90_s(bench):
    bench.receive_north(msg(7, 2))
    bench.wait(89_999)
    assert bench.told_to(bench.last) is None
    bench.wait(1)
    assert bench.told_to(bench.last)[0] == coap.GATEWAY_TIMEOUT
    bench.ue_answers(bench.take_post()[0])
    assert len(bench.told) == 1 and bench.core.counters["late_answers"] == 1


def test_messages_to_one_ue_go_one_after_the_other(bench):
    for number in (1, 2, 3):
        bench.receive_north(msg(7, 2, number))
    order = []
    while bench.posts:
        assert len(bench.posts) == 1
        ref, _, request, _, _ = bench.take_post()
        order.append(request["msgId"])
        bench.ue_answers(ref)
    assert order == [make_id(one) for one in (1, 2, 3)]


def test_messages_to_one_ue_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(downlink_module, "MAX_DELIVERIES_OF_ONE", 2)
    got = [bench.receive_north(msg(7, 2, number)) for number in (1, 2, 3)]
    assert got[:2] == [None, None] and got[2][0] == coap.UNAVAILABLE
    assert bench.receive_north(msg(7, 3, 4)) is None


def test_messages_to_all_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(downlink_module, "MAX_DELIVERIES", 2)
    got = [bench.receive_north(msg(7, ue)) for ue in (1, 2, 3)]
    assert got[:2] == [None, None] and got[2][0] == coap.UNAVAILABLE
    bench.ue_answers(bench.take_post()[0])
    assert bench.receive_north(msg(7, 3)) is None


def test_killed_before_the_ues_answer_the_server_still_has_the_message(bench):
    bench.receive_north(msg(7, 2))
    assert not bench.told
    bench.crash()
    assert not bench.told and not bench.posts
    # The server sends it again; the UE knows it by its Message ID.
    bench.receive_north(msg(7, 2))
    bench.ue_answers(bench.take_post()[0])
    assert bench.told_to(bench.last)[0] == coap.CHANGED


def test_an_outcome_from_before_a_restart_is_nobodys(bench):
    bench.receive_north(msg(7, 2))
    ref = bench.take_post()[0]
    bench.crash()
    bench.ue_answers(ref)
    bench.ue_fails(ref)
    assert not bench.told
