"""Messages as they run in the field: MicroPython on a small heap, real sockets, real restarts."""

import json
import time

import pytest

from msgin5g import coap
from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.firmware.bench import kind_of
from tests.firmware.message_bench import (
    PEER_UE,
    a_message,
    a_report,
    a_response,
    new_id,
    segments,
)
from tests.firmware.test_process import Firmware, Gateway
from tests.processes import DEADLINE_S, Process

SCRIPT = """
import asyncio, json, sys
from ue.config import load
from ue.ue import ConstrainedUE, MessageRefused

def tell(event, **fields):
    fields["event"] = event
    print(json.dumps(fields))

async def main():
    ue = ConstrainedUE(load(sys.argv[1]))
    ue.on_message = lambda m: tell("got", id=m.message_id, bytes=len(m.payload),
        sum=sum(m.payload), origin=m.origin[1], group=m.group, applications=list(m.applications))
    ue.on_report = lambda i, success, cause: tell("report", id=i, success=success, cause=cause)
    ue.on_response = lambda i, status, cause: tell("response", id=i, status=status, cause=cause)
    task = asyncio.create_task(ue.run())
    try:
        await ue.send("urn:example:ue:2", "too early", timeout_s=0.2)
    except asyncio.TimeoutError:
        tell("late")
    try:
        await ue.send("no uri", "x")
    except ValueError as problem:
        tell("wrong", text=str(problem))
    await ue.register(30)
    tell("ready")
    for size in (10, 600, 1500, 2000):
        payload = bytes(range(256)) * 8
        message_id = await ue.send("urn:example:ue:2", payload[:size], report=True, timeout_s=60)
        tell("took", id=message_id, size=size)
    ids = await ue.send_several("urn:example:ue:2", ["one", "two"])
    tell("several", ids=ids)
    try:
        await ue.send("urn:example:refused", "x", timeout_s=60)
    except MessageRefused as problem:
        tell("no", cause=str(problem))
    await task

asyncio.run(main())
"""


class MessageGateway(Gateway):
    """Takes every message but those to urn:example:refused.

    lost: how many MSG are not heard; refuses: the code of all answers.
    """

    lost = 0
    refuses = None

    def _answer(self, message):
        kind = kind_of(message)
        if kind not in ("MSG", "IMDN", "SEGREC", "SEGCONFIR"):
            super()._answer(message)
            return
        if kind == "MSG" and self.lost:
            self.lost -= 1
            return
        self.got.append(message)
        code, text = coap.CHANGED, b""
        if b"urn:example:refused" in bytes(message.payload):
            code, text = coap.FORBIDDEN, b"not for you"
        if self.refuses:
            code = self.refuses
        data = coap.encode(coap.ACK, code, message.mid, message.token, [], text)
        self._socket.sendto(data, self.peer)

    def bodies(self, kind="MSG"):
        """What came, once for each time that it was taken."""
        found = {one.mid: json.loads(one.payload) for one in self.got if kind_of(one) == kind}
        return list(found.values())

    def bring(self, payload):
        return self.send(coap.POST, payload, b"down").code


@pytest.fixture
def gateway():
    made = MessageGateway()
    yield made
    made.close()


@pytest.fixture
def firmware(tmp_path, gateway):
    made = Firmware(tmp_path, gateway.port)
    yield made
    made.stop()


def app(firmware, tmp_path, heap, **settings):
    """Run SCRIPT instead of `ue.main`."""
    firmware.start(**settings).kill()
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    argv = [micropython_path(), "-X", f"heapsize={heap}", str(script), str(firmware.file)]
    ue = Process(argv, ue_environment())
    firmware._running.append(ue)
    return ue


