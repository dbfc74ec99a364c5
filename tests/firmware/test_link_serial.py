"""The firmware's serial link on MicroPython and real ttys: noise, pulled cables, a full queue."""

from pathlib import Path

import pytest

from msgin5g.serial_framing import END, encode
from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.processes import Process
from tests.serial_cable import Port, wait_until

SCRIPT = Path(__file__).with_name("serial_echo.py")
QUEUED = 4


@pytest.fixture
def start():
    running = []

    def start(port, query=""):
        argv = [micropython_path(), "-X", "heapsize=200k", str(SCRIPT), port.url + query]
        running.append(Process(argv, ue_environment()))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        assert not [event for event in one.events if event["event"] == "output"], one.events


@pytest.fixture
def port(tmp_path):
    made = Port(tmp_path / "ttyUSB0")
    yield made
    made.unplug()


def counters(board, port):
    port.send(b"?")
    return board.wait_for("counters")


def test_frames_of_every_size_and_byte_come_back(port, start):
    board = start(port, "?baud=921600")
    board.wait_for("open")
    sent = [bytes(n % 256 for n in range(size)) for size in (1, 2, 253, 254, 255, 600)]
    sent += [bytes(1280), b"\xff" * 1280, b"\r\n\x03\x04\x11\x13\x1a\x7f"]
    for frame in sent:
        port.send(frame)
        assert port.wait_for() == [frame]
    port.send(*sent[:6])
    assert port.wait_for(6) == sent[:6]
    assert counters(board, port)["frames"] == len(sent) + 6 + 1


def test_the_first_byte_on_a_line_just_opened_ends_what_was_there(port, start):
    start(port).wait_for("open")
    port.send(b"@1", b"@2")
    seen = bytearray()
    wait_until(lambda: seen.extend(port.read()) or seen.count(0) == 3)
    assert bytes(seen) == END + encode(b"@1") + encode(b"@2")


def test_garbage_is_counted_and_the_next_frame_comes_through(port, start):
    board = start(port)
    board.wait_for("open")
    port.write(b"login: \x03\x04\xff" * 30 + END + encode(b"@1"))
    port.write(bytes(range(256)) + encode(b"lost") + encode(b"@2") + bytes(10))
    assert port.wait_for(2) == [b"@1", b"@2"]
    told = counters(board, port)
    assert told["frames"] == 3 and told["bad_cobs"] + told["bad_crc"] >= 2


def test_half_a_frame_is_forgotten_when_the_line_is_lost(port, start):
    board = start(port)
    for number in range(3):
        board.wait_for("open")
        port.send(b"@" + bytes([number]))
        assert port.wait_for() == [b"@" + bytes([number])]
        port.write(encode(b"half of this")[:6])
        port.unplug()
        assert "hung up" in board.wait_for("link-lost")["reason"]
        port.plug()
    board.wait_for("open")
    port.send(b"@9")
    assert port.wait_for() == [b"@9"]
    told = counters(board, port)
    assert (told["bad_crc"], told["bad_cobs"], told["frames"]) == (0, 0, 5)


def test_half_a_frame_ends_where_the_gateway_starts_again(port, start):
    start(port).wait_for("open")
    port.write(encode(b"half of this")[:6])
    port.write(END + encode(b"@1"))
    assert port.wait_for() == [b"@1"]


def test_a_device_that_is_absent_at_the_start_is_found_later(tmp_path, start):
    port = Port(tmp_path / "ttyUSB0", plugged=False)
    board = start(port)
    assert board.wait_for("closed")["sent"] is False
    for _ in range(3):
        reason = board.wait_for("link-lost")["reason"]
        assert "ENOENT" in reason and "no such device" in reason
    port.plug()
    board.wait_for("open")
    port.send(b"@1")
    assert port.wait_for() == [b"@1"]
    port.unplug()


def test_what_is_no_tty_is_told_and_survived(start):
    class Null:
        url = "serial:///dev/null"

    board = start(Null)
    for _ in range(2):
        reason = board.wait_for("link-lost")["reason"]
        assert "/dev/null: cannot be used as a serial line" in reason


def test_a_frame_that_is_too_long_is_left_out(port, start):
    board = start(port)
    board.wait_for("open")
    port.send(bytes(1281), b"y" * 5000, b"@1")
    assert port.wait_for() == [b"@1"]
    assert counters(board, port)["too_long"] == 2


def fill(board, port):
    """Let the board send until queue and tty take no more; returns what each turn told."""
    told = []
    while len(told) < 5 or any(one["accepted"] for one in told[-5:]):
        assert len(told) < 100
        port.send(b"!")
        told.append(board.wait_for("full"))
    return told


def test_a_full_queue_drops_and_does_not_stop_the_board(port, start):
    board = start(port)
    board.wait_for("open")
    told = fill(board, port)
    assert told[0]["accepted"] == QUEUED
    assert told[0]["too_long"] is told[0]["empty"] is False
    tick = board.wait_for("tick")["number"]
    board.wait_for("tick", number=tick + 3)
    accepted = sum(one["accepted"] for one in told)
    got = port.wait_for(accepted)
    assert len(got) == accepted and {len(frame) for frame in got} == {1000}
    assert counters(board, port)["dropped"] == len(told)
    port.send(b"@1")
    assert port.wait_for() == [b"@1"]


def test_a_full_queue_does_not_outlive_the_line(port, start):
    board = start(port)
    board.wait_for("open")
    fill(board, port)
    port.unplug()
    board.wait_for("link-lost")
    port.plug()
    board.wait_for("open")
    port.send(b"@1")
    assert port.wait_for() == [b"@1"]
