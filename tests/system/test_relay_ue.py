"""MicroPython UEs behind a Relay UE: they speak MSGin5G-1 with a real server through it."""

import json

import pytest

from msgin5g_tools.micropython import ue_environment
from tests.media import BleMedium, SerialMedium, UdpMedium
from tests.processes import Stack, msgin5g

ONE, TWO = "urn:example:ue:1", "urn:example:ue:2"
FAST = {"wait_s": 1, "backoff_min_s": 1, "backoff_max_s": 2, "ack_timeout_ms": 500}


@pytest.mark.clause("6.3.3.1-p1", "6.3.3.3.1-p1", "6.3.3.3.2-p1")
@pytest.mark.parametrize("make", [UdpMedium, SerialMedium, BleMedium])
def test_ues_behind_a_relay_register_write_and_leave(tmp_path, make):
    medium = make(tmp_path)
    stack = Stack(tmp_path)
    accounts = [f"[[ue]]\nue_service_id = {json.dumps(ue)}\n" for ue in (ONE, TWO)]
    (tmp_path / "server.toml").write_text("".join(accounts))
    relay = None
    try:
        stack.start_server()
        relay = msgin5g(
            *("gateway", "--relay", "--json", "--data", tmp_path / "relay"),
            *("--server", f"coap://{stack.coap}", "--link", medium.gateway_link),
            *("--link", "udp://127.0.0.1:0"),
            environment=medium.environment,
        )
        ready = relay.wait_for("ready")
        medium.join(ready["links"][0])
        stack.link = ready["links"][1]
        other = stack.start_ue(TWO, direct=True, messages=True, **FAST)
        other.wait_for("state", state="registered")
        air = medium.environment.get("MSGIN5G_AIR")
        ue = stack.start_ue(
            ONE,
            environment=ue_environment(air) if air else None,
            heap="300k",
            **FAST,
            **{"direct": True, "link": medium.ue_link, "stay_s": 4, "say_to": TWO},
            **{"say_every_s": 1, "say_report": True},
        )
        got = other.wait_for("received")
        assert got["origin"] == ONE and got["payload"] == "reading 1"
        assert ue.wait_for("report")["message_id"] == got["message_id"]
        stack.server.wait_for("deregistered", ue=ONE)
        rows = {one["ue"]: one for one in stack.server.events if one["event"] == "registered"}
        known_as = {one["peer"]: one["known_as"] for one in relay.events if "known_as" in one}
        assert {rows[ONE]["peer"], rows[TWO]["peer"]} == set(known_as.values())
        assert relay.stop() == 0
    finally:
        if relay is not None:
            relay.stop()
        stack.stop()
        medium.close()
