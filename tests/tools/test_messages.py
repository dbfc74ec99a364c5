"""`msgin5g messages`, against a real server."""

import json
import socket

import pytest
from aiohttp import web

from msgin5g_tools.cli import main
from tests.http_answers import serving
from tests.processes import msgin5g
from tests.terminal import on_a_terminal

A, B = "urn:example:ue:a", "urn:example:ue:b"
HOSTILE = "\x1b[2J[red]"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(coap URL, HTTP address) of a server at which B listens."""
    folder = tmp_path_factory.mktemp("messages")
    process = msgin5g(
        *("server", "--open", "--json", "--data", folder / "data"),
        *("--bind", "127.0.0.1:0", "--http", "127.0.0.1:0"),
    )
    ready = process.wait_for("ready")
    coap = f"coap://{ready['coap']}"
    listener = msgin5g("listen", "--server", coap, "--ue", B, "--json")
    listener.wait_for("ready")
    yield coap, ready["http"]
    listener.stop()
    process.stop()


def send(coap, text, *more):
    """Send a message from A to B; returns its Message ID."""
    process = msgin5g(
        "send", "--server", coap, "--from", A, "--to", B, "--report", "--json", text, *more
    )
    found = process.wait_for("delivered")["message_id"]
    assert process.wait() == 0
    return found


def ask(capsys, http, *arguments, code=0):
    assert main(["messages", "--http", http, *arguments]) == code
    return capsys.readouterr()


def test_what_passed_lately_with_state_and_duration(server, capsys):
    coap, http = server
    first, second = send(coap, "one"), send(coap, "two")
    rows = json.loads(ask(capsys, http, "--json").out)["messages"]
    assert [row["trace"] for row in rows[-2:]] == [first, second]
    assert all(row["state"] == "reported" and row["ms"] >= 0 for row in rows)
    assert [
        row["trace"]
        for row in json.loads(ask(capsys, http, "--json", "--limit", "1").out)["messages"]
    ] == [second]
    lines = ask(capsys, http).out.splitlines()
    assert lines[0].split() == ["BEGAN", "FROM", "TO", "STATE", "MS", "HOPS", "TEXT", "TRACE"]
    assert lines[-1].split()[2:5] == [A, B, "reported"] and lines[-1].endswith(second)
    assert "two" in lines[-1]


def test_registrations_are_shown_when_asked_for(server, capsys):
    coap, http = server
    send(coap, "x")
    kinds = [row["kind"] for row in json.loads(ask(capsys, http, "--json").out)["messages"]]
    assert set(kinds) == {"MSG"}
    rows = json.loads(ask(capsys, http, "--json", "--all").out)["messages"]
    assert {"MSG", "REG", "DEREG"} <= {row["kind"] for row in rows}


def test_those_of_a_ue(server, capsys):
    coap, http = server
    send(coap, "x")
    assert json.loads(ask(capsys, http, "--json", "--ue", A).out)["count"] > 0
    assert ask(capsys, http, "--ue", "urn:example:nobody").out == "no messages yet\n"


def test_one_message_hop_by_hop(server, capsys):
    coap, http = server
    trace = send(coap, "21.5 degrees")
    found = json.loads(ask(capsys, http, trace, "--json").out)
    assert (found["trace"], found["state"], found["text"]) == (trace, "reported", "21.5 degrees")
    *hops, summary = ask(capsys, http, trace).out.splitlines()
    assert len(hops) == 1 + len(found["entries"])
    happened = [" ".join(line.split()[3:5]) for line in hops[1:]]
    order = ["received MSG", "stored MSG", "sent MSG", "received IMDN", "delivered IMDN"]
    assert sorted(order, key=happened.index) == order
    assert summary.endswith(f"ms: {A} to {B}: 21.5 degrees ({trace})")


def test_a_trace_that_is_not_known(server, capsys):
    for trace in ("no-such-trace", "../../ues", "ü/?&"):
        assert "answers 404: no such trace" in ask(capsys, server[1], trace, code=1).err


def test_follow_prints_each_change(server):
    coap, http = server
    done = send(coap, "before")
    follower = msgin5g(
        "messages", "--http", http, "--follow", "--json", "--limit", "1", "--count", "2"
    )
    follower.wait_for(None, trace=done)
    trace = send(coap, "meanwhile")
    assert follower.wait() == 0
    assert [one["trace"] for one in follower.events] == [done, trace]


def test_follow_survives_a_restart_of_the_server_and_says_so(tmp_path):
    def start(coap="127.0.0.1:0", http="127.0.0.1:0"):
        server = msgin5g(
            *("server", "--open", "--json", "--data", tmp_path, "--bind", coap, "--http", http)
        )
        return server, server.wait_for("ready")

    def come_and_go(coap):
        listener = msgin5g("listen", "--server", f"coap://{coap}", "--ue", B, "--json")
        listener.wait_for("ready")
        listener.stop()

    server, at = start()
    said = f"msgin5g messages: {{}}http://{at['http']} {{}}"
    follower = msgin5g("messages", "--http", at["http"], "--follow", "--all", "--json")
    try:
        come_and_go(at["coap"])
        first = follower.wait_for(None, kind="REG", state="registered")
        server.kill()
        lost = said.format("the connection to ", "is lost; trying again until Ctrl-C")
        follower.wait_for("output", text=lost)
        server, _ = start(at["coap"], at["http"])
        follower.wait_for("output", text=said.format("", "is there again"))
        come_and_go(at["coap"])
        again = follower.wait_for(None, kind="REG", state="registered")
        assert again["trace"] != first["trace"]
        # An outage is a line, however many attempts it takes.
        assert [one.get("text") for one in follower.events].count(lost) == 1
    finally:
        follower.kill()
        server.stop()


def test_follow_waits_for_no_server_that_was_never_there(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        http = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "no server answers" in ask(capsys, http, "--follow", code=1).err


def test_hostile_text_is_shown_as_text_on_a_terminal(server):
    coap, http = server
    trace = send(coap, HOSTILE)
    shown = on_a_terminal("messages", "--http", http, "--limit", "1")
    assert "\x1b[2J" not in shown and "[red]" in shown.replace("\r\n", "")
    assert "\x1b[32m" in shown  # green: by rich
    assert "\x1b[2J" not in on_a_terminal("messages", "--http", http, trace)


@pytest.mark.parametrize(
    "arguments",
    [["--limit", "-1"], ["--limit", "0"], ["x", "--follow"], ["x", "--ue", A], ["--count", "-1"]],
)
def test_wrong_use(capsys, arguments):
    assert main(["messages", *arguments]) == 2
    assert capsys.readouterr().err.startswith("msgin5g messages: ")


@pytest.mark.parametrize(
    "answer", [{}, {"entries": [1]}, {"entries": [{}], "began": "x"}, {"entries": [], "began": 1}]
)
def test_somebody_elses_answer_about_a_trace_is_an_error(capsys, answer):
    with serving({"/view/traces/x": lambda _: web.json_response(answer)}) as there:
        assert "is that an MSGin5G Server?" in ask(capsys, there, "x", code=1).err
