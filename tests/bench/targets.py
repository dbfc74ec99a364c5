"""Where the bench runs the firmware: the Unix port, a Pico in a box, a board on a cable.

A target is given files (`load`), started, reset and stopped; `events` are the JSON lines of its
log. `uart` is where the gateway finds its UART. `can` says what it is good for.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import serial

import ue
from msgin5g_tools.flash.compile import compile_all, read_format
from msgin5g_tools.flash.files import sources
from msgin5g_tools.micropython import micropython_path, ue_environment
from msgin5g_tools.pico_box.box import PicoBox
from tests.media import SerialMedium
from tests.processes import Events, Process
from ue.config import merge

SCRIPTS = Path(__file__).with_name("scripts")
START = Path(ue.__file__).parents[1] / "boards" / "common" / "main.py"
# What `sys.implementation._mpy` is on a Raspberry Pi Pico.
PICO_MPY = 0x1306
BARE_HEAP_KB = 9999
CONSOLE_S = 15.0
FLASH_S = 180.0


class Console(Events):
    """The log of a board at its console, a port or URL of pyserial, read until it is closed."""

    def __init__(self, url):
        super().__init__()
        end = time.monotonic() + CONSOLE_S
        while True:
            try:
                self._port = serial.serial_for_url(url, timeout=0.1)
                break
            except serial.SerialException:
                # After a reset USB needs a moment to come back.
                assert time.monotonic() < end, f"no console at {url}"
                time.sleep(0.1)
        self._is_open = True
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self):
        self._is_open = False
        self._thread.join(CONSOLE_S)
        self._port.close()

    def _read(self):
        rest = b""
        while self._is_open:
            try:
                rest += self._port.read(self._port.in_waiting or 1)
            except (serial.SerialException, OSError):
                break
            *lines, rest = rest.split(b"\n")
            for line in lines:
                self._take(line.decode(errors="replace"))
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
        self.members = {}

    def load(self, config, plan=None):
        config = {"state_file": "ue.state", "json": True, **config, "link": self.link}
        self._compile(config)
        if plan is None:
            self._install(START, {"config.json": config})
            return
        bench = {"heap_kb": BARE_HEAP_KB, "config": "config.json", **plan}
        self._install(SCRIPTS / "measured.py", {"config.json": config, "bench.json": bench})

    def load_modules(self, config, modules):
        """Give it what a configuration needs, and a start that only imports some modules.

        Returns what these are on the board, where modules are joined: only with each other.
        """
        self._compile(config)
        units = [unit for unit, group in self.members.items() if {*group} & {*modules}]
        assert {name for unit in units for name in self.members[unit]} <= {*modules}
        self._install(SCRIPTS / "imported.py", {"bench.json": {"modules": units}})
        return units

    def _compile(self, config):
        compiled = compile_all(sources(merge(config)), read_format(PICO_MPY))
        self.installed, self.members = compiled.files, compiled.members

    def _install(self, main, more):
        shutil.rmtree(self._files, ignore_errors=True)
        files = {f"lib/{name}": data for name, data in self.installed.items()}
        files |= {name: json.dumps(value).encode() for name, value in more.items()}
        files["main.py"] = main.read_bytes()
        for name, data in files.items():
            path = self._files / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.box.load(self._files)

    def start(self):
        self.box.start()
        self.events = Console(self.box.console_url)

    def reset(self):
        self.box.reset()

    def stop(self):
        if self.events is not None:
            self.events.close()
            self.events = None
        self.box.stop()


class BoardTarget:
    """A board on USB at `port`, its UART 0 at the adapter `uart`; `msgin5g flash` installs."""

    name = "serial"
    can = frozenset({"reset", "outage"})
    link = "serial://uart0?tx=0&rx=1"

    def __init__(self, folder, port, uart):
        self._folder = folder
        self._port = port
        self.gateway_link = f"serial://{uart}"
        self.events = None

    def load(self, config, plan=None):
        assert plan is None
        file = self._folder / "config.json"
        config = {"state_file": "ue.state", "json": True, **config, "link": self.link}
        file.write_text(json.dumps(config))
        flash = ["-m", "msgin5g_tools.cli", "flash", "--port", self._port, "--no-start"]
        self._run(*flash, "--config", str(file))

    def start(self):
        self._run("-m", "mpremote", "connect", self._port, "reset")
        self.events = Console(self._port)

    def reset(self):
        self.events.close()
        self.start()

    def stop(self):
        if self.events is not None:
            self.events.close()
            self.events = None
            # The next one finds the board at rest, and new.
            remove = "import os\nfor one in ('main.py', 'ue.state'):\n try: os.remove(one)\n"
            remove += " except OSError: pass"
            self._run("-m", "mpremote", "connect", self._port, "exec", remove)

    def _run(self, *arguments):
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=FLASH_S
        )
        assert done.returncode == 0, done.stdout + done.stderr
