"""`msgin5g flash` against MicroPython on a Pico in a box, over its USB console."""

import json
import shutil
import subprocess
import sys

import pytest

from msgin5g_tools.flash import install
from msgin5g_tools.flash.connection import connected
from msgin5g_tools.flash.problems import FlashError
from msgin5g_tools.pico_box.box import PicoBox
from tests.bench.box_fixture import mpremote, wait_until
from tests.processes import Process, Stack

UE = "urn:example:ue:pico"
LINK = ("--link", "serial://uart0")
# The smallest set of files.
L3 = (*LINK, "--set", "mode=l3", "--set", "application_id=7", "--set", "credential=x")
DEADLINE_S = 180.0


def command(box, *arguments):
    return [
        *(sys.executable, "-m", "msgin5g_tools.cli", "flash", "--json"),
        *("--port", box.console_url, *arguments),
    ]


def flash(box, *arguments, code=0):
    """Run `msgin5g flash`; returns its events by name, the last of each, and what it complains."""
    done = subprocess.run(
        command(box, *arguments), capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == code, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {event["event"]: event for event in events}, done.stderr


def names(box, folder=""):
    """Return what is in a folder of the board."""
    code = f"import os; print(' '.join(sorted(os.listdir({folder!r}))))"
    return mpremote(box.console_url, "exec", code).split()


@pytest.fixture(scope="module")
def deployed(box_parts, tmp_path_factory):
    """The first deploy: (its events, the files of the board after it)."""
    folder = tmp_path_factory.mktemp("deployed")
    stack = Stack(folder, [UE], bulk=["interval_s = 0.5", "default_wait_s = 0.5"])
    try:
        with PicoBox(box_parts, folder / "box") as box:
            stack.link = box.uart_url
            stack.start_server()
            stack.start_gateway()
            events, complaint = flash(box, *LINK, "--ue-service-id", UE, "--set", "led=")
            assert complaint == ""
            stack.server.wait_for("registered", ue=UE)
    finally:
        stack.stop()
    return events, folder / "box" / "files.img"


@pytest.fixture
def board(box_parts, tmp_path, deployed):
    """A box with what the first deploy left."""
    state = tmp_path / "box"
    state.mkdir()
    shutil.copy(deployed[1], state)
    with PicoBox(box_parts, state) as box:
        yield box


def test_the_first_deploy_ends_with_a_registration(deployed):
    events, _ = deployed
    assert events["board"]["machine"] == "Raspberry Pi Pico with RP2040"
    assert events["board"]["board"] == "rp2040_pico"
    assert events["plan"]["config"]["watchdog_s"] == 8
    assert events["plan"]["copy"][-1] == "main.py"
    assert events["registered"]["registered"] is True


def test_the_next_one_copies_what_changed_and_removes_what_is_not_needed(board):
    """The watchdog of the UE that ran is stopped, or it would bite in the middle of this."""
    events, _ = flash(board, "--no-start")
    assert (events["plan"]["copy"], events["plan"]["remove"]) == ([], [])
    events, _ = flash(board, "--no-start", "--set", "led=LED")
    # Names in other files change with what the UE consists of.
    assert {"lib/ue/led.mpy", "config.json", "main.py"} <= set(events["plan"]["copy"])
    rehearsed, _ = flash(board, "--dry-run", "--set", "led=", "--set", "watchdog_s=0")
    assert "led.mpy" in names(board, "lib/ue")
    events, _ = flash(board, "--no-start", "--set", "led=", "--set", "watchdog_s=0")
    assert events["plan"] == rehearsed["plan"]
    gone = {"lib/ue/led.mpy", "lib/ue/watchdog.mpy", "lib/ue/board_keys.mpy"}
    assert set(events["plan"]["remove"]) == gone
    assert "led.mpy" not in names(board, "lib/ue")


def test_files_are_asked_when_the_manifest_is_lost_and_a_changed_one_is_found(board):
    code = (
        "import os; os.remove('lib/msgin5g-files.json'); "
        "f = open('lib/ue/ue.mpy', 'r+b'); f.seek(40); f.write(b'!!'); f.close()"
    )
    mpremote(board.console_url, "exec", code)
    events, _ = flash(board, "--no-start")
    assert events["plan"]["copy"] == ["lib/ue/ue.mpy", "main.py"]


def test_a_configuration_changed_on_the_board_is_kept(board):
    code = (
        "import json; c = json.load(open('config.json')); c['path'] = 'msgin5h'; "
        "f = open('config.json', 'w'); json.dump(c, f); f.close()"
    )
    mpremote(board.console_url, "exec", code)
    events, _ = flash(board, "--no-start")
    assert events["plan"]["config"]["path"] == "msgin5h"
    mpremote(board.console_url, "exec", "f = open('config.json', 'w'); f.write('{'); f.close()")
    _, complaint = flash(board, "--no-start", code=2)
    assert "the config.json on the board cannot be used" in complaint


def test_a_pulled_cable_in_the_middle_is_repaired_by_the_next_run(pico_box):
    process = Process(command(pico_box, *L3, "--no-start"))
    for _ in range(8):
        process.wait_for("file", 60)
    pico_box.unplug()
    told = process.wait_for("output", 60)["text"]
    assert "does not answer any more" in told
    assert "it is not complete and starts nothing; plug it in and type the same" in told
    wait_until(lambda: process._process.poll() is not None)
    assert process.stop() == 1
    pico_box.plug()
    there = names(pico_box)
    assert "lib" in there and not {"main.py", "config.json"} & set(there)
    events, _ = flash(pico_box, *L3, "--no-start")
    assert events["plan"]["kept"] >= 7
    assert not any(name.endswith(".new") for name in names(pico_box, "lib/ue"))
    events, _ = flash(pico_box, "--no-start")
    assert (events["plan"]["copy"], events["plan"]["remove"]) == ([], [])


def test_a_full_file_system_is_told_before_the_copy(box_parts, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "data.bin").write_bytes(bytes(1_400_000))
    box = PicoBox(box_parts, tmp_path / "box")
    box.load(folder)
    with box:
        _, complaint = flash(box, *L3, code=1)
        assert "the board's file system is too full: " in complaint
        assert names(box) == ["data.bin"]


def test_a_file_system_that_becomes_full_starts_nothing(box_parts, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "data.bin").write_bytes(bytes(1_400_000))
    box = PicoBox(box_parts, tmp_path / "box")
    box.load(folder)
    wanted = {"lib/ue/a.mpy": bytes(60_000), "main.py": b"from ue.startup import start\n"}
    with box:
        with (
            pytest.raises(FlashError, match="became full with lib/ue/a.mpy; remove files"),
            connected(box.console_url) as transport,
        ):
            there = install.survey(transport, wanted)
            install.apply(transport, install.make_plan(there, wanted), there)
        assert names(box) == ["data.bin", "lib"]
        assert names(box, "lib/ue") == []


def test_a_main_py_of_somebody_else_stays(pico_box):
    mpremote(pico_box.console_url, "exec", "f = open('main.py', 'w'); f.write('1'); f.close()")
    _, complaint = flash(pico_box, *L3, code=2)
    assert "the board has a main.py of somebody else" in complaint
    assert names(pico_box) == ["main.py"]


def test_a_folder_that_would_go_first_is_told(pico_box):
    mpremote(pico_box.console_url, "fs", "mkdir", ":ue")
    _, complaint = flash(pico_box, *L3, code=2)
    assert "mpremote rm -r :ue" in complaint


def test_uninstall_leaves_what_is_not_ours(board):
    mpremote(board.console_url, "exec", "f = open('data.csv', 'w'); f.write('1'); f.close()")
    events, _ = flash(board, "--uninstall")
    assert {"main.py", "config.json", "ue-state.json"} < set(events["uninstalled"]["removed"])
    assert (names(board), names(board, "lib")) == (["data.csv", "lib"], [])


def test_a_ue_that_cannot_register_is_told(board):
    _, complaint = flash(board, "--wait", "15", code=1)
    assert "not registered within 15 s (state " in complaint
    assert "is the gateway there, and is the link right?" in complaint


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "how does this board reach the gateway? Add --link"),
        (("--link", "udp://h:1"), "this board has no Wi-Fi; use serial://uart0"),
        (("--link", "ble://"), "this board has no BLE; use serial://uart0"),
        (("--link", "serial://uart2"), "this board has no uart2; it has uart0 to uart1"),
        (("--config", __file__), "a JSON file is wanted, as docs/reference/config.md has one"),
        ((*LINK, "--set", "watchdog_s=9"), "watchdog_s: at most 8 on this board"),
        ((*LINK, "--set", "lnik=x"), "unknown key 'lnik'; did you mean 'link'?"),
        ((*LINK, "--set", "wait_s=x"), "wait_s: a whole number is wanted, not 'x'"),
        ((*LINK, "--set", "led"), "--set led: KEY=VALUE is wanted"),
        ((*LINK, "--board", "pico"), "--board pico: there is none of that name"),
    ],
)
def test_wrong_use_is_one_sentence_and_changes_nothing(shared_box, arguments, text):
    _, complaint = flash(shared_box, *arguments, code=2)
    assert text in complaint and complaint.count("\n") == 1
    assert names(shared_box) == []


