"""The shell on real sockets: batches, a disk that refuses, time-outs, a clean end."""

import asyncio
import io
import json
import signal
import socket
import sqlite3
import subprocess
import sys

import pytest

from msgin5g import coap
from msgin5g import registration as messages
from msgin5g_gateway import forward as forward_module
from msgin5g_gateway import shell as shell_module
from msgin5g_gateway.shell import Gateway
from msgin5g_gateway.store import Store
from msgin5g_host.clock import Clock
from msgin5g_host.log import EventLog
from tests.gateway.bench import SERVICE, body, gwreg, reg
from tests.processes import msgin5g
from tests.world import gateway_settings, ue_id

DEADLINE_S = 10.0
PATH = [(coap.URI_PATH, b"msgin5g")]
JSON = (coap.CONTENT_FORMAT, b"\x32")


class Peer(asyncio.DatagramProtocol):
    """A UDP peer on loopback: sends CoAP messages, keeps what it gets."""

    @classmethod
    async def open(cls):
        loop = asyncio.get_running_loop()
        _, peer = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        return peer

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        self.got = asyncio.Queue()

    def datagram_received(self, data, peer):
        self.got.put_nowait((coap.decode(data), peer))

    def post(self, port, payload, mid, token=b"tk", options=None, code=coap.POST):
        options = [*PATH, JSON] if options is None else options
        data = coap.encode(coap.CON, code, mid, token, options, payload)
        self.transport.sendto(data, ("127.0.0.1", port))

    def answer(self, message, peer, code, payload=b""):
        options = [JSON] if payload else []
        data = coap.encode(coap.ACK, code, message.mid, message.token, options, payload)
        self.transport.sendto(data, peer)

    async def receive(self, kind=None):
        """The next message; kind: the next with that msgType or code."""
        while True:
            message, peer = await asyncio.wait_for(self.got.get(), DEADLINE_S)
            if kind in (None, message.code):
                return message, peer
            is_post = message.payload and message.code == coap.POST
            if is_post and body(message.payload)["msgType"] == kind:
                return message, peer


class Rig:
    """A Gateway in this process between a UE and a server that are both sockets of the test."""

    async def start(self, folder, **settings):
        self.server = await Peer.open()
        self.ue = await Peer.open()
        settings = {
            "server": f"coap://127.0.0.1:{self.server.port}",
            "links": ["udp://127.0.0.1:0"],
            "register": False,
            **settings,
        }
        self.log = io.StringIO()
        clock = Clock()
        self.store = Store(str(folder))
        self.gateway = Gateway(
            gateway_settings(str(folder), [ue_id(1)], **settings),
            self.store,
            EventLog("gateway", json=True, stream=self.log),
            clock,
        )
        self.port = int(self.gateway.links[0].url.rpartition(":")[2])
        self.gateway.start()
        return self

    async def ask(self, payload, mid, **more):
        self.ue.post(self.port, payload, mid, **more)
        return (await self.ue.receive())[0]

    async def close(self):
        await self.gateway.close()
        self.store.close()
        self.server.transport.close()
        self.ue.transport.close()


def run(folder, script, **settings):
    async def main():
        rig = await Rig().start(folder, **settings)
        try:
            await script(rig)
        finally:
            await rig.close()

    asyncio.run(main())


def test_the_whole_way_of_a_registration(tmp_path):
    async def script(rig):
        assert (await rig.ask(gwreg(1), 1)).code == coap.CREATED
        interim = await rig.ask(reg(1, wait_s=0), 0x1234, token=b"mine")
        assert (interim.code, interim.mid) == (coap.CHANGED, 0x1234)
        message, peer = await rig.server.receive("BREG")
        assert message.uri_path() == "msgin5g" and message.uint(coap.CONTENT_FORMAT) == 50
        answer = messages.breg_answer([messages.reg_answer(ue_id(1), True, 3600)])
        rig.server.answer(message, peer, coap.CREATED, answer)
        told, peer = await rig.ue.receive("REGRESP")
        assert (told.type, told.mid, told.token) == (coap.CON, 0x1234, b"mine")
        rig.ue.answer(told, peer, coap.CHANGED)
        await until(lambda: not rig.store.pending)

    run(tmp_path, script)


