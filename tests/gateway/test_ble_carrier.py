"""The gateway's BLE link against devices and adapters that misbehave, on a scripted backend."""

import asyncio
import sys
import types

import pytest
from bleak.exc import BleakBluetoothNotAvailableError as NotAvailable
from bleak.exc import BleakBluetoothNotAvailableReason as Why
from bleak.exc import BleakDBusError, BleakError

from msgin5g.ble_framing import NOTIFY_UUID, WRITE_UUID, fragments
from msgin5g_gateway import ble_peer, link_ble
from msgin5g_gateway.ble_peer import MAX_QUEUED_VALUES
from msgin5g_gateway.carriers import Carrier, LinkUnavailable
from msgin5g_gateway.link_ble import BleCarrier
from tests.gateway.fake_bleak import CHARACTERISTICS, around

URL = "ble://?backend=tests.gateway.fake_bleak"
DEADLINE_S = 10.0


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(link_ble, "PAUSE_MIN_S", 0.02)
    monkeypatch.setattr(link_ble, "PAUSE_MAX_S", 0.05)
    monkeypatch.setattr(link_ble, "_SCAN_S", 0.05)
    around.clear()


class Rig:
    """A carrier that runs, and what it told."""

    def __init__(self, url):
        self.frames, self.events = [], []
        self.carrier = BleCarrier(
            url,
            lambda peer, frame: self.frames.append((peer, frame)),
            lambda name, fields: self.events.append((name, fields)),
        )
        self.task = asyncio.create_task(self.carrier.run())

    @property
    def counters(self):
        return self.carrier.counters

    def told(self, name, peer=None):
        return [one for what, one in self.events if what == name and one.get("peer") == peer]

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not (value := condition()):
                assert not self.task.done(), self.task
                await asyncio.sleep(0.002)
        return value

    async def up(self, device, times=1):
        await self.until(lambda: len(self.told("link-up", device.peer)) >= times)

    async def lost(self, device=None, times=1):
        peer = device and device.peer
        await self.until(lambda: len(self.told("link-lost", peer)) >= times)
        return self.told("link-lost", peer)[-1]["reason"]

    async def works(self, device):
        """Frames go both ways."""
        mark = bytes([len(self.frames) + 1]) * 300
        device.say(b"@" + mark)
        await self.until(lambda: (device.peer, b"@" + mark) in self.frames)
        assert self.carrier.send(device.peer, mark)
        await self.until(lambda: mark in device.said)

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.carrier.close()


def run(script, query="", url=URL):
    async def main():
        rig = Rig(url + query)
        try:
            await script(rig)
            assert not rig.task.done(), rig.task
        finally:
            await rig.close()
        assert not [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]

    asyncio.run(main())


def test_it_is_a_carrier_and_names_its_peers():
    async def script(rig):
        carrier: Carrier = rig.carrier
        device = around.device(1)
        await rig.up(device)
        assert (carrier.scheme, carrier.url) == ("ble", URL)
        assert carrier.max_frame_bytes == 1280
        assert carrier.reaches(device.peer) and not carrier.reaches("udp://127.0.0.1:1")
        await rig.works(device)
        assert rig.counters["frames"] == rig.counters["sent"] == rig.counters["connections"] == 1
        assert not carrier.send(device.peer, b"") and not carrier.send(device.peer, bytes(1281))
        assert rig.counters["dropped_too_long"] == 2
        await rig.works(device)

    run(script)


@pytest.mark.parametrize(
    "characteristics",
    [
        (),
        CHARACTERISTICS[:1],
        CHARACTERISTICS[1:],
        ((WRITE_UUID, ("read",)), CHARACTERISTICS[1]),
        (*CHARACTERISTICS, CHARACTERISTICS[0]),
    ],
    ids=["none", "no notify", "no write", "no way to write", "two to write"],
)
def test_a_device_without_the_characteristics_is_told_once_and_left(characteristics):
    async def script(rig):
        bad = around.device(1, characteristics=characteristics)
        await rig.until(lambda: rig.counters["connect_failures"] >= 3)
        assert len(rig.told("link-lost", bad.peer)) == 1
        assert not rig.told("link-up", bad.peer)
        await rig.until(lambda: bad.client is None)
        good = around.device(2)
        await rig.up(good)
        await rig.works(good)

    run(script)


