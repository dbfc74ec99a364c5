"""kill -9 of the real gateway and the real server in the middle of a bulk registration.

Three UEs run as MicroPython processes. The victim is killed as soon as it logs a certain step and
started again on the same folder and ports.
"""

import json
import time
import urllib.request

import pytest

from tests.processes import DEADLINE_S, Stack

UES = [f"urn:example:ue:{number}" for number in (1, 2, 3)]
FAST = {"wait_s": 1, "ack_timeout_ms": 300, "backoff_min_s": 1, "backoff_max_s": 2}


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path, UES)
    made.start_server()
    made.start_gateway()
    made.gateway.wait_for("own-registered")
    yield made
    made.stop()


def registered(stack):
    with urllib.request.urlopen(f"http://{stack.http}/ues", timeout=5) as answer:
        return [one["ue_service_id"] for one in json.load(answer)["ues"]]


def check_all_registered(stack, ues):
    for ue in ues:
        ue.wait_for("state", 3 * DEADLINE_S, state="registered")
    listed = registered(stack)
    assert sorted(one for one in listed if one in UES) == UES
    for ue in ues:
        states = [one["state"] for one in ue.events if one["event"] == "state"]
        assert states.count("registered") == 1, states


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("message", {"direction": "rx", "what": "GWREG"}),
        ("signed-up", {}),
        ("message", {"direction": "rx", "what": "REG"}),
        ("cached", {}),
        ("bulk", {}),
        ("message", {"direction": "tx", "what": "BREG"}),
        ("answered", {}),
        ("message", {"direction": "tx", "what": "REGRESP"}),
    ],
)
def test_a_gateway_killed_at_a_step_and_restarted_ends_with_all_registered(stack, event, fields):
    ues = [stack.start_ue(ue, **FAST) for ue in UES]
    stack.gateway.wait_for(event, **fields)
    stack.gateway.kill()
    stack.start_gateway()
    check_all_registered(stack, ues)


@pytest.mark.parametrize(
    ("event", "fields"),
    [("registered", {"ue": UES[0]}), ("message", {"direction": "rx", "what": "BREG"})],
)
def test_a_server_killed_at_a_step_and_restarted_ends_with_all_registered(stack, event, fields):
    ues = [stack.start_ue(ue, **FAST) for ue in UES]
    stack.server.wait_for(event, **fields)
    stack.server.kill()
    stack.start_server()
    check_all_registered(stack, ues)


def test_an_accepted_request_survives_without_its_ue(stack):
    """The interim answer was a promise: the UE is killed too, the registration happens."""
    ue = stack.start_ue(UES[0], wait_s=3)
    ue.wait_for("state", state="waiting")
    ue.kill()
    stack.gateway.kill()
    stack.start_gateway()
    stack.server.wait_for("registered", ue=UES[0])
    assert UES[0] in registered(stack)


def test_a_killed_server_still_knows_who_is_registered(stack):
    ues = [stack.start_ue(ue, **FAST) for ue in UES]
    check_all_registered(stack, ues)
    before = sorted(registered(stack))
    stack.server.kill()
    stack.start_server()
    assert sorted(registered(stack)) == before


def test_a_ue_that_is_killed_comes_back_with_fresh_counters(stack):
    ue = stack.start_ue(UES[0], **FAST)
    ue.wait_for("state", state="registered")
    used = {one["mid"] for one in ue.events if one["event"] == "message" and "mid" in one}
    ue.kill()
    again = stack.start_ue(UES[0], **FAST)
    again.wait_for("state", state="registered")
    new = {one["mid"] for one in again.events if one["event"] == "message" and "mid" in one}
    assert used and new and not used & new


def test_both_daemons_end_cleanly_on_sigterm(stack):
    for process in (stack.gateway, stack.server):
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 5
        assert process.events[-1]["event"] == "stopped"
