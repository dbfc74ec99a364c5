"""Commands whose output is a terminal."""

import os
import pty
import subprocess
import sys


def on_a_terminal(*arguments, code=0):
    """Return what `msgin5g ARGUMENTS` writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, "-m", "msgin5g_tools.cli", *arguments], stdout=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:
                break
            if not data:
                break
            shown += data
        assert process.wait(30) == code
    os.close(ours)
    return shown.decode()
