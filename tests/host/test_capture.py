"""Taps, followers, files and streams of a capture."""

import asyncio
import io
import json
import os
import resource
import socket
import stat

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from msgin5g import coap, l3
from msgin5g.exchange import Endpoint
from msgin5g_host import capture_http, capture_queue
from msgin5g_host.capture import MAX_CAPTURE_FOLLOWERS, Capture, CaptureFull
from msgin5g_host.capture_file import MAX_CAPTURE_BYTES, CaptureFile
from msgin5g_host.capture_http import CaptureStreams
from msgin5g_host.log import EventLog
from msgin5g_host.udp import UdpSocket, open_socket
from msgin5g_tools.capture_reader import CaptureReader
from tests.host.pcapng_file import blocks, read

NOW = 1_800_000_000_000
PEER = ("127.0.0.1", 4000)
REQUEST = coap.encode(coap.CON, coap.POST, 1, b"t", [], b"{}")


class StoppedClock:
    def now(self):
        return NOW


class Link:
    tap = None


class Follower:
    def __init__(self):
        self.data = b""

    def take(self, block):
        self.data += block

    @property
    def packets(self):
        return read(self.data)[1]

    @property
    def comments(self):
        return [one["options"].get(1, b"").decode() for one in self.packets]


def made():
    """A capture of an IP link and of a serial one."""
    capture = Capture("urn:example:gw:1", StoppedClock())
    ip, serial = Link(), Link()
    capture.watch(ip, "udp://127.0.0.1:65402", "MSGin5G-6", ("127.0.0.1", 65402), has_l3=True)
    capture.watch(serial, "serial:///dev/ttyACM0", "MSGin5G-6", has_l3=True)
    return capture, ip, serial


def log_to(stream):
    return EventLog("test", json=True, stream=stream, clock=StoppedClock())


def test_taps_are_there_only_while_somebody_follows():
    capture, ip, serial = made()
    one, other = Follower(), Follower()
    assert ip.tap is None
    capture.follow(one)
    capture.follow(other)
    ip.tap(REQUEST, PEER, False, NOW)
    capture.leave(one)
    ip.tap(REQUEST, PEER, True, NOW)
    capture.leave(other)
    capture.leave(other)
    assert ip.tap is None and serial.tap is None
    assert (len(one.packets), len(other.packets)) == (1, 2)


def test_every_link_has_an_interface_for_coap_and_one_for_l3():
    capture, ip, serial = made()
    follower = Follower()
    capture.follow(follower)
    frames = [REQUEST, l3.registration_request(1, b"s3cret"), b"\xff?"]
    for link, peer in ((ip, PEER), (serial, "serial:///dev/ttyACM0")):
        for frame in frames:
            link.tap(frame, peer, False, NOW)
    interfaces, packets = read(follower.data)
    told = [
        (interfaces[one["interface"]][2].decode(), interfaces[one["interface"]][3].decode())
        for one in packets
    ]
    assert told == [
        ("udp://127.0.0.1:65402", "MSGin5G-6: CoAP"),
        ("udp://127.0.0.1:65402", "MSGin5G-5: L3"),
        ("udp://127.0.0.1:65402", "MSGin5G-6: CoAP"),
        ("serial:///dev/ttyACM0", "MSGin5G-6: CoAP"),
        ("serial:///dev/ttyACM0", "MSGin5G-5: L3"),
        ("serial:///dev/ttyACM0", "MSGin5G-6: CoAP"),
    ]
    assert [one["tags"][12] for one in packets] == [b"coap", b"data", b"data"] * 2
    assert [one["tags"].get(33, b"").rstrip(b"\0") for one in packets[:3]] == [
        *(b"", b"MSGin5G-5", b"unknown")
    ]
    assert b"s3cret" not in follower.data
    assert "REGISTRATION REQUEST application_id=1 credential=(blanked)" in follower.comments[1]
    assert follower.comments[3] == "from serial:///dev/ttyACM0"


