"""The Pico in a box: real firmware on the emulator, its files, console, resets and cables."""

import os
import signal
import socket
import time

import pytest
import serial

from msgin5g_tools.pico_box.box import PicoBox
from msgin5g_tools.pico_box.problems import BoxError
from tests.bench.box_fixture import mpremote, wait_until

CAUSE = "import machine; print(machine.reset_cause() == machine.WDT_RESET)"
ECHO = """
import machine
uart = machine.UART(0, 921600, tx=machine.Pin(0), rx=machine.Pin(1), rxbuf=4096, txbuf=4096)
while True:
    if uart.any():
        uart.write(uart.read())
"""
COUNTS_BOOTS = """
import machine, os, time
boots = len(os.listdir())
open(f"boot{boots}", "w").close()
uart = machine.UART(0, 115200, tx=machine.Pin(0), rx=machine.Pin(1))
while True:
    uart.write(f"boot {boots};")
    time.sleep_ms(50)
"""


def main_py(tmp_path, text):
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / "main.py").write_text(text)
    return folder


@pytest.fixture
def start(box_parts, tmp_path):
    """A function that starts a box with a main.py."""
    box = PicoBox(box_parts, tmp_path / "box")

    def start(text):
        box.load(main_py(tmp_path, text))
        box.start()
        return box

    yield start
    box.stop()


@pytest.fixture
def uart():
    """A function that opens the tty of a box's UART."""
    ports = []

    def open_tty(box):
        ports.append(serial.Serial(str(box.uart_tty), timeout=30, write_timeout=30))
        return ports[-1]

    yield open_tty
    for port in ports:
        port.close()


def until_it_echoes(port):
    """Wait until the board runs ECHO; nothing else is on its way back then."""
    timeout, port.timeout = port.timeout, 0.2
    for n in range(150):
        token = b"<%d>" % n
        port.write(token)
        if port.read_until(token).endswith(token):
            port.timeout = timeout
            return
    raise AssertionError("the board does not echo")


def test_it_runs_micropython_for_the_pico(pico_box, record_property):
    (up,) = [event for event in pico_box.events if event["event"] == "up"]
    record_property("boot_ms", up["after_ms"])
    code = "import sys; print(sys.implementation._machine)"
    assert mpremote(pico_box.console_url, "exec", code) == "Raspberry Pi Pico with RP2040\n"
    assert mpremote(pico_box.console_tty, "exec", code) == "Raspberry Pi Pico with RP2040\n"


def test_random_numbers_are_random(pico_box):
    code = "import os; print(len({os.urandom(4) for _ in range(20)}))"
    assert mpremote(pico_box.console_url, "exec", code).strip() == "20"


def test_files_survive_a_reset_and_the_end_of_the_box(box_parts, tmp_path):
    data = os.urandom(3000)
    (tmp_path / "data").write_bytes(data)
    with PicoBox(box_parts, tmp_path / "box") as box:
        mpremote(box.console_url, "fs", "cp", tmp_path / "data", ":data")
        box.reset()
        mpremote(box.console_url, "fs", "cp", ":data", tmp_path / "after_reset")
        # No chance to write anything any more.
        os.kill(box.pid, signal.SIGKILL)
    with PicoBox(box_parts, tmp_path / "box") as box:
        mpremote(box.console_url, "fs", "cp", ":data", tmp_path / "after_kill")
    assert (tmp_path / "after_reset").read_bytes() == data
    assert (tmp_path / "after_kill").read_bytes() == data


def test_a_reset_of_the_machine_starts_main_again(start, uart):
    box = start(COUNTS_BOOTS)
    port = uart(box)
    assert port.read_until(b"boot 1;").endswith(b"boot 1;")
    since = box.mark()
    mpremote(box.console_url, "reset")
    assert box.wait_for("reset", since)["cause"] == "machine"
    box.wait_for("up", since)
    assert port.read_until(b"boot 2;").endswith(b"boot 2;")
    # The RP2040 resets itself by its watchdog.
    assert mpremote(box.console_url, "exec", CAUSE) == "True\n"


def test_the_watchdog_resets_and_the_board_knows_it(pico_box):
    since = pico_box.mark()
    mpremote(pico_box.console_url, "exec", "import machine; machine.WDT(timeout=1500)")
    assert pico_box.wait_for("reset", since)["cause"] == "watchdog"
    pico_box.wait_for("up", since)
    assert mpremote(pico_box.console_url, "exec", CAUSE) == "True\n"
    pico_box.reset()
    assert mpremote(pico_box.console_url, "exec", CAUSE) == "False\n"