def test_a_ue_without_a_program_of_its_own_says_what_its_configuration_wants(gateway, firmware):
    text = "reading {n} " + "x" * 1000
    ue = firmware.start(say_to="urn:example:as:1", say_kind="AS", say_text=text, say_every_s=1)
    first, second = ue.wait_for("sent"), ue.wait_for("sent")
    bodies = gateway.bodies()
    assert [one["msgId"] for one in bodies[:4]] == [first["message_id"]] * 2 + [
        second["message_id"]
    ] * 2
    assert bodies[0]["destAddr"] == {"destAddrType": "AS", "addr": "urn:example:as:1"}
    assert bodies[0]["payload"].startswith("reading 1 ")
    assert bodies[2]["payload"].startswith("reading 2 ")


@pytest.mark.parametrize("early", [True, False], ids=["loaded-early", "loaded-late"])
def test_messages_arrive_on_a_small_heap_and_are_one_event_each(gateway, firmware, early):
    ue = firmware.start(messages=early)
    ue.wait_for("state", state="registered")
    message_id = new_id()
    payload = a_message("grün", message_id=message_id, report=True)
    for _ in range(2):
        assert gateway.bring(payload) == coap.CHANGED
    got = ue.wait_for("received")
    assert (got["message_id"], got["origin"], got["bytes"]) == (message_id, PEER_UE[1], 5)
    assert got["payload"] == "grün"
    gateway.wait_for(lambda: gateway.bodies("IMDN"))
    assert gateway.bodies("IMDN")[0]["msgId"] == message_id
    assert gateway.bring(a_report(new_id(), "failure", "valve stuck")) == coap.CHANGED
    assert ue.wait_for("report")["cause"] == "valve stuck"
    assert gateway.bring(a_response(new_id(), cause="expired")) == coap.CHANGED
    assert ue.wait_for("response")["status"] == "failure"
    assert len([one for one in ue.events if one["event"] == "received"]) == 1


def test_segments_become_one_message_on_a_small_heap(gateway, firmware):
    ue = firmware.start(messages=True)
    ue.wait_for("state", state="registered")
    for part in segments(["x" * 800] * 2):
        assert gateway.bring(part) == coap.CHANGED
    got = ue.wait_for("received")
    assert got["bytes"] == 1600 and got["payload"] == "x" * 80
    gateway.wait_for(lambda: gateway.bodies("SEGCONFIR"))


def test_a_message_that_waits_survives_a_kill_9(gateway, firmware):
    gateway.refuses = coap.UNAVAILABLE
    ue = firmware.start(say_to="urn:example:ue:2", backoff_min_s=1)
    assert ue.wait_for("waiting")["reason"] == "5.03"
    state = firmware.state_file
    deadline = time.monotonic() + DEADLINE_S
    while "outbox" not in json.loads(state.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ue.kill()
    gateway.refuses = None
    known = {one["msgId"] for one in gateway.bodies()}
    again = firmware.start()
    assert {again.wait_for("sent")["message_id"]} == known and len(known) == 1


def test_an_application_sends_and_hears_what_becomes_of_it(tmp_path, gateway, firmware):
    ue = app(firmware, tmp_path, "256k", messages=True)
    gateway.lost = 1
    ue.wait_for("late")
    assert ue.wait_for("wrong")["text"] == "to: a URI is wanted"
    took = [ue.wait_for("took") for _ in range(4)]
    assert [one["size"] for one in took] == [10, 600, 1500, 2000]
    assert len(ue.wait_for("several")["ids"]) == 2
    assert ue.wait_for("no")["cause"] == "4.03 not for you"
    assert gateway.bodies()[0]["payload"] == "too early", "it waited for the registration"
    counts = {}
    for body in gateway.bodies():
        counts[body["msgId"]] = counts.get(body["msgId"], 0) + 1
    assert [counts[one["id"]] for one in took] == [1, 2, 4, 5]
    for part in segments(["x" * 800] * 5):
        assert gateway.bring(part) == coap.CHANGED
    assert ue.wait_for("got")["sum"] == 4000 * ord("x")
    assert gateway.bring(a_report(took[0]["id"])) == coap.CHANGED
    assert ue.wait_for("report")["id"] == took[0]["id"]