async def until(condition):
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "options", "answer"),
    [
        (coap.GET, PATH, coap.METHOD_NOT_ALLOWED),
        (coap.PUT, [*PATH, JSON], coap.METHOD_NOT_ALLOWED),
        (coap.POST, [*PATH, (coap.CONTENT_FORMAT, b"")], coap.UNSUPPORTED_FORMAT),
        (coap.POST, [*PATH, JSON, (coap.ACCEPT, b"\x3c")], coap.NOT_ACCEPTABLE),
        (coap.POST, [*PATH, JSON, (coap.ACCEPT, b"\x32")], coap.CREATED),
        (coap.POST, PATH, coap.CREATED),
    ],
)
def test_method_and_formats_are_checked(tmp_path, code, options, answer):
    async def script(rig):
        assert (await rig.ask(gwreg(1), 1, code=code, options=options)).code == answer

    run(tmp_path, script)


def test_an_urgent_request_that_times_out_does_not_reach_the_server_later(tmp_path, monkeypatch):
    monkeypatch.setattr(forward_module, "FORWARD_TIMEOUT_MS", 300)

    async def script(rig):
        answer = await rig.ask(reg(1, True), 5)
        assert answer.code == coap.GATEWAY_TIMEOUT
        await rig.server.receive("REG")
        # What follows in the queue towards the server goes at once: the first was taken back.
        rig.ue.post(rig.port, messages.dereg(ue_id(1), SERVICE, True), 6)
        message, peer = await rig.server.receive()
        assert body(message.payload)["msgType"] == "DEREG"
        good = messages.dereg_answer(ue_id(1), True)
        rig.server.answer(message, peer, coap.CHANGED, good)
        assert (await rig.ue.receive())[0].payload == good

    run(tmp_path, script)


def fail_commits(store, times):
    """Let the next commits with something to write fail; returns the number that are left."""
    real, left = store.commit, [times]

    def commit():
        if store._staged and left[0]:
            left[0] -= 1
            store._db.execute("PRAGMA query_only=ON")
            try:
                real()
            finally:
                store._db.execute("PRAGMA query_only=OFF")
        else:
            real()

    store.commit = commit
    return left


def test_when_the_disk_refuses_the_ue_gets_5_03_and_later_requests_are_served(tmp_path):
    async def script(rig):
        left = fail_commits(rig.store, 1)
        first = await rig.ask(gwreg(1), 1)
        assert first.code == coap.UNAVAILABLE and b"disk" in first.payload
        assert left == [0] and not rig.store.signups
        assert (await rig.ask(gwreg(1), 2)).code == coap.CREATED
        assert rig.gateway.core.counters["store_failures"] == 1

    run(tmp_path, script)


def test_a_disk_failure_leaves_no_request_without_an_answer_and_nothing_accepted_behind(tmp_path):
    async def script(rig):
        await rig.ask(gwreg(1), 1)
        rig.ue.post(rig.port, reg(1, True), 2, b"urgent")
        await rig.server.receive("REG")
        fail_commits(rig.store, 1)
        rig.ue.post(rig.port, gwreg(1), 3, b"again")
        answers = {(await rig.ue.receive())[0].token for _ in range(2)}
        assert answers == {b"urgent", b"again"}

    run(tmp_path, script)


def test_the_timers_go_on_after_a_disk_failure_that_no_request_caused(tmp_path, monkeypatch):
    monkeypatch.setattr(shell_module, "_AFTER_STORE_FAILURE_S", 0.05)

    async def script(rig):
        await rig.ask(gwreg(1), 1)
        await rig.ask(reg(1, wait_s=0), 2, token=b"mine")
        message, peer = await rig.server.receive("BREG")
        left = fail_commits(rig.store, 2)
        answer = messages.breg_answer([messages.reg_answer(ue_id(1), True, 3600)])
        rig.server.answer(message, peer, coap.CREATED, answer)
        for _ in range(2):
            # Its result could not be stored: the server is asked again, as after a restart.
            message, peer = await rig.server.receive("BREG")
            rig.server.answer(message, peer, coap.CREATED, answer)
        told, _ = await rig.ue.receive("REGRESP")
        assert told.token == b"mine" and left == [0]

    run(tmp_path, script)


