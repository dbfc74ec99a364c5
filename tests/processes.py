"""Real `msgin5g` processes for tests: started, read line by line, killed."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

from msgin5g_tools.micropython import ue_command, ue_environment

DEADLINE_S = 20.0


class Events:
    """JSON lines that are read in the background. `events` holds all of them."""

    def __init__(self):
        self.events = []
        self._new = queue.Queue()

    def _take(self, line):
        """Note a line; None: there will be no more."""
        if line is None:
            self._new.put(None)
            return
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            event = {"event": "output", "text": line.rstrip()}
        self.events.append(event)
        self._new.put(event)

    def wait_for(self, name, deadline_s=DEADLINE_S, **fields):
        """Return the next event of that name with these fields that was not looked at yet."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                event = self._new.get(timeout=max(end - time.monotonic(), 0.01))
            except queue.Empty:
                event = {}
            if event is None or time.monotonic() > end:
                raise AssertionError(f"no {name} {fields}; last: {self.events[-5:]}")
            if event.get("event") == name and all(
                event.get(key) == value for key, value in fields.items()
            ):
                return event


class Process(Events):
    """A process whose JSON lines are read in the background."""

    def __init__(self, argv, environment=None, folder=None):
        super().__init__()
        self._process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self._process.pid

    def _read(self):
        for line in self._process.stdout:
            self._take(line)
        self._take(None)

    def kill(self):
        """kill -9."""
        self._process.kill()
        self._end()

    def wait(self):
        """Wait until it ends by itself and return the exit code."""
        return self._end()

    def stop(self, number=signal.SIGTERM):
        """End it with a signal and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._end()

    def _end(self):
        code = self._process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        self._process.stdout.close()
        return code


def msgin5g_command(*arguments):
    """Return what starts `msgin5g ARGUMENTS`."""
    return [sys.executable, "-m", "msgin5g_tools.cli", *map(str, arguments)]


def msgin5g(*arguments, environment=None):
    """Start `msgin5g ARGUMENTS`."""
    return Process(
        msgin5g_command(*arguments), {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
    )


class Stack:
    """A server and a gateway with their folders, restartable on the same ports."""

    def __init__(self, folder, ues=(), server=(), gateway=(), bulk=()):
        self.folder = folder
        self._server_extra, self._gateway_extra = list(server), list(gateway)
        accounts = ["[server]", "[[ue]]", 'ue_service_id = "urn:example:gw:1"']
        table = ["[gateway]", "[bulk]", *bulk]
        for ue in ues:
            accounts += ["[[ue]]", f'ue_service_id = "{ue}"', 'gateway = "urn:example:gw:1"']
            table += ["[[ue]]", f'ue_service_id = "{ue}"']
        (folder / "server.toml").write_text("\n".join(accounts) + "\n")
        (folder / "gateway.toml").write_text("\n".join(table) + "\n")
        self.coap = self.http = "127.0.0.1:0"
        self.link = "udp://127.0.0.1:0"
        self.server = self.gateway = None
        self.environment = {}
        self.ues = []

    def start_server(self):
        self.server = msgin5g(
            *("server", "-c", self.folder / "server.toml", "--json", "--log-messages"),
            *("--data", self.folder / "server", "--bind", self.coap, "--http", self.http),
            *self._server_extra,
        )
        ready = self.server.wait_for("ready")
        self.coap, self.http = ready["coap"], ready["http"]
        return self.server

    def start_gateway(self):
        self.gateway = msgin5g(
            *("gateway", "-c", self.folder / "gateway.toml", "--json", "--log-messages"),
            *("--data", self.folder / "gateway", "--server", f"coap://{self.coap}"),
            *("--link", self.link, *self._gateway_extra),
            environment=self.environment,
        )
        self.link = self.gateway.wait_for("ready")["links"][0]
        return self.gateway

    def start_ue(self, ue, environment=None, heap="240k", **settings):
        """Start the firmware on MicroPython.

        environment: that of a virtual radio. Modules are compiled on the heap here, unlike on a
        board; `heap` makes room for that of many.
        """
        file = self.folder / f"{ue.rpartition(':')[2]}.json"
        state = str(file.with_suffix(".state"))
        config = {"ue_service_id": ue, "link": self.link, "state_file": state, "json": True}
        file.write_text(json.dumps({**config, **settings}))
        self.ues.append(Process(ue_command(str(file), heap), environment or ue_environment()))
        return self.ues[-1]

    def stop(self):
        for one in [*self.ues, self.gateway, self.server]:
            if one is not None:
                one.stop()
