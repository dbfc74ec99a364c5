"""The firmware on MicroPython over every link, in one scenario, against real processes."""

import json
from pathlib import Path

import pytest

from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.media import BleMedium, SerialMedium, UdpMedium
from tests.processes import Process, Stack

SCENARIO = Path(__file__).parent.parent / "scenarios" / "links.py"
UE = "urn:example:ue:1"
DEVICES = """
[[device]]
application_id = 1
credential = "s3cret"
ue_service_id = "urn:example:ue:1"
[[device]]
application_id = 2
credential = "s3cret"
"""
MODES = {
    "client": {"mode": "client", "ue_service_id": UE, "wait_s": 1},
    "l3 on behalf": {"mode": "l3", "application_id": 1, "credential": "s3cret"},
    "l3 local": {"mode": "l3", "application_id": 2, "credential": "s3cret"},
    "coap on behalf": {"mode": "coap", "application_id": 1, "credential": "s3cret"},
}
STEPS = ["registered", "refreshed", "cut", "mend", "recovered", "deregistered", "done"]


def run(folder, medium, mode):
    stack = Stack(folder, [UE], bulk=["interval_s = 0.2", "default_wait_s = 0.2"])
    with (folder / "gateway.toml").open("a") as file:
        file.write(DEVICES)
    stack.link = medium.gateway_link
    stack.environment = medium.environment
    file = folder / "ue.json"
    config = {
        "link": medium.ue_link,
        "state_file": str(folder / "ue.state"),
        "refresh_s": 2,
        "ack_timeout_ms": 200,
        "max_retransmit": 2,
        "backoff_min_s": 1,
        "backoff_max_s": 2,
        "answer_margin_s": 2,
    }
    file.write_text(json.dumps({**config, **MODES[mode]}))
    ue = None
    try:
        stack.start_server()
        stack.start_gateway()
        medium.join(stack.link)
        argv = [micropython_path(), "-X", "heapsize=240k", str(SCENARIO), str(file)]
        ue = Process(argv, ue_environment(medium.environment.get("MSGIN5G_AIR", "")))
        for step in STEPS:
            ue.wait_for("step", 60, step=step)
            if step == "cut":
                medium.cut()
            elif step == "mend":
                medium.mend()
        assert not [one for one in ue.events if one["event"] == "output"], ue.events
        return stack.server.events, stack.gateway.events, ue.events
    finally:
        if ue is not None:
            ue.kill()
        stack.stop()
        medium.close()


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(mode, marks=pytest.mark.clause("A.3") if "coap" in mode else ())
        for mode in MODES
    ],
)
@pytest.mark.parametrize("make", [UdpMedium, SerialMedium, BleMedium])
def test_one_life_on_every_link(tmp_path, make, mode):
    server, _, _ = run(tmp_path, make(tmp_path), mode)
    told = [one["event"] for one in server if one.get("ue") == UE]
    if mode == "l3 local":
        assert "registered" not in told
    else:
        assert told.count("deregistered") == 2 and "registered" in told
