"""`msgin5g send` and `msgin5g listen`, against a real server."""

import base64
import json
import os
import subprocess
import sys

import pytest

from tests.processes import msgin5g

A, B, AS = "urn:example:ue:a", "urn:example:ue:b", "urn:example:as:1"


@pytest.fixture
def server(tmp_path):
    file = tmp_path / "server.toml"
    file.write_text(f'[server]\nopen = true\n[[application]]\nas_service_id = "{AS}"\n')
    process = msgin5g(
        *("server", "-c", file, "--json", "--data", tmp_path / "data"),
        *("--bind", "127.0.0.1:0", "--http", "127.0.0.1:0"),
    )
    ready = process.wait_for("ready")
    yield ["--server", f"coap://{ready['coap']}", "--http", ready["http"]]
    process.stop()


def send(server, *arguments):
    """Return (exit code, standard output, standard error)."""
    argv = [sys.executable, "-m", "msgin5g_tools.cli", "send", *server, *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def listen(server, *arguments):
    process = msgin5g("listen", *server, "--json", *arguments)
    process.wait_for("ready")
    return process


def test_a_message_and_its_report(server):
    reader = listen(server, "--ue", B)
    code, out, _ = send(server, "--from", A, "--to", B, "--report", "21.5 °C")
    assert code == 0 and out.startswith("delivered message_id=")
    got = reader.wait_for("received")
    assert (got["from"], got["payload"]) == (A, "21.5 °C")
    assert reader.stop() == 0


def test_a_large_file_goes_in_segments_and_octets_survive(server, tmp_path):
    data = os.urandom(49_140)
    file = tmp_path / "big"
    file.write_bytes(data)
    reader = listen(server, "--ue", B, "--count", "1")
    code, out, _ = send(server, "--to", B, "--report", "--json", f"@{file}")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and lines[-1]["event"] == "delivered" and lines[-1]["bytes"] == 49_140
    assert sum(line["event"] == "progress" for line in lines) > 20
    got = reader.wait_for("received")
    assert base64.b64decode(got["payload"].removeprefix("data:;base64,")) == data
    assert reader._end() == 0, "--count ends it"


def test_what_is_stored_arrives_when_the_reader_comes(server):
    code, out, _ = send(server, "--to", B, "--store-until", "+60", "later")
    assert code == 0 and "sent message_id=" in out
    reader = listen(server, "--ue", B)
    assert reader.wait_for("received")["payload"] == "later"
    reader.stop()


def test_applications_send_and_listen(server):
    reader = listen(server, "--as", AS)
    code, _, _ = send(server, "--from", A, "--to", AS, "--application", "--report", "for you")
    assert code == 0
    assert reader.wait_for("received")["from"] == A
    ue = listen(server, "--ue", B)
    code, out, _ = send(server, "--as", AS, "--to", B, "--report", "for the UE")
    assert code == 0 and ue.wait_for("received")["from"] == AS
    assert reader.wait_for("imdn")["status"] == "success"
    ue.stop()
    reader.stop()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--to", "urn:example:group:none", "--group", "x"], 1, "unknown recipient"),
        (["--to", B, "x"], 1, "recipient unavailable"),
        (["--as", "urn:x:y", "--to", B, "x"], 1, "is no application"),
        (
            ["--from", AS, "--to", B, "x"],
            1,
            "refused the UE: an application has this Service ID\n",
        ),
        (["--to", B, "@/no/such/file"], 2, "/no/such/file: No such file"),
        (["--to", B, "@/dev/zero"], 2, "/dev/zero: too long; 65,536 bytes of text are the most"),
        (["--to", B, "@{octets}"], 2, "octets: too long; 65,536 bytes of text are the most"),
        (["--as", "urn:x:y", "--to", B, "@{some}"], 2, "some: an application sends text in UTF-8"),
        (["--to", B, "--store-until", "soon", "x"], 2, "--store-until: a date-time"),
        (["--to", B, "--from", "nobody", "x"], 2, "a URI is wanted"),
    ],
)
def test_what_cannot_be_sent_says_why(server, tmp_path, arguments, code, said):
    for name, size in (("some", 9), ("octets", 49_141)):
        (tmp_path / name).write_bytes(b"\xff" * size)
    paths = {"some": tmp_path / "some", "octets": tmp_path / "octets"}
    arguments = [one.format_map(paths) for one in arguments]
    # A message that nobody asked a report on may be refused after it was taken.
    got, out, error = send(server, "--report", *arguments)
    assert got == code and said in out + error, (out, error)


def test_without_a_server_it_says_so():
    code, _, error = send(["--server", "coap://127.0.0.1:9"], "--timeout-s", "1", "--to", B, "x")
    assert code == 1 and "is the server running there" in error
