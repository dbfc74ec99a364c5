"""The gateway's BLE link and the firmware's, on the virtual radio: MicroPython at the far end."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from msgin5g_gateway import link_ble
from msgin5g_gateway.carriers import LinkUnavailable
from msgin5g_gateway.link_ble import BleCarrier
from msgin5g_host.ble_url import parse_ble
from msgin5g_tools.micropython import micropython_path, ue_environment
from msgin5g_tools.radio import bleak_backend
from tests.processes import Process

ECHO = Path(__file__).parent.parent / "firmware" / "ble_echo.py"
URL = "ble://?backend=msgin5g_tools.radio.bleak_backend"
DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def _air(monkeypatch):
    """What a rig says of its radio ends with the test."""
    monkeypatch.setenv("MSGIN5G_AIR", "")


class Rig:
    """The gateway's carrier in this process; the radio and the boards are processes."""

    def __init__(self, folder):
        self.path = str(folder / "air")
        self.frames, self.events, self.boards = [], [], []
        self.air = self.carrier = self._task = None

    async def start(self, query="", loss=0.0):
        os.environ["MSGIN5G_AIR"] = self.path
        await self.on_air(loss)
        self.carrier = BleCarrier(
            URL + query,
            lambda peer, frame: self.frames.append((peer, frame)),
            lambda name, fields: self.events.append((name, fields)),
        )
        self._task = asyncio.create_task(self.carrier.run())

    async def on_air(self, loss=0.0):
        argv = [sys.executable, "-m", "msgin5g_tools.radio.air", "--path", self.path]
        self.air = Process([*argv, "--loss", str(loss)])
        await asyncio.to_thread(self.air.wait_for, "ready")

    def board(self, name="echo"):
        argv = [micropython_path(), "-X", "heapsize=200k", str(ECHO)]
        url = f"ble://?name={name}&interval_ms=20"
        self.boards.append(Process([*argv, url], ue_environment(self.path)))
        return self.boards[-1]

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not (value := condition()):
                await asyncio.sleep(0.01)
        return value

    def up(self):
        """The identifiers of devices that came, oldest first."""
        return [fields["peer"] for name, fields in self.events if name == "link-up"]

    def lost(self):
        return [fields for name, fields in self.events if name == "link-lost"]

    async def connected(self, count=1):
        return await self.until(lambda: len(self.up()) >= count and self.up())

    async def echo(self, peer, frame):
        before = len(self.frames)
        assert self.carrier.send(peer, frame)
        await self.until(lambda: (peer, frame) in self.frames[before:])

    async def close(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.carrier.close()
        await bleak_backend.close()
        await asyncio.to_thread(self.air.stop)
        for board in self.boards:
            board.kill()
            assert not [one for one in board.events if one["event"] == "output"], board.events


def run(folder, script, **settings):
    async def main():
        rig = Rig(folder)
        await rig.start(**settings)
        try:
            await script(rig)
        finally:
            await rig.close()

    asyncio.run(main())


def test_frames_of_every_size_go_both_ways(tmp_path):
    async def script(rig):
        board = rig.board()
        (peer,) = await rig.connected()
        assert peer.startswith("ble://C4:") and rig.carrier.reaches(peer)
        for size in (1, 2, 16, 17, 18, 100, 241, 242, 500, 1280):
            await rig.echo(peer, bytes(at * 7 % 251 + 1 for at in range(size)))
        await rig.until(lambda: rig.carrier.send(peer, b"?"))
        counters = await asyncio.to_thread(board.wait_for, "counters")
        assert counters["gaps"] == counters["overflow"] == counters["bad_crc"] == 0
        assert counters["frames"] == 11
        assert not rig.carrier.send("ble://00:00:00:00:00:00", b"x")
        assert rig.carrier.counters["dropped_down"] == 1

    run(tmp_path, script)


def test_many_frames_at_once_come_back_in_order(tmp_path):
    async def script(rig):
        rig.board()
        (peer,) = await rig.connected()
        await rig.echo(peer, b"go")
        sent = [bytes((number,)) + bytes(60) for number in range(100)]
        for number, frame in enumerate(sent):
            # As many under way as a window has: nobody else holds the gateway back.
            await rig.until(lambda number=number: number - len(rig.frames) < 8)
            assert rig.carrier.send(peer, frame)
        await rig.until(lambda: len(rig.frames) == 101)
        assert [frame for _, frame in rig.frames[1:]] == sent

    run(tmp_path, script)


def test_a_board_that_is_killed_is_noticed_and_a_new_one_taken(tmp_path):
    async def script(rig):
        rig.board()
        (first,) = await rig.connected()
        rig.boards[0].kill()
        await rig.until(rig.lost)
        assert rig.lost()[0]["peer"] == first
        rig.boards.clear()
        rig.board()
        peers = await rig.connected(2)
        await rig.echo(peers[1], b"again")

    run(tmp_path, script)


def test_a_radio_that_goes_and_comes_back_brings_everybody_back(tmp_path, monkeypatch):
    monkeypatch.setattr(link_ble, "_SCAN_S", 0.3)

    async def script(rig):
        board = rig.board()
        await rig.connected()
        await asyncio.to_thread(rig.air.kill)
        await asyncio.to_thread(board.wait_for, "link-lost")
        await rig.until(lambda: [one for one in rig.lost() if "virtual radio" in one["reason"]])
        await rig.on_air()
        peers = await rig.connected(2)
        await rig.echo(peers[1], b"back")
        told = [one["reason"] for one in rig.lost() if "peer" not in one]
        assert len(told) == len(set(told)), "each reason is told once"

    run(tmp_path, script)


def test_slots_are_bounded_and_the_silent_give_way(tmp_path, monkeypatch):
    monkeypatch.setattr(link_ble, "_SCAN_S", 0.3)

    async def script(rig):
        rig.board("a")
        (first,) = await rig.connected()
        rig.board("b")
        peers = await rig.connected(2)
        assert peers[1] != first and rig.carrier.counters["evicted"] == 1
        assert any(one["reason"] == "gave way to another device" for one in rig.lost())
        await rig.echo(peers[1], b"mine")

    run(tmp_path, script, query="&slots=1&idle_s=1")


def test_devices_that_are_not_on_the_list_are_left_alone(tmp_path):
    async def script(rig):
        rig.board("a")
        rig.board("b")
        await rig.connected()
        await asyncio.sleep(0.5)
        assert set(rig.up()) == {"ble://C4:00:00:00:00:02"}

    run(tmp_path, script, query="&allow=C4:00:00:00:00:02")


def test_lost_values_cost_their_frame_and_no_other(tmp_path):
    async def script(rig):
        rig.board()
        (peer,) = await rig.connected()
        sent = {bytes((number,)) + bytes(number % 3 * 300) for number in range(60)}
        missing = set(sent)
        async with asyncio.timeout(DEADLINE_S):
            while missing:
                for frame in missing:
                    rig.carrier.send(peer, frame)
                    await asyncio.sleep(0.002)
                await asyncio.sleep(0.1)
                missing -= {frame for _, frame in rig.frames}
        assert {frame for _, frame in rig.frames} == sent

    run(tmp_path, script, loss=0.1)


def test_without_a_radio_there_is_one_line_that_says_so(tmp_path):
    events = []

    async def main():
        os.environ["MSGIN5G_AIR"] = str(tmp_path / "none")
        carrier = BleCarrier(URL, lambda *_: None, lambda *event: events.append(event))
        task = asyncio.create_task(carrier.run())
        async with asyncio.timeout(DEADLINE_S):
            while carrier.counters["scan_failures"] < 2:
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bleak_backend.close()

    asyncio.run(main())
    assert len(events) == 1 and "no virtual radio" in events[0][1]["reason"]


def test_a_backend_that_is_not_there_is_a_clear_error():
    with pytest.raises(LinkUnavailable, match="backend no.such"):
        BleCarrier("ble://?backend=no.such", lambda *_: None, lambda *_: None)


def test_without_bleak_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bleak", None)
    with pytest.raises(LinkUnavailable, match=r"pip install 'msgin5g\[ble\]'"):
        BleCarrier("ble://", lambda *_: None, lambda *_: None)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ble:hci0", "a BLE link is ble://"),
        ("ble://hci 0", "a BLE link is ble://"),
        ("ble://?slot=1", "a BLE link has slots"),
        ("ble://?slots=0", "slots is a number from 1 to 20"),
        ("ble://?idle_s=x", "idle_s is a number"),
        ("ble://?allow=12", "allow has addresses"),
    ],
)
def test_a_wrong_url_is_a_clear_error(url, text):
    with pytest.raises(ValueError, match=text):
        parse_ble(url)


def test_the_parts_of_a_url():
    got = parse_ble("ble://hci1?slots=3&idle_s=9&allow=aa:bb:cc:dd:ee:ff&backend=a.b")
    assert (got.adapter, got.slots, got.idle_s) == ("hci1", 3, 9.0)
    assert (got.allow, got.backend) == (frozenset({"AA:BB:CC:DD:EE:FF"}), "a.b")
