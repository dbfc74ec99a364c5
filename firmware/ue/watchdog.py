"""The hardware watchdog: a UE whose loop does not turn any more starts anew."""

import sys

import machine

# An hour, on a port where it cannot be stopped.
_LONG_MS = 3600000
# RP2040 and RP2350 data sheets, chapter Watchdog: register CTRL, bit ENABLE, and how a write to
# the address of a register plus 0x3000 clears bits.
_RP2040_CTRL = 0x40058000
_RP2350_CTRL = 0x400D8000
_CLEAR = 0x3000
_ENABLE = 1 << 30


class Watchdog:
    """Running from now on: `feed()` it within timeout_s."""

    def __init__(self, timeout_s):
        self._timer = machine.WDT(timeout=timeout_s * 1000)

    def feed(self):
        """All is well."""
        self._timer.feed()

    def stop(self):
        """Leave whoever works at the REPL in peace."""
        if sys.platform == "rp2":
            is_rp2350 = "RP2350" in sys.implementation._machine
            control = _RP2350_CTRL if is_rp2350 else _RP2040_CTRL
            machine.mem32[control + _CLEAR] = _ENABLE
        else:
            self._timer = machine.WDT(timeout=_LONG_MS)
