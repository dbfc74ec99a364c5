"""What is on the board, what has to change, and the change, which may be interrupted anywhere.

`main.py` goes first and comes back last, so that nothing starts in between. Each file is written
under another name, its SHA-256 is computed on the board, and only then it gets its own name. The
manifest at last says what is there; without it the files themselves are asked.
"""

import contextlib
import errno
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mpremote.transport import TransportExecError
from mpremote.transport_serial import SerialTransport

from msgin5g_tools.flash.problems import FlashError, WrongUse

MANIFEST = "lib/msgin5g-files.json"
MAIN = "main.py"
CONFIG = "config.json"
FOLDERS = ("lib", "lib/msgin5g", "lib/ue")
# All that is in these is ours.
_OURS = ("lib/msgin5g/", "lib/ue/")
_NEW = ".new"
_CHUNK_BYTES = 1024
_DIRECTORY = 0x4000
# What a main.py of ours has in it.
_MARK = b"ue.startup"
# littlefs keeps two blocks for a directory, and wants some to move things.
_SPARE_BLOCKS = 4
# How many files are hashed in one go; the board has a deadline to answer.
_BATCH = 8
# _finish gives a file its name if it arrived whole; a FAT file system wants the name to be free.
_HELPER = """
import os, hashlib
def _sum(path):
    h = hashlib.sha256()
    b = bytearray(512)
    m = memoryview(b)
    with open(path, "rb") as f:
        n = f.readinto(b)
        while n:
            h.update(m[:n])
            n = f.readinto(b)
    return h.digest()
def _finish(new, path, wanted):
    if _sum(new) != wanted:
        return False
    try:
        os.rename(new, path)
    except OSError:
        os.remove(path)
        os.rename(new, path)
    return True
"""


@dataclass(frozen=True)
class There:
    """What the board has. sizes: path -> bytes; sums: path -> SHA-256 in hex, as far as known;
    folders: those of FOLDERS; has_manifest: the last change came to its end."""

    sizes: Mapping[str, int]
    sums: Mapping[str, str]
    folders: frozenset[str]
    has_manifest: bool


@dataclass(frozen=True)
class Plan:
    """What has to change. copy: path -> octets, in this order; kept: how many stay."""

    copy: Mapping[str, bytes]
    remove: tuple[str, ...]
    kept: int
    manifest: bytes = field(repr=False, default=b"")

    def bytes_to_copy(self) -> int:
        """Return the size of all files to copy."""
        return sum(map(len, self.copy.values()))