def test_addresses_are_those_of_sender_and_receiver():
    capture, ip, _ = made()
    follower = Follower()
    capture.follow(follower)
    ip.tap(memoryview(REQUEST), PEER, False, NOW)
    ip.tap(bytearray(REQUEST), PEER, True, NOW)
    ports = [
        [int.from_bytes(one["tags"][number]) for number in (25, 26)] for one in follower.packets
    ]
    assert ports == [[4000, 65402], [65402, 4000]]


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_a_socket_that_is_bound_to_any_address_has_the_one_that_its_peer_sees(bound):
    capture, link, follower = Capture("server", StoppedClock()), Link(), Follower()
    capture.watch(link, "coap://x", "MSGin5G-1", (bound, 65401))
    capture.follow(follower)
    for host in ("127.0.0.1", "::1"):
        link.tap(REQUEST, (host, 4000, 0, 0), True, NOW)
    v4, v6 = (one["tags"] for one in follower.packets)
    assert v4[20] == v4[21] == socket.inet_aton("127.0.0.1")
    assert v6[22] in (bytes(15) + b"\x01", bytes(16)) and v6[23] == bytes(15) + b"\x01"


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            l3.registration_reject(3),
            "REGISTRATION REJECT cause=3 conflict of transport identifier",
        ),
        (l3.registration_accept(b"abcdef"), "REGISTRATION ACCEPT registration_id=616263646566"),
        (l3.message_sending_response(True), "MESSAGE SENDING RESPONSE success=True"),
        (b"\x01", "MESSAGE SENDING REQUEST, malformed: "),
        (
            l3.message_received_request(bytes(16), b"\x00\x01", originator="urn:ü"),
            "originator=urn:ü payload=b'\\x00\\x01'",
        ),
        (l3.message_received_request(bytes(16), b"x" * 500), "x" * 80 + "…"),
    ],
)
def test_an_l3_message_is_told_in_words(frame, words):
    capture, ip, _ = made()
    follower = Follower()
    capture.follow(follower)
    ip.tap(frame, PEER, True, NOW)
    assert words in follower.comments[0]
    assert follower.packets[0]["data"] == frame


@settings(max_examples=300)
@given(
    st.binary(max_size=80) | st.integers(0, 12).map(lambda kind: bytes((kind,)) * 70_000),
    st.sampled_from(
        [PEER, ("::1", 1, 0, 0), ("fe80::1%9", 65535), "serial:///dev/\udcff", "x" * 99]
    ),
    st.booleans(),
)
def test_nothing_that_passes_makes_a_tap_raise_or_is_lost(frame, peer, is_out):
    capture, ip, serial = made()
    follower = Follower()
    capture.follow(follower)
    for link in (ip, serial):
        link.tap(frame, peer, is_out, NOW)
    first, second = follower.packets
    assert len(first["data"]) == len(second["data"]) == len(frame)
    assert len(list(CaptureReader().feed(follower.data))) == 2


def test_only_so_many_may_follow():
    capture, _, _ = made()
    for _ in range(MAX_CAPTURE_FOLLOWERS):
        capture.follow(Follower())
    with pytest.raises(CaptureFull):
        capture.follow(Follower())


def test_a_socket_shows_every_frame_both_ways():
    """The tap of the real socket, with answers, repetitions and what is no CoAP."""

    async def main():
        capture = Capture("server", StoppedClock())
        udp = UdpSocket(
            open_socket("127.0.0.1", 0),
            endpoint := Endpoint(lambda limit: 1),
            StoppedClock(),
            lambda event, now: endpoint.respond(event[1], coap.CHANGED, b"", now),
        )
        capture.watch(udp, "coap://x", "MSGin5G-1", udp.address)
        follower = Follower()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.setblocking(False)
            peer.connect(udp.address)
            loop = asyncio.get_running_loop()
            peer.send(REQUEST)
            await loop.sock_recv(peer, 100)
            capture.follow(follower)
            for _ in range(2):
                peer.send(REQUEST)
                answer = await loop.sock_recv(peer, 100)
            peer.send(b"\xff?")
            peer.send(coap.encode(coap.CON, coap.EMPTY, 9, b"", [], b""))
            reset = await loop.sock_recv(peer, 100)
            udp.send(b"\x0b", peer.getsockname())
            await loop.sock_recv(peer, 100)
        udp.close()
        data = [(one["options"][2][0], one["data"]) for one in follower.packets]
        ping = coap.encode(coap.CON, coap.EMPTY, 9, b"", [], b"")
        assert data == [
            *((1, REQUEST), (2, answer), (1, REQUEST), (2, answer), (1, b"\xff?"), (1, ping)),
            *((2, reset), (2, b"\x0b")),
        ]

    asyncio.run(main())


# Files


