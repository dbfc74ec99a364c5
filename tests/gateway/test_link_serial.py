"""The serial carrier on real ttys: noise, cables pulled and put back, ports that refuse."""

import asyncio
import contextlib
import errno
import os
import sys

import pytest

from msgin5g.serial_framing import END, encode
from msgin5g_gateway import link_serial
from msgin5g_gateway.carriers import Carrier, LinkUnavailable
from msgin5g_gateway.link_serial import MAX_FRAME_BYTES, MAX_QUEUED_BYTES, SerialCarrier
from tests.gateway.serial_rig import Rig, until
from tests.serial_cable import Port

NOBODY = 65534


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(link_serial, "REOPEN_MIN_S", 0.02)
    monkeypatch.setattr(link_serial, "REOPEN_MAX_S", 0.05)


@pytest.fixture
def port(tmp_path):
    made = Port(tmp_path / "ttyACM0")
    yield made
    made.unplug()


@pytest.fixture
def no_port(tmp_path):
    made = Port(tmp_path / "ttyACM0", plugged=False)
    yield made
    made.unplug()


def run(port, script, query=""):
    async def main():
        rig = Rig(port, query)
        try:
            await script(rig)
        finally:
            await rig.close()

    asyncio.run(main())


def test_frames_of_every_size_and_byte_in_both_directions(port):
    sent = [bytes(n % 256 for n in range(size)) for size in (1, 2, 253, 254, 255, 600)]
    sent += [bytes(MAX_FRAME_BYTES), b"\xff" * MAX_FRAME_BYTES, b"\r\n\x03\x04\x11\x13\x1a\x7f"]

    async def script(rig):
        await rig.up()
        for frame in sent:
            port.send(frame)
            assert rig.send(frame)
        assert await rig.wait_for(len(sent)) == sent
        assert {peer for peer, _ in rig.frames} == {port.url}
        assert await rig.hears(len(sent)) == sent
        assert rig.carrier.counters["frames"] == rig.carrier.counters["sent"] == len(sent)

    run(port, script)


def test_it_is_a_carrier_and_names_its_peer(port):
    async def script(rig):
        carrier: Carrier = rig.carrier
        await rig.up()
        assert rig.events == [("link-up", {"peer": port.url, "baud": 57600})]
        assert (carrier.scheme, carrier.url) == ("serial", port.url + "?baud=57600")
        assert carrier.max_frame_bytes == 1280
        assert carrier.reaches(port.url)
        assert not carrier.reaches(port.url + "1") and not carrier.reaches("udp://h:1")
        assert not carrier.send("serial:///dev/other", b"@")

    run(port, script, "?baud=57600")


def test_the_first_byte_on_a_line_just_opened_ends_what_was_there(port):
    async def script(rig):
        await rig.up()
        rig.send(b"@1")
        seen = bytearray()
        await until(lambda: seen.extend(port.read()) or seen.count(0) == 2)
        assert bytes(seen) == END + encode(b"@1")

    run(port, script)


def test_garbage_is_counted_and_the_next_frame_comes_through(port):
    async def script(rig):
        await rig.up()
        port.write(b"rst:0x1 (POWERON_RESET)\r\nMicroPython v1.28\r\n>>> " + END + encode(b"@1"))
        port.write(bytes(range(256)) + encode(b"lost") + encode(b"@2"))
        assert (await rig.wait_for(2))[-2:] == [b"@1", b"@2"]
        counters = rig.carrier.counters
        assert counters["bad_cobs"] + counters["bad_crc"] + counters["too_short"] >= 2

    run(port, script)


def test_half_a_frame_is_forgotten_when_the_line_is_lost(port):
    async def script(rig):
        await rig.up()
        port.send(b"@0")
        port.write(encode(b"half of this")[:6])
        await rig.wait_for(1)
        port.unplug()
        await until(lambda: "link-lost" in rig.names)
        port.plug()
        await rig.up(2)
        port.send(b"@1")
        assert await rig.wait_for(2) == [b"@0", b"@1"]
        assert rig.carrier.counters["bad_crc"] == rig.carrier.counters["bad_cobs"] == 0

    run(port, script)


def test_half_a_frame_ends_where_the_device_starts_again(port):
    async def script(rig):
        await rig.up()
        port.write(encode(b"half of this")[:6])
        port.write(END + encode(b"@1"))
        assert await rig.wait_for(1) == [b"@1"]

    run(port, script)


