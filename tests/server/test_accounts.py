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
