"""The gateway's serial carrier and the firmware's on MicroPython, and the cable between them."""

import asyncio
from pathlib import Path

import pytest

from msgin5g_gateway import link_serial
from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.gateway.serial_rig import Rig, until
from tests.processes import Process
from tests.serial_cable import Cable, Echo, Port

ECHO = Path(__file__).parents[1] / "firmware" / "serial_echo.py"


@pytest.fixture
def ends(tmp_path, monkeypatch):
    monkeypatch.setattr(link_serial, "REOPEN_MIN_S", 0.02)
    monkeypatch.setattr(link_serial, "REOPEN_MAX_S", 0.05)
    return Port(tmp_path / "ttyACM0"), Port(tmp_path / "ttyUSB0")


def run(ends, script, rate=0.0):
    """Run script(rig, board, cable): a carrier on one end, MicroPython's echo on the other."""
    cable = Cable(*ends, rate=rate)
    argv = [micropython_path(), "-X", "heapsize=200k", str(ECHO), ends[1].url]
    board = Process(argv, ue_environment())

    async def main():
        rig = Rig(ends[0])
        try:
            await rig.up()
            await asyncio.to_thread(board.wait_for, "open")
            await script(rig, board, cable)
        finally:
            await rig.close()

    try:
        asyncio.run(main())
    finally:
        board.kill()
        cable.close()


async def until_silent(rig, cable):
    """Wait until nothing moves on the cable."""
    before = None
    while before != (before := (cable.carried, len(rig.frames))):
        await asyncio.sleep(0.05)


async def repeat(rig, cable, echo):
    while echo.open:
        assert echo.rounds < 300, "repeating does not help"
        echo.repeat()
        await until_silent(rig, cable)
        for frame in rig.got:
            echo.got(frame)
        rig.frames.clear()


def test_one_byte_in_a_hundred_is_wrong_and_repeating_gets_all_through(ends):
    async def script(rig, board, cable):
        echo = Echo(rig.send, 60)
        await repeat(rig, cable, echo)
        # The CRC lets no wrong frame through, and a lossy line takes more than one round.
        assert echo.strange == [] and echo.rounds > 1
        assert cable.damaged > 20
        counters = rig.carrier.counters
        assert counters["bad_crc"] + counters["bad_cobs"] > 0
        assert rig.names == ["link-up"]

    run(ends, script, rate=0.01)


def test_a_clean_cable_loses_nothing(ends):
    async def script(rig, board, cable):
        echo = Echo(rig.send, 60)
        # What the board's tty echoed before it was raw ends with the board's first END.
        rig.send(b"@")
        await rig.wait_for(1)
        rig.frames.clear()
        rig.carrier.counters.update(bad_crc=0, bad_cobs=0)
        for frame in sorted(echo.open):
            rig.send(frame)
            await rig.wait_for(1)
            echo.got(rig.frames.pop()[1])
        assert not echo.open and echo.strange == []
        assert rig.carrier.counters["bad_crc"] == rig.carrier.counters["bad_cobs"] == 0

    run(ends, script)


def test_a_cable_that_is_cut_and_mended_while_frames_are_on_their_way(ends):
    async def script(rig, board, cable):
        for number in range(1, 4):
            for size in (1, 500, 1280):
                rig.send(bytes([64 + number]) * size)
            await asyncio.to_thread(cable.cut)
            await until(lambda n=number: rig.names.count("link-lost") >= n)
            await asyncio.to_thread(board.wait_for, "link-lost")
            await asyncio.to_thread(cable.mend)
            await rig.up(number + 1)
            await asyncio.to_thread(board.wait_for, "open")
            await repeat(rig, cable, Echo(rig.send, 3, seed=number))

    run(ends, script)
