"""A gateway with two configured values: real processes, accounts and lab mode, kills, refusals."""

import json
import re
import socket
import urllib.request

import pytest

from msgin5g_gateway.own_configuration import FILE
from tests.processes import DEADLINE_S, Stack, msgin5g
from tests.service_manager import managing
from tests.world import ue_id

GATEWAY = "urn:example:gw:7"
UE_ID = "box-7"
FAST = {"wait_s": 1, "ack_timeout_ms": 300, "backoff_min_s": 1, "backoff_max_s": 2}


def make_stack(folder, *extra):
    """A Stack whose gateway is known by its MSGin5G UE ID, and one UE behind it."""
    made = Stack(folder, gateway=["--ue-id", UE_ID, *extra])
    row = f'[[ue]]\nue_service_id = "{ue_id(1)}"\n'
    accounts = f'[[ue]]\nue_service_id = "{GATEWAY}"\nue_id = "{UE_ID}"\nsegment_bytes = 300\n'
    (folder / "server.toml").write_text(f'{accounts}{row}gateway = "{GATEWAY}"\n')
    (folder / "gateway.toml").write_text(row)
    return made


@pytest.fixture
def stack(tmp_path):
    made = make_stack(tmp_path)
    yield made
    made.stop()


def forget_account(stack):
    (stack.folder / "server.toml").write_text(f'[[ue]]\nue_service_id = "{GATEWAY}"\n')


def start_waiting(stack, environment=None):
    """Start a gateway that is not ready soon."""
    stack.gateway = msgin5g(
        *("gateway", "-c", stack.folder / "gateway.toml", "--json", "--ue-id", UE_ID),
        *("--data", stack.folder / "gateway", "--server", f"coap://{stack.coap}"),
        *("--link", "udp://127.0.0.1:0"),
        environment=environment,
    )
    return stack.gateway


def free_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def name_of(gateway):
    """Return the UE Service ID with which it got ready."""
    return next(one["ue"] for one in gateway.events if one["event"] == "ready")


def names(process):
    return [one["event"] for one in process.events]


@pytest.mark.clause("6.2.1.2-c", "6.2.1.2-p1", "6.2.1.2-p5", "7.2.5-svc", "7.2.5-server")
def test_by_its_account_it_is_who_it_is_and_speaks_for_its_ues(stack):
    stack.start_server()
    gateway = stack.start_gateway()
    (told,) = [one for one in gateway.events if one["event"] == "own-configured"]
    assert (told["ue"], told["segment_bytes"]) == (GATEWAY, 300)
    assert told["server"] == f"coap://{stack.coap}"
    assert name_of(gateway) == GATEWAY
    gateway.wait_for("own-registered")
    ue = stack.start_ue(ue_id(1), **FAST)
    ue.wait_for("state", 3 * DEADLINE_S, state="registered")
    with urllib.request.urlopen(f"http://{stack.http}/ues", timeout=5) as answer:
        listed = [one["ue_service_id"] for one in json.load(answer)["ues"]]
    assert sorted(listed) == [GATEWAY, ue_id(1)]


def test_in_lab_mode_it_is_given_a_name_and_has_the_same_without_what_it_kept(tmp_path):
    stack = make_stack(tmp_path)
    (tmp_path / "server.toml").write_text("[server]\nopen = true\n")
    try:
        stack.start_server()
        stack.start_gateway()
        assigned = stack.server.wait_for("assigned", ue_id=UE_ID)["ue"]
        assert assigned != "urn:example:gw:1"
        stack.server.wait_for("registered", ue=assigned)
        stack.gateway.kill()
        (tmp_path / "gateway" / FILE).unlink()
        assert name_of(stack.start_gateway()) == assigned
    finally:
        stack.stop()


def test_a_server_that_comes_later_is_waited_for(stack):
    stack.coap = free_address()
    gateway = start_waiting(stack)
    waits = gateway.wait_for("own-configuring")
    assert (waits["ue_id"], waits["server"]) == (UE_ID, f"coap://{stack.coap}")
    stack.start_server()
    assert gateway.wait_for("ready", 3 * DEADLINE_S)["ue"] == GATEWAY
    gateway.wait_for("own-registered")


@pytest.mark.clause("6.2.1.2-p5")
def test_killed_and_restarted_without_the_server_it_knows_who_it_is(stack):
    stack.start_server()
    stack.start_gateway()
    stack.gateway.kill()
    assert stack.server.stop() == 0
    gateway = stack.start_gateway()
    assert [one["kept"] for one in gateway.events if one["event"] == "own-configured"] == [True]
    assert name_of(gateway) == GATEWAY
    stack.start_server()
    gateway.wait_for("own-registered", 3 * DEADLINE_S)


@pytest.mark.parametrize("step", ["own-configuring", "own-configured", "ready"])
def test_killed_at_a_step_it_starts_anew(stack, step):
    stack.start_server()
    start_waiting(stack).wait_for(step)
    stack.gateway.kill()
    assert name_of(stack.start_gateway()) == GATEWAY


def test_refused_it_says_why_and_what_to_do_and_ends_when_it_is_told(stack, tmp_path):
    forget_account(stack)
    stack.start_server()
    with managing(tmp_path / "notify") as manager:
        gateway = start_waiting(stack, {"NOTIFY_SOCKET": manager.address})
        said = gateway.wait_for("own-not-configured")
        assert re.match("4.03 unknown MSGin5G UE ID", said["cause"]), said
        assert f'ue_id = "{UE_ID}"' in said["do"] and said["retry_s"] == 60
        # A service manager gives up on who is not ready in time, unless it is asked not to.
        told = manager.take()
        assert int(told["EXTEND_TIMEOUT_USEC"]) > 70e6 and "READY" not in told
        assert "waits for its configuration" in told["STATUS"] and "4.03" in told["STATUS"]
    assert gateway.stop() == 0
    assert names(gateway) == ["own-configuring", "own-not-configured", "stopped"]


def test_an_account_that_was_forgotten_after_all_leaves_it_as_it_was(stack):
    stack.start_server()
    stack.start_gateway()
    assert stack.gateway.stop() == 0
    assert stack.server.stop() == 0
    forget_account(stack)
    stack.start_server()
    gateway = stack.start_gateway()
    assert "own-not-configured" in names(gateway) and name_of(gateway) == GATEWAY


def test_while_it_waits_for_a_server_it_ends_cleanly(stack):
    stack.coap = free_address()
    gateway = start_waiting(stack)
    gateway.wait_for("own-configuring")
    assert gateway.stop() == 0
    assert names(gateway) == ["own-configuring", "stopped"]
    assert not (stack.folder / "gateway" / FILE).exists()


def test_with_both_keys_its_name_counts_and_nothing_is_asked(tmp_path):
    stack = make_stack(tmp_path, "--ue-service-id", GATEWAY)
    stack.coap = free_address()
    try:
        gateway = stack.start_gateway()
        assert names(gateway)[0] == "ready" and name_of(gateway) == GATEWAY
    finally:
        stack.stop()
