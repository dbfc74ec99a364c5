"""A Pico in a box, in a test's hand: started, reset, unplugged, with its console and its UART."""

import contextlib
import json
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

from msgin5g_tools.pico_box.files import make_image
from msgin5g_tools.pico_box.parts import Parts
from msgin5g_tools.pico_box.problems import BoxError
from msgin5g_tools.pico_box.tty import Tty

# Generous: on a busy machine the board is several times slower than the real one.
START_S = 30.0
ANSWER_S = 10.0

_SCRIPT = Path(__file__).with_name("box.mjs")
_MAX_EVENTS = 1000
_LAST_LINES = 20


class PicoBox:
    """An emulated Raspberry Pi Pico, powered by its USB cable. Use it in a `with` statement.

    The folder `state` keeps its files from one start to the next, and has the ttys.
    """

    def __init__(self, parts: Parts, state: Path) -> None:
        self._parts = parts
        self._state = state
        self._files = state / "files.img"
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._new = threading.Condition()
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        # What the box told, the latest last, each with the key "event".
        self.events: deque[dict[str, Any]] = deque(maxlen=_MAX_EVENTS)
        self._told = 0
        self._is_plugged = False
        self._console: Tty | None = None
        self._uart: Tty | None = None
        self.console_port = self.uart_port = 0

    def __enter__(self) -> "PicoBox":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def console_url(self) -> str:
        """The USB console for mpremote and pyserial, over TCP; stays the same for this start."""
        return f"socket://127.0.0.1:{self.console_port}"

    @property
    def console_tty(self) -> Path:
        """The USB console as a tty; away while unplugged."""
        return self._state / "console"

    @property
    def uart_tty(self) -> Path:
        """The far end of a cable at UART 0, as a tty; away while that cable is unplugged."""
        return self._state / "uart"

    @property
    def uart_url(self) -> str:
        """The same as a link of the gateway: serial:///path."""
        return f"serial://{self.uart_tty}"

    @property
    def pid(self) -> int:
        """The process of the emulator. Raises BoxError while the box is not started."""
        if self._process is None:
            raise BoxError(self._ended())
        return self._process.pid

    def load(self, folder: Path) -> None:
        """Give the board these files and no others. Raises BoxError while it runs."""
        if self._process is not None:
            raise BoxError("the box runs; load files before start()")
        self._state.mkdir(parents=True, exist_ok=True)
        self._files.write_bytes(make_image(folder))

    def start(self, deadline_s: float = START_S) -> None:
        """Plug the board in and wait until its USB console is there. Raises BoxError.

        Its `main.py` may run by then, or the REPL may wait.
        """
        self._state.mkdir(parents=True, exist_ok=True)
        since = self.mark()
        parts = self._parts
        self._process = subprocess.Popen(
            [
                *(parts.node, str(_SCRIPT), "--modules", str(parts.modules)),
                *("--image", str(parts.image), "--rom", str(parts.rom)),
                *("--files", str(self._files)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C is for us, who then end it.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        try:
            ports = self._wait_for("listening", since, deadline_s)
            self.console_port, self.uart_port = ports["console"], ports["uart"]
            self._console = Tty(self.console_tty, self.console_port)
            self._uart = Tty(self.uart_tty, self.uart_port)
            self._console.plug()
            self._uart.plug()
            self._is_plugged = True
            self._wait_for("up", since, deadline_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Pull the cable and end the box; what the board wrote to its files is kept."""
        for tty in (self._console, self._uart):
            if tty is not None:
                tty.unplug()
        self._is_plugged = False
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        # Without its input the box ends.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(ANSWER_S)
        process.stdout.close()

    def wait_until_ended(self) -> None:
        """Wait until the box ends, which it does not by itself; then raises BoxError."""
        while self._reader is not None and self._reader.is_alive():
            self._reader.join(1.0)
        raise BoxError(self._ended())

    def reset(self) -> None:
        """Pull the board's RUN pin low for a moment, and wait until its console is back."""
        if self._process is not None and not self._is_plugged:
            raise BoxError("reset: the board has no power; plug() it in first")
        since = self._do("reset")
        self._wait_for("up", since, START_S)

    def unplug(self) -> None:
        """Pull the USB cable: the console goes, and the board has no power any more."""
        since = self._do("unplug")
        self._wait_for("unplugged", since, ANSWER_S)
        self._is_plugged = False
        if self._console is not None:
            self._console.unplug()

    def plug(self) -> None:
        """Put the USB cable back in and wait until the board's console is there."""
        if self._is_plugged:
            return
        since = self._do("plug")
        self._wait_for("plugged", since, ANSWER_S)
        self._is_plugged = True
        if self._console is not None:
            self._console.plug()
        self._wait_for("up", since, START_S)

    def unplug_uart(self) -> None:
        """Pull the cable at UART 0, at the end of the host; the board does not notice."""
        if self._uart is not None:
            self._uart.unplug()

    def plug_uart(self) -> None:
        """Put the cable at UART 0 back in."""
        if self._uart is not None:
            self._uart.plug()

    def status(self) -> dict[str, Any]:
        """Return `powered`; `board_ms`, by its own clock since it booted; `uart_overruns`, the
        bytes lost since then because the board did not read its UART in time."""
        return self._wait_for("status", self._do("status"), ANSWER_S)

    def mark(self) -> int:
        """Return a place in the stream of events, for `wait_for`."""
        with self._new:
            return self._told

    def wait_for(self, name: str, since: int, deadline_s: float = START_S) -> dict[str, Any]:
        """Return the first event of that name after the mark `since`. Raises BoxError.

        "reset" with `cause` ("machine", "watchdog", "command"), "up" with `after_ms`, "halted"
        with `why`, "unplugged", "plugged".
        """
        return self._wait_for(name, since, deadline_s)

    def _do(self, line: str) -> int:
        process = self._process
        since = self.mark()
        if process is None or process.stdin is None:
            raise BoxError(f"{line}: {self._ended()}")
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise BoxError(f"{line}: {self._ended()}") from None
        return since

    def _wait_for(self, name: str, since: int, deadline_s: float) -> dict[str, Any]:
        end = time.monotonic() + deadline_s
        with self._new:
            while True:
                recent = min(self._told - since, len(self.events))
                for event in list(self.events)[len(self.events) - recent :]:
                    if event["event"] == name:
                        return event
                if self._reader is None or not self._reader.is_alive():
                    raise BoxError(f"no {name!r}: {self._ended()}")
                if (left := end - time.monotonic()) <= 0:
                    raise BoxError(f"no {name!r} within {deadline_s:.0f} s; {self._last()}")
                self._new.wait(min(left, 1.0))

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._new:
                self._lines.append(line)
                if line.startswith("{"):
                    self.events.append(json.loads(line))
                    self._told += 1
                self._new.notify_all()
        with self._new:
            self._new.notify_all()

    def _ended(self) -> str:
        if self._process is None:
            return "the box is not started"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ANSWER_S)
        return f"the box has ended (exit code {self._process.returncode}); {self._last()}"

    def _last(self) -> str:
        return f"its last lines:\n{''.join(self._lines)}"
