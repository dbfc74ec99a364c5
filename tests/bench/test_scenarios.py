"""The scenarios of the bench: the same on the Unix port, on a Pico in a box and on a board."""

import json
import time

import pytest

from tests.processes import Stack, msgin5g

UE, OTHER = "urn:example:ue:1", "urn:example:ue:2"
# An emulated board is slower than a real one, on a busy machine much slower.
LIMIT_S = 60
MODES = {
    "coap": {"ue_service_id": UE, "wait_s": 1},
    "l3": {"mode": "l3", "application_id": 1, "credential": "s3cret"},
}
FAST = {"backoff_min_s": 1, "backoff_max_s": 2}
DEVICE = f'[[device]]\napplication_id = 1\ncredential = "s3cret"\nue_service_id = "{UE}"\n'

both_modes = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def stack(tmp_path, target):
    """A server and a gateway at the target's UART; another UE speaks with the server itself."""
    made = Stack(tmp_path, [UE], bulk=["interval_s = 0.2", "default_wait_s = 0.2"])
    with (tmp_path / "gateway.toml").open("a") as file:
        file.write(DEVICE)
    with (tmp_path / "server.toml").open("a") as file:
        file.write(f'[[ue]]\nue_service_id = "{OTHER}"\n')
    made.link = target.gateway_link
    made.start_server()
    yield made
    made.stop()


def run(stack, target, mode, **config):
    """Load, start, and wait until the UE is registered."""
    target.load({**MODES[mode], **FAST, **config})
    stack.start_gateway()
    target.start()
    registered(target)


def registered(target):
    target.events.wait_for("state", LIMIT_S, state="registered")


def server_side(stack, verb, *arguments):
    return msgin5g(verb, "--server", f"coap://{stack.coap}", "--json", *arguments)


@pytest.mark.needs("flash")
@both_modes
def test_it_is_deployed_to_an_empty_board(stack, target, tmp_path, result, mode):
    stack.start_gateway()
    target.box.start()
    file = tmp_path / "deployed.json"
    file.write_text(json.dumps({**MODES[mode], **FAST, "json": True, "link": target.link}))
    started = time.monotonic()
    flash = msgin5g("flash", "--port", target.box.console_url, "-c", file, "--json")
    plan = flash.wait_for("plan", LIMIT_S)
    flash.wait_for("installed", 3 * LIMIT_S)
    result("installed", round(time.monotonic() - started, 1), "s")
    flash.wait_for("registered", LIMIT_S)
    assert flash.wait() == 0
    assert "main.py" in plan["copy"] and not plan["kept"]
    stack.server.wait_for("registered", LIMIT_S, ue=UE)
    again = msgin5g("flash", "--port", target.box.console_url, "--json", "--no-start")
    assert again.wait_for("plan", LIMIT_S)["copy"] == []
    assert again.wait() == 0


@both_modes
def test_it_starts_by_itself_and_registers(stack, target, result, mode):
    target.load({**MODES[mode], **FAST})
    stack.start_gateway()
    started = time.monotonic()
    target.start()
    registered(target)
    result("start to registered, wall", round(time.monotonic() - started, 2), "s")
    assert stack.server.wait_for("registered", LIMIT_S, ue=UE)


@pytest.mark.needs("reset")
@both_modes
def test_after_a_reset_it_is_back(stack, target, result, mode):
    run(stack, target, mode)
    started = time.monotonic()
    target.reset()
    target.events.wait_for("start", LIMIT_S)
    registered(target)
    result("reset to registered, wall", round(time.monotonic() - started, 2), "s")


@pytest.mark.needs("reset")
@both_modes
def test_a_reset_in_the_middle_of_a_registration(stack, target, mode):
    target.load({**MODES[mode], **FAST})
    stack.start_gateway()
    stack.server.kill()
    target.start()
    target.events.wait_for("message", LIMIT_S, direction="tx")
    target.reset()
    target.events.wait_for("start", LIMIT_S)
    stack.start_server()
    registered(target)
    rows = [one for one in stack.server.events if one["event"] == "registered"]
    assert {one["ue"] for one in rows} <= {UE, "urn:example:gw:1"}


@both_modes
def test_it_refreshes_its_registration(stack, target, mode):
    run(stack, target, mode, refresh_s=2)
    for _ in range(2):
        target.events.wait_for("message", LIMIT_S, direction="tx")
        target.events.wait_for("message", LIMIT_S, direction="rx")


@both_modes
def test_what_it_sends_arrives_and_is_reported(stack, target, mode):
    listener = server_side(stack, "listen", "--ue", OTHER)
    listener.wait_for("ready")
    run(stack, target, mode, say_to=OTHER, say_report=True, messages=True)
    got = listener.wait_for("received", LIMIT_S)
    assert got["payload"] == "reading 1" and got["from"] == UE
    assert target.events.wait_for("report", LIMIT_S)["success"] is True
    assert listener.stop() == 0


@both_modes
def test_what_is_sent_to_it_arrives_and_is_reported(stack, target, mode):
    run(stack, target, mode, messages=True)
    sender = server_side(
        *(stack, "send", "--from", OTHER, "--to", UE, "--report"),
        *("--timeout-s", LIMIT_S, "close the valve"),
    )
    assert target.events.wait_for("received", LIMIT_S)["payload"] == "close the valve"
    assert sender.wait_for("delivered", LIMIT_S)
    assert sender.wait() == 0


@pytest.mark.needs("outage")
@both_modes
def test_it_outlives_an_outage_of_the_gateway(stack, target, mode):
    run(stack, target, mode, refresh_s=2, ack_timeout_ms=500, max_retransmit=2)
    stack.gateway.kill()
    target.events.wait_for("state", LIMIT_S, state="backoff")
    stack.start_gateway()
    registered(target)


@pytest.mark.needs("heap")
@both_modes
def test_memory_after_a_thousand_messages(stack, target, result, mode):
    listener = server_side(stack, "listen", "--ue", OTHER)
    listener.wait_for("ready")
    config = {**MODES[mode], **FAST, "messages": True}
    count = 1000
    target.load(config, {"messages": count, "to": OTHER})
    stack.start_gateway()
    target.start()
    idle = target.events.wait_for("idle", LIMIT_S)
    sent = target.events.wait_for("sent", 10 * LIMIT_S)
    result("heap idle", idle["heap"], "bytes")
    result("heap after 1,000 messages", sent["heap"], "bytes")
    result("messages", round(count * 1000 / sent["took_ms"], 1), "1/s")
    # What the first message loads and keeps is paid once.
    assert sent["heap"] - idle["heap"] < 16 * 1024
    for _ in range(count):
        listener.wait_for("received", LIMIT_S)
    listener.stop()