def test_a_watchdog_that_is_fed_does_not_bark(pico_box):
    since = pico_box.mark()
    code = (
        "import machine, time\n"
        "dog = machine.WDT(timeout=1500)\n"
        "for _ in range(30):\n"
        "    time.sleep_ms(100)\n"
        "    dog.feed()\n"
        "print('alive')"
    )
    assert mpremote(pico_box.console_url, "exec", code) == "alive\n"
    # Not fed any more, it does.
    assert pico_box.wait_for("reset", since)["cause"] == "watchdog"


def test_the_uart_loses_nothing_either_way(start, uart):
    box = start(ECHO)
    port = uart(box)
    until_it_echoes(port)
    sent = os.urandom(16_384)
    port.write(sent)
    assert port.read(len(sent)) == sent
    assert box.status()["uart_overruns"] == 0


def test_what_the_board_does_not_read_in_time_is_lost_and_counted(pico_box, uart):
    pins = "tx=machine.Pin(0), rx=machine.Pin(1), rxbuf=64"
    mpremote(pico_box.console_url, "exec", f"import machine; u = machine.UART(0, 115200, {pins})")
    port = uart(pico_box)
    port.write(bytes(range(250)) * 4)
    # Its buffer of 64 and the FIFO of 32 take what they can; the rest is on its way for a while.
    wait_until(lambda: pico_box.status()["uart_overruns"] >= 1000 - 64 - 32)
    lost = pico_box.status()["uart_overruns"]
    code = "n = 0\nwhile u.any(): n += len(u.read())\nprint(n)"
    assert int(mpremote(pico_box.console_url, "resume", "exec", code)) + lost == 1000


def test_the_usb_cable_powers_the_board(pico_box):
    url = pico_box.console_url
    mpremote(url, "exec", "kept_in_ram = 1")
    assert mpremote(url, "resume", "exec", "print('kept_in_ram' in globals())") == "True\n"
    with socket.create_connection(("127.0.0.1", pico_box.console_port)) as console:
        console.settimeout(30)
        pico_box.unplug()
        wait_until(lambda: hung_up(console))
    assert pico_box.status()["powered"] is False
    assert not pico_box.console_tty.exists()
    with socket.create_connection(("127.0.0.1", pico_box.console_port)) as console:
        console.settimeout(30)
        assert hung_up(console)
    with pytest.raises(BoxError, match="no power"):
        pico_box.reset()
    pico_box.unplug()
    pico_box.plug()
    pico_box.plug()
    assert pico_box.status()["powered"] is True
    code = "print('kept_in_ram' in globals())"
    assert mpremote(pico_box.console_tty, "resume", "exec", code) == "False\n"
    assert mpremote(url, "resume", "exec", code) == "False\n"


def hung_up(sock):
    try:
        return sock.recv(4096) == b""
    except ConnectionResetError:
        return True


def test_power_that_goes_while_files_are_written_leaves_a_file_system(start):
    box = start(
        "n = 0\n"
        "while True:\n"
        "    with open(f'file{n % 3}', 'w') as file:\n"
        "        file.write(str(n) * 1000)\n"
        "    n += 1\n"
    )
    check = (
        "import os\n"
        "for name in os.listdir():\n"
        "    if name.startswith('file'):\n"
        "        text = open(name).read()\n"
        "        number = text[:len(text) // 1000]\n"
        "        assert text == number * 1000, name\n"
        "print('whole')"
    )
    for turn in range(5):
        wait_until(lambda ms=150 + 37 * turn: box.status()["board_ms"] > ms)
        box.unplug()
        box.plug()
        assert mpremote(box.console_url, "exec", check) == "whole\n"
        box.reset()


def test_the_uart_cable_is_pulled_while_the_board_runs_on(start, uart):
    box = start(ECHO)
    first = uart(box)
    until_it_echoes(first)
    box.unplug_uart()
    assert not box.uart_tty.exists()
    with pytest.raises(serial.SerialException):
        first.read(1)
    booted_ms = box.status()["board_ms"]
    box.plug_uart()
    until_it_echoes(uart(box))
    assert box.status()["board_ms"] > booted_ms


