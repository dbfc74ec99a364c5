"""The gateway asks the server who it is: what it sends, takes, keeps, and how it waits."""

import asyncio
import io
import json
from contextlib import asynccontextmanager

import pytest

from msgin5g import cbor, coap
from msgin5g.codes import code_text
from msgin5g_gateway import own_configuration
from msgin5g_gateway.config import KEYS, TABLES, leave_to_server
from msgin5g_gateway.own_configuration import FILE, configure
from msgin5g_host.clock import Clock
from msgin5g_host.config import load
from msgin5g_host.log import EventLog
from tests.gateway.test_shell import Peer

DEADLINE_S = 10.0
UE_ID = "box-7"
TOLD = {
    "ueServiceId": "urn:example:gw:7",
    "serverAddr": "coap://192.0.2.1:65401",
    "segSize": 300,
}
GOOD = (coap.CONTENT, json.dumps(TOLD).encode())


class Rig:
    """A gateway that asks, a socket that is its server, and its log."""

    def __init__(self, folder):
        self.folder = folder
        self.stop = asyncio.Event()
        self.asking = None

    async def open(self):
        self.server = await Peer.open()

    def start(self, **settings):
        url = f"coap://127.0.0.1:{self.server.port}"
        given = {"server": url, "data": str(self.folder), "ue_id": UE_ID, **settings}
        flags = {f"gateway.{key}": value for key, value in given.items()}
        self.settings = load(KEYS, TABLES, None, {}, flags)
        leave_to_server(self.settings)
        self.log = io.StringIO()
        log = EventLog("gateway", json=True, stream=self.log)
        self.asking = asyncio.create_task(configure(self.settings, log, Clock(), self.stop))

    async def answer(self, *answer):
        message, peer = await self.server.receive(coap.GET)
        self.server.answer(message, peer, *answer)
        return message

    async def ended(self):
        return await asyncio.wait_for(self.asking, DEADLINE_S)

    def own(self):
        found = self.settings["gateway.ue_service_id"], self.settings["gateway.server"]
        assert {self.settings.source(f"gateway.{key}") for key in ("ue_service_id", "server")} == {
            "server"
        }
        assert self.settings["gateway.segment_bytes"] == TOLD["segSize"]
        return found

    def events(self, name):
        events = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [one for one in events if one["event"] == name]

    async def said(self, name):
        """Wait for an event."""
        async with asyncio.timeout(DEADLINE_S):
            while not self.events(name):
                await asyncio.sleep(0)
        return self.events(name)[-1]


@asynccontextmanager
async def opened(folder):
    rig = Rig(folder)
    await rig.open()
    try:
        yield rig
    finally:
        rig.server.transport.close()
        if rig.asking is not None and not rig.asking.done():
            rig.stop.set()
            await rig.ended()


def run(folder, script):
    async def main():
        async with opened(folder) as rig:
            await script(rig)

    asyncio.run(main())


@pytest.fixture
def hasty(monkeypatch):
    """Pauses take no time."""
    monkeypatch.setattr(own_configuration, "_LONGEST_PAUSE_MS", 0)
    monkeypatch.setattr(own_configuration, "_REFUSED_PAUSE_MS", 0)


@pytest.mark.clause("6.2.1.2-c", "6.2.1.2-c1-c2", "6.2.1.2-c3-i", "6.2.1.2-p1", "6.2.1.2-p5")
def test_it_asks_with_its_ue_id_and_is_what_it_is_told(tmp_path):
    async def script(rig):
        rig.start()
        message = await rig.answer(*GOOD)
        assert message.type == coap.CON and message.payload == b""
        assert [(number, bytes(value)) for number, value in message.options] == [
            *((coap.URI_PATH, part) for part in (b"su-uc", b"v1", b"val-services")),
            *((coap.URI_PATH, part) for part in (b"urn:msgin5g:service", b"ue-configurations")),
            (coap.URI_QUERY, b"ue-uri=box-7"),
        ]
        assert await rig.ended() is True
        assert rig.own() == ("urn:example:gw:7", "coap://192.0.2.1:65401")
        (said,) = rig.events("own-configured")
        assert said["ue"] == "urn:example:gw:7" and said["segment_bytes"] == 300
        assert json.loads(json.loads((tmp_path / FILE).read_text())["answer"]) == TOLD

    run(tmp_path, script)


