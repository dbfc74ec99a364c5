"""Where the bench runs the firmware: the Unix port, a Pico in a box, a board on a cable.

A target is given files (`load`), started, reset and stopped; `events` are the JSON lines of its
log. `uart` is where the gateway finds its UART. `can` says what it is good for.
"""

import json
import shutil
import socket
import threading
from pathlib import Path

import ue
from msgin5g_tools.flash.compile import compile_all, read_format
from msgin5g_tools.flash.files import sources
from msgin5g_tools.micropython import micropython_path, ue_environment
from msgin5g_tools.pico_box.box import PicoBox
from tests.media import SerialMedium
from tests.processes import Events, Process

SCRIPTS = Path(__file__).with_name("scripts")
START = Path(ue.__file__).parents[1] / "boards" / "common" / "main.py"
# What `sys.implementation._mpy` is on a Raspberry Pi Pico.
PICO_MPY = 0x1306
BARE_HEAP_KB = 9999


class Console(Events):
    """The log of a board at a TCP port, read until it is closed."""

    def __init__(self, port):
        super().__init__()
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def close(self):
        self._socket.close()

    def _read(self):
        try:
            with self._socket.makefile("r", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    self._take(line)
        except OSError:
            pass
        self._take(None)


class UnixTarget:
    """MicroPython's Unix port with a serial cable made of ptys; a reset is a kill -9."""

    name = "unix"
    can = frozenset({"reset", "outage", "heap"})
    # Everything is compiled from source there, on objects twice the size of a board's.
    heap = "400k"

    def __init__(self, folder):
        self._folder = folder
        self._medium = SerialMedium(folder)
        self._process = None
        self._main = None
        self.gateway_link = self._medium.gateway_link

    @property
    def link(self):
        """The UE's end of the cable."""
        return self._medium.ue_link

    @property
    def events(self):
        return self._process

    def load(self, config, plan=None):
        """Give it a configuration, and instead of the UE's own start what `scripts` has."""
        file = self._folder / "config.json"
        config = {"state_file": str(self._folder / "ue.state"), "json": True, **config}
        file.write_text(json.dumps({**config, "link": self.link}))
        self._main = ["-m", "ue.main", str(file)]
        if plan is not None:
            bench = self._folder / "bench.json"
            bench.write_text(json.dumps({"heap_kb": BARE_HEAP_KB, "config": str(file), **plan}))
            self._main = [str(SCRIPTS / "measured.py"), str(bench)]

    def start(self):
        argv = [micropython_path(), "-X", f"heapsize={self.heap}", *self._main]
        self._process = Process(argv, ue_environment())

    def reset(self):
        """Cut the power for a moment."""
        self._process.kill()
        self.start()

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process = None
        self._medium.close()


class BoxTarget:
    """A Pico in a box, its files made without the board; a reset is one at its RUN pin."""

    name = "pico-box"
    can = frozenset({"reset", "outage", "heap", "budget", "flash"})
    link = "serial://uart0?tx=0&rx=1"

    def __init__(self, folder, parts):
        self._folder = folder
        self._files = folder / "files"
        self.box = PicoBox(parts, folder / "box")
        self.events = None
        self.gateway_link = self.box.uart_url
        self.installed = {}

    def load(self, config, plan=None):
        shutil.rmtree(self._files, ignore_errors=True)
        config = {"state_file": "ue.state", "json": True, **config, "link": self.link}
        from ue.config import merge

        merged = merge(config)
        start = "ue.startup" if plan is None else "ue.main"
        self.installed = compile_all(sources(merged, start), read_format(PICO_MPY))
        for name, data in self.installed.items():
            path = self._files / "lib" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (self._files / "config.json").write_text(json.dumps(config))
        main = START if plan is None else SCRIPTS / "measured.py"
        (self._files / "main.py").write_text(main.read_text())
        if plan is not None:
            bench = {"heap_kb": BARE_HEAP_KB, "config": "config.json", **plan}
            (self._files / "bench.json").write_text(json.dumps(bench))
        self.box.load(self._files)

    def start(self):
        self.box.start()
        self.events = Console(self.box.console_port)

    def reset(self):
        self.box.reset()

    def stop(self):
        if self.events is not None:
            self.events.close()
            self.events = None
        self.box.stop()
