"""What the firmware may cost a board, measured on a Pico in a box: flash, heap, time.

The limits stand in `budgets.toml`, a little above what was measured. A value far below its limit
fails as well, so that the table stays true.
"""

import tomllib
from pathlib import Path

import pytest

from tests.bench.test_scenarios import DEVICE, LIMIT_S, MODES, UE
from tests.processes import Stack

BUDGETS = tomllib.loads(Path(__file__).with_name("budgets.toml").read_text())
# The state machines of CoAP alone, without a UE.
LAYER = ["errors", "coap", "options", "peers", "sending", "receiving"]
UES = {
    "smallest": {**MODES["l3"]},
    "full": {**MODES["coap"], "messages": True},
}
# Of a limit: below this the table is out of date.
LEAST = 0.75

pytestmark = pytest.mark.needs("budget")
each_ue = pytest.mark.parametrize("kind", UES)


@pytest.fixture
def within(result):
    """A function that compares a value with its limit and notes both."""

    def check(kind, what, value):
        limit = BUDGETS[kind][what]
        result(f"{kind} {what} (limit {limit:,})", value, what.rpartition("_")[2])
        least = 0 if what.endswith("_ms") else limit * LEAST
        assert least <= value <= limit, f"{kind}: {what} = {value}, the limit is {limit}"

    return check


@each_ue
def test_what_a_ue_takes_of_the_flash(target, within, kind):
    target.load(UES[kind])
    within(kind, "installed_bytes", sum(map(len, target.installed.values())))


@each_ue
def test_what_a_ue_takes_of_the_heap(tmp_path, target, within, kind):
    stack = Stack(tmp_path, [UE], bulk=["interval_s = 0.2", "default_wait_s = 0.2"])
    with (tmp_path / "gateway.toml").open("a") as file:
        file.write(DEVICE)
    stack.link = target.gateway_link
    try:
        target.load(UES[kind], {"messages": 3, "to": UE, "report": kind == "full"})
        stack.start_server()
        stack.start_gateway()
        target.start()
        within(kind, "imported_bytes", target.events.wait_for("heap", LIMIT_S)["imported"])
        starts = [target.events.wait_for("registered", LIMIT_S)]
        within(kind, "idle_bytes", target.events.wait_for("idle", LIMIT_S)["heap"])
        target.events.wait_for("sent", LIMIT_S)
        # It lives, and writes, on no more heap than this.
        target.stop()
        plan = {"messages": 3, "to": UE, "heap_kb": BUDGETS[kind]["enough_heap_kb"]}
        target.load(UES[kind], plan)
        target.start()
        starts.append(target.events.wait_for("registered", LIMIT_S))
        target.events.wait_for("sent", LIMIT_S)
        # A machine that is busy for a moment loses a second or two of one start.
        quickest = min(one["since_start_ms"] for one in starts)
        within(kind, "start_to_registered_ms", quickest)
        assert not [one for one in target.events.events if one["event"] == "no-memory"]
    finally:
        stack.stop()


def test_what_the_coap_layer_takes(target, within):
    modules = [f"msgin5g.{name}" for name in LAYER]
    units = target.load_modules(UES["full"], modules)
    files = [target.installed[unit.replace(".", "/") + ".mpy"] for unit in units]
    within("coap", "installed_bytes", sum(map(len, files)))
    target.start()
    within("coap", "imported_bytes", target.events.wait_for("imported", LIMIT_S)["heap"])
