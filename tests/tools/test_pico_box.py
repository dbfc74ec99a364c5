"""The Pico in a box: real firmware on the emulator, with mpremote and the cables."""

import os
import time

import pytest

from msgin5g_tools.pico_box.box import PicoBox
from msgin5g_tools.pico_box.problems import BoxError
from tests.bench.box_fixture import mpremote, wait_until


def test_it_runs_micropython_for_the_pico(pico_box, record_property):
    record_property("boot_ms", next(one for one in pico_box.events if one["event"] == "up"))
    code = "import sys; print(sys.implementation._machine)"
    assert mpremote(pico_box.console_url, "exec", code) == "Raspberry Pi Pico with RP2040\n"
    assert mpremote(pico_box.console_tty, "exec", code) == "Raspberry Pi Pico with RP2040\n"
