"""Run the commands of a document as they stand there: python -m tests.run_document README.md

In a folder that looks like a fresh clone, with a network of its own where the kernel allows it, so
that the standard ports are free. A comment above a block changes what is done with it:

<!-- stays: REGEX -->     it runs until the end; the next block waits until its output has that
<!-- prints -->           it is no command: the last one must have printed this; … is anything
<!-- not run: WHY -->     it is only read

Blocks of other kinds are written to a file if the line above ends with its name: `server.toml`:
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.markdown import ROOT, blocks

LIMIT_S = 60.0
NEXT_LOOK_S = 0.02
RUN, STAYS, PRINTS, READ = "run", "stays", "prints", "not run"


def what_is_done(block):
    """Return (RUN, STAYS, PRINTS or READ, the text of the remark)."""
    word, _, text = block.remark.partition(": ")
    if word in (STAYS, PRINTS, READ):
        return word, text
    return (RUN, "") if block.kind == "sh" else (None, "")


def is_run(name):
    """Tell whether anything of a document is run."""
    return any(what_is_done(block)[0] in (RUN, STAYS) for block in blocks(name))


class Failed(Exception):
    """A command did not do what the document says."""


class Place:
    """A folder with what a clone has, and the processes that were started there."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self._stays = []
        for one in [*ROOT.iterdir(), ROOT / ".venv"]:
            if one.name != ".git" and not (self.folder / one.name).exists():
                (self.folder / one.name).symlink_to(one)

    def write(self, name, text):
        file = self.folder / name
        if file.is_symlink() or file.resolve().parent != self.folder.resolve():
            raise Failed(f"{name} is not a file of its own in the folder")
        file.write_text(text)

    def start(self, text):
        """Start a block; returns the process and the file of its output."""
        log = self.folder / f".output-{len(self._stays)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-ec", text],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "120"},
            )
        self._stays.append(process)
        return process, log

    def stop(self):
        """End all that is left, in the reverse order; gateway and server end cleanly."""
        for process in reversed(self._stays):
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


def wait_for(condition):
    """Wait until the condition is true; tells whether it became true in time."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(NEXT_LOOK_S)
    return True


def run(name):
    """Run a document. Raises Failed."""
    process = last = None
    with tempfile.TemporaryDirectory(prefix="msgin5g-document-") as folder:
        place = Place(folder)
        try:
            for block in blocks(name):
                done, text = what_is_done(block)
                where = f"{name}, line {block.line}"
                if done == RUN:
                    process, last = place.start(block.text)
                    if not wait_for(lambda one=process: one.poll() is not None):
                        raise Failed(f"{where}: did not end in time\n{last.read_text()}")
                    if process.returncode != 0:
                        raise Failed(f"{where}: exit {process.returncode}\n{last.read_text()}")
                elif done == STAYS:
                    process, last = place.start(block.text)
                    stayed(process, last, text, where)
                elif done == PRINTS:
                    printed(process, last, block.text, where)
                elif block.kind and (file := re.search(r"`([\w.-]+)`:$", block.before)):
                    place.write(file[1], block.text)
        finally:
            place.stop()


def stayed(process, log, pattern, where):
    """Wait until a process that stays has written what it should. Raises Failed."""
    if not came(process, log, lambda text: re.search(pattern, text)):
        raise Failed(f"{where}: {pattern!r} did not come\n{log.read_text()}")


def printed(process, log, text, where):
    """Wait until each line came, in this order; columns may be wider or not. Raises Failed."""
    wanted = [
        ".*".join(re.escape(piece) for piece in squeezed(line).split("…"))
        for line in text.strip().splitlines()
    ]
    pattern = re.compile("^" + r"$(?s:.*?)^".join(wanted) + "$", re.M)
    if not came(process, log, lambda found: pattern.search(squeezed(found))):
        raise Failed(f"{where}: this did not come:\n{text}\nbut:\n{log.read_text()}")


def came(process, log, is_there):
    """Tell whether something came into a log, before its process ended or was silent too long."""
    wait_for(lambda: is_there(log.read_text()) or process.poll() is not None)
    return is_there(log.read_text())


def squeezed(text):
    return re.sub(r"[ \t]+", " ", re.sub(r"[ \t]+$", "", text, flags=re.M))


if __name__ == "__main__":
    # Whoever gives up on this leaves nothing behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("ended from outside"))
    try:
        run(sys.argv[1])
    except Failed as problem:
        sys.exit(str(problem))
