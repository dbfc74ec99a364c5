"""Nonsense from the network against the real server and gateway: they live, and forget it."""

import json
import random
import socket
import urllib.request
from pathlib import Path

import pytest

from msgin5g import coap, registration
from tests.mpy import check_configuration as configuration_vectors
from tests.mpy.check_message import payload_of
from tests.processes import Stack
from tests.prometheus import parsed, value

VECTORS = Path(__file__).parent.parent / "vectors"
SERVICE = "urn:msgin5g:service"
PATH = [(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x32")]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("hostile"), server=["--open"], gateway=["--open"])
    made.start_server()
    made.start_gateway()
    yield made
    made.stop()


def address(stack, role):
    text = stack.coap if role == "server" else stack.link.removeprefix("udp://")
    host, _, port = text.rpartition(":")
    return host, int(port)


def hostile_datagrams():
    for file in sorted(VECTORS.glob("coap/*.json")):
        vector = json.loads(file.read_text())
        if "hex" in vector:
            yield bytes.fromhex(vector["hex"])
    mid = 1
    for file in sorted(VECTORS.glob("registration/*.json")):
        vector = json.loads(file.read_text())
        if "payload_hex" in vector:
            payload = bytes.fromhex(vector["payload_hex"])
        else:
            payload = vector["payload"].encode("utf-8", "surrogatepass")
        mid += 1
        yield coap.encode(coap.CON, coap.POST, mid, b"v", PATH, payload[:60_000])
    for file in sorted(VECTORS.glob("configuration/*.json")):
        vector = json.loads(file.read_text())
        if vector["kind"] == "request":
            mid += 1
            yield coap.encode(coap.CON, coap.GET, mid, b"v", *get_of(vector))
    noise = random.Random(1)
    for _ in range(5000):
        yield noise.randbytes(noise.randrange(64))
    good = coap.encode(coap.CON, coap.POST, 9, b"tk", PATH, registration.reg("urn:x:1", SERVICE))
    for _ in range(5000):
        broken = bytearray(good)
        for _ in range(noise.randrange(1, 6)):
            broken[noise.randrange(len(broken))] = noise.randrange(256)
        yield bytes(broken)


def get_of(vector):
    """Return the options and the payload of a configuration GET."""
    message = configuration_vectors.get(vector, payload_of(vector))
    return message.options, message.payload


def rss_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])


def ask(where, payload, mid):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(where)
        sock.send(coap.encode(coap.CON, coap.POST, mid, b"ok", PATH, payload))
        while True:
            message = coap.decode(sock.recv(65535))
            if message.token == b"ok":
                return message


@pytest.mark.parametrize("role", ["server", "gateway"])
def test_nothing_that_a_peer_sends_ends_a_process_or_grows_it(stack, role):
    where = address(stack, role)
    process = getattr(stack, role)
    datagrams = list(hostile_datagrams())
    assert len(datagrams) > 10_300
    sizes = []
    for _ in range(3):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.connect(where)
            for number, datagram in enumerate(datagrams):
                sock.send(datagram)
                if number % 50 == 0:
                    # Keep pace with the process, so that it really sees the datagrams.
                    ask(where, registration.gwreg("urn:x:9", SERVICE), number // 50)
        sizes.append(rss_kib(process.pid))
    assert sizes[2] - sizes[1] < 4096, sizes
    final = ask(where, registration.reg("urn:example:ue:1", SERVICE, True), 60_001)
    assert json.loads(final.payload)["result"] is True


def test_an_oversize_datagram_gets_4_13_from_the_gateway(stack):
    answer = ask(address(stack, "gateway"), b"x" * 3000, 77)
    assert answer.code == coap.TOO_LARGE and answer.uint(coap.SIZE1) == 2048


def test_bad_http_queries_are_told_what_is_wrong(stack):
    for query in ("limit=x", "offset=-1", "limit=99999999999"):
        try:
            urllib.request.urlopen(f"http://{stack.http}/ues?{query}", timeout=5)
        except urllib.error.HTTPError as problem:
            assert problem.code == 400 and b"a number from 0" in problem.read()
            problem.close()
        else:
            raise AssertionError(query)


def test_the_counters_say_what_was_refused(stack):
    with urllib.request.urlopen(f"http://{stack.http}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = parsed(text)
    assert value(found, "coap_malformed_total", reason="format") > 0
    assert value(found, "msgin5g_malformed_total", reason="msgType") > 0