def test_a_port_that_is_pulled_and_put_back_three_times(port):
    async def script(rig):
        for number in range(1, 4):
            await rig.up(number)
            port.send(b"@" + bytes([number]))
            await rig.wait_for(number)
            port.unplug()
            await until(lambda want=number: rig.names.count("link-lost") >= want)
            assert not rig.send(b"@")
            port.plug()
        await rig.up(4)
        assert rig.send(b"@9") and await rig.hears() == [b"@9"]
        assert rig.names == ["link-up", "link-lost"] * 3 + ["link-up"]
        lost = rig.events[1][1]
        assert lost["peer"] == port.url and "went away" in lost["reason"]
        assert rig.carrier.counters["lost"] == rig.carrier.counters["dropped_down"] == 3

    run(port, script)


def test_a_port_that_stays_away_is_told_once(no_port, monkeypatch):
    tries = []
    real = link_serial._open
    monkeypatch.setattr(link_serial, "_open", lambda line: tries.append(line) or real(line))

    async def script(rig):
        await until(lambda: len(tries) >= 5)
        (lost,) = rig.events
        assert lost[0] == "link-lost" and "no such device" in lost[1]["reason"]
        no_port.plug()
        await rig.up()
        no_port.unplug()
        before = len(tries)
        await until(lambda: len(tries) >= before + 5)
        assert rig.names == ["link-lost", "link-up", "link-lost"]

    run(no_port, script)


@contextlib.contextmanager
def refused(device):
    """Nobody may open the device; root is nobody meanwhile."""
    mode = os.stat(device).st_mode & 0o777
    os.chmod(device, 0)
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        os.chmod(device, mode)


def test_a_refused_permission_says_what_to_do(port):
    port.url = f"serial://{port.device}"

    async def main():
        with refused(port.device):
            rig = Rig(port)
            await until(lambda: rig.events)
        await rig.up()
        await rig.close()
        assert rig.names == ["link-lost", "link-up"]
        reason = rig.events[0][1]["reason"]
        assert "permission refused" in reason and "dialout" in reason

    asyncio.run(main())


def test_two_gateways_cannot_share_a_port(port):
    async def script(rig):
        await rig.up()
        other = Rig(port)
        await until(lambda: other.events)
        assert other.names == ["link-lost"]
        assert "another program has the port open" in other.events[0][1]["reason"]
        port.send(b"@1")
        assert await rig.wait_for(1) == [b"@1"]
        await rig.close()
        await other.up()
        await other.close()

    run(port, script)


@pytest.mark.parametrize("what", ["/dev/null", "/dev", "file"])
def test_what_is_no_tty_is_told_and_survived(tmp_path, what):
    path = tmp_path / what if what == "file" else what
    if what == "file":
        path.write_bytes(b"")

    class Place:
        url = f"serial://{path}"

    async def script(rig):
        await until(lambda: rig.events)
        assert rig.names == ["link-lost"]
        assert "cannot be used as a serial line" in rig.events[0][1]["reason"]
        assert not rig.task.done()

    run(Place, script)


def test_frames_that_are_too_long(port):
    async def script(rig):
        await rig.up()
        assert not rig.send(bytes(MAX_FRAME_BYTES + 1)) and not rig.send(b"")
        assert rig.carrier.counters["dropped_too_long"] == 2
        port.send(bytes(MAX_FRAME_BYTES + 1), b"y" * 5000, b"@1")
        assert await rig.wait_for(1) == [b"@1"]
        assert rig.carrier.counters["too_long"] == 2

    run(port, script)


def test_a_full_queue_drops_and_counts_and_never_blocks(port):
    frame = b"@" + bytes(999)

    async def script(rig):
        await rig.up()
        accepted = 0
        while rig.send(frame + accepted.to_bytes(2, "big")):
            accepted += 1
            assert accepted < 1000
        assert not rig.send(frame) and rig.carrier.counters["dropped_full"] == 2
        assert len(rig.carrier._queue) <= MAX_QUEUED_BYTES
        assert rig.carrier.counters["sent"] == accepted > MAX_QUEUED_BYTES // len(frame)
        got = await rig.hears(accepted)
        assert got == [frame + number.to_bytes(2, "big") for number in range(accepted)]
        await until(lambda: not rig.carrier._is_writing)
        assert rig.send(b"@1") and await rig.hears() == [b"@1"]

    run(port, script)


