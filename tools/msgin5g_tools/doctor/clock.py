"""Whether the clock tells the time: timestamps, expirations and availability windows need it."""

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

from msgin5g_host.clock import iso
from msgin5g_tools.doctor.findings import NOTE, OK, Finding

_TIME_ERROR = 5  # of adjtimex(2): nobody keeps the clock right
_TIMEX_BYTES = 512  # more than struct timex has anywhere
_DAY_S = 86_400
_YEARS_S = 20 * 365 * _DAY_S
_SET = (
    "set it with `sudo timedatectl set-ntp true`; a Raspberry Pi has no clock of its own and "
    "needs the network, or an RTC module"
)


def examine() -> Iterator[Finding]:
    """Yield what is to be said of this machine's clock."""
    # The clock was right at least once: when the program was installed.
    yield judge(time.time(), Path(__file__).stat().st_mtime, is_synchronized())


def judge(now_s: float, installed_s: float, synchronized: bool | None) -> Finding:
    """Judge a clock. Seconds since 1970; synchronized: None if nobody can tell."""
    shown = iso(int(now_s * 1000))[:19].replace("T", " ") + " UTC"
    if not installed_s - _DAY_S <= now_s <= installed_s + _YEARS_S:
        return Finding("clock", NOTE, f"it says {shown}, which cannot be", _SET)
    if synchronized is None:
        return Finding("clock", OK, f"{shown}; whether it is synchronized cannot be told here")
    if not synchronized:
        return Finding("clock", NOTE, f"{shown}, not synchronized with a time server", _SET)
    return Finding("clock", OK, f"{shown}, synchronized")


def is_synchronized() -> bool | None:
    """Ask the kernel, which knows from whatever time service there is."""
    if os.name != "posix":
        return None
    try:
        asked = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # modes = 0: nothing is set.
    state = asked(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else bool(state != _TIME_ERROR)
