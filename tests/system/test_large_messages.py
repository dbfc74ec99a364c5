"""64 KiB through segmentation over every link, with every tenth segment lost on the way."""

import json
from pathlib import Path

import pytest

from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.media import BleMedium, SerialMedium, UdpMedium
from tests.processes import Process, Stack

LARGE = Path(__file__).parent.parent / "scenarios" / "large.py"
UE = "urn:example:ue:1"
BYTES = 65536


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (UdpMedium, {"drop_every": 10}),
        # One byte in 10,000 costs about every tenth segment, too.
        (SerialMedium, {"rate": 0.0001}),
        (BleMedium, {"loss": 0.02}),
    ],
)
def test_64_kib_cross_every_link(tmp_path, make, options):
    medium = make(tmp_path, **options)
    stack = Stack(tmp_path, [UE], bulk=["interval_s = 0.2", "default_wait_s = 0.2"])
    stack.link, stack.environment = medium.gateway_link, medium.environment
    file = tmp_path / "ue.json"
    config = {
        "ue_service_id": UE,
        "link": medium.ue_link,
        "wait_s": 1,
        "ack_timeout_ms": 200,
        "outbox_bytes": 100_000,
        "reassembly_bytes": 100_000,
    }
    file.write_text(json.dumps(config))
    ue = None
    try:
        stack.start_server()
        stack.start_gateway()
        medium.join(stack.link)
        argv = [micropython_path(), "-X", "heapsize=4m", str(LARGE), str(file), str(BYTES)]
        ue = Process(argv, ue_environment(medium.environment.get("MSGIN5G_AIR", "")))
        done = ue.wait_for("done", 120)
        assert (done["bytes"], done["whole"]) == (BYTES, True)
    finally:
        if ue is not None:
            ue.kill()
        stack.stop()
        medium.close()