def test_a_file_goes_on_in_a_new_one_and_each_stands_alone(tmp_path):
    async def main():
        capture, ip, _ = made()
        path = tmp_path / "links.pcapng"
        file = CaptureFile(str(path), capture, log_to(io.StringIO()), "gateway.capture", 4000)
        for number in range(100):
            ip.tap(REQUEST, PEER, False, NOW + number)
        file.close()
        ip_is_quiet = ip.tap is None
        sizes = [one.stat().st_size for one in tmp_path.iterdir()]
        assert ip_is_quiet and len(sizes) == 2 and max(sizes) <= 4000
        older = read(path.with_name("links.pcapng.1").read_bytes())[1]
        newer = read(path.read_bytes())[1]
        times = [one["t"] - NOW for one in older + newer]
        assert times == list(range(100 - len(times), 100)) and older and newer

    asyncio.run(main())
    assert MAX_CAPTURE_BYTES >= 1 << 20


def test_what_was_captured_before_a_restart_is_kept_and_nobody_else_may_read(tmp_path):
    async def main():
        path = tmp_path / "links.pcapng"
        for _ in range(2):
            capture, ip, _ = made()
            file = CaptureFile(str(path), capture, log_to(io.StringIO()), "gateway.capture")
            ip.tap(REQUEST, PEER, False, NOW)
            file.close()
        for one in (path, path.with_name("links.pcapng.1")):
            assert len(read(one.read_bytes())[1]) == 1
            assert stat.S_IMODE(one.stat().st_mode) == 0o600

    asyncio.run(main())


def test_what_is_captured_is_in_the_file_soon_without_closing_it(tmp_path):
    async def main():
        capture, ip, _ = made()
        path = tmp_path / "links.pcapng"
        file = CaptureFile(str(path), capture, log_to(io.StringIO()), "gateway.capture")
        ip.tap(REQUEST, PEER, False, NOW)
        async with asyncio.timeout(10):
            while not path.stat().st_size:
                await asyncio.sleep(0.01)
        assert len(read(path.read_bytes())[1]) == 1
        file.close()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["", "missing/links.pcapng", "pipe"])
def test_a_file_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    capture, ip, _ = made()
    with pytest.raises(OSError, match=r"gateway\.capture /.*; name another file with --capture"):
        CaptureFile(str(tmp_path / name), capture, log_to(io.StringIO()), "gateway.capture")
    assert ip.tap is None


def test_a_full_disk_ends_the_capture_with_a_line_in_the_log_and_nothing_else(tmp_path):
    async def main():
        capture, ip, _ = made()
        out = io.StringIO()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
            path = tmp_path / "links.pcapng"
            file = CaptureFile(str(path), capture, log_to(out), "gateway.capture")
            for _ in range(1000):
                if ip.tap is not None:
                    ip.tap(REQUEST, PEER, False, NOW)
            file.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        (event,) = map(json.loads, out.getvalue().splitlines())
        assert event["event"] == "capture-ended" and event["reason"] == "File too large"
        assert ip.tap is None

    asyncio.run(main())


def test_a_disk_that_does_not_take_anything_holds_up_nobody(tmp_path, monkeypatch):
    """A pipe that nobody reads stands for the disk: writing to it waits."""
    monkeypatch.setattr(capture_queue, "MAX_CAPTURE_QUEUE_BYTES", 100_000)
    big = coap.encode(coap.CON, coap.POST, 1, b"t", [], b"x" * 1000)

    async def main():
        capture, ip, _ = made()
        file = CaptureFile(str(tmp_path / "links"), capture, log_to(io.StringIO()), "key")
        end, disk = os.pipe()
        file._file.close()
        file._file = os.fdopen(disk, "wb")
        async with asyncio.timeout(20):
            for _ in range(1000):
                ip.tap(big, PEER, False, NOW)
            # Until the thread waits, with a pipe that is full.
            while not file._is_writing:
                await asyncio.sleep(0.01)
            for _ in range(1000):
                ip.tap(big, PEER, False, NOW)
        reader = asyncio.create_task(asyncio.to_thread(read_all, end))
        async with asyncio.timeout(20):
            while file._is_writing:
                await asyncio.sleep(0.01)
            ip.tap(big, PEER, True, NOW)
        file.close()
        packets = read(await reader)[1]
        notes = [one["options"][1].decode() for one in packets if not one["interface"]]
        missed = [int(note.split()[0]) for note in notes]
        assert all(note.endswith("frames missed: the reader was too slow") for note in notes)
        assert sum(missed) + len(packets) - len(notes) == 2001 and min(missed) > 800

    asyncio.run(main())


