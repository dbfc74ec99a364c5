"""A reader of pcapng for tests, by the draft and by nothing of ours. Strict: what is odd fails."""

import struct


def blocks(data):
    """Return (type, body) of every block."""
    found, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length >= 12 and length % 4 == 0, "blocks end on 32 bits"
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length, "both lengths agree"
        found.append((kind, data[at + 8 : at + length - 4]))
        at += length
    assert at == len(data)
    return found


def options(data):
    """Return {code: value} of a block's options."""
    found, at = {}, 0
    while True:
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert length == 0 and at + 4 == len(data), "nothing behind the last option"
            return found
        found[code] = data[at + 4 : at + 4 + length]
        padding = data[at + 4 + length : at + 4 + length + -length % 4]
        assert padding == bytes(len(padding))
        at += 4 + length + len(padding)


def tags(pdu):
    """Return ({tag: value}, what follows) of an exported PDU."""
    found, at = {}, 0
    while True:
        tag, length = struct.unpack_from(">HH", pdu, at)
        at += 4
        if tag == 0:
            assert length == 0
            return found, pdu[at:]
        assert length % 4 == 0
        found[tag] = pdu[at : at + length]
        at += length


def read(data):
    """Return (interfaces, packets) of a file with one section.

    Interfaces are option dicts; packets dicts with interface, t, options, tags, data.
    """
    (kind, head), *rest = blocks(data)
    assert kind == 0x0A0D0D0A and head[:4] == b"\x4d\x3c\x2b\x1a"
    assert struct.unpack_from("<HHq", head, 4) == (1, 0, -1)
    options(head[16:])
    interfaces, packets = [], []
    for kind, body in rest:
        if kind == 1:
            assert struct.unpack_from("<HHI", body) == (252, 0, 0)
            interfaces.append(options(body[8:]))
        elif kind == 5:
            number, _, _ = struct.unpack_from("<III", body)
            assert number < len(interfaces) and set(options(body[12:])) == {5}
        else:
            assert kind == 6
            number, high, low, size, original = struct.unpack_from("<IIIII", body)
            assert size == original and number < len(interfaces)
            end = 20 + size + -size % 4
            assert body[20 + size : end] == bytes(end - 20 - size)
            found, data = tags(body[20 : 20 + size])
            packets.append(
                {
                    **{"interface": number, "t": high << 32 | low},
                    **{"options": options(body[end:]), "tags": found, "data": data},
                }
            )
    return interfaces, packets
