"""A Pico in a box for tests: the fixtures `box_parts` and `pico_box`.

Where there can be no box, tests that want one are skipped with the reason; with CI=true in the
environment they fail.
"""

import os
import subprocess
import sys
import time

import pytest

from msgin5g_tools.pico_box.box import PicoBox
from msgin5g_tools.pico_box.parts import prepare
from msgin5g_tools.pico_box.problems import BoxError

MPREMOTE_S = 60.0


@pytest.fixture(scope="session")
def box_parts():
    """What boxes are made of."""
    if os.environ.get("MSGIN5G_BOX") == "none":
        pytest.skip("no Pico in a box: it could not be set up here (MSGIN5G_BOX=none)")
    try:
        return prepare()
    except BoxError as problem:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(f"no Pico in a box: {problem}")


@pytest.fixture
def pico_box(box_parts, tmp_path):
    """A box that runs, with an empty file system."""
    with PicoBox(box_parts, tmp_path / "box") as box:
        yield box


def mpremote(url, *arguments, code=0):
    """Run mpremote with the board at that URL or tty; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", str(url), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=MPREMOTE_S,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def wait_until(condition, deadline_s=30.0):
    """Return the condition's value once it is true."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return value