def test_a_full_queue_does_not_outlive_the_line(port):
    async def script(rig):
        await rig.up()
        while rig.send(bytes(1000)):
            pass
        port.unplug()
        await until(lambda: "link-lost" in rig.names)
        assert not rig.carrier._queue
        port.plug()
        await rig.up(2)
        rig.send(b"@new")
        assert await rig.hears() == [b"@new"]

    run(port, script)


def test_the_control_lines_are_not_left_in_the_pattern_that_resets_a_board(port, monkeypatch):
    import serial

    seen = []
    for name in ("rts", "dtr"):
        monkeypatch.setattr(
            serial.Serial,
            f"_update_{name}_state",
            lambda self, name=name: seen.append((name, getattr(self, name))),
        )

    async def script(rig):
        await rig.up()

    run(port, script)
    assert seen == [("rts", False), ("dtr", False)]
    seen.clear()
    run(port, script, "?dtr=1")
    assert ("dtr", False) not in seen and ("rts", False) not in seen


@pytest.fixture
def pauses(monkeypatch):
    """The bounds of each pause, which then takes no time."""
    monkeypatch.undo()
    pauses: list[tuple[float, float]] = []

    def uniform(low, high):
        pauses.append((low, high))
        return 0.0

    monkeypatch.setattr(link_serial.random, "uniform", uniform)
    return pauses


def test_a_port_that_is_not_there_is_looked_for_every_half_second(no_port, pauses):
    async def script(rig):
        await until(lambda: len(pauses) >= 10)

    run(no_port, script)
    assert set(pauses) == {(0.5, 0.75)}


def test_for_a_port_that_refuses_pauses_grow_to_half_a_minute(port, pauses, monkeypatch):
    def refusing(line):
        raise OSError(errno.EACCES, "x")

    monkeypatch.setattr(link_serial, "_open", refusing)

    async def script(rig):
        await until(lambda: len(pauses) >= 10)

    run(port, script)
    assert pauses[0] == (0.5, 0.75)
    assert all(low < high for low, high in pauses) and pauses[:10] == sorted(pauses[:10])
    assert pauses[9] == (20.0, 30.0)


def test_nothing_stays_open(port):
    async def script(rig):
        await rig.up()

    async def cancelled_while_opening():
        rig = Rig(port)
        await asyncio.sleep(0)
        await rig.close()

    run(port, script)
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(5):
        run(port, script)
        asyncio.run(cancelled_while_opening())
    run(port, script)
    assert len(os.listdir("/proc/self/fd")) <= len(before)


def test_a_port_that_fails_while_it_is_opened_is_tried_again(port, monkeypatch):
    real = link_serial._open
    failures = [OSError(errno.EIO, "x"), link_serial.termios.error(errno.EIO, "x")]

    def failing(line):
        if failures:
            raise failures.pop()
        return real(line)

    monkeypatch.setattr(link_serial, "_open", failing)

    async def script(rig):
        await rig.up()
        assert rig.names == ["link-lost", "link-up"]

    run(port, script)


def test_a_carrier_closed_by_its_own_frame(port):
    async def script(rig):
        await rig.up()
        rig.carrier._on_frame = lambda peer, frame: (rig.frames.append(frame), rig.carrier.close())
        port.send(b"@1", b"@2")
        await until(lambda: rig.frames)
        assert rig.frames == [b"@1"]

    run(port, script)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("serial:///dev/ttyS0?speed=1", "unknown key 'speed'; known are baud, dtr"),
        ("serial:///dev/ttyS0?baud=fast", "baud is a number from 1 to 4000000, not 'fast'"),
        ("serial:///dev/ttyS0?baud=0", "baud is a number"),
        ("serial:///dev/ttyS0?baud=1&baud=2", "baud stands there twice"),
        ("serial:///dev/ttyS0?dtr=yes", "dtr is 0 or 1"),
        ("serial:///dev/ttyS0?", "unknown key ''"),
        ("serial://ttyS0", "a serial link is serial:///dev/NAME"),
        ("serial://", "a serial link is"),
        ("udp://127.0.0.1:1", "a serial link is"),
    ],
)
def test_a_wrong_url_is_refused(url, said):
    with pytest.raises(ValueError, match="serial") as caught:
        SerialCarrier(url, print, print)
    assert said in str(caught.value)


def test_without_pyserial_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(LinkUnavailable, match=r"pip install 'msgin5g\[serial\]'"):
        SerialCarrier("serial:///dev/ttyS0", print, print)
