"""The blocks of a pcapng file, read back by somebody else."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g_host import pcapng
from msgin5g_tools.capture_reader import CaptureReader, ReadError
from tests.host.pcapng_file import read

NOW = 1_800_000_000_123
COMMENT, FLAGS = 1, 2


def frame(**changes):
    given = {"interface": 0, "t_ms": NOW, "is_out": False, "dissector": "coap", "data": b"\x40"}
    return pcapng.Frame(**{**given, **changes})


def file(*frames, links=("udp://127.0.0.1:1",)):
    head = pcapng.section() + b"".join(pcapng.interface(link, "CoAP") for link in links)
    return head + b"".join(pcapng.packet(one) for one in frames)


def test_interfaces_have_names_and_count_milliseconds():
    interfaces, packets = read(file(links=("udp://127.0.0.1:1", "serial:///dev/ttyACM0", "ü")))
    assert [one[2].decode() for one in interfaces] == [
        *("udp://127.0.0.1:1", "serial:///dev/ttyACM0", "ü")
    ]
    assert all(one[3] == b"CoAP" and one[9] == b"\x03" for one in interfaces)
    assert packets == []


@pytest.mark.parametrize("is_out", [False, True])
def test_a_packet_says_who_reads_it_when_it_came_and_which_way(is_out):
    _, (packet,) = read(file(frame(is_out=is_out, comment="from ble://AA", data=b"\x40\x01\x00")))
    assert packet["t"] == NOW and packet["data"] == b"\x40\x01\x00"
    assert packet["tags"] == {12: b"coap"}
    assert packet["options"] == {COMMENT: b"from ble://AA", FLAGS: bytes((1 + is_out, 0, 0, 0))}


@pytest.mark.parametrize(
    ("source", "target", "family", "numbers"),
    [
        (("127.0.0.1", 5), ("192.0.2.7", 65535), socket.AF_INET, (20, 21)),
        (("::1", 5), ("fe80::1%lo", 65535), socket.AF_INET6, (22, 23)),
    ],
)
def test_addresses_are_tags(source, target, family, numbers):
    _, (packet,) = read(file(frame(source=source, target=target)))
    tags = packet["tags"]
    hosts = [socket.inet_ntop(family, tags[number]) for number in numbers]
    assert hosts == [source[0], target[0].partition("%")[0]]
    assert [int.from_bytes(tags[number]) for number in (24, 25, 26)] == [3, 5, 65535]


def test_what_wireshark_does_not_know_gets_the_two_columns():
    _, (packet,) = read(file(frame(dissector="data", protocol="MSGin5G-5", comment="ü" * 40_000)))
    assert packet["tags"][12] == b"data" and packet["tags"][33].rstrip(b"\0") == b"MSGin5G-5"
    assert packet["tags"][36].rstrip(b"\0").decode() == "ü" * 200
    # Options have two octets for their length; a character is not cut in two.
    assert packet["options"][COMMENT].decode() == "ü" * 32_766


@given(st.lists(st.tuples(st.binary(max_size=70), st.text(max_size=30), st.booleans())))
def test_round_trip_with_the_other_reader_and_our_own_in_any_pieces(given_frames):
    frames = [
        frame(data=data, comment=text, is_out=out, t_ms=NOW + number)
        for number, (data, text, out) in enumerate(given_frames)
    ]
    whole = file(*frames)
    _, packets = read(whole)
    assert [(one["t"], one["data"]) for one in packets] == [(one.t_ms, one.data) for one in frames]
    reader = CaptureReader()
    pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    found = [one for piece in pieces for one in reader.feed(piece)]
    assert [(one.data, one.comment, one.is_out) for one in found] == given_frames


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x1a\x2b\x3c\x4d" + bytes(12) + b"\x1c\x00\x00\x00",
        file(frame(interface=1)),
        bytes(64),
    ],
)
def test_our_reader_refuses_what_is_no_capture_of_ours(data):
    with pytest.raises(ReadError, match="capture"):
        list(CaptureReader().feed(data))
