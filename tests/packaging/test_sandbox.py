"""What the daemons ask of the kernel is what their units let through. By strace."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from tests.markdown import ROOT
from tests.processes import Process, msgin5g_command

# SQLite's, and only of root, which the daemons are not under systemd.
ONLY_ROOT = {"fchown"}


@pytest.fixture(scope="module")
def tools():
    """(strace, systemd-analyze), if this machine lets one process trace another."""
    found = [shutil.which(name) for name in ("strace", "systemd-analyze")]
    why = "strace and systemd are wanted: apt-get install strace systemd"
    if None not in found:
        tried = subprocess.run([found[0], "true"], capture_output=True, text=True)
        if tried.returncode == 0:
            return found
        why = f"strace cannot trace here: {tried.stderr.strip()}"
    assert "CI" not in os.environ, why
    pytest.skip(why)


def let_through(unit, systemd_analyze):
    """Return the system calls that a unit's filter lets through."""
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.M):
        takes_away = line.startswith("~")
        for name in line.removeprefix("~").split():
            calls = group(name, systemd_analyze)
            allowed = allowed - calls if takes_away else allowed | calls
    return allowed


def group(name, systemd_analyze):
    """Return the system calls of a set such as @system-service, those of sets in it as well."""
    done = subprocess.run(
        [systemd_analyze, "--no-pager", "syscall-filter", name],
        capture_output=True,
        text=True,
        check=True,
    )
    found = set()
    for line in done.stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= group(word, systemd_analyze)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


class Traced:
    """A daemon under strace. `calls` are the system calls that it made, after `stop`."""

    def __init__(self, strace, log, *arguments):
        self._log = log
        self._code = None
        argv = [strace, "-f", "-qq", "-o", str(log), *msgin5g_command(*arguments)]
        self.process = Process(argv, {**os.environ, "PYTHONUNBUFFERED": "1"})

    def stop(self, number=signal.SIGTERM):
        """End the daemon, not strace; it hands the exit code on."""
        if self._code is None:
            os.kill(int(self._log.read_text().split(None, 1)[0]), number)
            self._code = self.process.wait()
        return self._code

    @property
    def calls(self):
        return set(re.findall(r"^\d+ +(\w+)\(", self._log.read_text(), re.M))


def test_all_that_they_do_is_let_through(tools, tmp_path):
    strace, systemd_analyze = tools
    daemons = {}
    try:
        daemons["server"] = Traced(
            *(strace, tmp_path / "server.trace", "server", "--open", "--json"),
            *("--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", tmp_path / "server"),
        )
        ready = daemons["server"].process.wait_for("ready")
        daemons["gateway"] = Traced(
            *(strace, tmp_path / "gateway.trace", "gateway", "--open", "--json"),
            *("--server", f"coap://{ready['coap']}", "--data", tmp_path / "gateway"),
            *("--link", "udp://127.0.0.1:0", "--link", "serial:///dev/ttyNOBODY0"),
            *("--link", "ble://", "--http", "127.0.0.1:0"),
        )
        daemons["gateway"].process.wait_for("own-registered")
        assert (daemons["gateway"].stop(), daemons["server"].stop()) == (0, 0)
    finally:
        for daemon in daemons.values():
            daemon.stop(signal.SIGKILL)
    ours = ONLY_ROOT if os.geteuid() == 0 else set()
    for role, daemon in daemons.items():
        allowed = let_through(ROOT / role / f"msgin5g-{role}.service", systemd_analyze)
        assert {"read", "sendto"} <= daemon.calls and {"fsync", "fdatasync"} & daemon.calls
        assert "mount" not in allowed
        assert daemon.calls - allowed - ours == set(), role
