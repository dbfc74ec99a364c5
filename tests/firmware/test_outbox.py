"""The outbox: bounded, kept across a reboot, and gentle to the flash memory."""

import json

import pytest

from msgin5g import coap
from tests.firmware.message_bench import MessageBench
from ue.config import defaults
from ue.kept import Kept
from ue.outbox import SAVE_EVERY_MS, Outbox


def reboot(bench, **settings):
    """What is left of a UE: its state file, through JSON."""
    return MessageBench(json.loads(json.dumps(bench.saved)), registered=False, **settings)


def rows(bench):
    return bench.saved.get("outbox", [])


def test_a_message_that_goes_at_once_never_touches_the_flash():
    bench = MessageBench()
    bench.run(100_000)
    before = len(bench.saves)
    for number in range(20):
        bench.send(f"{number}")
        bench.run(1_000)
    assert len(bench.sent()) == 20 and len(bench.saves) == before
    assert not any("outbox" in one for one in bench.saves)


def test_what_waits_is_saved_and_goes_after_a_reboot():
    bench = MessageBench(registered=False)
    ids = [bench.send("one", report=True, application="x"), bench.send(b"\x00", store=False)]
    bench.run(6_000)
    assert len(rows(bench)) == 2
    again = reboot(bench)
    again.to_registered()
    bodies = again.sent()
    assert [one["msgId"] for one in bodies] == ids
    assert bodies[0]["isDelivStatReq"] and bodies[0]["appId"] == "x" and bodies[0]["sfFlag"]
    assert bodies[1]["payload"] == "data:;base64,AA==" and bodies[1]["sfFlag"] is False
    again.run(SAVE_EVERY_MS + 10_000)
    assert not rows(again)


def test_segments_reports_and_aggregates_survive_as_well():
    bench = MessageBench(segment_bytes=64)
    bench.core.deregister(bench.now)
    bench.flush()
    bench.send("x" * 100)
    bench.bring(report=True)
    options = ("UE", True, True, "LOW", None)
    bench.core.messages().send_several("urn:example:ue:2", ["one", "two"], options, bench.now)
    bench.run(6_000)
    again = reboot(bench, segment_bytes=64)
    again.to_registered()
    assert [one.get("isSegmented") for one in again.sent()] == [True, True, None]
    assert [one["payload"] for one in again.sent()[2]["indMsgList"]] == ["one", "two"]
    assert again.sent()[2]["priority"] == "LOW"
    assert len(again.sent("IMDN")) == 1
    set_id = again.sent()[0]["segParams"]["segId"]
    assert set_id == again.sent()[0]["msgId"], "the same set after a reboot"


def test_the_oldest_gives_way_and_its_sender_hears_of_it():
    bench = MessageBench(registered=False, outbox_messages=3)
    ids = [bench.send(f"{number}") for number in range(5)]
    told = [(one, "dropped for newer ones") for one in ids[:2]]
    assert bench.named("outcome") == told and bench.counters["messages_dropped"] == 2
    bench.to_registered()
    assert [one["msgId"] for one in bench.sent()] == ids[2:]


def test_the_bytes_are_bounded_as_well():
    bench = MessageBench(registered=False, outbox_bytes=1500)
    ids = [bench.send("x" * 500) for _ in range(4)]
    assert [one for one, _ in bench.named("outcome")] == ids[:2]


def test_what_is_under_way_is_not_dropped():
    bench = MessageBench(outbox_messages=2)
    bench.script["MSG"] = None
    ids = [bench.send(f"{number}") for number in range(4)]
    assert [one for one, _ in bench.named("outcome")] == ids[1:3]
    bench.script["MSG"] = (coap.CHANGED, b"")
    bench.run(10_000)
    assert list(dict.fromkeys(one["msgId"] for one in bench.sent())) == [ids[0], ids[3]]


def test_a_long_outage_writes_seldom():
    bench = MessageBench(registered=False)
    for _ in range(600):
        bench.send("reading")
        bench.run(1_000)
    assert len(bench.saves) <= 600_000 // SAVE_EVERY_MS + 3


@pytest.mark.parametrize(
    "outbox",
    [
        7,
        {},
        "x",
        [7, None, [], {}, "MSG"],
        [["MSG", 1, "UE", "urn:x:1", "text", 0, "NORMAL", None, None]],
        [["MSG", "id", "UE", "urn:x:1", 7, 0, "NORMAL", None, None]],
        [["MSG", "id", "UE", None, "text", 0, "NORMAL", None, None]],
        [["MSG", "id", "UE", "urn:x:1", "text", "0", "NORMAL", None, None]],
        [["MSG", "id", "UE", "urn:x:1", [[1]], 0, "NORMAL", None, None]],
        [["REG", "id", "UE", "urn:x:1", "text", 0, "NORMAL", None, None]],
    ],
)
def test_a_damaged_state_file_costs_the_damaged_messages_only(outbox):
    good = ["MSG", "9e9c3c54-8d2f-4f6b-9b5e-1f0e9a4f2b11", "UE", "urn:x:1", "text", 6]
    good += ["NORMAL", None, None]
    listed = outbox + [good] if isinstance(outbox, list) else outbox
    kept = Kept({"outbox": listed}, None, lambda limit: 0)
    found = [item.id for item in Outbox(defaults(), kept).items]
    assert found == ([good[1]] if isinstance(outbox, list) else [])