def test_a_peer_of_a_link_that_is_gone_does_not_stop_the_others(tmp_path):
    store = Store(str(tmp_path))
    store.close()
    with sqlite3.connect(tmp_path / "gateway.sqlite3") as db:
        db.execute(
            "INSERT INTO pending VALUES (1, ?, 'REG', 'serial:///dev/x', 1, x'01', x'7b7d', "
            "'answered', 1, NULL, 0, 0)",
            (ue_id(1),),
        )
    db.close()

    async def script(rig):
        assert (await rig.ask(gwreg(1), 1)).code == coap.CREATED
        assert len(rig.store.pending) == 1

    run(tmp_path, script)


def test_several_links(tmp_path):
    async def script(rig):
        names = [link.identifier(("h", 1)) for link in rig.gateway.links]
        assert names == ["udp://h:1", "udp2://h:1"]
        port = int(rig.gateway.links[1].url.rpartition(":")[2])
        rig.ue.post(port, gwreg(1), 1)
        await rig.ue.receive()
        rig.ue.post(port, reg(1, wait_s=0), 2)
        await rig.ue.receive()
        (row,) = rig.store.pending.values()
        assert row.peer == f"udp2://127.0.0.1:{rig.ue.port}"
        message, peer = await rig.server.receive("BREG")
        answer = messages.breg_answer([messages.reg_answer(ue_id(1), True, 3600)])
        rig.server.answer(message, peer, coap.CREATED, answer)
        told, peer = await rig.ue.receive("REGRESP")
        assert peer[1] == port

    run(tmp_path, script, links=["udp://127.0.0.1:0", "udp://127.0.0.1:0"])


def test_the_gateway_de_registers_when_it_ends(tmp_path):
    async def script(rig):
        message, peer = await rig.server.receive("REG")
        gateway = body(message.payload)["oriAddr"]["addr"]
        good = messages.reg_answer(gateway, True, 3600)
        rig.server.answer(message, peer, coap.CREATED, good)
        await until(lambda: rig.gateway.core.own.registered)
        closing = asyncio.create_task(rig.gateway.close())
        message, peer = await rig.server.receive("DEREG")
        rig.server.answer(message, peer, coap.CHANGED, messages.dereg_answer(gateway, True))
        await asyncio.wait_for(closing, 1.5)

    run(tmp_path, script, register=True)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_the_command_says_ready_once_and_ends_with_0(tmp_path):
    gateway = msgin5g(
        *("gateway", "--json", "--data", tmp_path, "--link", "udp://127.0.0.1:0"),
        *("--link", "udp://127.0.0.1:0", "--server", f"coap://127.0.0.1:{free_port()}"),
        *("--ue-service-id", "urn:example:gw:7"),
    )
    ready = gateway.wait_for("ready")
    assert ready["ue"] == "urn:example:gw:7"
    assert len(ready["links"]) == 2 and not any(url.endswith(":0") for url in ready["links"])
    assert gateway.stop(signal.SIGTERM) == 0
    assert [one["event"] for one in gateway.events].count("ready") == 1
    assert gateway.events[-1]["event"] == "stopped"


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "msgin5g_tools.cli", "gateway", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_second_gateway_on_the_same_folder_says_why_it_ends(tmp_path):
    store = Store(str(tmp_path))
    done = command("--data", tmp_path, "--link", "udp://127.0.0.1:0")
    store.close()
    assert done.returncode == 1
    assert "another gateway uses this folder" in done.stderr and "Traceback" not in done.stderr


def test_a_link_that_is_taken_is_named(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = command("--data", tmp_path, "--link", f"udp://127.0.0.1:{port}")
    assert done.returncode == 1 and str(port) in done.stderr, done.stderr


def test_print_config_shows_what_is_in_force_and_where_from(tmp_path):
    done = command("--data", tmp_path, "--no-register", "--print-config")
    assert done.returncode == 0
    assert "register = false  # flag" in done.stdout
    assert "max_requests = 50  # default" in done.stdout


def test_a_mistake_in_the_configuration_is_2(tmp_path):
    done = command("--server", "http://x")
    assert done.returncode == 2 and "coap://host:port" in done.stderr


def test_events_are_json_objects(tmp_path):
    async def script(rig):
        await rig.ask(gwreg(1), 1)
        events = [json.loads(line) for line in rig.log.getvalue().splitlines()]
        assert {"signed-up"} <= {one["event"] for one in events}

    run(tmp_path, script)
