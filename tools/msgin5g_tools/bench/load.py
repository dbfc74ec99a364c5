"""The load generator and the servers under load, as processes on cores of their own."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SOURCE = Path(__file__).with_name("generator.c")
_READY_S = 20.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """The benchmark cannot run; the text says why and what to do."""


def build_generator() -> str:
    """Return the path of the compiled generator, building it if its source is new."""
    name = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "msgin5g"
    program = folder / f"generator-{name}"
    if program.exists():
        return str(program)
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BenchError("the load generator needs a C compiler; apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        temporary = file.name
    done = subprocess.run(
        [compiler, "-O2", "-o", temporary, str(_SOURCE)], capture_output=True, text=True
    )
    if done.returncode:
        raise BenchError(f"{compiler} failed:\n{done.stderr}")
    os.replace(temporary, program)
    return str(program)


def cores() -> tuple[set[int], set[int]]:
    """Return the core of the server and the cores of the generator."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchError("two cores are wanted, one for the server and one for the load")
    return {allowed[0]}, set(allowed[1:])


class Server:
    """A server process on its own core. `port` is where it takes CoAP.

    kind: "server", "gateway", or a peer of `bench.peer`; arguments: more for "server", all of the
    command line for "gateway".
    """

    def __init__(self, kind: str, arguments: Sequence[str] = ()) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if kind == "server":
            self._folder = tempfile.TemporaryDirectory(prefix="msgin5g-bench-")
            argv = [
                *(sys.executable, "-m", "msgin5g_tools.cli", "server", "--json", "--open"),
                *("--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", self._folder.name),
                *arguments,
            ]
        elif kind == "gateway":
            argv = [sys.executable, "-m", "msgin5g_tools.cli", *arguments]
        else:
            argv = [sys.executable, "-m", "msgin5g_tools.bench.peer", kind]
        core = cores()[0]
        self._process = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
        self.port = self._wait_ready(kind)
        # Its further lines are not read: let them go nowhere instead of filling a pipe.
        self._drain = subprocess.Popen(
            ["cat"], stdin=self._process.stdout, stdout=subprocess.DEVNULL
        )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(8)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._drain.wait()
        if self._folder is not None:
            self._folder.cleanup()

    def cpu_s(self) -> float:
        """Return the processor time used so far, user and system."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS

    def rss_mib(self) -> float:
        """Return the resident memory in MiB."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise BenchError("the server under load has ended")

    def _wait_ready(self, kind: str) -> int:
        assert self._process.stdout is not None
        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            line = self._process.stdout.readline()
            if not line:
                break
            if line.startswith("ready "):
                return int(line.split()[1])
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == "ready":
                    where = event["coap"] if "coap" in event else event["links"][0]
                    return int(where.rpartition(":")[2])
        self._process.kill()
        raise BenchError(f"the {kind} under test did not start")


class Load:
    """One run of the generator against a port; `result` waits for its figures."""

    def __init__(
        self,
        port: int,
        slots: int,
        warm_s: float,
        run_s: float,
        ues: int = 20_000,
        entries: int = 0,
        sockets: int = 512,
        rate: int = 0,
    ) -> None:
        argv = [build_generator(), port, slots, sockets, warm_s, run_s, ues, entries, rate]
        others = cores()[1]
        self._process = subprocess.Popen(
            [str(one) for one in argv],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, others),
        )

    def running(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def result(self) -> dict[str, Any]:
        """Return the generator's figures."""
        out, _ = self._process.communicate()
        if self._process.returncode:
            raise BenchError("the load generator failed")
        figures: dict[str, Any] = json.loads(out)
        return figures