def sum_of(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def survey(transport: SerialTransport, wanted: Mapping[str, bytes]) -> There:
    """Return what the board has. Raises WrongUse if something on it is in the way."""
    transport.exec(_HELPER)
    sizes: dict[str, int] = {}
    folders = set()
    for folder in ("", *FOLDERS):
        try:
            rows = transport.fs_listdir(folder)
        except OSError:
            continue
        folders.add(folder)
        for row in rows:
            path = f"{folder}/{row.name}" if folder else row.name
            if row.st_mode & _DIRECTORY:
                if path in ("ue", "msgin5g"):
                    raise WrongUse(
                        f"the board has a folder /{path} that goes before what is installed in "
                        f"/lib; remove it with: mpremote rm -r :{path}"
                    )
                continue
            sizes[path] = row.st_size
    sums = _read_manifest(transport, sizes)
    has_manifest = sums is not None
    # A configuration is what people change by hand.
    known = {
        path: one
        for path, (one, size) in (sums or {}).items()
        if sizes.get(path) == size and path != CONFIG
    }
    # Another size is another file, whatever it holds.
    asked = [
        path for path, data in wanted.items() if path not in known and sizes.get(path) == len(data)
    ]
    for at in range(0, len(asked), _BATCH):
        batch = asked[at : at + _BATCH]
        digests = transport.eval(f"[_sum(one) for one in {batch!r}]")
        known.update(zip(batch, (one.hex() for one in digests), strict=True))
    for path in sums or ():
        known.setdefault(path, "")
    is_new = MAIN in sizes and MAIN not in (sums or ())
    if is_new and _MARK not in transport.fs_readfile(MAIN):
        raise WrongUse(
            "the board has a main.py of somebody else, which would be replaced; save it with "
            "`mpremote cp :main.py .`, remove it with `mpremote rm :main.py`, then try again"
        )
    return There(sizes, known, frozenset(folders), has_manifest)


def make_plan(there: There, wanted: Mapping[str, bytes]) -> Plan:
    """Return what has to change for the board to have exactly these of our files."""
    copy = {
        path: data
        for path, data in wanted.items()
        if path not in there.sizes or there.sums.get(path) != sum_of(data)
    }
    ours = [path for path in there.sizes if path.startswith(_OURS) or path in there.sums]
    leftovers = [path + _NEW for path in (*wanted, MANIFEST)]
    remove = sorted(
        (set(ours) | {one for one in leftovers if one in there.sizes}) - set(wanted) - {MANIFEST}
    )
    if copy or remove:
        copy.pop(MAIN, None)
        if MAIN in wanted:
            copy[MAIN] = wanted[MAIN]
    rows = {path: [sum_of(data), len(data)] for path, data in sorted(wanted.items())}
    return Plan(
        copy,
        tuple(remove),
        len(wanted) - len(copy),
        json.dumps({"files": rows}, separators=(",", ":")).encode(),
    )


def check_room(plan: Plan, there: There, block_bytes: int, free_blocks: int) -> None:
    """Raise FlashError if the change does not fit, at any moment of it."""

    def blocks(size: int) -> int:
        return -(-size // block_bytes)

    free = free_blocks + sum(blocks(there.sizes[path]) for path in plan.remove)
    free -= _SPARE_BLOCKS + 2 * len(set(FOLDERS) - there.folders)
    least = free
    for path, data in [*plan.copy.items(), (MANIFEST, plan.manifest)]:
        free -= blocks(len(data))
        least = min(least, free)
        free += blocks(there.sizes.get(path, 0))
    if least < 0:
        needed = (free_blocks - least) * block_bytes
        raise FlashError(
            f"the board's file system is too full: {needed // 1000} kB are needed, "
            f"{free_blocks * block_bytes // 1000} kB are free; remove files of yours, as "
            "`mpremote ls` shows them, and run this again"
        )


def apply(
    transport: SerialTransport,
    plan: Plan,
    there: There,
    progress: Callable[[str, int], None] = lambda path, size: None,
) -> None:
    """Carry the plan out. progress(path, bytes): more of that file has been copied.

    Raises FlashError; what has been copied by then stays, nothing starts, and the next run takes
    it from there.
    """
    if not plan.copy and not plan.remove and there.has_manifest:
        return
    for path in (MAIN, MANIFEST, *plan.remove):
        if path in there.sizes:
            transport.fs_rmfile(path)
    for folder in FOLDERS:
        if folder not in there.folders:
            transport.fs_mkdir(folder)
    for path, data in plan.copy.items():
        _copy(transport, path, data, progress)
    _copy(transport, MANIFEST, plan.manifest, lambda path, size: None)


def uninstall(transport: SerialTransport, there: There, more: tuple[str, ...] = ()) -> list[str]:
    """Remove all that was installed, and `more`; returns the paths."""
    ours = {path for path in there.sizes if path.startswith(_OURS) or path in there.sums}
    ours |= {path for path in (MANIFEST, *more) if path in there.sizes}
    # Nothing may start that is not whole any more.
    for path in sorted(ours, key=lambda one: (one != MAIN, one)):
        transport.fs_rmfile(path)
    for folder in reversed(FOLDERS[1:]):
        if folder in there.folders:
            transport.fs_rmdir(folder)
    return sorted(ours)


def _read_manifest(
    transport: SerialTransport, sizes: Mapping[str, int]
) -> dict[str, tuple[str, int]] | None:
    """Return path -> (SHA-256, size); None without a manifest that can be read."""
    if MANIFEST not in sizes:
        return None
    try:
        rows = json.loads(bytes(transport.fs_readfile(MANIFEST, _CHUNK_BYTES)))["files"]
        return {str(path): (str(one), int(size)) for path, (one, size) in rows.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _copy(
    transport: SerialTransport, path: str, data: bytes, progress: Callable[[str, int], None]
) -> None:
    new = path + _NEW
    done = 0

    def told(written: int, _: int) -> None:
        nonlocal done
        progress(path, min(written, len(data)) - done)
        done = min(written, len(data))

    try:
        transport.fs_writefile(new, data, _CHUNK_BYTES, told)
        is_whole = transport.eval(f"_finish({new!r}, {path!r}, {hashlib.sha256(data).digest()!r})")
    except (OSError, TransportExecError) as problem:
        if not _is_full(problem):
            raise
        with contextlib.suppress(OSError):
            transport.exec("f.close()")
            transport.fs_rmfile(new)
        raise FlashError(
            f"the board's file system became full with {path}; remove files of yours, as "
            "`mpremote ls` shows them, and run this again"
        ) from None
    if not is_whole:
        raise FlashError(f"{path} arrived damaged; run this again, perhaps with another cable")


def _is_full(problem: Exception) -> bool:
    if isinstance(problem, TransportExecError):
        return "ENOSPC" in problem.error_output or "OSError: 28" in problem.error_output
    return isinstance(problem, OSError) and problem.errno == errno.ENOSPC
