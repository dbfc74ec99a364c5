"""`python -m msgin5g_tools.pico_box`, as a process."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from msgin5g_tools.pico_box.firmware import VARIABLE
from tests.bench.box_fixture import mpremote

ARGV = [sys.executable, "-m", "msgin5g_tools.pico_box"]
DEADLINE_S = 60


def run(*arguments, **options):
    return subprocess.run(
        [*ARGV, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, **options
    )


def test_it_prints_its_addresses_and_ends_with_a_signal(box_parts, tmp_path):
    (tmp_path / "main.py").write_text("here = 1\n")
    image = str(box_parts.image)
    with subprocess.Popen(
        [*ARGV, "--uf2", image, "--load", str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        text = ""
        for line in process.stdout:
            text += line
            if "try:" in line:
                break
        url = re.search(r"console +(socket://\S+)", text)[1]
        uart = Path(re.search(r"serial://(\S+)", text)[1])
        assert uart.is_symlink()
        assert mpremote(url, "exec", "import main; print(main.here)") == "1\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    assert not uart.parent.exists()


def test_setup_only_prepares(box_parts):
    done = run("--setup", "--uf2", str(box_parts.image))
    assert (done.returncode, done.stdout) == (0, f"pico_box: ready: {box_parts.image}\n")


def test_what_is_missing_is_told_in_one_line(tmp_path):
    done = run("--uf2", str(tmp_path / "no.uf2"))
    assert done.returncode == 1
    assert done.stderr.startswith("pico_box: ") and done.stderr.count("\n") == 1


def test_help_names_the_options():
    done = run("--help")
    assert done.returncode == 0
    for word in ("--setup", "--uf2", "--state", "--load", VARIABLE):
        assert word in done.stdout
