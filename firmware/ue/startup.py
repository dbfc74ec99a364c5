"""What a board does when it starts: `main.py` calls `start()`.

Nobody is locked out: Ctrl-C ends the UE at any time and leaves the REPL, also for mpremote, and
before anything else there are two seconds for it. What a configuration does not ask for is not
loaded.
"""

import asyncio
import sys
import time

from ue.errors import ConfigError
from ue.main import live, settings

_WINDOW_MS = 2000
# Time to read what went wrong, and for a Ctrl-C, before the board starts anew.
_AFTER_CRASH_MS = 10000
# How often the loop looks whether it is time to sleep.
_LOOK_MS = 1000


def start(path="config.json"):
    """Run the UE of a configuration file until Ctrl-C; a deep sleep ends in a new start."""
    import machine

    try:
        config = settings(path)
    except ConfigError as problem:
        sys.stdout.write("ue: %s\n" % problem)
        return
    board = Board(config)
    try:
        if machine.reset_cause() != getattr(machine, "DEEPSLEEP_RESET", None):
            sys.stdout.write("ue: starting in 2 s, Ctrl-C for the REPL\n")
            time.sleep_ms(_WINDOW_MS)
        asyncio.run(live(config, board))
        board.stop()
        machine.deepsleep(config["sleep_s"] * 1000)
    except KeyboardInterrupt:
        board.stop()
        sys.stdout.write("ue: stopped; Ctrl-D starts it again\n")
    except Exception as problem:
        board.stop()
        sys.print_exception(problem)
        sys.stdout.write("ue: the board starts anew in 10 s, Ctrl-C for the REPL\n")
        time.sleep_ms(_AFTER_CRASH_MS)
        machine.reset()


class Board:
    """What surrounds a UE on a board: LED, Wi-Fi, watchdog, sleep. config: see `ue.config`."""

    def __init__(self, config):
        self._config = config
        self._tell = None
        self._ue = None
        self._led = None
        self._dog = None
        self._nap = None

    def listens(self, tell):
        """Return the function for the UE's events; it hands them on to `tell(name, info)`."""
        self._tell = tell
        return self._heard

    def begin(self, ue):
        """Begin what the configuration asks for; returns the tasks that run beside the UE."""
        config, tasks = self._config, []
        self._ue = ue
        if config["led"]:
            from ue.led import Led

            self._led = Led(config["led"])
            tasks.append(asyncio.create_task(self._led.run()))
        if config["wifi_ssid"]:
            from ue.wifi import WiFi

            wifi = WiFi(config["wifi_ssid"], config["wifi_password"], self._tell)
            tasks.append(asyncio.create_task(wifi.run()))
        if config["sleep_s"]:
            from ue.nap import Nap

            self._nap = Nap(config["awake_s"] * 1000, ue.clock)
            ue.turn_ms = _LOOK_MS
        if config["watchdog_s"]:
            from ue.watchdog import Watchdog

            self._dog = Watchdog(config["watchdog_s"])
            ue.turn_ms = min(ue.turn_ms, config["watchdog_s"] * 250)
        ue.on_turn = self._turn
        return tasks

    def stop(self):
        """Leave the board to whoever works at the REPL, or to its sleep."""
        if self._dog is not None:
            self._dog.stop()
        if self._led is not None:
            self._led.show(False)

    def _heard(self, name, info):
        self._tell(name, info)
        if self._led is not None and name == "state":
            self._led.state = info["state"]
        if self._nap is not None:
            self._nap.heard(name)

    def _turn(self):
        if self._dog is not None:
            self._dog.feed()
        return self._nap is not None and self._nap.is_due(self._ue)