def test_a_device_that_takes_no_answered_writes_is_written_to_without():
    async def script(rig):
        only = ((WRITE_UUID, ("write-without-response",)), CHARACTERISTICS[1])
        device = around.device(1, characteristics=only, mtu=23)
        await rig.up(device)
        assert rig.carrier.send(device.peer, bytes(1280))
        await rig.until(lambda: device.said == [bytes(1280)])
        assert rig.counters["write_failures"] == 0

    run(script)


def test_values_have_the_size_that_the_connection_has_now():
    async def script(rig):
        device = around.device(1, mtu=23)
        await rig.up(device)
        rig.carrier.send(device.peer, bytes(100))
        await rig.until(lambda: len(device.said) == 1)
        assert max(len(value) for value, _ in device.written) == 20
        device.mtu = 517
        device.written.clear()
        rig.carrier.send(device.peer, bytes(1280))
        await rig.until(lambda: len(device.said) == 2)
        assert max(len(value) for value, _ in device.written) == 244

    run(script)


@pytest.mark.parametrize(
    "problem",
    [
        BleakError("failed to discover services, device disconnected"),
        BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort-by-local"]),
        TimeoutError(),
        EOFError(),
        AssertionError("nobody said this could be raised"),
        KeyError("/org/bluez/hci0/dev_1"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("when", ["connecting", "starting"])
def test_a_connection_that_fails_is_tried_again_and_told_once(problem, when):
    async def script(rig):
        device = around.device(1)
        setattr(device, when, problem)
        await rig.until(lambda: rig.counters["connect_failures"] >= 3)
        assert len(rig.told("link-lost", device.peer)) == 1
        assert not rig.carrier.send(device.peer, b"@")
        setattr(device, when, None)
        await rig.up(device)
        await rig.works(device)

    run(script)


def test_a_device_that_leaves_while_it_is_connected_to():
    async def script(rig):
        device = around.device(1)

        async def leave():
            device.leave()

        device.starting = leave
        await rig.until(lambda: rig.counters["connect_failures"] >= 2)
        assert not rig.told("link-up", device.peer)
        assert len(rig.told("link-lost", device.peer)) == 1
        assert rig.counters["lost"] == 0
        device.starting = None
        await rig.up(device)
        await rig.works(device)

    run(script)


def test_a_connection_that_takes_for_ever_holds_nobody_up_for_ever(monkeypatch):
    monkeypatch.setattr(link_ble, "_CONNECT_S", 0.05)

    async def script(rig):
        device = around.device(1)
        device.connecting = asyncio.Event().wait
        await rig.lost(device)
        other = around.device(2)
        await rig.up(other)
        await rig.works(other)

    run(script)


def test_a_device_that_comes_and_goes():
    async def script(rig):
        device = around.device(1)
        for times in range(1, 5):
            await rig.up(device, times)
            await rig.works(device)
            # Half a frame, and then it is gone.
            device.notify(fragments(bytes(500), 244, device._number)[0])
            device.leave()
            device._number += 2
            assert await rig.lost(device, times) == "disconnected"
            assert not rig.carrier.send(device.peer, b"@")
        assert rig.counters["lost"] == 4 and rig.counters["gaps"] == 0
        assert rig.counters["orphans"] == rig.counters["bad_crc"] == 0

    run(script)


def test_an_old_connection_that_ends_late_does_not_end_the_new_one():
    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        old = device.client
        old.ended()
        await rig.up(device, 2)
        old._disconnected_callback()
        await asyncio.sleep(0.02)
        assert len(rig.told("link-lost", device.peer)) == 1
        await rig.works(device)

    run(script)


def test_values_of_a_device_that_knows_nothing_of_frames():
    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        for value in (b"", b"\x00", b"\xff" * 244, b"hello", bytes(20), b"\x80\x00\x00" * 7):
            device.notify(value)
        await rig.works(device)
        assert len(rig.frames) == 1
        counters = rig.counters
        assert counters["empty"] == 2 and counters["bad_crc"] + counters["orphans"] >= 3

    run(script)


def test_a_full_queue_drops_and_counts_and_never_blocks():
    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        go = asyncio.Event()
        device.writing = go.wait
        accepted = 0
        while rig.carrier.send(device.peer, bytes([accepted]) * 1280):
            accepted += 1
            assert accepted < 1000
        assert accepted == MAX_QUEUED_VALUES // 6 and rig.counters["dropped_full"] == 1
        go.set()
        await rig.until(lambda: len(device.said) == accepted)
        assert [frame[0] for frame in device.said] == list(range(accepted))
        answered = [response for _, response in device.written]
        assert answered == [at % 8 == 7 for at in range(len(answered))]
        await rig.works(device)

    run(script)


def test_what_waits_does_not_outlive_the_connection():
    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        device.writing = asyncio.Event().wait
        for _ in range(5):
            rig.carrier.send(device.peer, bytes(1000))
        device.leave()
        await rig.lost(device)
        device.writing = None
        await rig.up(device, 2)
        await rig.works(device)
        assert bytes(1000) not in device.said

    run(script)


def test_a_write_that_fails_costs_its_frame_and_two_the_connection():
    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        device.writing = BleakDBusError("org.bluez.Error.InProgress", ["In Progress"])
        rig.carrier.send(device.peer, b"@lost")
        await rig.until(lambda: rig.counters["write_failures"] == 1)
        device.writing = None
        await rig.works(device)
        assert not rig.told("link-lost", device.peer)
        device.writing = BleakDBusError("org.freedesktop.DBus.Error.UnknownObject", ["gone"])
        for _ in range(2):
            failures = rig.counters["write_failures"]
            rig.carrier.send(device.peer, b"@lost")
            await rig.until(lambda before=failures: rig.counters["write_failures"] > before)
        assert "UnknownObject" in await rig.lost(device)
        device.writing = None
        await rig.up(device, 2)
        await rig.works(device)

    run(script)


def test_a_write_that_takes_for_ever_ends_the_connection(monkeypatch):
    monkeypatch.setattr(ble_peer, "_WRITE_S", 0.05)

    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        device.writing = asyncio.Event().wait
        device.leaving = asyncio.Event().wait
        rig.carrier.send(device.peer, b"@")
        assert "no answer" in await rig.lost(device)
        device.writing = device.leaving = None
        device.clients[0].is_up = False
        await rig.up(device, 2)
        await rig.works(device)

    run(script)


def test_slots_are_bounded_and_a_newcomer_waits():
    async def script(rig):
        devices = [around.device(number) for number in range(1, 4)]
        await rig.up(devices[0])
        await rig.up(devices[1])
        await asyncio.sleep(0.1)
        assert not rig.told("link-up", devices[2].peer) and rig.counters["evicted"] == 0
        devices[0].leave()
        devices[0].is_advertising = False
        await rig.up(devices[2])
        await rig.works(devices[1])
        await rig.works(devices[2])

    run(script, "&slots=2")


def test_the_longest_silent_gives_way_and_who_talks_stays(monkeypatch):
    async def script(rig):
        # A second, told in twentieths.
        rig.carrier._settings = rig.carrier._settings.__class__(
            **{**vars(rig.carrier._settings), "idle_s": 0.1}
        )
        talks, silent = around.device(1), around.device(2)
        await rig.up(talks)
        await rig.up(silent)
        newcomer = around.device(3)
        async with asyncio.timeout(DEADLINE_S):
            while not rig.told("link-up", newcomer.peer):
                talks.say(b"@here")
                await asyncio.sleep(0.01)
        assert await rig.lost(silent) == "gave way to another device"
        assert not rig.told("link-lost", talks.peer) and rig.counters["evicted"] == 1

    run(script, "&slots=2&idle_s=1")


def test_who_talks_during_the_scan_is_not_the_one_to_give_way():
    async def script(rig):
        rig.carrier._settings = rig.carrier._settings.__class__(
            **{**vars(rig.carrier._settings), "idle_s": 0.1}
        )
        device = around.device(1)
        await rig.up(device)
        await asyncio.sleep(0.15)
        await rig.until(lambda: around.scanner is not None)
        device.say(b"@here")
        around.device(2)
        await asyncio.sleep(0.03)
        assert not rig.told("link-lost", device.peer) and rig.counters["evicted"] == 0

    run(script, "&slots=1&idle_s=1")


def test_a_device_that_cannot_be_connected_to_drives_nobody_out():
    async def script(rig):
        rig.carrier._settings = rig.carrier._settings.__class__(
            **{**vars(rig.carrier._settings), "idle_s": 0.05}
        )
        device = around.device(1)
        await rig.up(device)
        bad = around.device(2)
        bad.connecting = BleakError("no")
        await rig.lost(bad)
        await rig.up(device, 2)
        await asyncio.sleep(0.3)
        assert rig.counters["evicted"] == 1 and len(rig.told("link-lost", device.peer)) == 1

    run(script, "&slots=1&idle_s=1")


@pytest.mark.parametrize(
    ("problem", "hint"),
    [
        (FileNotFoundError(2, "No such file or directory"), "bluetoothd"),
        (ConnectionRefusedError(111, "refused"), "refused"),
        (
            BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["not provided"]),
            "bluetoothd",
        ),
        (BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]), "bluetoothctl"),
        (NotAvailable("No Bluetooth adapters found.", Why.NO_BLUETOOTH), "bluetoothctl power on"),
        (NotAvailable("No powered adapters.", Why.POWERED_OFF), "bluetoothctl power on"),
        (NotAvailable("Rejected.", Why.DENIED_BY_SYSTEM), "group bluetooth"),
        (BleakError("adapter 'hci7' not found"), "is the adapter there"),
        (ValueError("address did not contain a transport"), "did not contain a transport"),
        (EOFError(), "EOFError"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else "",
)
def test_an_adapter_that_fails_is_told_once_with_a_hint_and_comes_back(problem, hint):
    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        around.problem = problem
        scans = around.scans
        assert hint in await rig.lost()
        await rig.until(lambda: around.scans >= scans + 4)
        assert len(rig.told("link-lost")) == 1 and rig.counters["scan_failures"] >= 3
        around.problem = None
        scans = around.scans
        await rig.until(lambda: around.scans >= scans + 2)
        await rig.until(lambda: device.client is not None)
        await rig.works(device)
        around.problem = problem
        await rig.lost(times=2)

    run(script)


def test_an_adapter_that_is_gone_takes_its_connections_along():
    """bleak does not tell when bluetoothd dies."""

    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        around.problem = BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["gone"])
        assert "bluetoothd" in await rig.lost(device)
        assert not rig.carrier.send(device.peer, b"@")
        around.problem = None
        await rig.up(device, 2)
        await rig.works(device)

    run(script)


def test_a_busy_adapter_leaves_the_connections_alone():
    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        around.problem = BleakDBusError("org.bluez.Error.InProgress", ["In Progress"])
        await rig.lost()
        await rig.works(device)
        assert not rig.told("link-lost", device.peer)

    run(script)


def test_pauses_grow_from_half_a_second_to_half_a_minute(monkeypatch):
    monkeypatch.undo()
    pauses = []

    def uniform(low, high):
        pauses.append((low, high))
        return 0.0

    monkeypatch.setattr(link_ble.random, "uniform", uniform)

    async def script(rig):
        around.problem = BleakError("no")
        await rig.until(lambda: len(pauses) >= 10)
        assert pauses[0] == (0.5, 0.75)
        assert pauses == sorted(pauses) and pauses[9] == (20.0, 30.0)
        around.problem = None
        device = around.device(1)
        device.connecting = BleakError("no")
        pauses.clear()
        await rig.until(lambda: len(pauses) >= 10)
        assert pauses[0] == (0.5, 0.75)
        assert pauses == sorted(pauses) and pauses[9] == (20.0, 30.0)

    run(script)


def test_a_device_that_connects_and_says_nothing_waits_longer_each_time(monkeypatch):
    pauses = []
    monkeypatch.setattr(link_ble.random, "uniform", lambda low, _: pauses.append(low) or 0.0)

    async def script(rig):
        device = around.device(1)
        for times in range(1, 4):
            await rig.up(device, times)
            device.leave()
        assert pauses == sorted(set(pauses)) and len(pauses) == 3
        await rig.up(device, 4)
        await rig.works(device)
        device.leave()
        assert pauses[3] == pauses[0]

    monkeypatch.setattr(link_ble, "PAUSE_MAX_S", 30.0)
    run(script)


def test_only_a_bounded_number_of_devices_is_remembered(monkeypatch):
    monkeypatch.setattr(link_ble, "MAX_REMEMBERED", 5)
    monkeypatch.setattr(link_ble, "PAUSE_MIN_S", 10.0)
    monkeypatch.setattr(link_ble, "PAUSE_MAX_S", 20.0)

    async def script(rig):
        for number in range(1, 20):
            around.device(number).connecting = BleakError("no")
        await rig.until(lambda: rig.counters["connect_failures"] >= 19)
        assert len(rig.carrier._away) <= 5

    run(script)


def test_the_adapter_and_the_name_are_what_the_url_says():
    async def script(rig):
        other, wanted = around.device(1, name="other"), around.device(2, name="kitchen")
        await rig.up(wanted)
        await asyncio.sleep(0.05)
        assert not other.clients
        assert len(around.given) >= 2
        assert all(one.get("bluez") == {"adapter": "hci1"} for one in around.given)

    run(script, "&name=kitchen", URL.replace("://", "://hci1"))


def test_what_is_cancelled_in_the_middle_is_disconnected():
    async def main():
        rig = Rig(URL)
        device = around.device(1)
        device.starting = asyncio.Event().wait
        await rig.until(lambda: device.client)
        await rig.close()
        assert device.client is None

    asyncio.run(main())


def test_a_carrier_closed_by_its_own_frame():
    async def script(rig):
        device = around.device(1)
        await rig.up(device)
        rig.carrier._on_frame = lambda *_: rig.carrier.close()
        device.say(b"@")
        assert not rig.carrier.send(device.peer, b"@")

    run(script)


@pytest.mark.parametrize("missing", ["scanner", "client"])
def test_a_backend_that_is_none_is_a_clear_error(monkeypatch, missing):
    module = types.ModuleType("half_a_backend")
    module.scanner = module.client = object
    delattr(module, missing)
    monkeypatch.setitem(sys.modules, "half_a_backend", module)
    with pytest.raises(LinkUnavailable, match=f"half_a_backend.*has no {missing}"):
        BleCarrier("ble://?backend=half_a_backend", print, print)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ble://?backend=.relative", "backend is a Python module"),
        ("ble://?backend=a/b", "backend is a Python module"),
        ("ble://?slots=1&slots=2", "slots stands there twice"),
        ("ble://?slots=%C2%B2", "slots is a number from 1 to 20"),
        ("ble://?", "a BLE link has slots, idle_s, allow, name, backend, not ''"),
        ("ble://hci0/", "a BLE link is ble:// or ble://hci0"),
    ],
)
def test_a_wrong_url_is_refused(url, said):
    with pytest.raises(ValueError, match="BLE|backend|slots") as caught:
        BleCarrier(url, print, print)
    assert said in str(caught.value)


def test_both_uuids_are_those_of_the_service():
    assert [uuid for uuid, _ in CHARACTERISTICS] == [WRITE_UUID, NOTIFY_UUID]
