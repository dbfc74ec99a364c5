"""Serial ports: those that links name, those that are plugged in, and boards on USB."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence

from msgin5g_host.serial_url import parse_serial
from msgin5g_tools.doctor.findings import FAULT, NOTE, OK, Finding

_PATTERNS = ("/dev/ttyACM*", "/dev/ttyUSB*", "/dev/serial0")
_BUS = "/dev/serial/by-id"


def examine(links: Sequence[str]) -> Iterator[Finding]:
    """Yield what is to be said of serial:// links; without any, of the ports plugged in."""
    if links:
        for link in links:
            yield _configured(parse_serial(link).path)
        return
    found = sorted(path for pattern in _PATTERNS for path in glob.glob(pattern))
    for path in found:
        refusal = _refusal(path)
        if refusal:
            yield Finding("serial port", NOTE, f"{path}: permission denied", refusal)
        else:
            yield Finding("serial port", OK, f"{path}: may be opened")
    if not found:
        yield Finding("serial port", OK, "none plugged in")


def boards() -> Iterator[Finding]:
    """Yield the boards on USB, as `msgin5g flash` and mpremote name them."""
    try:
        from serial.tools import list_ports

        from msgin5g_tools.flash.ports import short_name
    except ModuleNotFoundError:
        return
    names = [
        f"{short_name(one.device)} ({one.product or one.description or one.device})"
        for one in list_ports.comports()
        if one.vid is not None
    ]
    if names:
        yield Finding("board on USB", OK, ", ".join(names))
    else:
        yield Finding("board on USB", NOTE, "none", "only `msgin5g flash` needs one: plug it in")


def _configured(path: str) -> Finding:
    what = "serial link"
    if not os.path.exists(path):
        there = sorted(one for pattern in (*_PATTERNS, f"{_BUS}/*") for one in glob.glob(pattern))
        do = f"plug it in, or name one of {', '.join(there)}" if there else "plug it in"
        return Finding(what, FAULT, f"there is no {path}", f"{do}; links in gateway.toml names it")
    refusal = _refusal(path)
    if refusal:
        return Finding(what, FAULT, f"{path}: permission denied", refusal)
    if not _is_terminal(path):
        do = "name a serial port in links of gateway.toml"
        return Finding(what, FAULT, f"{path} is no serial port", do)
    return Finding(what, OK, f"{path}: may be opened")


def _is_terminal(path: str) -> bool:
    """Tell it without opening the port: that would pull DTR and RTS, which resets some boards."""
    found = os.stat(path)
    if not stat.S_ISCHR(found.st_mode):
        return False
    device = f"/sys/dev/char/{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}/subsystem"
    # Pseudo-terminals are not there.
    return not os.path.exists(device) or os.path.basename(os.path.realpath(device)) == "tty"


def _refusal(path: str) -> str:
    """Return what to do so that this user may open a port, or ""."""
    if os.access(path, os.R_OK | os.W_OK):
        return ""
    try:
        from msgin5g_tools.flash.ports import check_rights
        from msgin5g_tools.flash.problems import WrongUse
    except ModuleNotFoundError:
        return "type `sudo usermod -aG dialout $USER`, log out and in again"
    try:
        check_rights(path)
    except WrongUse as problem:
        return str(problem).partition("; ")[2]
    return ""
