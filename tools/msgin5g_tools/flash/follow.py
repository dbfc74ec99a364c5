"""The board's log after its start, until the UE is registered."""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from mpremote.transport_serial import SerialTransport

_STATE = re.compile(r"^ *\d+\.\d{3} ue .* state (?P<fields>.*)$")
_FIELD = re.compile(r"(\w+)=(.*?)(?= \w+=|$)")
_POLL_S = 0.02
_MAX_LINE_BYTES = 2000
# What start-up says, or MicroPython, when there is no UE running.
_OVER = re.compile(r"^ue: (?!starting)|^Traceback|^\w*Error: ")


def read_state(line: str) -> dict[str, Any] | None:
    """Return the fields of a `state` event, of either kind of log, or None for another line."""
    if line.startswith("{"):
        try:
            event = json.loads(line)
        except ValueError:
            return None
        return event if isinstance(event, dict) and event.get("event") == "state" else None
    match = _STATE.match(line)
    return dict(_FIELD.findall(match["fields"])) if match else None


def restart(transport: SerialTransport) -> None:
    """Start `main.py`, as after a reset."""
    transport.exit_raw_repl()
    transport.serial.write(b"\x04")


def follow(
    transport: SerialTransport, wait_s: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """Hand the board's lines on to `say` until the UE is registered or refused, or has ended.

    Returns the last state's fields, {"state": ...}; {"state": "ended", "cause": line} when no UE
    runs any more, {} when it told none within wait_s.
    """
    last: dict[str, Any] = {}
    is_started = False
    for line in _lines(transport, time.monotonic() + wait_s):
        # What the REPL says before the soft reboot is not the UE's.
        is_started = is_started or "soft reboot" in line
        if not is_started or not line.strip() or line.startswith("MPY:"):
            continue
        say(line)
        if _OVER.match(line) and not line.startswith("Traceback"):
            return {"state": "ended", "cause": line}
        state = read_state(line)
        if state is not None:
            last = state
            if state.get("state") in ("registered", "refused"):
                return state
    return last


def _lines(transport: SerialTransport, end: float) -> Iterator[str]:
    """Yield the lines that come in until `end` of time.monotonic()."""
    data = b""
    while time.monotonic() < end:
        size = transport.serial.inWaiting()
        if not size:
            time.sleep(_POLL_S)
            continue
        data += transport.serial.read(size)
        *whole, data = data.split(b"\n")
        if len(data) > _MAX_LINE_BYTES:
            whole, data = [*whole, data], b""
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
