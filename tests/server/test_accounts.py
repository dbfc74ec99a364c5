"""Who may speak for whom: "gateway B cannot register or send as a UE of gateway A"."""

import pytest

from msgin5g import gaps
from msgin5g_server.accounts import Accounts
from msgin5g_server.registry import Registration, Registry

A, B = "urn:example:gw:a", "urn:example:gw:b"
FREE, OF_A = "urn:example:ue:free", "urn:example:ue:a"
AT_A, AT_B = "10.0.0.1:5000", "10.0.0.2:5000"


@pytest.fixture
def registry(tmp_path):
    made = Registry(str(tmp_path))
    yield made
    made.close()


def accounts(registry, is_open=False, at_a=None, at_b=None):
    rows = [
        {"ue_service_id": A, "gateway": None},
        {"ue_service_id": B, "gateway": None},
        {"ue_service_id": FREE, "gateway": None},
        {"ue_service_id": OF_A, "gateway": A},
        {"ue_service_id": "urn:example:ue:b", "gateway": B},
    ]
    made = Accounts(rows, is_open, registry)
    for gateway, where in ((A, at_a), (B, at_b)):
        if where:
            registry.put(gateway, Registration("", where, None, 0, 0, 1 << 60))
            made.registered(gateway, where)
    return made


def test_an_unknown_ue_is_refused_unless_the_server_is_open(registry):
    assert accounts(registry).refuse("urn:x:1", AT_A, None, False) == gaps.CAUSE_UNKNOWN_UE
    assert accounts(registry, is_open=True).refuse("urn:x:1", AT_A, None, False) == ""


def test_a_ue_without_a_gateway_comes_any_way(registry):
    made = accounts(registry, at_a=AT_A, at_b=AT_B)
    assert made.refuse(FREE, "9.9.9.9:1", None, False) == ""
    assert made.refuse(FREE, AT_B, B, True) == ""


@pytest.mark.parametrize(
    ("source", "claimed", "at_a", "at_b", "allowed"),
    [
        (AT_A, A, AT_A, AT_B, True),
        ("10.0.0.1:6000", A, AT_A, AT_B, True),  # restarted: another port of the same host
        (AT_B, B, AT_A, AT_B, False),  # the other gateway, by its own name
        (AT_B, A, AT_A, AT_B, False),  # the other gateway, lying
        ("10.0.0.2:6000", A, AT_A, AT_B, False),  # lying from a fresh port
        (AT_A, A, None, None, True),  # A is not registered, nothing contradicts it
        (AT_A, None, AT_A, None, False),  # a bulk request that does not say who speaks
    ],
)
def test_a_bulk_request_for_a_ue_of_gateway_a(registry, source, claimed, at_a, at_b, allowed):
    made = accounts(registry, at_a=at_a, at_b=at_b)
    cause = made.refuse(OF_A, source, claimed, True)
    assert cause == ("" if allowed else gaps.CAUSE_NOT_AUTHORISED_GATEWAY)


@pytest.mark.parametrize(
    ("source", "at_a", "at_b", "allowed"),
    [
        (AT_A, AT_A, AT_B, True),  # urgent, forwarded by A
        ("10.0.0.1:6000", AT_A, AT_B, True),
        (AT_B, AT_A, AT_B, False),
        ("10.0.0.1:7000", AT_A, "10.0.0.1:7000", False),  # B lives on the same host
        ("9.9.9.9:1", AT_A, AT_B, False),
        (AT_A, None, None, False),
    ],
)
def test_a_single_request_of_a_ue_of_gateway_a(registry, source, at_a, at_b, allowed):
    cause = accounts(registry, at_a=at_a, at_b=at_b).refuse(OF_A, source, None, False)
    assert bool(cause) is not allowed


def test_a_bulk_request_needs_a_known_gateway_at_its_own_place(registry):
    made = accounts(registry, at_a=AT_A, at_b=AT_B)
    assert made.refuse_gateway(A, AT_A) == ""
    assert made.refuse_gateway("urn:x:gw", AT_A) == gaps.CAUSE_UNKNOWN_GATEWAY
    assert made.refuse_gateway(A, AT_B) == gaps.CAUSE_NOT_AUTHORISED_GATEWAY


