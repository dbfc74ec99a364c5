"""What daemons tell systemd: real processes, and a real datagram socket that stands for it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from msgin5g_host.supervised import notify
from tests.processes import msgin5g
from tests.service_manager import WAIT_S, managing

# Beats every 100 ms; while the loop hangs for 500 ms, 5 of them would be due. All that is told has
# room in the queue of a socket that nobody reads, 10 datagrams on many systems.
PROGRAM = """
import asyncio, time
from msgin5g_host.supervised import notify, supervised
async def main():
    with supervised(lambda: "well"):
        await asyncio.sleep(0.15)
        notify(MARK="hangs")
        time.sleep(0.5)
        notify(MARK="turns again")
        await asyncio.sleep(0.15)
asyncio.run(main())
"""


@pytest.fixture
def manager(tmp_path):
    with managing(tmp_path / "notify") as one:
        yield one


def run(manager, watchdog_us=0, **more):
    """Return all that the program tells; read meanwhile, the queue has room for a few only."""
    environment = {**manager.environment(watchdog_us), **more}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment) as process:
        told = manager.until(STOPPING="1")
        assert process.wait(WAIT_S) == 0
    return told


def test_the_beat_stops_while_the_loop_hangs_and_comes_back(manager):
    told = run(manager, watchdog_us=300_000)
    assert told[0] == {"READY": "1", "STATUS": "well"}
    marks = [one.get("MARK") or next(iter(one)) for one in told[1:]]
    hangs, again = marks.index("hangs"), marks.index("turns again")
    assert again == hangs + 1
    assert set(marks[:hangs]) == {"WATCHDOG"}
    assert "WATCHDOG" in marks[again:]
    assert told[-1] == {"STOPPING": "1", "STATUS": "stopping"}


def test_without_a_watchdog_there_is_no_beat(manager):
    told = run(manager)
    assert [next(iter(one)) for one in told] == ["READY", "MARK", "MARK", "STOPPING"]


def test_a_watchdog_of_another_process_is_not_ours(manager):
    assert all("WATCHDOG" not in one for one in run(manager, 300_000, WATCHDOG_PID="1"))


def test_an_address_in_the_abstract_name_space(monkeypatch):
    with managing(f"@msgin5g-{os.getpid()}") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
        notify(READY=1, STATUS="two\nlines")
        assert manager.take() == {"READY": "1", "STATUS": "two lines"}


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all"])
def test_nobody_to_tell_is_no_error(monkeypatch, address):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify(READY=1)


def test_a_manager_that_does_not_read_holds_up_nobody(manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    for _ in range(2000):
        notify(WATCHDOG=1, STATUS="x" * 500)
    assert manager.take()["WATCHDOG"] == "1"


def test_readiness_waits_for_room_in_the_queue(manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    for _ in range(2000):
        notify(WATCHDOG=1)
    ready = threading.Thread(target=notify, kwargs={"READY": 1})
    ready.start()
    assert manager.until(READY="1")[-1] == {"READY": "1"}
    ready.join()


def test_a_server_tells_its_life(manager, tmp_path):
    server = msgin5g(
        *("server", "--bind", "127.0.0.1:0", "--http", "", "--data", tmp_path / "data", "--json"),
        environment=manager.environment(watchdog_us=300_000),
    )
    try:
        assert manager.take() == {"READY": "1", "STATUS": "0 UEs registered"}
        server.wait_for("ready")
        assert manager.take() == {"WATCHDOG": "1", "STATUS": "0 UEs registered"}
        manager.until(WATCHDOG="1")
        os.kill(server.pid, signal.SIGTERM)
        assert manager.until(STOPPING="1")[-1] == {"STOPPING": "1", "STATUS": "stopping"}
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ([], "not registered at the server, 0 requests cached"),
        (["--relay"], "relay to coap://127.0.0.1:9"),
    ],
)
def test_a_gateway_tells_its_life(manager, tmp_path, extra, status):
    gateway = msgin5g(
        *("gateway", "--server", "coap://127.0.0.1:9", "--link", "udp://127.0.0.1:0", "--json"),
        *("--data", tmp_path / "data", *extra),
        environment=manager.environment(watchdog_us=300_000),
    )
    try:
        assert manager.take() == {"READY": "1", "STATUS": status}
        assert manager.take() == {"WATCHDOG": "1", "STATUS": status}
        os.kill(gateway.pid, signal.SIGTERM)
        manager.until(STOPPING="1")
    finally:
        assert gateway.stop() == 0
