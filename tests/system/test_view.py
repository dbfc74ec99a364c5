"""One message between two boards on two links, followed hop by hop on the server's page."""

import json
import time
import urllib.error
import urllib.request

import pytest

from tests.media import SerialMedium
from tests.processes import Stack

KITCHEN, GARDEN = "urn:example:ue:kitchen", "urn:example:ue:garden"
GATEWAY = "urn:example:gw:1"
DEADLINE_S = 15.0


def look(host, path, body=None):
    """GET or POST below /view of a role; returns the JSON, or the text of a refusal."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{host}/view/{path}", data)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as problem:
        return json.loads(problem.read())


def eventually(host, path, true):
    """Ask again until the answer is as wanted, and return it."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        found = look(host, path)
        if true(found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} never became what was wanted: {found}")


def since(found):
    """Return who is registered since when."""
    return {one["ue_service_id"]: one["registered_at"] for one in found["ues"]}


class Plant:
    """A server, a gateway that reports to its page, a UE on UDP and one on a serial line."""

    def __init__(self, folder):
        self.cable = SerialMedium(folder)
        self.stack = Stack(folder, [KITCHEN, GARDEN], bulk=["interval_s = 0.3"])
        self.stack.start_server()
        self.start_gateway()

    def start_gateway(self):
        page = f"http://{self.stack.http}"
        more = ["--http", "127.0.0.1:0", "--report-to", page, "--link", self.cable.gateway_link]
        self.stack._gateway_extra = more
        gateway = self.stack.start_gateway()
        self.page = next(one for one in gateway.events if one["event"] == "ready")["http"]

    def start_ues(self, **say):
        quick = {"wait_s": 1, "answer_margin_s": 2}
        link = {"link": self.cable.ue_link}
        self.garden = self.stack.start_ue(GARDEN, **quick, **link)
        self.garden.wait_for("state", state="registered")
        self.kitchen = self.stack.start_ue(KITCHEN, **quick, **say)
        self.kitchen.wait_for("state", state="registered")

    def report_ues(self):
        """Tell the page what the UEs have logged."""
        for name, ue in ((KITCHEN, self.kitchen), (GARDEN, self.garden)):
            entries = [one for one in ue.events if one.get("role") == "ue"]
            body = {"at": name, "role": "ue", "entries": entries}
            assert look(self.stack.http, "reports", body) is None

    def close(self):
        self.stack.stop()
        self.cable.close()


@pytest.fixture
def plant(tmp_path):
    made = Plant(tmp_path)
    yield made
    made.close()


def steps(trace):
    """Return the entries as "role direction what", or "role event what"."""
    return [
        f"{one['role']} {one.get('direction') or one['event']} {one.get('what', '')}".strip()
        for one in trace["entries"]
    ]


def in_order(found, wanted):
    """Tell whether all that is wanted is found, in this order."""
    rest = iter(found)
    return all(one in rest for one in wanted)