def test_a_gateway_that_left_is_nobody_any_more(registry):
    made = accounts(registry, at_a=AT_A, at_b=AT_B)
    made.ended(B)
    assert made.speaker(AT_B) == "" and made.speaker(AT_A) == A


def test_where_gateways_speak_from_is_known_after_a_restart(registry):
    accounts(registry, at_a=AT_A)
    assert accounts(registry).speaker(AT_A) == A


# Several gateways that register, move, leave and take each other's place

G1, G2, G3 = "urn:example:gw:1", "urn:example:gw:2", "urn:example:gw:3"
BEHIND_1, BEHIND_2, FREE, STRANGER = (f"urn:example:ue:{number}" for number in range(1, 5))
ROWS = [
    {"ue_service_id": G1, "gateway": None},
    {"ue_service_id": G2, "gateway": None},
    {"ue_service_id": G3, "gateway": None},
    {"ue_service_id": BEHIND_1, "gateway": G1},
    {"ue_service_id": BEHIND_2, "gateway": G2},
    {"ue_service_id": FREE, "gateway": None},
]
AT_1, AT_2, MOVED_1, ELSEWHERE = "10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.1:4999", "10.9.9.9:7"
NOT_YOURS, ONLY_THROUGH = gaps.CAUSE_NOT_AUTHORISED_GATEWAY, gaps.CAUSE_ONLY_THROUGH_GATEWAY


@pytest.fixture
def who(registry):
    return Accounts(ROWS, False, registry)


def register(who, registry, ue, peer, via="", now=0):
    registry.put(ue, Registration(via, peer, None, now, now, now + 60_000))
    who.registered(ue, peer)


def bulk(who, ue, claimed, source):
    return who.refuse_gateway(claimed, source) or who.refuse(ue, source, claimed, True)


def direct(who, ue, source):
    return who.refuse(ue, source, None, False)


def test_in_an_open_server_an_account_keeps_its_gateway(who, registry):
    assert direct(who, STRANGER, ELSEWHERE) == gaps.CAUSE_UNKNOWN_UE
    assert bulk(who, STRANGER, G1, AT_1) == gaps.CAUSE_UNKNOWN_UE
    lab = Accounts(ROWS, True, registry)
    assert direct(lab, STRANGER, ELSEWHERE) == ""
    assert bulk(lab, STRANGER, STRANGER, ELSEWHERE) == ""
    assert direct(lab, BEHIND_1, ELSEWHERE) == ONLY_THROUGH


def test_an_account_without_gateway_may_come_any_way(who):
    assert direct(who, FREE, ELSEWHERE) == ""
    assert bulk(who, FREE, G1, ELSEWHERE) == ""
    assert bulk(who, FREE, None, ELSEWHERE) == ""


def test_a_bulk_request_must_come_from_the_gateway_of_the_account(who):
    assert bulk(who, BEHIND_1, G1, ELSEWHERE) == ""
    assert bulk(who, BEHIND_1, G2, ELSEWHERE) == NOT_YOURS
    assert bulk(who, BEHIND_1, None, ELSEWHERE) == NOT_YOURS
    assert bulk(who, FREE, STRANGER, ELSEWHERE) == gaps.CAUSE_UNKNOWN_GATEWAY


def test_the_endpoint_of_another_gateway_speaks_for_that_gateway_only(who, registry):
    register(who, registry, G2, AT_2)
    for registered in (False, True):
        if registered:
            register(who, registry, G1, AT_1)
        assert bulk(who, BEHIND_1, G1, AT_2) == NOT_YOURS
        assert who.refuse(BEHIND_1, AT_2, G1, True) == NOT_YOURS
        assert direct(who, BEHIND_1, AT_2) == ONLY_THROUGH
    assert bulk(who, BEHIND_2, G2, AT_2) == ""


@pytest.mark.parametrize(
    ("source", "in_bulk", "alone"),
    [
        (AT_1, "", ""),
        (MOVED_1, "", ""),
        (ELSEWHERE, NOT_YOURS, ONLY_THROUGH),
        ("10.0.0.11:4000", NOT_YOURS, ONLY_THROUGH),
        ("[fd00::1]:4000", NOT_YOURS, ONLY_THROUGH),
    ],
)
def test_the_host_of_a_registered_gateway_counts_not_its_port(
    who, registry, source, in_bulk, alone
):
    register(who, registry, G1, AT_1)
    assert bulk(who, BEHIND_1, G1, source) == in_bulk
    assert direct(who, BEHIND_1, source) == alone


