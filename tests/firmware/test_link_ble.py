"""The firmware's BLE link on MicroPython and the virtual radio: a central without manners."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from msgin5g.ble_framing import (
    NOTIFY_UUID,
    SERVICE_UUID,
    WRITE_UUID,
    Reassembler,
    following,
    fragments,
)
from msgin5g_tools.micropython import micropython_path, ue_environment
from msgin5g_tools.radio import bleak_backend
from tests.processes import Process

ECHO = Path(__file__).with_name("ble_echo.py")
DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def _air(monkeypatch):
    """What a rig says of its radio ends with the test."""
    monkeypatch.setenv("MSGIN5G_AIR", "")


class Rig:
    """A board and the radio, which are processes, and a central in this one."""

    def __init__(self, folder):
        self.path = str(folder / "air")
        self.board = self.air = self.client = self.advertisement = None

    async def on_air(self, loss=0.0):
        argv = [sys.executable, "-m", "msgin5g_tools.radio.air", "--path", self.path]
        self.air = Process([*argv, "--loss", str(loss)])
        await asyncio.to_thread(self.air.wait_for, "ready")

    async def told(self, name):
        return await asyncio.to_thread(self.board.wait_for, name)

    async def start(self, loss=0.0):
        os.environ["MSGIN5G_AIR"] = self.path
        await self.on_air(loss)
        argv = [micropython_path(), "-X", "heapsize=200k", str(ECHO)]
        url = "ble://?name=kitchen&interval_ms=20"
        self.board = Process([*argv, url], ue_environment(self.path))
        await self.told("open")

    async def connect(self):
        """Connect to whoever advertises the service; returns the address."""
        self.got, self.number, self.joined = [], 0, Reassembler()
        found = await self._find()
        self.client = BleakClient(found, backend=bleak_backend.client)
        await self.client.connect()
        await self.client.start_notify(NOTIFY_UUID, self._heard)
        return found.address

    async def _find(self):
        async with asyncio.timeout(DEADLINE_S):
            while True:
                scanner = BleakScanner(service_uuids=[SERVICE_UUID], backend=bleak_backend.scanner)
                async with scanner:
                    try:
                        async with asyncio.timeout(1):
                            async for device, advertisement in scanner.advertisement_data():
                                self.advertisement = advertisement
                                return device
                    except TimeoutError:
                        continue

    def _heard(self, _, value):
        frame = self.joined.receive(bytes(value))
        if frame is not None:
            self.got.append(frame)

    async def write(self, *values):
        for value in values:
            await self.client.write_gatt_char(WRITE_UUID, value, response=False)

    def cut(self, frame):
        values = fragments(frame, 244, self.number)
        self.number = following(self.number, len(values))
        return values

    async def say(self, frame):
        await self.write(*self.cut(frame))

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.005)

    async def echo(self, frame):
        await self.say(frame)
        await self.until(lambda: frame in self.got)

    async def counters(self):
        await self.say(b"?")
        return await self.told("counters")

    async def close(self):
        await bleak_backend.close()
        await asyncio.to_thread(self.air.stop)
        if self.board is not None:
            self.board.kill()
            assert not [one for one in self.board.events if one["event"] == "output"]


def run(folder, script, **settings):
    async def main():
        rig = Rig(folder)
        await rig.start(**settings)
        try:
            await script(rig)
        finally:
            await rig.close()

    asyncio.run(main())


def test_what_a_central_sees(tmp_path):
    async def script(rig):
        await rig.connect()
        assert rig.advertisement.local_name == "kitchen"
        assert rig.advertisement.service_uuids == [SERVICE_UUID]
        services = rig.client.services
        write = services.get_characteristic(WRITE_UUID)
        notify = services.get_characteristic(NOTIFY_UUID)
        assert set(write.properties) == {"write", "write-without-response"}
        assert set(notify.properties) == {"notify"}
        assert write.service_uuid == notify.service_uuid == SERVICE_UUID
        assert rig.client.mtu_size == 247 and write.max_write_without_response_size == 244

    run(tmp_path, script)


def test_frames_of_every_size_and_byte_come_back(tmp_path):
    async def script(rig):
        await rig.connect()
        sent = [bytes(at * 7 % 256 for at in range(size)) for size in (1, 17, 18, 241, 242, 600)]
        sent += [bytes(1280), b"\xff" * 1280, b"\x80\x00\x00", b"\xc0\xff\xff"]
        for frame in sent:
            await rig.echo(frame)
        assert rig.got == sent and rig.joined.counters["gaps"] == 0

    run(tmp_path, script)


def test_values_that_are_no_frames_are_counted_and_the_next_frame_is_whole(tmp_path):
    async def script(rig):
        await rig.connect()
        await rig.echo(b"@before")
        rig.number = 40
        await rig.write(b"\x00", b"\xff" * 244, b"hello", bytes(20), b"\xc0\x00\x00wrong")
        await rig.write(*rig.cut(bytes(300))[:1], *rig.cut(bytes(900))[1:])
        await rig.write(*rig.cut(bytes(1281)))
        await rig.echo(b"@after")
        assert rig.got == [b"@before", b"@after"]
        counters = await rig.counters()
        assert counters["too_long"] == 1 and counters["bad_crc"] >= 1 and counters["empty"] >= 1
        assert counters["frames"] == 3 and counters["gaps"] >= 2 and counters["overflow"] == 0

    run(tmp_path, script)


def test_a_central_that_leaves_in_the_middle_of_a_frame_and_comes_back(tmp_path):
    async def script(rig):
        addresses = set()
        for number in range(1, 5):
            addresses.add(await rig.connect())
            await rig.echo(b"@%d" % number)
            # Half a frame in, and a large one on its way out.
            await rig.say(bytes(1280))
            await rig.write(rig.cut(bytes(1000))[0])
            await rig.client.disconnect()
            assert "left" in (await rig.told("link-lost"))["reason"]
            await rig.told("open")
        await rig.connect()
        await rig.echo(b"@5")
        counters = await rig.counters()
        assert rig.got == [b"@5"] and rig.joined.counters["orphans"] == 0
        assert counters["gaps"] == counters["orphans"] == counters["bad_crc"] == 0
        # The stack is not restarted between centrals: the board is who it was.
        assert len(addresses) == 1

    run(tmp_path, script)


def test_a_gateway_that_is_killed_is_noticed_and_the_next_one_taken(tmp_path):
    async def script(rig):
        await rig.connect()
        await rig.echo(b"@1")
        # The host goes without a word, as a process does that is killed.
        await bleak_backend.close()
        assert "left" in (await rig.told("link-lost"))["reason"]
        await rig.told("open")
        await rig.connect()
        await rig.echo(b"@2")

    run(tmp_path, script)


def test_a_radio_that_goes_and_comes_back(tmp_path):
    async def script(rig):
        for number in range(1, 3):
            await rig.connect()
            await rig.echo(b"@%d" % number)
            await asyncio.to_thread(rig.air.kill)
            await rig.told("link-lost")
            # It is tried again and again, and refused.
            await rig.told("link-lost")
            with pytest.raises(BleakError):
                await rig.say(b"@")
            await rig.on_air()
            await rig.told("open")
        await rig.connect()
        await rig.echo(b"@3")

    run(tmp_path, script)


def test_many_small_frames_within_a_window_lose_none(tmp_path):
    async def script(rig):
        await rig.connect()
        sent = [b"@" + bytes([number // 256, number % 256]) for number in range(400)]
        for number, frame in enumerate(sent):
            await rig.until(lambda number=number: number - len(rig.got) < 8)
            await rig.say(frame)
        await rig.until(lambda: len(rig.got) == 400)
        assert rig.got == sent
        counters = await rig.counters()
        assert counters["overflow"] == counters["dropped"] == counters["gaps"] == 0

    run(tmp_path, script)


def test_more_frames_at_once_than_the_stack_has_room_for_come_back_in_order(tmp_path):
    async def script(rig):
        await rig.connect()
        sent = [bytes([number]) * 200 for number in range(1, 25)]
        await rig.write(*[value for frame in sent for value in rig.cut(frame)])
        await rig.until(lambda: len(rig.got) == len(sent))
        assert rig.got == sent and rig.joined.counters["gaps"] == 0

    run(tmp_path, script)


def test_lost_notifications_cost_their_frames_and_no_other(tmp_path):
    async def script(rig):
        await rig.connect()
        missing = {b"@" + bytes([number]) + bytes(number % 3 * 300) for number in range(40)}
        sent = set(missing)
        async with asyncio.timeout(DEADLINE_S):
            while missing:
                for frame in sorted(missing)[:8]:
                    await rig.say(frame)
                await asyncio.sleep(0.05)
                missing -= set(rig.got)
        assert set(rig.got) == sent and rig.joined.counters["gaps"] > 0
        assert rig.joined.counters["bad_crc"] == 0

    run(tmp_path, script, loss=0.1)