@pytest.mark.parametrize("ue_id", [UE_ID, ""])
def test_a_gateway_with_a_name_asks_nobody(tmp_path, ue_id):
    async def script(rig):
        rig.start(ue_id=ue_id, ue_service_id="urn:example:gw:1")
        assert await rig.ended() is True
        assert rig.settings["gateway.ue_service_id"] == "urn:example:gw:1"
        assert rig.log.getvalue() == "" and rig.server.got.empty()

    run(tmp_path, script)


def refusal(code, detail):
    return code, cbor.dumps({-1: code_text(code), -2: detail})


def told(**changes):
    return coap.CONTENT, json.dumps({**TOLD, **changes}).encode()


@pytest.mark.parametrize(
    ("answer", "cause", "do"),
    [
        (refusal(coap.FORBIDDEN, "unknown"), "4.03 unknown", 'add ue_id = "box-7" to the account'),
        (refusal(coap.NOT_FOUND, "other"), "4.04 other", "set service_id as at the server"),
        ((coap.BAD_REQUEST, b"what?"), "4.00 what?", "set server"),
        ((coap.NOT_FOUND, b""), "4.04", "set service_id"),
        ((coap.UNAVAILABLE, b"\xa1\x21\xff"), "5.03", "set server"),
        ((coap.CONTENT, b"not JSON"), "malformed answer: ", "set server"),
        ((coap.CONTENT, b'{"maxConfTime":3}'), "there is no configuration in it", "set server"),
        (told(serverAddr="http://x"), "coap://host:port is wanted", "set server"),
        (told(ueServiceId="no uri"), "malformed answer: ", "set server"),
        (told(ueServiceId=7), "malformed answer: ueServiceId", "set server"),
        (told(segSize=0), "malformed answer: segSize", "set server"),
        ((coap.CREATED, GOOD[1]), "2.01", "set server"),
    ],
)
def test_what_is_no_configuration_is_said_and_asked_for_again(tmp_path, hasty, answer, cause, do):
    async def script(rig):
        rig.start()
        await rig.answer(*answer)
        await rig.answer(*answer)
        await rig.answer(*GOOD)
        assert await rig.ended() is True
        assert rig.own()[0] == "urn:example:gw:7"
        # The same cause is said once.
        (said,) = rig.events("own-not-configured")
        assert cause in said["cause"] and do in said["do"]

    run(tmp_path, script)


def test_a_refusal_is_not_asked_about_again_soon_and_silence_is(tmp_path, monkeypatch):
    async def script(rig):
        rig.start()
        await rig.answer(*refusal(coap.FORBIDDEN, "unknown"))
        assert (await rig.said("own-not-configured"))["retry_s"] == 60
        rig.stop.set()
        assert await rig.ended() is False
        rig.stop.clear()
        rig.start()
        await rig.answer(coap.UNAVAILABLE, b"")
        assert 0.7 < (await rig.said("own-not-configured"))["retry_s"] <= 1.3

    run(tmp_path, script)


def test_it_asks_until_somebody_answers(tmp_path, hasty, monkeypatch):
    monkeypatch.setattr(own_configuration, "_TRY_S", 0.2)

    async def script(rig):
        rig.start()
        assert (await rig.said("own-configuring"))["ue_id"] == UE_ID
        first, _ = await rig.server.receive(coap.GET)
        while True:
            message, peer = await rig.server.receive(coap.GET)
            if message.token != first.token:
                break
        said = await rig.said("own-not-configured")
        assert said["cause"] == "no answer" and "start the server" in said["do"]
        rig.server.answer(message, peer, *GOOD)
        # The one that was answered may have been given up already.
        while not rig.asking.done():
            answering = asyncio.create_task(rig.answer(*GOOD))
            await asyncio.wait((rig.asking, answering), return_when=asyncio.FIRST_COMPLETED)
            answering.cancel()
        assert await rig.ended() is True and rig.own()[0] == "urn:example:gw:7"

    run(tmp_path, script)


