"""The Pico's firmware image: given by the user, from the cache, or built from Debian's sources."""

import fcntl
import hashlib
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgin5g_tools.pico_box.problems import BoxError

MICROPYTHON_VERSION = "1.25.0"
# What `build_firmware.sh` made with Debian 12's compiler and the sources of Debian 13.1.
EXPECTED_SHA256 = "691595ed113b7e6e36d2eaf47163f7c7b958301441af5079cf2a7caa90fdc462"
VARIABLE = "MSGIN5G_PICO_UF2"
SETUP = "python -m msgin5g_tools.pico_box --setup"

_SCRIPT = Path(__file__).with_name("build_firmware.sh")
_BUILD_S = 1200.0
_UF2_START = b"UF2\n\x57\x51\x5d\x9e"
_LAST_LINES = 15


def cache() -> Path:
    """Return the folder for what was built or installed; not there yet, perhaps."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "msgin5g"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the cache while something is put there, so that two do not do it at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def find_image(given: str | None, say: Callable[[str], None], may_build: bool) -> Path:
    """Return the path of a UF2 image of MicroPython for RPI_PICO. Raises BoxError.

    given: a path that goes before `MSGIN5G_PICO_UF2` and the cache; say: told of progress and
    warnings, a line at a time.
    """
    chosen = given or os.environ.get(VARIABLE)
    if chosen:
        return _checked(Path(chosen))
    folder = cache()
    image = folder / f"RPI_PICO-{MICROPYTHON_VERSION}.uf2"
    with locked(folder):
        if not _is_whole(image):
            if not may_build:
                raise BoxError(f"no firmware image {image} yet; type: {SETUP}")
            say(f"building MicroPython {MICROPYTHON_VERSION} for the Pico, once: 1 to 3 minutes")
            _build(image, say)
            _sum_file(image).write_text(f"{_sha256(image)}  {image.name}\n")
    found = _sum_file(image).read_text().split()[0]
    if found != EXPECTED_SHA256:
        say(
            f"warning: {image} has the sha256 {found}, not {EXPECTED_SHA256}: it was made with "
            "another compiler or other sources than the tests were made with"
        )
    return image


def _checked(path: Path) -> Path:
    try:
        with open(path, "rb") as file:
            start = file.read(len(_UF2_START))
    except OSError as problem:
        raise BoxError(f"firmware image {path}: {problem.strerror}; give a UF2 file") from None
    if start != _UF2_START:
        raise BoxError(f"firmware image {path} is not a UF2 file; give one of RPI_PICO")
    return path


def _sum_file(image: Path) -> Path:
    return image.with_name(image.name + ".sha256")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_whole(image: Path) -> bool:
    """Tell whether the image is there, as its checksum beside it says."""
    try:
        return _sum_file(image).read_text().split()[0] == _sha256(image)
    except (OSError, IndexError):
        return False


def _build(image: Path, say: Callable[[str], None]) -> None:
    last: deque[str] = deque(maxlen=_LAST_LINES)
    process = subprocess.Popen(
        # timeout(1) ends the compilers too.
        ["timeout", "--kill-after=10", str(_BUILD_S), "bash", str(_SCRIPT), str(image)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            last.append(line)
            if line.startswith("firmware "):
                say(line.rstrip())
    if code := process.wait():
        why = f"took longer than {_BUILD_S:.0f} s" if code == 124 else f"ended with code {code}"
        raise BoxError(f"building the firmware {why}; its last lines:\n{''.join(last)}")
