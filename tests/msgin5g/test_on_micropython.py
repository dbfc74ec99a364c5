"""The protocol on MicroPython's Unix port: every script of tests/mpy ends with exit code 0."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MICROPYTHON = Path(sys.executable).with_name("micropython")
TIMEOUT_S = 120


@pytest.mark.parametrize(
    "script", sorted((TESTS / "mpy").glob("check_*.py")), ids=lambda p: p.stem
)
def test_script(script, tmp_path):
    """A script gets the vectors' folder as its argument; its last line counts what passed."""
    path = f"{TESTS.parent}:{TESTS.parent / 'firmware'}:{TESTS / 'mpy'}:.frozen"
    done = subprocess.run(
        [MICROPYTHON, script, TESTS / "vectors"],
        env=os.environ | {"MICROPYPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")
