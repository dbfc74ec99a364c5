"""A board on a cable as a target of the bench: a Pico in a box with its ttys stands for it."""

import subprocess
import sys
from pathlib import Path

SCENARIO = "tests/bench/test_scenarios.py::test_after_a_reset_it_is_back"
ROOT = Path(__file__).parents[2]


def pytest_of(target, mode="l3"):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", SCENARIO, "-k", mode, "--target", target],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )


def test_scenarios_run_on_a_board_on_a_cable(pico_box):
    done = pytest_of(f"serial:{pico_box.console_tty}?uart={pico_box.uart_tty}")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_board_that_is_not_there_is_skipped_with_the_reason():
    done = pytest_of("serial:/dev/ttyNO?uart=/dev/ttyNO")
    assert done.returncode == 0 and "1 skipped" in done.stdout, done.stdout
    assert "/dev/ttyNO is not there" in done.stdout


def test_a_target_that_is_none_is_told():
    done = pytest_of("pico")
    assert done.returncode != 0 and "unix, pico-box or serial:" in done.stdout
