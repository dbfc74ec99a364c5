"""What doctor says of Bluetooth: a real D-Bus daemon, and a program on it for BlueZ."""

import asyncio
import os
import shutil
import subprocess
import threading

import pytest
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from msgin5g_tools.doctor import bluetooth

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/>{more}</policy></busconfig>
"""
ADDRESS = "00:11:22:33:44:55"


@pytest.fixture
def bus(tmp_path, monkeypatch):
    """Start a bus, with more rules; it is the system bus then."""
    program = shutil.which("dbus-daemon")
    if program is None:
        assert "CI" not in os.environ, "dbus-daemon is missing: apt-get install dbus-daemon"
        pytest.skip("dbus-daemon is not on this machine: apt-get install dbus-daemon")
    started = []

    def start(more=""):
        (tmp_path / "bus.conf").write_text(CONFIG.format(path=tmp_path / "bus", more=more))
        process = subprocess.Popen(
            [program, f"--config-file={tmp_path}/bus.conf", "--nofork", "--print-address"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", process.stdout.readline().strip())

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def bluez(bus):
    """Answer for BlueZ with these objects."""
    stop = threading.Event()
    threads = []

    def start(objects, more=""):
        bus(more)
        ready = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(answer(objects, ready, stop)))
        thread.start()
        threads.append(thread)
        assert ready.wait(10)

    yield start
    stop.set()
    for thread in threads:
        thread.join(10)


async def answer(objects, ready, stop):
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()

    def handle(message):
        if message.message_type == MessageType.METHOD_CALL and message.member.startswith("GetMan"):
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])
        return None

    bus.add_message_handler(handle)
    await bus.request_name("org.bluez")
    ready.set()
    while not stop.is_set():
        await asyncio.sleep(0.02)
    bus.disconnect()
    await bus.wait_for_disconnect()


@pytest.fixture
def sysfs(tmp_path, monkeypatch):
    folder = tmp_path / "bluetooth"
    folder.mkdir()
    monkeypatch.setattr(bluetooth, "_SYSFS", folder)
    return folder


def adapter(powered=True):
    return {
        "org.bluez.Adapter1": {"Address": Variant("s", ADDRESS), "Powered": Variant("b", powered)}
    }


def device(connected, on="/org/bluez/hci0"):
    values = {"Adapter": Variant("o", on), "Connected": Variant("b", connected)}
    return {"org.bluez.Device1": values}


def one(*links):
    (finding,) = bluetooth.examine(links)
    return finding


def test_an_adapter_and_its_slots(bluez, sysfs):
    bluez(
        {
            "/org/bluez": {},
            "/org/bluez/hci0": adapter(),
            "/org/bluez/hci0/dev_1": device(True),
            "/org/bluez/hci0/dev_2": device(True),
            "/org/bluez/hci0/dev_3": device(False),
            "/org/bluez/hci1": adapter(powered=False),
        }
    )
    found = one("ble://")
    assert (found.state, found.found) == ("ok", f"hci0 {ADDRESS}, 2 of 5 slots in use")
    full = one("ble://hci0?slots=2")
    assert full.state == "note" and "2 of 2" in full.found and "raise slots" in full.do
    off = one("ble://hci1")
    assert off.state == "fault" and "switched off" in off.found and "power on" in off.do
    missing = one("ble://hci7")
    assert missing.state == "fault" and "there is no hci7, only hci0, hci1" in missing.found
    assert list(bluetooth.examine(["ble://?backend=msgin5g_tools.radio"])) == []


def test_bluez_without_an_adapter(bluez, sysfs):
    bluez({"/org/bluez": {}})
    assert one("ble://").found == "BlueZ has no adapter"
    assert one().state == "note"


def test_an_adapter_without_bluez(bus, sysfs):
    (sysfs / "hci0").mkdir()
    bus()
    found = one("ble://")
    assert found.state == "fault" and found.found == "hci0 is there, but BlueZ does not run"
    assert "apt-get install bluez" in found.do


def test_a_user_to_whom_bluez_does_not_talk(bluez, sysfs):
    (sysfs / "hci0").mkdir()
    bluez({}, '<deny send_destination="org.bluez"/>')
    found = one("ble://")
    assert "does not talk to this user" in found.found and "usermod -aG bluetooth" in found.do


def test_no_bus_and_no_adapter(monkeypatch, sysfs, tmp_path):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    found = one("ble://")
    assert found.state == "fault" and found.found.startswith("no Bluetooth adapter, and D-Bus")
