"""Where the board is: one sentence with the next step when that is not clear."""

import os

import pytest
from serial.tools.list_ports_common import ListPortInfo

from msgin5g_tools.flash import ports
from msgin5g_tools.flash.problems import WrongUse


def port(device, product="Board in FS mode", vid=0x2E8A, serial="e66"):
    info = ListPortInfo(device)
    info.vid, info.product, info.serial_number = vid, product, serial
    return info


def test_the_only_board_is_found_and_ports_that_are_not_usb_are_not_boards():
    plugged = [port("/dev/ttyS0", vid=None), port("/dev/ttyACM0")]
    assert ports.find(None, plugged) == "/dev/ttyACM0"


def test_no_board():
    with pytest.raises(WrongUse, match="no board on USB; plug one in .* or name its port"):
        ports.find(None, [port("/dev/ttyS0", vid=None)])


def test_a_pico_that_waits_for_micropython_is_told(monkeypatch, tmp_path):
    (tmp_path / "RPI-RP2").touch()
    monkeypatch.setattr(ports, "_LABELS", tmp_path)
    with pytest.raises(WrongUse, match="waits for MicroPython; copy the UF2 file"):
        ports.find(None, [])


def test_two_boards_are_listed_with_what_to_type():
    plugged = [port("/dev/ttyUSB1", "CP2102"), port("/dev/ttyACM0")]
    with pytest.raises(WrongUse) as error:
        ports.find(None, plugged)
    assert "a0 (Board in FS mode), u1 (CP2102); choose one" in str(error.value)
    assert error.value.code == 2


def test_names(tmp_path, monkeypatch):
    monkeypatch.setattr(ports.os.path, "exists", lambda path: True)
    plugged = [port("/dev/ttyACM3", serial="abc")]
    assert ports.find("a0", plugged) == "/dev/ttyACM0"
    assert ports.find("u12", plugged) == "/dev/ttyUSB12"
    assert ports.find("c3", plugged) == "COM3"
    assert ports.find("port:/dev/ttyACM7", plugged) == "/dev/ttyACM7"
    assert ports.find("id:abc", plugged) == "/dev/ttyACM3"
    assert ports.find("socket://127.0.0.1:7100", []) == "socket://127.0.0.1:7100"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("a77", "--port a77: there is no /dev/ttyACM77; a0 (Board in FS mode)"),
        ("id:x", "--port id:x: no board with that serial number; a0 (Board in FS mode)"),
    ],
)
def test_a_port_that_is_not_there(given, text):
    with pytest.raises(WrongUse) as error:
        ports.find(given, [port("/dev/ttyACM0")])
    assert str(error.value) == text


def test_a_port_that_is_no_port(tmp_path):
    file = tmp_path / "README.md"
    file.touch()
    for given in (str(tmp_path), str(file)):
        with pytest.raises(WrongUse, match="that is a file or a folder, no port; a0 "):
            ports.find(given, [port("/dev/ttyACM0")])
    with pytest.raises(WrongUse, match="there is no nowhere; nothing is plugged in"):
        ports.find("nowhere", [port("/dev/ttyS0", vid=None)])


def test_a_port_that_is_not_given_is_the_only_one():
    assert ports.find("", [port("/dev/ttyACM0")]) == "/dev/ttyACM0"


def test_a_device_without_rights_names_the_group_and_the_command(tmp_path, monkeypatch):
    device = tmp_path / "ttyACM0"
    device.touch()
    ports.check_rights(str(device))
    monkeypatch.setattr(ports.os, "access", lambda path, mode: False)
    group = ports.grp.getgrgid(os.stat(device).st_gid).gr_name
    with pytest.raises(WrongUse, match=f"belongs to the group {group}: type `sudo usermod -aG "):
        ports.check_rights(str(device))
