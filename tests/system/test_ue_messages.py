"""The firmware on MicroPython says things to itself through a real gateway and a real server."""

import json

import pytest

from tests.processes import DEADLINE_S, Stack

CLIENT, OTHER = "urn:example:ue:1", "urn:example:ue:2"
DEVICES = {"l3": (17, "urn:example:ue:17"), "coap": (19, "urn:example:ue:19")}
FAST = {"wait_s": 1, "backoff_min_s": 1, "backoff_max_s": 2, "ack_timeout_ms": 500}


@pytest.fixture
def stack(tmp_path):
    ues = [CLIENT, OTHER, *(ue for _, ue in DEVICES.values())]
    made = Stack(tmp_path, ues, bulk=["interval_s = 0.2", "default_wait_s = 0.2"])
    with (tmp_path / "gateway.toml").open("a") as file:
        for number, ue in DEVICES.values():
            file.write(f'[[device]]\napplication_id = {number}\ncredential = "s3cret"\n')
            file.write(f"ue_service_id = {json.dumps(ue)}\n")
    made.start_server()
    made.start_gateway()
    made.gateway.wait_for("own-registered")
    yield made
    made.stop()


def listener(stack, ue=OTHER, **settings):
    started = stack.start_ue(ue, **FAST, **settings)
    started.wait_for("state", state="registered")
    return started


def device(stack, mode, **settings):
    number, ue = DEVICES[mode]
    settings = {"mode": mode, "application_id": number, "credential": "s3cret", **settings}
    return stack.start_ue(ue, **FAST, **settings)


def test_readings_of_one_ue_arrive_at_another_and_are_reported(stack):
    other = listener(stack)
    ue = stack.start_ue(CLIENT, **FAST, say_to=OTHER, say_every_s=1, say_report=True)
    for number in (1, 2, 3):
        got = other.wait_for("received")
        assert got["payload"] == f"reading {number}" and got["origin"] == CLIENT
        report = ue.wait_for("report")
        assert report["message_id"] == got["message_id"] and report["success"] is True


def test_a_long_text_arrives_whole(stack):
    other = listener(stack, messages=True)
    text = "0123456789" * 250
    stack.start_ue(CLIENT, **FAST, say_to=OTHER, say_text=text)
    got = other.wait_for("received", DEADLINE_S)
    assert got["bytes"] == 2500 and got["payload"] == text[:80]


@pytest.mark.clause("6.1-b", "6.1-annexA")
@pytest.mark.parametrize("mode", ["l3", "coap"])
def test_a_device_and_a_ue_write_to_each_other(stack, mode):
    ue = listener(stack, say_to=DEVICES[mode][1], say_every_s=1, say_report=True)
    speaker = device(stack, mode, say_to=OTHER, say_text="d {n}", say_report=True)
    got = ue.wait_for("received")
    assert (got["payload"], got["origin"]) == ("d 1", DEVICES[mode][1])
    assert speaker.wait_for("report")["success"] is True
    assert speaker.wait_for("received")["origin"] == OTHER
    assert ue.wait_for("report")["success"] is True


def test_a_message_to_nobody_is_told(stack):
    ue = stack.start_ue(CLIENT, **FAST, say_to="urn:example:nobody")
    response = ue.wait_for("response")
    assert (response["status"], response["cause"]) == ("failure", "unknown recipient")


def test_nothing_is_lost_while_the_gateway_is_away(stack):
    other = listener(stack)
    ue = stack.start_ue(CLIENT, **FAST, max_retransmit=1, say_to=OTHER, say_every_s=3)
    got = [other.wait_for("received")]
    # The server then has nothing under way to the gateway that it would wait for.
    stack.gateway.wait_for("message", iface="MSGin5G-1", direction="tx", what="2.04", ue=OTHER)
    stack.gateway.kill()
    ue.wait_for("waiting")
    stack.start_gateway()
    got += [other.wait_for("received", 60) for _ in range(2)]
    assert [one["payload"] for one in got] == ["reading 1", "reading 2", "reading 3"]
