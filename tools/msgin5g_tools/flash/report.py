"""What `msgin5g flash` shows: a bar on a terminal, plain lines, or JSON objects."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn


class Report:
    """Tell a person, or with `as_json` a program, what is done."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.is_copying = False
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._path = ""

    def tell(self, event: str, text: str, **fields: Any) -> None:
        """One step: its name and fields for programs, the text for people."""
        if self._as_json:
            print(json.dumps({"event": event, **fields}), flush=True)
        else:
            print(text, flush=True)

    def begin(self, files: int, size: int) -> None:
        """The copy begins."""
        self.is_copying = True
        self.tell("copy", f"copying {files} files, {size / 1000:.0f} kB", files=files, bytes=size)
        if sys.stdout.isatty() and not self._as_json:
            columns = (TextColumn("{task.description:28}"), BarColumn(), DownloadColumn())
            self._bar = Progress(*columns, console=Console(), transient=True)
            self._task = self._bar.add_task("", total=size)
            self._bar.start()

    def progress(self, path: str, size: int) -> None:
        """More of a file has been copied."""
        if self._bar is not None:
            self._bar.update(self._task, advance=size, description=path)
        elif path != self._path:
            self.tell("file", f"  {path}", path=path)
        self._path = path

    def end(self) -> None:
        """The copy has ended, well or not."""
        self.is_copying = False
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
