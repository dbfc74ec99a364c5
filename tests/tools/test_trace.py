"""`msgin5g trace` against a real server, and the captures of its own making."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from msgin5g import coap
from msgin5g_host import pcapng
from msgin5g_tools.cli import main
from tests.host.pcapng_file import read
from tests.processes import DEADLINE_S, Process, Stack
from tests.wireshark import tshark

TOKEN = "0123456789abcdef"
PING = coap.encode(coap.CON, coap.EMPTY, 1, b"", [], b"")
COMMAND = [sys.executable, "-m", "msgin5g_tools.cli", "trace"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("trace"), server=["--open"])
    made.start_server()
    yield made
    made.stop()


def ping(stack):
    host, _, port = stack.coap.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(PING, (host, int(port)))


def pinged_until(stack, process, has_enough):
    """Ping the server until the output of the trace is there. Returns it."""
    data = b""
    os.set_blocking(process.stdout.fileno(), False)
    for _ in range(200):
        ping(stack)
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            data += process.stdout.read() or b""
            if has_enough(data):
                return data
        else:
            break
    raise AssertionError(f"nothing came: {data}, {process.poll()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pipe_gets_a_capture_until_somebody_ends_it(stack, number):
    argv = [*COMMAND, "--http", stack.http]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        data = pinged_until(stack, process, lambda data: PING in data)
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
        os.set_blocking(process.stdout.fileno(), True)
        data += process.stdout.read()
    interfaces, packets = read(data)
    assert interfaces[1][2].decode() == f"coap://{stack.coap}"
    assert packets[0]["data"] == PING


def test_wireshark_reads_along_while_it_happens(stack):
    reads = [tshark(), "-n", "-l", "-i", "-", "-c", "2"]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with (
        subprocess.Popen([*COMMAND, "--http", stack.http], **piped) as trace,
        subprocess.Popen(reads, stdin=trace.stdout, text=True, **piped) as process,
    ):
        trace.stdout.close()
        for _ in range(400):
            ping(stack)
            try:
                assert process.wait(0.05) == 0
                break
            except subprocess.TimeoutExpired:
                continue
        lines = process.stdout.read().splitlines() if process.poll() == 0 else []
        for one in (trace, process):
            one.terminate()
    assert len(lines) == 2 and all("CoAP" in one and "MID:1" in one for one in lines)


def test_a_reader_that_goes_away_ends_it_quietly(stack):
    argv = [*COMMAND, "--http", stack.http, "--text"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        pinged_until(stack, process, lambda data: b"CON 0.00" in data)
        process.stdout.close()
        for _ in range(200):
            ping(stack)
            try:
                assert process.wait(0.05) == 0
                break
            except subprocess.TimeoutExpired:
                continue
        assert process.poll() == 0 and process.stderr.read() == b""


def test_for_ends_it_and_a_file_is_whole(stack, tmp_path, capsys):
    file = tmp_path / "all.pcapng"
    assert main(["trace", "--http", f"http://{stack.http}/", "-o", str(file), "--for", "0.3"]) == 0
    assert len(read(file.read_bytes())[0]) == 2
    assert main(["trace", "-r", str(file), "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_it_ends_when_the_server_does(tmp_path):
    stack = Stack(tmp_path, server=["--open"])
    stack.start_server()
    trace = Process([*COMMAND, "--http", stack.http, "--json"])
    try:
        for _ in range(100):
            ping(stack)
            if trace.events:
                break
            try:
                trace.wait_for(None, 0.1)
            except AssertionError:
                continue
        assert stack.server.stop() == 0
        assert trace.wait() == 0
        assert all("Traceback" not in str(one) for one in trace.events)
    finally:
        trace.stop()
        stack.stop()


def test_a_guarded_server_wants_its_token(tmp_path, monkeypatch, capsys):
    stack = Stack(tmp_path, server=["--open"])
    with (tmp_path / "server.toml").open("a") as file:
        file.write(f'[http]\ntoken = "{TOKEN}"\n')
    stack.start_server()
    try:
        (tmp_path / "x").write_bytes(bytes(5000))
        argv = ["trace", "--http", stack.http, "-o", str(tmp_path / "x"), "--for", "0.3"]
        assert main(argv) == 1
        assert (tmp_path / "x").read_bytes() == bytes(5000)
        problem = capsys.readouterr().err
        assert "answers 401" in problem and "MSGIN5G_TOKEN" in problem
        monkeypatch.setenv("MSGIN5G_TOKEN", TOKEN)
        assert main(argv) == 0
        assert 0 < len((tmp_path / "x").read_bytes()) < 5000
    finally:
        stack.stop()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--http", "nowhere"], 2, "--http: host:port is wanted"),
        (["--http", "coap://127.0.0.1:1"], 2, "--http: host:port or https://host:port is wanted"),
        (["--token-file", "/nowhere/x"], 2, "--token-file /nowhere/x: No such file"),
        (["--for", "0"], 2, "--for: more than 0"),
        (["--for", "nan"], 2, "--for: more than 0"),
        (["--for", "inf"], 2, "--for: more than 0"),
        (["-o", "x", "--json"], 2, "choose one"),
        (["--http", "127.0.0.1:9", "--text"], 1, "no server answers at http://127.0.0.1:9"),
        (["-r", "/nowhere/x", "--text"], 1, "No such file"),
        (["-r", __file__, "--text"], 1, "this is not a capture of MSGin5G links"),
        (["-r", "/dev/null", "--json"], 1, "this is not a capture of MSGin5G links"),
        (["-r", "x", "--for", "1"], 2, "leave it out"),
        (["-o", "/nowhere/x"], 1, "No such file"),
    ],
)
def test_wrong_use_is_told(arguments, code, words, capsys):
    assert main(["trace", *arguments]) == code
    assert words in capsys.readouterr().err


def test_without_a_server_a_file_keeps_what_it_held(tmp_path, capsys):
    file = tmp_path / "x"
    file.write_bytes(b"the only one")
    assert main(["trace", "--http", "127.0.0.1:9", "-o", str(file)]) == 1
    assert "no server answers" in capsys.readouterr().err
    assert file.read_bytes() == b"the only one"


def test_a_file_of_a_few_words_is_no_capture(tmp_path, capsys):
    """It is shorter than any block, and nothing is missing at its end."""
    file = tmp_path / "words"
    file.write_text("raspi\n")
    for how in ("--json", "--text"):
        assert main(["trace", "-r", str(file), how]) == 1
        assert "this is not a capture of MSGin5G links" in capsys.readouterr().err


def test_a_capture_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path, capsys):
    frame = pcapng.packet(pcapng.Frame(0, 1, False, "coap", PING, ""))
    file = tmp_path / "x.pcapng"
    file.write_bytes(pcapng.section() + pcapng.interface("udp://x", "") + frame + frame[:-4])
    assert main(["trace", "-r", str(file), "--json"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 and "ends within a frame" in said.err


def test_the_capture_that_is_read_is_not_written_over(tmp_path, capsys):
    file = tmp_path / "x.pcapng"
    file.write_bytes(pcapng.section())
    assert main(["trace", "-r", str(file), "-o", str(file)]) == 2
    assert "write over" in capsys.readouterr().err and file.read_bytes() == pcapng.section()


def test_what_a_peer_sends_is_text_and_no_more(tmp_path, capsys):
    """No control character of a payload or a name gets to the terminal."""
    hostile = '\x1b[2J<script>"\u202e'
    message = coap.encode(
        coap.CON, coap.POST, 1, b"t", [(coap.URI_PATH, b"\xff\x1b")], hostile.encode()
    )
    frames = [
        pcapng.Frame(0, 1, False, "coap", data, hostile)
        for data in (
            message,
            coap.encode(coap.CON, coap.POST, 1, b"t", [], json.dumps([hostile]).encode()),
            b"\x4f",
        )
    ]
    file = tmp_path / "x.pcapng"
    blocks = [pcapng.section(), pcapng.interface(hostile, hostile), *map(pcapng.packet, frames)]
    file.write_bytes(b"".join(blocks))
    for how in ("--text", "--json"):
        assert main(["trace", "-r", str(file), how]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3 and all(one.isprintable() for one in lines)
        if how == "--json":
            assert [json.loads(one)["comment"] for one in lines] == [hostile] * 3
            assert json.loads(lines[0])["payload"] == hostile
            assert json.loads(lines[2])["what"].startswith("malformed CoAP")


@pytest.mark.parametrize("role", ["server", "gateway"])
def test_a_capture_that_cannot_be_written_ends_the_role_at_once(role, tmp_path):
    argv = [*COMMAND[:-1], role, "--capture", str(tmp_path / "no" / "x"), "--data", str(tmp_path)]
    argv += ["--bind", "127.0.0.1:0", "--http", ""] if role == "server" else []
    argv += ["--link", "udp://127.0.0.1:0"] if role == "gateway" else []
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 1
    assert (
        f"{role}.capture {tmp_path}/no/x: No such file or directory; name another" in done.stderr
    )
