"""A tty in front of a TCP port: what passes, what is lost, what it does when an end goes."""

import os
import socket
import time
from pathlib import Path

import pytest
import serial

from msgin5g_tools.pico_box.tty import Tty
from tests.bench.box_fixture import wait_until

DEADLINE_S = 10.0


@pytest.fixture
def far():
    """The listening port; `accept()` is the far end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        yield server


@pytest.fixture
def pair(far, tmp_path):
    """A tty and its far end."""
    tty = Tty(tmp_path / "tty", far.getsockname()[1])
    tty.plug()
    sock, _ = far.accept()
    sock.settimeout(DEADLINE_S)
    with sock:
        yield tty, sock
    tty.unplug()


def open_port(tty):
    return serial.Serial(str(tty.path), timeout=DEADLINE_S, write_timeout=DEADLINE_S)


def read_all(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(1 << 16)
        assert piece
        data += piece
    return data


def test_bytes_pass_both_ways_unchanged(pair):
    tty, sock = pair
    every = bytes(range(256)) * 100
    with open_port(tty) as port:
        port.write(every[:1000])
        assert read_all(sock, 1000) == every[:1000]
        sock.sendall(every)
        assert port.read(len(every)) == every
        for at in range(0, len(every), 1000):
            port.write(every[at : at + 1000])
        assert read_all(sock, len(every)) == every


def is_drained(sock):
    """Tell whether the far end has read all that was sent to it."""
    far = f":{sock.getpeername()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = [row for row in rows if row[1].endswith(far) or row[2].endswith(far)]
    return len(ours) == 2 and all(row[4] == "00000000:00000000" for row in ours)


def test_what_arrives_while_nobody_has_it_open_is_neither_kept_nor_echoed(pair):
    tty, sock = pair
    sock.sendall(b"nobody hears this\r\n" * 1000)
    wait_until(lambda: is_drained(sock))
    fd = os.open(tty.path, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(fd, b"first")
        assert read_all(sock, 5) == b"first"
        sock.sendall(b"second")
        assert os.read(fd, 100) == b"second"
    finally:
        os.close(fd)


def test_what_a_program_wrote_before_it_closed_arrives(pair):
    tty, sock = pair
    for n in range(20):
        tty.path.write_bytes(b"bye %02d" % n)
        assert read_all(sock, 6) == b"bye %02d" % n


def test_a_program_that_does_not_read_loses_the_newest(pair):
    tty, sock = pair
    with open_port(tty) as port:
        port.write(b"!")
        assert sock.recv(1) == b"!"
        sent = bytes(n % 251 for n in range(500_000))
        sock.sendall(sent)
        # The far end is not held up by it, and the other way is open.
        port.write(b"?")
        assert sock.recv(1) == b"?"
        got = port.read(60_000)
    assert sent.startswith(got)


def test_unplugged_it_is_gone_and_plugged_it_is_another(far, pair):
    tty, sock = pair
    with open_port(tty) as port:
        tty.unplug()
        tty.unplug()
        assert not tty.path.exists() and not tty.path.is_symlink()
        with pytest.raises(serial.SerialException):
            port.read(1)
        assert sock.recv(1) == b""
    tty.plug()
    tty.plug()
    again, _ = far.accept()
    with again, open_port(tty) as port:
        port.write(b"new")
        assert again.recv(3) == b"new"


def test_who_has_it_open_finds_it_hung_up_when_the_far_end_goes(pair):
    tty, sock = pair
    with open_port(tty) as port:
        port.write(b"!")
        assert sock.recv(1) == b"!"
        sock.close()
        with pytest.raises(serial.SerialException):
            port.read(1)
    tty.unplug()


def test_it_costs_nothing_while_it_waits(pair):
    """Open and idle, or open with a program that does not read: no turns of the loop."""
    tty, sock = pair
    with open_port(tty) as port:
        port.write(b"!")
        assert sock.recv(1) == b"!"
        sock.sendall(bytes(200_000))
        wait_until(lambda: port.in_waiting)
        time.sleep(0.2)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.25


def test_no_port_no_tty(tmp_path, far):
    port = far.getsockname()[1]
    far.close()
    with pytest.raises(OSError):
        Tty(tmp_path / "tty", port).plug()
    assert not (tmp_path / "tty").exists()