def read_all(fd):
    with os.fdopen(fd, "rb") as file:
        return file.read()


# Streams


async def served(job, check=lambda request: None):
    """Run job(session, capture, ip) against GET /view/capture."""
    capture, ip, _ = made()
    streams = CaptureStreams(capture, check)
    app = web.Application()
    streams.add_routes(app)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = "http://{}:{}".format(*runner.addresses[0][:2])
        async with aiohttp.ClientSession(base) as session:
            await job(session, capture, ip, streams)
    finally:
        streams.close()
        await runner.cleanup()


def test_a_stream_has_what_passes_and_ends_with_its_client(monkeypatch):
    monkeypatch.setattr(capture_http, "BEAT_S", 0.02)

    async def job(session, capture, ip, streams):
        async with session.get("/view/capture") as answer:
            assert answer.status == 200 and answer.content_type == "application/x-pcapng"
            data = await answer.content.readexactly(len(capture.head()))
            for number in range(3):
                ip.tap(REQUEST, PEER, False, NOW + number)
            while len(read(data)[1]) < 3:
                data += await answer.content.readany()
            assert [one["t"] - NOW for one in read(data)[1]] == [0, 1, 2]
        async with asyncio.timeout(20):
            while ip.tap is not None:
                await asyncio.sleep(0.01)

    asyncio.run(served(job))


def test_a_stream_says_that_it_is_there_while_nothing_happens(monkeypatch):
    monkeypatch.setattr(capture_http, "BEAT_S", 0.02)

    async def job(session, capture, ip, streams):
        async with session.get("/view/capture") as answer:
            data = await answer.content.readexactly(len(capture.head()))
            while [kind for kind, _ in blocks(data)].count(5) < 3:
                data += await answer.content.readany()
            assert read(data)[1] == []

    asyncio.run(served(job))


def test_a_stream_ends_with_its_server():
    async def job(session, capture, ip, streams):
        async with session.get("/view/capture") as answer:
            streams.close()
            assert len(read(await answer.read())[0]) == 5
            assert ip.tap is None

    asyncio.run(served(job))


def test_what_a_slow_reader_misses_is_counted_and_told(monkeypatch):
    monkeypatch.setattr(capture_queue, "MAX_CAPTURE_QUEUE_BYTES", 2000)

    async def job(session, capture, ip, streams):
        async with session.get("/view/capture") as answer:
            data = await answer.content.readexactly(len(capture.head()))
            # Nothing is sent before this turn of the loop is over.
            for _ in range(100):
                ip.tap(REQUEST, PEER, False, NOW)
            data += await answer.content.readany()
            ip.tap(REQUEST, PEER, True, NOW)
            while not read(data)[1] or read(data)[1][-1]["options"][2][0] != 2:
                data += await answer.content.readany()
            packets = read(data)[1]
            seen = [one for one in packets if one["interface"] and one["options"][2][0] == 1]
            (note,) = [one for one in packets if not one["interface"]]
            told = note["options"][1].decode()
            assert told == f"{100 - len(seen)} frames missed: the reader was too slow"
            assert 0 < len(seen) < 30

    asyncio.run(served(job))


def test_too_many_readers_are_sent_away_and_strangers_too():
    async def job(session, capture, ip, streams):
        for _ in range(MAX_CAPTURE_FOLLOWERS):
            capture.follow(Follower())
        async with session.get("/view/capture") as answer:
            assert answer.status == 503 and "end one of them" in await answer.text()

    def refuse(request):
        raise web.HTTPUnauthorized

    async def stranger(session, capture, ip, streams):
        async with session.get("/view/capture") as answer:
            assert answer.status == 401 and ip.tap is None

    asyncio.run(served(job))
    asyncio.run(served(stranger, refuse))


def test_a_client_that_reads_nothing_gives_its_place_to_another(monkeypatch):
    monkeypatch.setattr(capture_http, "_WRITE_S", 0.05)
    big = coap.encode(coap.CON, coap.POST, 1, b"t", [], b"x" * 60_000)

    async def job(session, capture, ip, streams):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            at = session._base_url
            await asyncio.get_running_loop().sock_connect(client, (at.host, at.port))
            client.send(b"GET /view/capture HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(20):
                while ip.tap is None:
                    await asyncio.sleep(0.01)
                while ip.tap is not None:
                    ip.tap(big, PEER, False, NOW)
                    await asyncio.sleep(0)
        (fill,) = capture.fills()
        assert fill.entries == 0

    asyncio.run(served(job))