def test_the_board_is_never_faster_than_the_wall(pico_box):
    """Its clock gains at most the 20 ms that it may catch up, even after the box was held up."""
    process = pico_box.pid
    for is_held in (False, True):
        if is_held:
            os.kill(process, signal.SIGSTOP)
            time.sleep(0.5)
            os.kill(process, signal.SIGCONT)
        start = time.monotonic()
        before = pico_box.status()["board_ms"]
        time.sleep(0.5)
        after = pico_box.status()["board_ms"]
        wall_ms = (time.monotonic() - start) * 1000
        assert 0 < after - before <= wall_ms + 25, is_held
    begun = time.monotonic()
    mpremote(pico_box.console_url, "exec", "import time; time.sleep(2)")
    assert time.monotonic() - begun >= 1.97


def test_a_console_that_nobody_reads_does_not_hold_the_board_up(start, uart):
    box = start(
        "import machine\n"
        "uart = machine.UART(0, 115200, tx=machine.Pin(0), rx=machine.Pin(1))\n"
        "while not uart.any():\n"
        "    pass\n"
        "for _ in range(2000):\n"
        "    print('x' * 100)\n"
        "uart.write(b'done')\n"
    )
    port = uart(box)
    with socket.create_connection(("127.0.0.1", box.console_port)):
        wait_until(lambda: port.write(b"go") and port.in_waiting)
        assert port.read(4) == b"done"


def test_a_board_that_crashed_is_told_and_lives_again_after_a_reset(pico_box):
    since = pico_box.mark()
    crash = "@micropython.asm_thumb\ndef crash():\n    data(2, 0xbe00)\ncrash()"
    mpremote(pico_box.console_url, "exec", "--no-follow", crash)
    assert "break point 0" in pico_box.wait_for("halted", since)["why"]
    pico_box.reset()
    assert mpremote(pico_box.console_url, "exec", "print(1)") == "1\n"


def test_folders_and_files_are_loaded_without_the_board(box_parts, tmp_path):
    folder = main_py(tmp_path, "import package.module\n")
    (folder / "package").mkdir()
    (folder / "package" / "module.py").write_text("print('imported')\n")
    (folder / "data").write_bytes(bytes(range(256)) * 100)
    box = PicoBox(box_parts, tmp_path / "box")
    box.load(folder)
    with box:
        with pytest.raises(BoxError, match="load files before"):
            box.load(folder)
        code = "import main; print(open('data', 'rb').read() == bytes(range(256)) * 100)"
        assert mpremote(box.console_url, "exec", code) == "imported\nTrue\n"
    (folder / "data").write_bytes(bytes(1500 * 1024))
    with pytest.raises(BoxError, match="does not fit"):
        box.load(folder)


def test_two_boxes_and_their_ends(box_parts, tmp_path):
    with (
        PicoBox(box_parts, tmp_path / "one") as one,
        PicoBox(box_parts, tmp_path / "other") as other,
    ):
        mpremote(one.console_url, "exec", "open('only_here', 'w').close()")
        assert mpremote(other.console_url, "exec", "import os; print(os.listdir())") == "[]\n"
    assert not one.uart_tty.exists() and not one.console_tty.exists()
    with pytest.raises(BoxError, match="not started"):
        one.reset()


def test_a_box_is_stopped_and_started_again(pico_box):
    for _ in range(2):
        pico_box.stop()
        pico_box.start()
        assert mpremote(pico_box.console_url, "exec", "print(1 + 1)").strip() == "2"


def test_a_box_that_ended_is_told_with_its_last_lines(pico_box):
    os.kill(pico_box.pid, signal.SIGKILL)
    with pytest.raises(BoxError, match=r"(?s)ended \(exit code -9\).*listening"):
        pico_box.reset()
    with pytest.raises(BoxError, match="exit code -9"):
        pico_box.wait_until_ended()


def test_files_of_another_size_are_refused(box_parts, tmp_path):
    (tmp_path / "files.img").write_bytes(bytes(100))
    with pytest.raises(BoxError, match="has 100 octets"):
        PicoBox(box_parts, tmp_path).start()


def test_what_did_not_happen_is_told_after_the_deadline(pico_box):
    with pytest.raises(BoxError, match="no 'halted' within 0 s"):
        pico_box.wait_for("halted", pico_box.mark(), 0.1)
