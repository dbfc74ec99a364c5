"""A server, a gateway with its own page, and UEs on UDP and serial that write to each other."""

import json
import threading
import urllib.request

from msgin5g_tools.cable import Cable, Port
from tests.processes import Stack, msgin5g

GATEWAY = "urn:example:gw:1"
KITCHEN, GARDEN, ATTIC = (f"urn:example:ue:{name}" for name in ("kitchen", "garden", "attic"))
_FAST = {"wait_s": 1, "backoff_min_s": 1, "backoff_max_s": 2, "ack_timeout_ms": 500}
_EVERY_S = 0.2


class PageWorld(Stack):
    """kitchen on UDP writes to garden on a serial line each second; attic has an account only.

    What the UEs log is reported to the server's page as the gateway's entries are.
    """

    def __init__(self, folder):
        near, far = Port(folder / "ttyGW"), Port(folder / "ttyUE")
        self._cable, self._serial = Cable(near, far), far.url
        ues = [KITCHEN, GARDEN, ATTIC]
        links = ["--link", near.url, "--http", "127.0.0.1:0"]
        super().__init__(folder, ues, (), links, ["interval_s = 0.2", "default_wait_s = 0.2"])
        self._ended = threading.Event()
        self._reporter = threading.Thread(target=self._report)
        self.start_server()
        with (folder / "gateway.toml").open("a") as file:
            file.write(f'[view]\nreport_to = "http://{self.http}"\n')
        self.gateway_page = self._start_gateway()
        self.garden = self.start_ue(GARDEN, link=self._serial, **_FAST)
        self.garden.wait_for("state", state="registered")
        self.kitchen = self.start_ue(
            KITCHEN, **_FAST, say_to=GARDEN, say_text="{n} degrees", say_every_s=1, say_report=True
        )
        self._reporter.start()
        self.page = f"http://{self.http}/"

    def stop(self):
        self._ended.set()
        self._reporter.join()
        super().stop()
        self._cable.close()

    def _start_gateway(self):
        self.start_gateway()
        self.gateway.wait_for("own-registered")
        ready = next(one for one in self.gateway.events if one["event"] == "ready")
        return f"http://{ready['http']}/"

    def _report(self):
        told = {KITCHEN: 0, GARDEN: 0}
        while not self._ended.wait(_EVERY_S):
            for name, ue in ((KITCHEN, self.kitchen), (GARDEN, self.garden)):
                new = [one for one in ue.events[told[name] :][:200] if one.get("role") == "ue"]
                told[name] = min(len(ue.events), told[name] + 200)
                if new:
                    post(self.http, "reports", {"at": name, "role": "ue", "entries": new})


class Alone:
    """A server without UEs. text: of its server.toml, which may be started again."""

    def __init__(self, folder, text, *flags):
        self._folder, self._flags = folder, flags
        (folder / "server.toml").write_text(text)
        self.coap = self.http = "127.0.0.1:0"
        self.start()

    @property
    def page(self):
        return f"http://{self.http}/"

    def start(self):
        """Start it, where it was before."""
        self.process = msgin5g(
            *("server", "-c", self._folder / "server.toml", "--json"),
            *("--data", self._folder / "server", "--bind", self.coap, "--http", self.http),
            *self._flags,
        )
        ready = self.process.wait_for("ready")
        self.coap, self.http = ready["coap"], ready["http"]

    def stop(self):
        """End it."""
        self.process.stop()


def accounts(*names):
    """Return a server.toml with accounts."""
    return "\n".join(
        ["[server]", *(f"[[ue]]\nue_service_id = {json.dumps(one)}" for one in names)]
    )


def post(http, action, body, **headers):
    """POST below /view; returns the JSON of the answer, None if it is empty."""
    headers = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(
        f"http://{http}/view/{action}", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "null")
