"""Where there is no box: skipped with the reason, and in CI a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = "tests/tools/pico_box/test_box.py::test_it_runs_micropython_for_the_pico"
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("ci", "code", "word"), [("", 0, "SKIPPED"), ("true", 1, "ERROR")])
def test_without_a_box(tmp_path, ci, code, word):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", TEST],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "CI": ci, "PATH": str(tmp_path), "MSGIN5G_BOX": ""},
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert word in done.stdout and "no Pico in a box: the box runs on Node.js" in done.stdout


def test_where_it_could_not_be_set_up():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", TEST],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "CI": "true", "MSGIN5G_BOX": "none"},
        timeout=60,
    )
    assert done.returncode == 0 and "1 skipped" in done.stdout, done.stdout + done.stderr
    assert "it could not be set up here" in done.stdout
