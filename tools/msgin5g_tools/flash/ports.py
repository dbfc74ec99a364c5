"""Which port the board is at."""

import getpass
import grp
import os
import re
from collections.abc import Iterable
from pathlib import Path

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from msgin5g_tools.flash.problems import WrongUse

# As mpremote has them: a0 is /dev/ttyACM0, u1 is /dev/ttyUSB1, c3 is COM3.
_SHORT = {"a": "/dev/ttyACM", "u": "/dev/ttyUSB", "c": "COM"}
_SHORT_NAME = re.compile(r"([auc])(\d+)")
# What a Pico shows as a disk while it waits for a MicroPython image, button BOOTSEL held.
_BOOT_DISKS = ("RPI-RP2", "RP2350")
_LABELS = Path("/dev/disk/by-label")


def find(given: str | None, ports: Iterable[ListPortInfo] | None = None) -> str:
    """Return the device or URL of the board. Raises WrongUse.

    given: a short name, a device, id:SERIAL-NUMBER or a pyserial URL; None: the only one that is
    plugged in. ports: what is plugged in, by default asked of the system.
    """
    if given and "://" in given:
        return given
    plugged = list(list_ports.comports() if ports is None else ports)
    usb = [one for one in plugged if one.vid is not None]
    if not given:
        return _only(usb)
    if given.startswith("id:"):
        for one in plugged:
            if one.serial_number == given[3:]:
                return str(one.device)
        raise WrongUse(f"--port {given}: no board with that serial number; {_list(usb)}")
    device = given.removeprefix("port:")
    short = _SHORT_NAME.fullmatch(device)
    if short:
        device = _SHORT[short[1]] + short[2]
    if not device.startswith(_SHORT["c"]) and not os.path.exists(device):
        raise WrongUse(f"--port {given}: there is no {device}; {_list(usb)}")
    if os.path.isfile(device) or os.path.isdir(device):
        raise WrongUse(f"--port {given}: that is a file or a folder, no port; {_list(usb)}")
    return device


def check_rights(device: str) -> None:
    """Raise WrongUse if this user may not open the device."""
    if not device.startswith("/") or os.access(device, os.R_OK | os.W_OK):
        return
    try:
        group = grp.getgrgid(os.stat(device).st_gid).gr_name
    except (KeyError, OSError):
        group = "dialout"
    raise WrongUse(
        f"{device}: permission denied; it belongs to the group {group}: type "
        f"`sudo usermod -aG {group} {_user()}`, log out and in again"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "$USER"


def short_name(device: str) -> str:
    """Return what to type for a device."""
    for letter, start in _SHORT.items():
        if device.startswith(start) and device[len(start) :].isdigit():
            return letter + device[len(start) :]
    return device


def _only(ports: list[ListPortInfo]) -> str:
    if len(ports) == 1:
        return str(ports[0].device)
    if ports:
        raise WrongUse(
            f"more than one board may be meant: {_list(ports)}; choose one, as in "
            f"--port {short_name(ports[0].device)}"
        )
    if any((_LABELS / name).exists() for name in _BOOT_DISKS):
        raise WrongUse(
            "a Pico is plugged in that waits for MicroPython; copy the UF2 file of its board "
            "from micropython.org/download onto the disk that it shows, then try again"
        )
    raise WrongUse(
        "no board on USB; plug one in with a cable that carries data (some only charge), "
        "or name its port with --port"
    )


def _list(ports: list[ListPortInfo]) -> str:
    if not ports:
        return "nothing is plugged in"
    return ", ".join(
        f"{short_name(one.device)} ({one.product or one.description})" for one in sorted(ports)
    )