@pytest.fixture(scope="module")
def shared_box(box_parts, tmp_path_factory):
    with PicoBox(box_parts, tmp_path_factory.mktemp("shared") / "box") as box:
        yield box


def test_ctrl_c_leaves_the_repl_alone_and_a_loop_that_hangs_is_reset(board):
    """The watchdog of a UE that runs is stopped by Ctrl-C, and deadly to a loop that hangs."""
    flash(board, "--wait", "4", "--set", "watchdog_s=3", code=1)
    mark = board.mark()
    slept = mpremote(board.console_url, "exec", "import time; time.sleep(5); print('slept')")
    assert slept.strip() == "slept"
    assert not [event for event in board.events if event["event"] == "reset"]
    hang = "from ue.watchdog import Watchdog\nWatchdog(2)\nwhile True: pass"
    mpremote(board.console_url, "exec", "--no-follow", hang)
    assert board.wait_for("reset", mark)["cause"] == "watchdog"


def test_the_led_flashes_for_its_state(board):
    flash(board, "--no-start", "--set", "led=LED")
    code = """
import asyncio
from ue.led import Led
from machine import mem32
SIO_GPIO_OUT = 0xD0000010
async def main():
    led = Led("LED")
    led.state = "backoff"
    task = asyncio.create_task(led.run())
    seen = ""
    for _ in range(100):
        await asyncio.sleep_ms(20)
        now = str(mem32[SIO_GPIO_OUT] >> 25 & 1)
        if not seen.endswith(now):
            seen += now
    print(seen)
asyncio.run(main())
"""
    assert mpremote(board.console_url, "exec", code).strip().startswith("1010")


def test_it_starts_after_a_reset(board):
    """`main.py` speaks by itself once the board has power."""
    board.reset()
    with board.console_tty.open("rb", buffering=0) as console:
        heard = b""

        def said():
            nonlocal heard
            heard += console.read(4096)
            return b"state=signing-up" in heard

        wait_until(said, 60)
