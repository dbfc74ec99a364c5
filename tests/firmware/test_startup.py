"""Start-up on MicroPython's Unix port, with a module in the place of the board's hardware."""

import json
import subprocess

import pytest

from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.processes import Stack

# The hardware that is not here. A sleep and a reset end the program, as they do on a board.
BOARD = """
import sys
class Machine:
    DEEPSLEEP_RESET = 4
    def reset_cause(self):
        return 4
    def deepsleep(self, ms):
        print("deepsleep", ms)
    def reset(self):
        print("reset")
    class WDT:
        def __init__(self, timeout):
            print("watchdog", timeout)
        def feed(self):
            pass
sys.modules["machine"] = Machine()
class Wlan:
    joins = 0
    def __init__(self, interface):
        pass
    def active(self, is_on):
        pass
    def connect(self, *arguments):
        Wlan.joins += 1
        print("connect", *arguments)
        if Wlan.joins == 1:
            raise OSError(16)
    def isconnected(self):
        return Wlan.joins == 3
    def status(self):
        return 201
    def ifconfig(self):
        return ("10.0.0.2",)
class Network:
    STA_IF = 0
    WLAN = Wlan
sys.modules["network"] = Network()
"""
START = BOARD + 'from ue.startup import start\nstart("config.json")\n'
UE = {"ue_service_id": "urn:example:ue:1", "link": "udp://127.0.0.1:9"}


@pytest.fixture
def run(tmp_path):
    """A function that runs a script beside a config.json; returns its output."""

    def run(script, config):
        (tmp_path / "config.json").write_text(config)
        done = subprocess.run(
            [micropython_path(), "-X", "heapsize=300k", "-c", script],
            cwd=tmp_path,
            env=ue_environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout + done.stderr

    return run


def test_a_configuration_that_cannot_be_used_leaves_the_repl(run):
    assert run(START, "{") == "ue: config.json: is not valid JSON\n"
    text = run(START, json.dumps({**UE, "led": "x"}))
    assert text.startswith("ue: config.json: led: LED, a pin such as 2")


def test_a_ue_that_finds_nobody_sleeps(run):
    config = {**UE, "sleep_s": 60, "awake_s": 1, "watchdog_s": 30}
    text = run(START, json.dumps({**config, "ack_timeout_ms": 10, "max_retransmit": 0}))
    assert "watchdog 30000\n" in text and "state=backoff" in text
    # The watchdog, which cannot be stopped here, gets an hour before the sleep.
    assert text.endswith("watchdog 3600000\ndeepsleep 60000\n")


def test_a_ue_that_has_said_what_it_had_to_say_sleeps(run, tmp_path):
    stack = Stack(tmp_path, [UE["ue_service_id"]], bulk=["interval_s = 0.2"])
    try:
        stack.start_server()
        stack.start_gateway()
        config = {**UE, "link": stack.link, "sleep_s": 60, "awake_s": 1}
        text = run(START, json.dumps({**config, "say_to": "urn:example:as:1", "say_kind": "AS"}))
    finally:
        stack.stop()
    said = text.index(" sent message_id=")
    assert text.index("state=registered") < said < text.index("deepsleep 60000")
    assert text.endswith("deepsleep 60000\n")


def test_what_goes_wrong_is_shown_and_the_board_starts_anew(run):
    script = BOARD + (
        "import ue.startup\n"
        "ue.startup._AFTER_CRASH_MS = 1\n"
        "def live(config, board):\n"
        "    raise RuntimeError('out of order')\n"
        "ue.startup.live = live\n"
        'ue.startup.start("config.json")\n'
    )
    text = run(script, json.dumps(UE))
    assert "RuntimeError: out of order" in text
    assert text.endswith("ue: the board starts anew in 10 s, Ctrl-C for the REPL\nreset\n")


def test_ctrl_c_leaves_the_repl(run):
    script = BOARD + (
        "import ue.startup\n"
        "def live(config, board):\n"
        "    raise KeyboardInterrupt()\n"
        "ue.startup.live = live\n"
        'ue.startup.start("config.json")\n'
    )
    assert run(script, json.dumps(UE)) == "ue: stopped; Ctrl-D starts it again\n"


def test_a_wifi_is_joined_again_after_growing_pauses(run):
    script = BOARD + (
        "import asyncio\n"
        "from ue import wifi\n"
        "wifi._JOIN_MS, wifi._LOOK_MS, wifi._MIN_PAUSE_MS = 4, 2, 1\n"
        "async def main():\n"
        "    task = asyncio.create_task(wifi.WiFi('lab', 'secret', print).run())\n"
        "    while Wlan.joins < 3:\n"
        "        await asyncio.sleep_ms(1)\n"
        "    await asyncio.sleep_ms(5)\n"
        "asyncio.run(main())\n"
    )
    lines = run(script, "{}").splitlines()
    told = [line for line in lines if line.startswith("wifi")]
    assert lines.count("connect lab secret") == 3
    assert "'retry_ms': 1" in told[0] and "16" in told[0]
    assert "'retry_ms': 2" in told[1] and "status 201); are name and password right?" in told[1]
    assert "'address': '10.0.0.2'" in told[2]
