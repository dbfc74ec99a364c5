"""The exchange layer, rule by rule, on bytes. Names start with the section of RFC 7252."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgin5g import coap, options
from msgin5g.coap import ACK, CHANGED, CON, CONTENT, GET, NON, POST, RST, decode, encode
from msgin5g.errors import CallerError
from msgin5g.exchange import FAILED, REQUEST, RESPONSE, Endpoint, Params

PEER = ("192.0.2.1", 5683)
OTHER = ("192.0.2.2", 5683)
JSON = [(coap.CONTENT_FORMAT, b"\x32")]


def make(known=None, longest=False, **params):
    """Return an endpoint whose random factor is the smallest (or longest) there is."""
    rng = (lambda n: n - 1) if longest else (lambda n: 0)
    return Endpoint(rng, Params(**params), known=known, first_mid=100, first_token=1)


def sent(endpoint, now):
    """Poll and return the datagrams as a list of bytes."""
    return [bytes(data) for data, _ in endpoint.poll(now)]


def one_sent(endpoint, now):
    (data,) = sent(endpoint, now)
    return decode(data)


def events(endpoint):
    listed = []
    while event := endpoint.next_event():
        listed.append(event)
    return listed


def ask(endpoint, now=0, peer=PEER, **more):
    """Send a Confirmable POST; return the exchange and the message on the wire."""
    exchange = endpoint.request(peer, POST, "msgin5g", b"{}", now, **more)
    return exchange, one_sent(endpoint, now)


def asked(endpoint, now=0, mid=7, token=b"tk", kind=CON, peer=PEER, payload=b"x"):
    """Let a request arrive; return its Incoming or None."""
    endpoint.receive(encode(kind, POST, mid, token, [(11, b"a")], payload), peer, now)
    event = endpoint.next_event()
    return event and event[1]


def follow(endpoint, until):
    """Poll at every deadline until then; return [(time, datagram)]."""
    out = []
    while (then := endpoint.next_deadline()) is not None and then <= until:
        out += [(then, data) for data in sent(endpoint, then)]
        assert endpoint.next_deadline() is None or endpoint.next_deadline() > then
    return out


# Requests of ours


@pytest.mark.clause("6.1-coap", "S0-6.1-a")
def test_rfc7252_5_1_request_on_the_wire_td_coap_core_04() -> None:
    endpoint = make()
    exchange = endpoint.request(PEER, POST, "a/b", b'{"k":1}', 0)
    ((data, peer),) = endpoint.poll(0)
    assert peer == PEER
    assert data == bytes.fromhex("44020064 00000001 b161 0162 1132 ff") + b'{"k":1}'
    assert (exchange.mid, exchange.token) == (100, b"\0\0\0\1")


@pytest.mark.parametrize("code", [GET, POST, coap.PUT, coap.DELETE])
@pytest.mark.parametrize("confirmable", [True, False])
def test_rfc7252_5_2_1_request_and_answer_td_coap_core_01_to_08(code, confirmable) -> None:
    """TD_COAP_CORE_01 to 08: each method, Confirmable and Non-confirmable."""
    client, server = make(), make()
    payload = b"" if code in (GET, coap.DELETE) else b"{}"
    exchange = client.request("s", code, "test", payload, 0, confirmable=confirmable)
    ((data, _),) = client.poll(0)
    server.receive(data, "c", 1)
    ((_, incoming),) = events(server)
    assert (incoming.message.code, incoming.message.uri_path()) == (code, "test")
    assert bytes(incoming.message.payload) == payload
    server.respond(incoming, CONTENT, b"hi", 1, content_format=0)
    ((data, _),) = server.poll(1)
    answer = decode(data)
    assert answer.type == (ACK if confirmable else NON)
    assert answer.token == exchange.token
    assert (answer.mid == exchange.mid) or not confirmable
    client.receive(data, "s", 2)
    ((kind, same, message),) = events(client)
    assert (kind, same, bytes(message.payload)) == (RESPONSE, exchange, b"hi")
    assert client.poll(2) == []
    assert client._peers.all_busy() == []


def test_rfc7252_5_3_1_empty_token_td_coap_core_12() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint, token=b"")
    assert wire.token == b""
    endpoint.receive(encode(ACK, CHANGED, wire.mid), PEER, 1)
    assert events(endpoint)[0][:2] == (RESPONSE, exchange)


def test_rfc7252_5_3_1_own_tokens_differ() -> None:
    endpoint = make(nstart=1000)
    tokens = {endpoint.request(PEER, GET, "", b"", 0).token for _ in range(1000)}
    assert len(tokens) == 1000


def test_rfc7252_4_4_given_token_and_message_id_are_used_as_they_are() -> None:
    _, wire = ask(make(), token=b"REG-tok", mid=0xBEEF)
    assert (wire.token, wire.mid) == (b"REG-tok", 0xBEEF)


def test_rfc7252_4_4_given_message_id_used_within_exchange_lifetime_is_replaced() -> None:
    endpoint = make()
    for now, mid in ((0, 500), (246_999, 100), (247_000, 500), (247_001, 101)):
        exchange, wire = ask(endpoint, now, mid=500)
        assert exchange.mid == wire.mid == mid
        endpoint.receive(encode(ACK, CHANGED, wire.mid, wire.token), PEER, now)
    assert endpoint.counters["id_replaced"] == 2
    _, wire = ask(endpoint, 247_002, peer=OTHER, mid=500)
    assert wire.mid == 500


def test_rfc7252_4_4_next_own_message_id_skips_used_ones() -> None:
    endpoint = make(nstart=9)
    mids = [ask(endpoint, mid=mid)[1].mid for mid in (None, 102, None, None, 105, 104, None, None)]
    assert mids == [100, 102, 101, 103, 105, 104, 106, 107]


def test_rfc7252_4_4_message_ids_wrap() -> None:
    endpoint = Endpoint(lambda n: 0, Params(nstart=4), first_mid=65535)
    assert [ask(endpoint)[1].mid for _ in range(3)] == [65535, 0, 1]


def test_rfc7252_4_4_a_waiting_requests_message_id_counts_from_its_transmission() -> None:
    endpoint = make(max_retransmit=0)
    ask(endpoint, 0)
    endpoint.request(PEER, POST, "", b"{}", 0, mid=500)
    assert one_sent(endpoint, 2000).mid == 500
    endpoint.poll(4000)
    assert ask(endpoint, 2000 + 246_999, mid=500)[1].mid != 500


def test_a_request_without_payload_has_no_content_format() -> None:
    endpoint = make()
    endpoint.request(PEER, GET, "a", b"", 0)
    assert one_sent(endpoint, 0).options == [(11, b"a")]


def test_ready_options_replace_path_and_format() -> None:
    endpoint = make()
    endpoint.request(PEER, POST, "", b"x", 0, options=[(3, b"h"), (11, b"p")])
    assert one_sent(endpoint, 0).options == [(3, b"h"), (11, b"p")]


@pytest.mark.parametrize("reuse", [False, True])
def test_a_request_that_fits_no_datagram_is_the_callers_error(reuse) -> None:
    endpoint = Endpoint(lambda n: 0, Params(max_datagram_bytes=100), reuse=reuse)
    with pytest.raises(CallerError):
        endpoint.request(PEER, POST, "a", bytes(100), 0)
    with pytest.raises(CallerError):
        endpoint.request(PEER, POST, "a", b"", 0, token=bytes(9))
    assert (endpoint.poll(0), endpoint.next_deadline()) == ([], None)
    ask(endpoint)


# Retransmission


@pytest.mark.parametrize(("longest", "first_ms"), [(False, 2000), (True, 3000)])
def test_rfc7252_4_2_retransmission_schedule_td_coap_core_15(longest, first_ms) -> None:
    endpoint = make(longest=longest)
    exchange, wire = ask(endpoint, 1000)
    out = follow(endpoint, 10**9)
    assert [then - 1000 for then, _ in out] == [first_ms * k for k in (1, 3, 7, 15)]
    assert {data for _, data in out} == {exchange.datagram}
    assert events(endpoint) == [(FAILED, exchange, "timeout")]
    assert endpoint.next_deadline() is None
    assert endpoint.counters["retransmissions"] == 4
    assert endpoint.counters["timeouts"] == 1


def test_rfc7252_4_8_2_max_transmit_wait() -> None:
    endpoint = make(longest=True)
    exchange, _ = ask(endpoint)
    follow(endpoint, 92_999)
    assert events(endpoint) == []
    assert endpoint.next_deadline() == 93_000
    assert sent(endpoint, 93_000) == []
    assert events(endpoint) == [(FAILED, exchange, "timeout")]


@given(st.integers(0, 2**32), st.integers(1, 10_000), st.integers(1000, 3000), st.integers(0, 6))
def test_rfc7252_4_2_random_factor_bounds(seed, timeout, permille, most) -> None:
    params = Params(ack_timeout_ms=timeout, ack_random_permille=permille, max_retransmit=most)
    endpoint = Endpoint(random.Random(seed).randrange, params)
    exchange, _ = ask(endpoint, 5)
    times = [then for then, _ in follow(endpoint, 10**12)]
    first = exchange.timeout_ms >> most
    assert timeout <= first <= timeout * permille // 1000
    assert times == [5 + first * (2**k - 1) for k in range(1, most + 1)]
    assert events(endpoint) == [(FAILED, exchange, "timeout")]


def test_rfc7252_4_2_late_poll_sends_once_and_counts_from_then() -> None:
    endpoint = make()
    ask(endpoint)
    assert len(sent(endpoint, 1_000_000)) == 1
    assert endpoint.next_deadline() == 1_004_000


def test_rfc7252_4_2_acknowledgement_ends_retransmission() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint)
    endpoint.receive(encode(ACK, 0, wire.mid), PEER, 1999)
    assert follow(endpoint, 94_998) == []
    assert events(endpoint) == []
    follow(endpoint, 94_999)
    assert events(endpoint) == [(FAILED, exchange, "timeout")]


def test_rfc7252_4_2_reset_fails_the_exchange() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint)
    endpoint.receive(encode(RST, 0, wire.mid), OTHER, 1)
    endpoint.receive(encode(RST, 0, wire.mid + 1), PEER, 1)
    assert events(endpoint) == []
    endpoint.receive(encode(RST, 0, wire.mid), PEER, 1)
    assert events(endpoint) == [(FAILED, exchange, "reset")]
    assert follow(endpoint, 10**9) == []
    endpoint.receive(encode(RST, 0, wire.mid), PEER, 2)
    assert events(endpoint) == []
    assert endpoint.counters["resets_received"] == 1


def test_rfc7252_4_3_non_confirmable_is_not_retransmitted() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint, confirmable=False)
    assert wire.type == NON
    assert follow(endpoint, 10**9) == []
    assert events(endpoint) == [(FAILED, exchange, "timeout")]


def test_rfc7252_4_3_reset_of_a_non_confirmable_request() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint, confirmable=False)
    endpoint.receive(encode(RST, 0, wire.mid), PEER, 1)
    assert events(endpoint) == [(FAILED, exchange, "reset")]


# Responses to our requests


@pytest.mark.clause("S0-6.1-a3", "S0-6.1-a4")
@pytest.mark.parametrize(
    ("mid_off", "token_off", "peer", "matches"),
    [
        (0, 0, PEER, True),
        (1, 0, PEER, False),
        (0, 1, PEER, False),
        (0, 0, OTHER, False),
    ],
)
def test_rfc7252_5_3_2_piggybacked_needs_message_id_token_and_endpoint(
    mid_off, token_off, peer, matches
) -> None:
    endpoint = make()
    exchange, wire = ask(endpoint)
    token = (int.from_bytes(wire.token, "big") + token_off).to_bytes(4, "big")
    endpoint.receive(encode(ACK, CHANGED, wire.mid + mid_off, token), peer, 1)
    got = events(endpoint)
    assert [event[:2] for event in got] == ([(RESPONSE, exchange)] if matches else [])
    assert sent(endpoint, 1) == []
    assert endpoint.counters["unmatched"] == (not matches)
    assert (endpoint.next_deadline() is None) == matches


@pytest.mark.parametrize("wrong", [b"", b"\0\0\0", b"\0\0\0\1\0", b"\0\0\0\2"])
def test_rfc7252_5_3_2_separate_response_with_the_wrong_token(wrong) -> None:
    endpoint = make()
    ask(endpoint)
    endpoint.receive(encode(CON, CHANGED, 9, wrong), PEER, 1)
    assert events(endpoint) == []
    assert sent(endpoint, 1) == [encode(RST, 0, 9)]


def test_rfc7252_5_3_2_right_token_from_the_wrong_peer() -> None:
    endpoint = make()
    _, wire = ask(endpoint)
    endpoint.receive(encode(CON, CHANGED, 9, wire.token), OTHER, 1)
    endpoint.receive(encode(NON, CHANGED, 9, wire.token), OTHER, 1)
    assert events(endpoint) == []
    assert sent(endpoint, 1) == [encode(RST, 0, 9)]
    assert endpoint.counters["unmatched"] == 2


def test_rfc7252_5_2_2_separate_response_td_coap_core_09() -> None:
    """TD_COAP_CORE_09 and 11: empty ACK, then a Confirmable response, acknowledged."""
    endpoint = make()
    exchange, wire = ask(endpoint)
    endpoint.receive(encode(ACK, 0, wire.mid), PEER, 100)
    assert sent(endpoint, 100) == []
    endpoint.receive(encode(CON, CHANGED, 9, wire.token, JSON, b"{}"), PEER, 5000)
    assert sent(endpoint, 5000) == [encode(ACK, 0, 9)]
    assert events(endpoint)[0][:2] == (RESPONSE, exchange)
    assert endpoint.next_deadline() is None


def test_rfc7252_5_2_2_response_stands_for_a_lost_acknowledgement_td_coap_core_16() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint)
    endpoint.receive(encode(CON, CHANGED, 9, wire.token), PEER, 100)
    assert events(endpoint)[0][:2] == (RESPONSE, exchange)
    assert sent(endpoint, 100) == [encode(ACK, 0, 9)]
    assert follow(endpoint, 10**9) == [], "the response ends the retransmission"
    endpoint.receive(encode(ACK, 0, wire.mid), PEER, 200)
    assert (events(endpoint), sent(endpoint, 200)) == ([], [])


def test_rfc7252_5_2_2_separate_response_as_non_confirmable() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint)
    endpoint.receive(encode(ACK, 0, wire.mid), PEER, 100)
    endpoint.receive(encode(NON, CHANGED, 9, wire.token), PEER, 200)
    assert events(endpoint)[0][:2] == (RESPONSE, exchange)
    assert sent(endpoint, 200) == []


def test_rfc7252_4_5_duplicate_separate_response_is_acknowledged_again() -> None:
    endpoint = make()
    _, wire = ask(endpoint)
    response = encode(CON, CHANGED, 9, wire.token)
    endpoint.receive(response, PEER, 100)
    assert len(events(endpoint)) == 1
    for now in (101, 247_099):
        endpoint.receive(response, PEER, now)
        assert events(endpoint) == []
    assert sent(endpoint, 247_099) == [encode(ACK, 0, 9)] * 3
    endpoint.receive(response, PEER, 247_100)
    assert sent(endpoint, 247_100) == [encode(RST, 0, 9)]


def test_rfc7252_5_2_3_duplicate_non_confirmable_response_is_ignored() -> None:
    endpoint = make()
    _, wire = ask(endpoint, confirmable=False)
    for now in (100, 101):
        endpoint.receive(encode(NON, CHANGED, 9, wire.token), PEER, now)
    assert len(events(endpoint)) == 1
    assert sent(endpoint, 101) == []


def test_rfc7252_5_2_3_confirmable_response_to_a_non_confirmable_request() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint, confirmable=False)
    endpoint.receive(encode(CON, CHANGED, 9, wire.token), PEER, 100)
    assert events(endpoint)[0][:2] == (RESPONSE, exchange)
    assert sent(endpoint, 100) == [encode(ACK, 0, 9)]


@pytest.mark.parametrize("kind", [CON, NON, ACK])
def test_rfc7252_5_4_1_critical_option_in_a_response_rejects_it(kind) -> None:
    endpoint = make()
    _, wire = ask(endpoint)
    endpoint.receive(encode(kind, CHANGED, wire.mid, wire.token, [(9, b"")]), PEER, 1)
    assert events(endpoint) == []
    assert sent(endpoint, 1) == ([encode(RST, 0, wire.mid)] if kind == CON else [])
    assert endpoint.next_deadline() == 2000


def test_rfc7252_5_4_1_elective_option_of_wrong_length_is_taken_out_of_a_response() -> None:
    endpoint = make()
    _, wire = ask(endpoint)
    options = [(12, b"\x32"), (14, bytes(5))]
    endpoint.receive(encode(ACK, CHANGED, wire.mid, wire.token, options), PEER, 1)
    assert events(endpoint)[0][2].options == JSON


@pytest.mark.parametrize("code", [0x20, 0x61, 0x7F, 0xC1, 0xFF])
def test_rfc7252_4_2_reserved_class_is_no_response(code) -> None:
    endpoint = make()
    _, wire = ask(endpoint)
    for kind in (ACK, NON, CON):
        endpoint.receive(encode(kind, code, wire.mid, wire.token), PEER, 1)
    assert events(endpoint) == []
    assert sent(endpoint, 1) == [encode(RST, 0, wire.mid)]
    assert endpoint.next_deadline() == 2000


def test_rfc7252_5_2_error_responses_are_responses() -> None:
    endpoint = make()
    for now, code in enumerate((coap.BAD_REQUEST, coap.UNAVAILABLE, 0x9F, 0xBF)):
        exchange, wire = ask(endpoint, now)
        endpoint.receive(encode(ACK, code, wire.mid, wire.token, (), b"why"), PEER, now)
        ((kind, same, message),) = events(endpoint)
        assert (kind, same, message.code) == (RESPONSE, exchange, code)


# Rejection


def test_rfc7252_4_3_ping_is_answered_by_reset_td_coap_core_31() -> None:
    endpoint = make()
    for _ in range(2):
        endpoint.receive(encode(CON, 0, 0x1234), PEER, 0)
    assert sent(endpoint, 0) == [b"\x70\x00\x12\x34"] * 2
    assert endpoint.counters["pings"] == 2
    assert endpoint.peer_count() == 0


def test_rfc7252_4_2_unmatched_confirmable_response_is_reset() -> None:
    endpoint = make()
    endpoint.receive(encode(CON, CONTENT, 5, b"?"), PEER, 0)
    assert sent(endpoint, 0) == [encode(RST, 0, 5)]
    assert endpoint.peer_count() == 0


@pytest.mark.parametrize("kind", [NON, ACK, RST])
def test_rfc7252_4_3_other_unmatched_responses_are_ignored(kind) -> None:
    endpoint = make()
    endpoint.receive(encode(kind, CONTENT, 5, b"?"), PEER, 0)
    assert (sent(endpoint, 0), events(endpoint)) == ([], [])


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=20), st.booleans(), st.booleans())
def test_rfc7252_4_2_arbitrary_bytes_never_raise(datagrams, reuse, open_request) -> None:
    rng = random.Random(1).randrange
    params = Params(remembered_ids=2, max_held=3, max_peers=2)
    endpoint = Endpoint(rng, params, reuse=reuse)
    if open_request:
        endpoint.request(PEER, POST, "a", b"{}", 0)
    for now, data in enumerate(datagrams):
        endpoint.receive(memoryview(data) if reuse else data, PEER, now)
    endpoint.poll(len(datagrams))
    events(endpoint)
    endpoint.poll(10**6)
    assert endpoint.counters["received"] == len(datagrams)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from((0, 1, 2, 0x44, 0x84, 0x60, 0xE1)),
            st.integers(0, 3),
            st.sampled_from((b"", b"\0\0\0\1", b"t")),
            st.lists(st.integers(0, 70).map(lambda n: (n, b"v")), max_size=3).map(sorted),
            st.sampled_from((b"", b"p")),
        ),
        max_size=20,
    )
)
def test_rfc7252_4_any_order_of_messages_never_raises(messages) -> None:
    endpoint = Endpoint(lambda n: 0, first_mid=1, first_token=1)
    endpoint.request(PEER, POST, "a", b"{}", 0)
    outcomes = Counter()
    for now, fields in enumerate(messages):
        endpoint.receive(encode(*fields), PEER, now)
        for event in events(endpoint):
            outcomes[event[0]] += 1
            if event[0] == REQUEST:
                endpoint.respond(event[1], CHANGED, b"{}", now)
        endpoint.poll(now)
    follow(endpoint, 10**9)
    outcomes.update(event[0] for event in events(endpoint))
    assert outcomes[RESPONSE] + outcomes[FAILED] == 1


# Requests of peers


@pytest.mark.clause("S0-6.1-a2", "S0-6.1-a3", "S0-6.1-a4", "6.1-coap")
def test_rfc7252_5_2_1_answer_is_piggybacked_td_coap_core_10() -> None:
    endpoint = make()
    incoming = asked(endpoint, mid=0x1234, token=b"\xa1\xa2")
    assert (incoming.peer, incoming.message.uri_path()) == (PEER, "a")
    endpoint.respond(incoming, CHANGED, b"{}", 7999)
    assert sent(endpoint, 7999) == [bytes.fromhex("62441234 a1a2 c132 ff 7b7d")]
    assert follow(endpoint, 10**9) == []


def test_an_answer_without_payload_has_no_options() -> None:
    endpoint = make()
    endpoint.respond(asked(endpoint, token=b""), CHANGED, b"", 0)
    assert sent(endpoint, 0) == [b"\x60\x44\x00\x07"]


def test_rfc7252_5_2_3_non_confirmable_request_gets_a_non_confirmable_answer() -> None:
    endpoint = make()
    incoming = asked(endpoint, kind=NON)
    assert endpoint.next_deadline() is None, "nothing to acknowledge"
    endpoint.respond(incoming, CHANGED, b"{}", 60_000)
    assert sent(endpoint, 60_000) == [encode(NON, CHANGED, 100, b"tk", JSON, b"{}")]
    assert endpoint.next_deadline() is None


@pytest.mark.clause("S0-6.1-a2", "S0-6.1-a3")
def test_rfc7252_4_5_duplicate_gets_the_same_bytes_again() -> None:
    endpoint = make()
    endpoint.respond(asked(endpoint), CHANGED, b'{"n":1}', 0)
    (first,) = sent(endpoint, 0)
    for now in (1, 100_000, 246_999):
        assert asked(endpoint, now) is None
        assert sent(endpoint, now) == [first]
    assert endpoint.counters["duplicates"] == 3


def test_rfc7252_4_5_same_message_id_of_another_peer_is_no_duplicate() -> None:
    endpoint = make()
    assert asked(endpoint) is not None
    assert asked(endpoint, peer=OTHER) is not None


@pytest.mark.parametrize(("kind", "lifetime"), [(CON, 247_000), (NON, 145_000)])
def test_rfc7252_4_8_2_duplicates_are_known_for_the_lifetime(kind, lifetime) -> None:
    endpoint = make()
    assert asked(endpoint, 0, kind=kind) is not None
    assert asked(endpoint, lifetime - 1, kind=kind) is None
    assert asked(endpoint, lifetime, kind=kind) is not None
    assert asked(endpoint, lifetime + 1, kind=kind) is None


def test_rfc7252_4_5_duplicate_of_a_request_in_progress_is_absorbed() -> None:
    endpoint = make()
    incoming = asked(endpoint)
    for now in (2000, 6000):
        assert asked(endpoint, now) is None
        assert sent(endpoint, now) == []
    endpoint.respond(incoming, CHANGED, b"", 6001)
    assert sent(endpoint, 6001) == [encode(ACK, CHANGED, 7, b"tk")]


def test_rfc7252_4_5_duplicate_non_confirmable_request_is_ignored() -> None:
    endpoint = make()
    endpoint.respond(asked(endpoint, kind=NON), CHANGED, b"", 0)
    assert len(sent(endpoint, 0)) == 1
    assert asked(endpoint, 1, kind=NON) is None
    assert sent(endpoint, 1) == []


@pytest.mark.parametrize("limit", [1, 8])
def test_rfc7252_4_5_remembered_ids_are_bounded_per_peer(limit) -> None:
    endpoint = make(remembered_ids=limit)
    for mid in range(100):
        assert asked(endpoint, mid, mid=mid) is not None
        assert len(endpoint._peers.find_state(PEER).seen) <= limit
    for mid in range(100 - limit, 100):
        assert asked(endpoint, 100, mid=mid) is None
    assert asked(endpoint, 100, mid=99 - limit) is not None


def test_rfc7252_4_4_more_than_65536_requests_of_one_peer_within_247_s() -> None:
    """Message IDs come round within EXCHANGE_LIFETIME; none is taken for a duplicate."""
    endpoint = make()
    count = 0
    for number in range(70_000):
        now = number * 3
        incoming = asked(endpoint, now, mid=number & 65535)
        count += incoming is not None
        endpoint.respond(incoming, CHANGED, b"", now)
        assert len(sent(endpoint, now)) == 1
    assert (count, endpoint.counters["duplicates"]) == (70_000, 0)
    assert endpoint.peer_count() == 1
    assert len(endpoint._peers.find_state(PEER).seen) == endpoint.params.remembered_ids


def test_rfc7252_4_4_more_than_65536_own_requests_within_247_s() -> None:
    endpoint = make()
    for number in range(66_000):
        now = number * 3
        _, wire = ask(endpoint, now)
        assert wire.mid == 100 + number & 65535
        endpoint.receive(encode(ACK, CHANGED, wire.mid, wire.token), PEER, now)
        assert [event[0] for event in events(endpoint)] == [RESPONSE]


def test_peers_are_bounded_and_counted() -> None:
    endpoint = make(max_peers=100)
    for number in range(1000):
        endpoint.respond(asked(endpoint, number, peer=number), CHANGED, b"", number)
        assert endpoint.peer_count() <= 100
    assert endpoint.counters["peers_forgotten"] == 1000 - endpoint.peer_count()
    assert asked(endpoint, 1000, peer=999) is None
    assert asked(endpoint, 1000, peer=0) is not None


def test_a_peer_with_an_open_request_is_not_forgotten() -> None:
    endpoint = make(max_peers=10)
    exchange, wire = ask(endpoint)
    for number in range(1000):
        asked(endpoint, 1, peer=number)
    endpoint.receive(encode(ACK, CHANGED, wire.mid, wire.token), PEER, 1)
    assert events(endpoint)[-1][:2] == (RESPONSE, exchange)


# Separate responses of ours


def test_rfc7252_5_2_2_empty_acknowledgement_then_separate_answer_td_coap_core_11() -> None:
    endpoint = make()
    incoming = asked(endpoint)
    assert (sent(endpoint, 0), endpoint.next_deadline()) == ([], 8000)
    assert sent(endpoint, 7999) == []
    assert sent(endpoint, 8000) == [encode(ACK, 0, 7)]
    assert asked(endpoint, 9000) is None
    assert sent(endpoint, 9000) == [encode(ACK, 0, 7)], "the duplicate gets the same"
    endpoint.respond(incoming, CHANGED, b"{}", 10_000)
    separate = encode(CON, CHANGED, 100, b"tk", JSON, b"{}")
    assert sent(endpoint, 10_000) == [separate]
    assert follow(endpoint, 16_000) == [(12_000, separate), (16_000, separate)]
    endpoint.receive(encode(ACK, 0, 100), PEER, 16_001)
    assert endpoint._peers.all_busy() == []
    assert (follow(endpoint, 10**9), events(endpoint)) == ([], [])
    assert endpoint.counters["separate"] == 1


@pytest.mark.parametrize("reset", [True, False])
def test_rfc7252_5_2_2_separate_answer_reset_or_never_acknowledged(reset) -> None:
    endpoint = make()
    incoming = asked(endpoint)
    endpoint.poll(0)
    endpoint.poll(8000)
    endpoint.respond(incoming, CHANGED, b"", 9000)
    endpoint.poll(9000)
    if reset:
        endpoint.receive(encode(RST, 0, 100), PEER, 9001)
    assert len(follow(endpoint, 10**9)) == (0 if reset else 4)
    assert events(endpoint) == [], "answers have no outcome"
    assert endpoint._peers.all_busy() == []


def test_rfc7252_5_2_2_separate_answer_as_the_other_side_sees_it() -> None:
    client, server = make(), make()
    exchange, wire = ask(client)
    server.receive(exchange.datagram, "c", 0)
    ((_, incoming),) = events(server)
    server.poll(0)
    (ack,) = sent(server, 8000)
    client.receive(ack, PEER, 8000)
    assert follow(client, 90_000) == []
    server.respond(incoming, CHANGED, b"{}", 90_000)
    (answer,) = sent(server, 90_000)
    client.receive(answer, PEER, 90_000)
    assert events(client)[0][:2] == (RESPONSE, exchange)
    (ack,) = sent(client, 90_000)
    server.receive(ack, "c", 90_000)
    assert (follow(server, 10**9), follow(client, 10**9)) == ([], [])


def test_rfc7252_5_3_2_a_response_never_matches_a_response() -> None:
    endpoint = make(separate_after_ms=0)
    incoming = asked(endpoint)
    endpoint.poll(0)
    endpoint.respond(incoming, CHANGED, b"", 1)
    endpoint.poll(1)
    endpoint.receive(encode(CON, CHANGED, 9, b"tk"), PEER, 2)
    assert events(endpoint) == []
    assert sent(endpoint, 2) == [encode(RST, 0, 9)]


def test_rfc7252_5_2_2_a_held_request_is_acknowledged_although_ours_has_ended() -> None:
    endpoint = make()
    asked(endpoint)
    _, wire = ask(endpoint)
    endpoint.receive(encode(ACK, CHANGED, wire.mid, wire.token), PEER, 1)
    assert [data for _, data in follow(endpoint, 8000)] == [encode(ACK, 0, 7)]


def test_held_requests_are_bounded_by_5_03() -> None:
    endpoint = make(max_held=3)
    incoming = [asked(endpoint, mid=mid) for mid in range(3)]
    assert None not in incoming
    endpoint.poll(0)
    for mid, poll in ((10, True), (11, False), (12, True)):
        assert asked(endpoint, mid=mid, token=b"n") is None
        if poll:
            assert all(decode(data).code == coap.UNAVAILABLE for data in sent(endpoint, 0))
    assert endpoint.counters["no_room"] == 3
    assert asked(endpoint, 1, mid=10) is None
    assert one_sent(endpoint, 1).code == coap.UNAVAILABLE, "the duplicate too"
    endpoint.respond(incoming[1], CHANGED, b"", 2)
    assert asked(endpoint, 2, mid=20) is not None
    assert asked(endpoint, 2, mid=21) is None


def test_held_requests_are_bounded_between_two_polls() -> None:
    endpoint = make(max_held=3)
    assert [asked(endpoint, mid=mid) is None for mid in range(5)] == [False] * 3 + [True] * 2
    endpoint = make(max_held=3)
    for mid in range(50):
        endpoint.respond(asked(endpoint, mid=mid), CHANGED, b"", 0)
    assert endpoint.counters["no_room"] == 0


def test_rfc7252_5_9_2_9_oversize_is_4_13_with_size1() -> None:
    endpoint = make(max_datagram_bytes=64)
    data = encode(CON, POST, 7, b"tok", [(11, b"a")], bytes(64))
    endpoint.receive(data, PEER, 0)
    assert events(endpoint) == []
    answer = one_sent(endpoint, 0)
    assert (answer.type, answer.code, answer.mid) == (ACK, coap.TOO_LARGE, 7)
    assert (answer.token, answer.uint(coap.SIZE1)) == (b"tok", 64)
    assert endpoint.peer_count() == 0
    assert endpoint.counters["oversize"] == 1


def test_rfc7252_5_4_1_bad_option_names_the_option() -> None:
    endpoint = make()
    endpoint.receive(encode(CON, POST, 7, b"tok", [(9, b"a")]), PEER, 0)
    answer = one_sent(endpoint, 0)
    assert (answer.type, answer.code, answer.mid) == (ACK, coap.BAD_OPTION, 7)
    assert (answer.token, answer.options) == (b"tok", [])
    assert answer.payload == b"option 9 is not supported"
    assert events(endpoint) == []


def test_rfc7252_5_4_1_application_options_are_recognised_where_known() -> None:
    endpoint = make(known={**options.PLAIN, 23: options.rule(0, 3)})
    endpoint.receive(encode(CON, GET, 7, b"", [(23, b"\6")]), PEER, 0)
    assert [event[0] for event in events(endpoint)] == [REQUEST]


# NSTART, queue, cancel


@pytest.mark.parametrize("nstart", [1, 3])
def test_rfc7252_4_7_nstart_per_peer(nstart) -> None:
    endpoint = make(nstart=nstart)
    exchanges = [endpoint.request(PEER, POST, "", b"%d" % n, 0) for n in range(5)]
    endpoint.request(OTHER, POST, "", b"{}", 0)
    payloads = [decode(data).payload for data in sent(endpoint, 0)]
    assert payloads == [b"%d" % n for n in range(nstart)] + [b"{}"]
    for number, exchange in enumerate(exchanges):
        endpoint.receive(encode(ACK, CHANGED, exchange.mid, exchange.token), PEER, 1)
        following = [decode(data).payload for data in sent(endpoint, 1)]
        assert following == ([b"%d" % (number + nstart)] if number + nstart < 5 else [])
    assert [event[1] for event in events(endpoint)] == exchanges


def test_rfc7252_4_7_next_starts_after_timeout_and_reset() -> None:
    endpoint = make(max_retransmit=0)
    first, second, third = (endpoint.request(PEER, POST, "", b"{}", 0) for _ in range(3))
    assert len(sent(endpoint, 0)) == 1
    assert one_sent(endpoint, 2000).mid == second.mid
    assert endpoint.next_deadline() == 4000
    endpoint.receive(encode(RST, 0, second.mid), PEER, 2001)
    assert one_sent(endpoint, 2001).mid == third.mid
    assert [event[2] for event in events(endpoint)] == ["timeout", "reset"]


def test_max_waiting_is_no_room() -> None:
    endpoint = make(max_waiting=2)
    exchanges = [endpoint.request(PEER, POST, "", b"{}", 0, context=n) for n in range(5)]
    assert events(endpoint) == [(FAILED, one, "no room") for one in exchanges[3:]]
    assert endpoint.counters["no_room"] == 2
    assert len(sent(endpoint, 0)) == 1
    assert [one.context for one in exchanges] == [0, 1, 2, 3, 4]


def test_cancel_an_open_request() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint)
    endpoint.cancel(exchange)
    assert follow(endpoint, 10**9) == []
    endpoint.receive(encode(CON, CHANGED, 9, wire.token), PEER, 1)
    assert sent(endpoint, 1) == [encode(RST, 0, 9)]
    assert events(endpoint) == []
    endpoint.cancel(exchange)


def test_cancel_an_open_request_starts_the_waiting_one() -> None:
    endpoint = make()
    first, second, third = (endpoint.request(PEER, POST, "", b"{}", 0) for _ in range(3))
    endpoint.poll(0)
    endpoint.cancel(second)
    endpoint.cancel(first)
    assert endpoint.next_deadline() <= 5
    assert one_sent(endpoint, 5).mid == third.mid
    assert endpoint.next_deadline() == 2005
    assert events(endpoint) == []


def test_cancel_takes_back_an_event() -> None:
    endpoint = make(max_waiting=0)
    first, second = (endpoint.request(PEER, POST, "", b"{}", 0) for _ in range(2))
    endpoint.receive(encode(ACK, CHANGED, first.mid, first.token), PEER, 1)
    endpoint.cancel(second)
    endpoint.cancel(first)
    assert events(endpoint) == []


# Time


def test_next_deadline_state_by_state() -> None:
    endpoint = make()
    assert endpoint.next_deadline() is None
    _, wire = ask(endpoint, 10)
    assert endpoint.next_deadline() == 2010
    endpoint.receive(encode(ACK, 0, wire.mid), PEER, 1000)
    endpoint.poll(2010)
    assert endpoint.next_deadline() == 94_000
    incoming = asked(endpoint, 3000)
    assert endpoint.next_deadline() == 0, "whether it is answered at once shows at the poll"
    endpoint.poll(3000)
    assert endpoint.next_deadline() == 11_000
    endpoint.respond(incoming, CHANGED, b"", 4000)
    assert endpoint.next_deadline() == 0, "there is something to send"


class Twin:
    """An endpoint with a log of all that comes out of it, and when."""

    def __init__(self, seed):
        params = Params(
            ack_timeout_ms=20,
            response_wait_ms=300,
            separate_after_ms=40,
            nstart=2,
            max_waiting=3,
            remembered_ids=3,
            max_held=4,
            max_peers=4,
        )
        self.endpoint = Endpoint(random.Random(seed).randrange, params, first_mid=1, first_token=1)
        self.open = []
        self.exchanges = []
        self.log = []

    def poll(self, now):
        self.log += [(now, bytes(data), peer) for data, peer in self.endpoint.poll(now)]
        for event in events(self.endpoint):
            if event[0] == REQUEST:
                self.open.append(event[1])
                self.log.append((now, REQUEST, event[1].mid))
            else:
                self.log.append((now, event[0], event[1].token, event[-1].__class__))

    def act(self, op, pick, now):
        endpoint = self.endpoint
        peer = pick % 3
        if op == "request":
            exchange = endpoint.request(peer, POST, "a", b"{}", now, confirmable=pick % 5 > 0)
            self.exchanges.append(exchange)
        elif op == "receive":
            endpoint.receive(encode(CON if pick % 4 else NON, POST, pick % 7, b"t"), peer, now)
        elif op == "respond" and self.open:
            endpoint.respond(self.open.pop(pick % len(self.open)), CHANGED, b"x", now)
        elif self.exchanges:
            exchange = self.exchanges[pick % len(self.exchanges)]
            mid, token, peer = exchange.mid, exchange.token, exchange.peer
            if op == "ack":
                endpoint.receive(encode(ACK, 0, mid), peer, now)
            elif op == "reset":
                endpoint.receive(encode(RST, 0, mid), peer, now)
            elif op == "answer":
                endpoint.receive(encode(pick % 3, CHANGED, mid, token), peer, now)
            elif op == "cancel":
                endpoint.cancel(exchange)
        self.poll(now)


OPS = ("request", "receive", "respond", "ack", "reset", "answer", "cancel")


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 999),
    st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 59), st.integers(0, 90)), max_size=30),
)
def test_polling_at_the_deadlines_is_as_good_as_polling_every_millisecond(seed, ops) -> None:
    lazy, eager = Twin(seed), Twin(seed)
    now = 0
    for op, pick, wait in (*ops, ("ack", 0, 2000)):
        lazy.act(op, pick, now)
        eager.act(op, pick, now)
        assert lazy.log == eager.log
        until = now + wait
        while (then := lazy.endpoint.next_deadline()) is not None and then <= until:
            assert then >= now, "a poll at the deadline leaves nothing due"
            lazy.poll(then)
            now = then + 1
        for then in range(until - wait + 1, until + 1):
            eager.poll(then)
        assert lazy.log == eager.log
        now = until
    assert lazy.endpoint.next_deadline() is None or lazy.open
    assert lazy.endpoint.counters == eager.endpoint.counters


def test_many_busy_peers_are_looked_at_in_steps_of_50_ms() -> None:
    endpoint = make()
    for peer in range(200):
        endpoint.request(peer, POST, "", b"{}", peer)
    endpoint.poll(200)
    polls, late = 0, 0
    count = Counter()
    while (then := endpoint.next_deadline()) is not None and then < 2400:
        polls += 1
        for data, peer in endpoint.poll(then):
            count[peer] += 1
            late = max(late, then - (2000 + peer))
            assert then >= 2000 + peer, decode(bytes(data))
    assert set(count.values()) == {1} and len(count) == 200
    assert late <= 50
    assert polls <= 10


def test_few_busy_peers_are_served_to_the_millisecond() -> None:
    endpoint = make()
    for peer in range(64):
        endpoint.request(peer, POST, "", b"{}", peer)
    endpoint.poll(64)
    assert [then for then, _ in follow(endpoint, 2063)] == list(range(2000, 2064))


# Reuse of buffers on a board


def test_reuse_a_steady_exchange_uses_one_buffer() -> None:
    endpoint = Endpoint(lambda n: 0, Params(max_datagram_bytes=256), first_mid=1, reuse=True)
    plain = Endpoint(lambda n: 0, Params(max_datagram_bytes=256), first_mid=1, first_token=0)
    buffers = set()
    for now in range(20):
        exchange = endpoint.request(PEER, POST, "a", b"%d" % now, now)
        (data,) = sent(endpoint, now)
        other = plain.request(PEER, POST, "a", b"%d" % now, now)
        assert [data] == sent(plain, now)
        buffers.add(id(exchange.buffer))
        answer = memoryview(encode(ACK, CHANGED, exchange.mid, exchange.token, JSON, b"{}"))
        endpoint.receive(answer, PEER, now)
        plain.receive(bytes(answer), PEER, now)
        ((kind, same, message),) = events(endpoint)
        assert (kind, same, bytes(message.payload)) == (RESPONSE, exchange, b"{}")
        assert events(plain)[0][1] is other
    assert len(buffers) == 1


def test_reuse_waiting_requests_have_buffers_of_their_own() -> None:
    endpoint = Endpoint(lambda n: 0, Params(max_datagram_bytes=256), first_mid=1, reuse=True)
    exchanges = [endpoint.request(PEER, POST, "a", b"%d" % n, 0) for n in range(3)]
    for number, exchange in enumerate(exchanges):
        (data,) = sent(endpoint, number)
        assert decode(data).payload == b"%d" % number
        endpoint.receive(encode(ACK, CHANGED, exchange.mid, exchange.token), PEER, number)


def test_counters_tell_what_happened() -> None:
    endpoint = make()
    exchange, wire = ask(endpoint)
    endpoint.receive(b"", PEER, 0)
    endpoint.receive(encode(CON, GET, 1)[:3] + b"\1\xff", PEER, 0)
    endpoint.receive(encode(ACK, GET, 1), PEER, 0)
    endpoint.receive(encode(CON, CHANGED, 2, b"no"), PEER, 0)
    endpoint.receive(encode(ACK, CHANGED, wire.mid, wire.token), PEER, 0)
    endpoint.poll(0)
    moved = {name: value for name, value in endpoint.counters.items() if value}
    assert moved == {
        "received": 5,
        "sent": 3,
        "malformed": 1,
        "ignored": 2,
        "resets_sent": 2,
        "unmatched": 1,
    }


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("msgin5g", [(11, b"msgin5g"), (12, b"\x32")]),
        ("a/b", [(11, b"a"), (11, b"b"), (12, b"\x32")]),
        ("", [(12, b"\x32")]),
    ],
)
def test_a_request_with_a_payload_says_that_it_is_json(path, options) -> None:
    endpoint = make(nstart=3)
    for _ in range(2):
        endpoint.request(PEER, POST, path, b"{}", 0)
        assert decode(bytes(endpoint.poll(0)[0][0])).options == options
    assert list(endpoint._encoded) == [path]
    endpoint.request(PEER, coap.GET, path, b"", 0)
    assert decode(bytes(endpoint.poll(0)[0][0])).options == options[:-1]


def test_encoded_paths_are_kept_up_to_a_limit() -> None:
    endpoint = make(nstart=1000)
    for number in range(1000):
        endpoint.request(PEER, POST, f"p{number}", b"{}", 0)
        assert decode(bytes(endpoint.poll(0)[0][0])).options[0] == (11, b"p%d" % number)
    assert len(endpoint._encoded) <= 8