def test_a_message_is_followed_from_board_to_board_and_its_report_back(plant):
    plant.start_ues(say_to=GARDEN, say_text="{n} degrees", say_every_s=60, say_report=True)
    plant.kitchen.wait_for("report")
    plant.report_ues()
    server = plant.stack.http
    listed = eventually(
        server,
        f"traces?ue={KITCHEN}",
        lambda found: any(one["state"] == "reported" for one in found["traces"]),
    )
    message = next(one for one in listed["traces"] if one["kind"] == "MSG")
    assert (message["from"], message["to"], message["text"]) == (KITCHEN, GARDEN, "1 degrees")
    way = [
        *("ue tx MSG", "gateway rx MSG", "gateway tx MSG", "server rx MSG", "server stored MSG"),
        *("server tx MSG", "gateway tx MSG", "ue rx MSG", "gateway delivered MSG"),
        *("server delivered MSG", "server rx IMDN", "server tx IMDN", "gateway tx IMDN"),
        *("ue rx IMDN", "gateway delivered IMDN", "server delivered IMDN"),
    ]
    # The gateway reports each half second.
    trace = eventually(
        server,
        f"traces/{message['trace']}",
        lambda found: not set(way) - set(steps(found)),
    )
    found = steps(trace)
    passed = [
        *("ue tx MSG", "gateway rx MSG", "gateway tx MSG", "server rx MSG", "server tx MSG"),
        *("gateway rx MSG", "gateway tx MSG", "ue rx MSG", "ue tx IMDN", "gateway rx IMDN"),
        *("gateway tx IMDN", "server rx IMDN", "server tx IMDN", "gateway rx IMDN"),
        *("gateway tx IMDN", "ue rx IMDN"),
    ]
    assert in_order(found, passed), found
    assert {one["at"] for one in trace["entries"]} == {KITCHEN, GARDEN, GATEWAY, "server"}
    links = {
        one["peer"].partition("://")[0] for one in trace["entries"] if "://" in one.get("peer", "")
    }
    assert links == {"udp", "serial"}
    times = [one["t"] for one in trace["entries"]]
    assert times == sorted(times) and trace["ms"] >= 0


def test_a_registration_is_followed_through_the_bulk_request(plant):
    plant.start_ues()
    plant.report_ues()
    server = plant.stack.http
    name = next(
        one["trace"]
        for one in plant.kitchen.events
        if one.get("what") == "REG" and one["event"] == "message"
    )
    way = [
        *("ue tx REG", "gateway rx REG", "gateway cached REG", "gateway bulk BREG"),
        *("gateway tx BREG", "server registered REG", "gateway answered REG"),
        *("gateway tx REGRESP", "ue rx REGRESP"),
    ]
    trace = eventually(
        server, f"traces/{name}", lambda it: "entries" in it and in_order(steps(it), way)
    )
    assert (trace["kind"], trace["from"], trace["state"]) == ("REG", KITCHEN, "registered")


def test_both_pages_list_who_is_there_and_by_which_link(plant):
    plant.start_ues()
    server = eventually(
        plant.stack.http,
        "ues",
        lambda found: {one["link"] for one in found["ues"]} == {"udp", "serial"},
    )
    links = {
        one["ue_service_id"]: (one["state"], one["via"], one["link"]) for one in server["ues"]
    }
    assert links == {
        GATEWAY: ("registered", "", "udp"),
        KITCHEN: ("registered", GATEWAY, "udp"),
        GARDEN: ("registered", GATEWAY, "serial"),
    }
    gateway = look(plant.page, "ues")
    links = {one["ue_service_id"]: (one["state"], one["link"]) for one in gateway["ues"]}
    assert links == {KITCHEN: ("registered", "udp"), GARDEN: ("registered", "serial")}
    about = look(plant.page, "about")
    assert (about["role"], about["at"], about["actions"]) == ("gateway", GATEWAY, [])
    assert look(plant.page, "send", {"to": GARDEN, "text": "x"})["status"] == 404


def test_a_message_in_the_outbox_is_seen_and_a_restart_loses_the_journal_only(plant):
    plant.start_ues(say_to=GARDEN, say_text="{n}", say_every_s=1)
    before = since(look(plant.stack.http, "ues"))
    plant.stack.server.kill()
    # The gateway waits for an answer first, as long as a Confirmable message takes.
    plant.stack.gateway.wait_for("kept", 60)
    kept = eventually(plant.page, f"ues?q={KITCHEN}", lambda found: found["ues"][0]["outbox"] > 0)
    assert kept["ues"][0]["state"] == "registered"
    plant.stack.start_server()
    server = plant.stack.http
    assert since(look(server, "ues")) == before
    drained = plant.stack.gateway.wait_for("drained")
    eventually(
        server, f"traces/{drained['trace']}", lambda found: found.get("state") == "delivered"
    )
    # What the gateway saw while the server was away comes late, not never.
    eventually(
        server, f"traces/{drained['trace']}", lambda found: "gateway kept MSG" in steps(found)
    )