@pytest.mark.parametrize("before", ["asked", "paused"])
def test_it_ends_at_once_when_it_is_stopped(tmp_path, before):
    async def script(rig):
        rig.start()
        if before == "paused":
            await rig.answer(*refusal(coap.FORBIDDEN, "unknown"))
            await rig.said("own-not-configured")
        else:
            await rig.server.receive(coap.GET)
        rig.stop.set()
        assert await rig.ended() is False
        assert rig.settings["gateway.ue_service_id"] is None
        assert not (tmp_path / FILE).exists()

    run(tmp_path, script)


@pytest.mark.clause("6.2.1.2-p5")
@pytest.mark.parametrize("answer", [None, refusal(coap.FORBIDDEN, "unknown"), (coap.CONTENT, b"")])
def test_it_goes_on_as_it_was_told_before(tmp_path, monkeypatch, answer):
    if answer is None:
        monkeypatch.setattr(own_configuration, "_TRY_AGAIN_S", 0.05)

    async def script(rig):
        rig.start()
        await rig.answer(*GOOD)
        assert await rig.ended() is True
        kept = (tmp_path / FILE).read_bytes()
        rig.start()
        if answer is not None:
            await rig.answer(*answer)
        assert await rig.ended() is True
        assert rig.own() == ("urn:example:gw:7", "coap://192.0.2.1:65401")
        assert rig.events("own-configured")[0]["kept"] is True
        assert len(rig.events("own-not-configured")) == 1
        assert (tmp_path / FILE).read_bytes() == kept

    run(tmp_path, script)


def test_another_answer_at_a_later_start_counts(tmp_path):
    async def script(rig):
        for name in ("urn:example:gw:7", "urn:example:gw:8"):
            rig.start()
            await rig.answer(*told(ueServiceId=name))
            assert await rig.ended() is True and rig.own()[0] == name
            assert "kept" not in rig.events("own-configured")[0]
            assert name in (tmp_path / FILE).read_text()

    run(tmp_path, script)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"asked": 1}', "{", '{"asked":ASKED}', '{"asked":ASKED,"answer":3}']
    + ['{"asked":ASKED,"answer":"{}"}', '{"asked":{"ue_id":"other"},"answer":GOOD}'],
)
def test_what_was_kept_for_another_question_or_makes_no_sense_is_not_used(tmp_path, hasty, text):
    async def script(rig):
        asked = {"ue_id": UE_ID, "server": f"coap://127.0.0.1:{rig.server.port}"}
        asked["service_id"] = "urn:msgin5g:service"
        given = text.replace("ASKED", json.dumps(asked))
        (tmp_path / FILE).write_text(given.replace("GOOD", json.dumps(GOOD[1].decode())))
        rig.start()
        await rig.answer(*refusal(coap.FORBIDDEN, "unknown"))
        await rig.answer(*GOOD)
        assert await rig.ended() is True
        assert "kept" not in rig.events("own-configured")[0]

    run(tmp_path, script)


def test_an_answer_that_cannot_be_kept_is_not_used(tmp_path, hasty):
    async def script(rig):
        in_the_way = tmp_path / (FILE + ".new")
        in_the_way.mkdir()
        rig.start()
        await rig.answer(*GOOD)
        message, peer = await rig.server.receive(coap.GET)
        said = await rig.said("own-not-configured")
        assert "cannot be written" in said["cause"] and "disk" in said["do"]
        assert rig.settings["gateway.ue_service_id"] is None
        in_the_way.rmdir()
        rig.server.answer(message, peer, *GOOD)
        assert await rig.ended() is True and rig.own()[0] == "urn:example:gw:7"

    run(tmp_path, script)