def test_two_gateways_on_one_host_are_kept_apart_by_their_ports(who, registry):
    register(who, registry, G1, "10.0.0.1:1")
    register(who, registry, G2, "10.0.0.1:2")
    assert direct(who, BEHIND_1, "10.0.0.1:1") == ""
    assert direct(who, BEHIND_1, "10.0.0.1:2") == ONLY_THROUGH
    assert direct(who, BEHIND_1, "10.0.0.1:3") == ""


def test_a_gateway_that_moved_or_left_is_no_longer_at_its_old_endpoint(who, registry):
    register(who, registry, G1, AT_1)
    register(who, registry, G1, AT_2)
    assert direct(who, BEHIND_1, AT_1) == ONLY_THROUGH
    assert direct(who, BEHIND_1, AT_2) == ""
    registry.remove(G1)
    who.ended(G1)
    assert bulk(who, BEHIND_2, G2, AT_2) == ""
    assert direct(who, BEHIND_1, AT_2) == ONLY_THROUGH


def test_the_last_gateway_to_register_at_an_endpoint_is_the_one_there(who, registry):
    register(who, registry, G1, AT_1)
    register(who, registry, G2, AT_1)
    assert bulk(who, BEHIND_1, G1, AT_1) == NOT_YOURS
    assert bulk(who, BEHIND_2, G2, AT_1) == ""
    who.ended(G1)
    assert bulk(who, BEHIND_1, G1, AT_1) == NOT_YOURS


def test_a_bulk_request_shows_who_is_a_gateway_until_its_registration_ends(who, registry):
    register(who, registry, G3, AT_2)
    assert bulk(who, BEHIND_1, G1, AT_2) == ""
    who.spoke_bulk(G3, ELSEWHERE)
    assert bulk(who, BEHIND_1, G1, AT_2) == ""
    who.spoke_bulk(G3, AT_2)
    assert bulk(who, BEHIND_1, G1, AT_2) == NOT_YOURS
    registry.remove(G3)
    who.ended(G3)
    assert bulk(who, BEHIND_1, G1, AT_2) == ""
    register(who, registry, G3, AT_2)
    assert bulk(who, BEHIND_1, G1, AT_2) == "", "what it showed ended with it"


def test_a_bulk_request_makes_no_gateway_of_a_ue_behind_another_one(who, registry):
    register(who, registry, FREE, AT_2, via=G2)
    who.spoke_bulk(FREE, AT_2)
    who.spoke_bulk(STRANGER, AT_2)
    assert bulk(who, BEHIND_1, G1, AT_2) == ""


def test_endpoints_come_back_from_the_registry(who, registry):
    register(who, registry, G1, AT_1, now=2)
    register(who, registry, G2, AT_1, now=1)
    again = Accounts(ROWS, False, registry)
    assert direct(again, BEHIND_1, AT_1) == ""
    assert direct(again, BEHIND_2, AT_1) == ONLY_THROUGH
    who.reload()
    assert direct(who, BEHIND_1, AT_1) == ""


def test_a_gateway_listed_by_another_one_is_not_at_that_ones_endpoint(who, registry):
    register(who, registry, G2, AT_2)
    registry.put(G1, Registration(G2, AT_2, None, 5, 5, 60_000))
    again = Accounts(ROWS, False, registry)
    assert direct(again, BEHIND_1, AT_2) == ONLY_THROUGH
    assert direct(again, BEHIND_2, AT_2) == ""


def test_via_names_the_gateway_that_forwarded_a_single_request(who, registry):
    register(who, registry, G1, AT_1)
    assert who.via(FREE, AT_1) == G1
    assert who.via(FREE, ELSEWHERE) == ""
    assert who.via(BEHIND_1, MOVED_1) == G1
    assert who.via(G1, AT_1) == ""
    assert who.via(G2, AT_1) == ""
