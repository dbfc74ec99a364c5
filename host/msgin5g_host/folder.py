"""A data folder that belongs to one process at a time, and small files in it."""

import fcntl
import os
from pathlib import Path


class StoreError(Exception):
    """A data folder or a file in it cannot be used; the text names it and says what to do."""


def lock_folder(folder: Path, what: str) -> int:
    """Make the folder if need be and lock it until the returned handle is closed.

    what: who it is for, "server" or "gateway". Raises StoreError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as problem:
        raise StoreError(
            f"{folder}: cannot be used: {problem.strerror}; make it a folder that the {what}'s "
            "user may write, or choose another with --data"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreError(
            f"{folder}: another {what} uses this folder; stop it or choose another with --data"
        ) from None
    return handle


def replace_file(path: Path, text: str) -> None:
    """Put a file on disk as a whole: after a crash it is the old one or this. Raises OSError."""
    new = path.with_name(path.name + ".new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
