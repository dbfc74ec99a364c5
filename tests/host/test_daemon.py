"""The life of a daemon: real processes, real signals."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import asyncio, sys
from msgin5g_host import daemon
async def main(stop):
    print("ready", flush=True)
{body}
sys.exit(daemon.run(main))
"""


def start(*body: str, **environ: str) -> "subprocess.Popen[str]":
    code = PROGRAM.format(body="\n".join("    " + line for line in body))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MSGIN5G_DEBUG": "0", **environ},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=20)
    return process.returncode, out, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_sets_stop_and_the_exit_code_is_0(number: int) -> None:
    process = start("await stop.wait()", "print('saved', flush=True)")
    process.send_signal(number)
    assert finish(process) == (0, "saved\n", "")


def test_a_second_signal_at_the_very_end_changes_nothing() -> None:
    process = start(
        "import atexit, time",
        "atexit.register(lambda: (print('ending', flush=True), time.sleep(0.2)))",
        "await stop.wait()",
    )
    process.terminate()
    assert process.stdout is not None and process.stdout.readline() == "ending\n"
    process.terminate()
    assert finish(process) == (0, "", "")


def test_main_that_returns_ends_the_daemon() -> None:
    assert finish(start("return")) == (0, "", "")


def test_exception_is_one_line_and_exit_code_1() -> None:
    assert finish(start("raise ValueError('two\\nlines')")) == (
        1,
        "",
        "msgin5g: ValueError: two lines\n",
    )


def test_system_error_is_told_without_its_type() -> None:
    code, _, errors = finish(start("open('/nowhere/at/all')"))
    assert (code, errors) == (
        1,
        "msgin5g: [Errno 2] No such file or directory: '/nowhere/at/all'\n",
    )


def test_debug_shows_the_traceback() -> None:
    code, _, errors = finish(start("raise ValueError('no')", MSGIN5G_DEBUG="1"))
    assert code == 1
    assert "Traceback" in errors


def test_exception_after_stop_is_exit_code_1() -> None:
    process = start("await stop.wait()", "raise RuntimeError('disk full')")
    process.terminate()
    assert finish(process) == (1, "", "msgin5g: RuntimeError: disk full\n")


def test_main_that_does_not_end_is_cancelled() -> None:
    process = start(
        "try:",
        "    await asyncio.Event().wait()",
        "finally:",
        "    print('cancelled', flush=True)",
    )
    before = time.monotonic()
    process.terminate()
    assert finish(process) == (0, "cancelled\n", "")
    assert time.monotonic() - before < 5.5


def test_main_that_refuses_to_end_is_cut_off() -> None:
    process = start(
        "while True:",
        "    try:",
        "        await asyncio.sleep(60)",
        "    except asyncio.CancelledError:",
        "        print('no', flush=True)",
    )
    before = time.monotonic()
    process.terminate()
    code, _, errors = finish(process)
    assert (code, errors) == (0, "")
    assert time.monotonic() - before < 5.5


def test_run_in_this_process_returns_the_code_and_leaves_no_timer() -> None:
    from msgin5g_host import daemon

    async def main(stop: object) -> None:
        return None

    ending = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in ending]
    try:
        assert daemon.run(main) == 0
    finally:
        for number, handler in zip(ending, before, strict=True):
            signal.signal(number, handler)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
