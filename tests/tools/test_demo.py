"""`msgin5g demo`: the whole stack with MicroPython UEs, as a newcomer starts it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

DEMO = [sys.executable, "-m", "msgin5g_tools.cli", "demo"]


def test_the_demo_shows_every_procedure_and_ends_by_itself():
    done = subprocess.run(
        [*DEMO, "--for", "22", "--json"], capture_output=True, text=True, timeout=60
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.stderr, events[-3:])
    summary = events[-1]
    assert summary["event"] == "summary" and len(summary["ues"]) == 4
    assert {one["link"] for one in summary["ues"].values()} == {"udp", "serial", "ble"}
    for counts in summary["ues"].values():
        assert counts["registered"] >= 1 and counts["refreshed"] >= 1
        assert counts["deregistered"] >= 1
    seen = summary["messages"]
    for what in ("GWREG", "REG", "REGRESP", "DEREG", "DEREGRESP"):
        assert seen[f"MSGin5G-6 {what}"] >= 3, what
    for what in ("REGISTRATION REQUEST", "DEREGISTRATION REQUEST", "ACCEPT"):
        assert seen[f"MSGin5G-5 {what}"] >= 1
    assert seen["MSGin5G-1 BREG"] and seen["MSGin5G-1 DEREG"]
    assert not [one for one in events if one["event"] == "output"]
    assert [one["url"].startswith("http://127.0.0.1:") for one in events if "url" in one] == [True]
    assert [one["role"] for one in events if one["event"] == "stopped"] == ["gateway", "server"]


def test_somebody_is_registered_within_15_seconds():
    process = subprocess.Popen([*DEMO, "--json"], stdout=subprocess.PIPE, text=True)
    began = time.monotonic()
    try:
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "state" and event["state"] == "registered":
                break
            assert time.monotonic() - began < 15
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(10) in (0, 1)
        process.stdout.close()
    assert '"summary"' in rest, "Ctrl-C ends it with the summary"


def test_nothing_is_left_behind(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([*DEMO, "--for", "3"], env=environment, capture_output=True, timeout=30)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", ["0", "17"])
def test_a_wrong_number_of_ues_is_a_clear_error(count):
    done = subprocess.run([*DEMO, "--ues", count], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "1 to 16" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--for", "-3"), "--for takes"),
        (("--keep", "/proc/none/here"), "/proc/none/here: "),
    ],
)
def test_what_cannot_be_is_one_line(arguments, text):
    done = subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and text in done.stderr and done.stderr.count("\n") == 1
