"""Links that damage what they carry: all registrations complete all the same."""

import json
import random
from pathlib import Path

import pytest

from msgin5g.serial_framing import Deframer, encode
from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.media import BleMedium, SerialMedium
from tests.processes import Process, Stack
from tests.wire import Wire
from tests.world import World

HOUR_MS = 3_600_000
HUNDRED = Path(__file__).parent.parent / "scenarios" / "hundred.py"
DEVICES = """
[[device]]
application_id = 1
credential = "s3cret"
"""


class SerialWire(Wire):
    """Every UE is on a serial line of its own that damages 1 % of the bytes."""

    def __init__(self, seed=0, rate=0.01):
        super().__init__(seed=seed, delay_ms=(5, 20))
        self._noise = random.Random(seed)
        self._rate = rate
        self._deframers = {}

    def _send(self, data, source, target):
        if "server" in (source, target):
            super()._send(data, source, target)
            return
        line = bytearray(encode(data))
        for at in range(len(line)):
            if self._noise.random() < self._rate:
                line[at] ^= self._noise.randrange(1, 256)
                self.counts["damaged"] += 1
        deframer = self._deframers.setdefault((source, target), Deframer(1280))
        deframer.feed(line)
        while (frame := deframer.next_frame()) is not None:
            super()._send(frame, source, target)


def test_at_1_percent_of_damaged_bytes_100_ues_register_and_leave(tmp_path):
    devices = {number: ("l3", "coap")[number % 2] for number in range(1, 51)}
    world = World(tmp_path, 50, devices=devices, make_wire=SerialWire)
    world.register()

    def all_were_registered():
        return all("registered" in one.states for one in world.ues)

    # One try in twenty succeeds, and after five there is a pause: the unlucky take hours.
    assert world.wire.run(12 * HOUR_MS, all_were_registered, most_steps=5_000_000)
    assert len(world.ues) == 100 and world.wire.counts["damaged"] > 100
    world.deregister()
    assert world.wire.run(24 * HOUR_MS, world.all_in("deregistered"), most_steps=5_000_000)
    world.close()


@pytest.mark.parametrize(
    ("make", "options"), [(SerialMedium, {"rate": 0.01}), (BleMedium, {"loss": 0.1})]
)
def test_100_registrations_complete_on_a_bad_link(tmp_path, make, options):
    medium = make(tmp_path, **options)
    stack = Stack(tmp_path)
    with (tmp_path / "gateway.toml").open("a") as file:
        file.write(DEVICES)
    stack.link = medium.gateway_link
    stack.environment = medium.environment
    config = {"mode": "l3", "application_id": 1, "credential": "s3cret", "link": medium.ue_link}
    config |= {"ack_timeout_ms": 30, "max_retransmit": 8}
    file = tmp_path / "ue.json"
    file.write_text(json.dumps(config))
    ue = None
    try:
        stack.start_server()
        stack.start_gateway()
        argv = [micropython_path(), "-X", "heapsize=240k", str(HUNDRED), str(file), "100"]
        ue = Process(argv, ue_environment(medium.environment.get("MSGIN5G_AIR", "")))
        done = ue.wait_for("done", 100)
        assert done["counters"]["registrations"] == 100
        if make is SerialMedium:
            assert medium.damaged > 20
    finally:
        if ue is not None:
            ue.kill()
        stack.stop()
        medium.close()
