"""CoAP on MicroPython: `micropython check_coap.py tests/vectors`.

Every CoAP vector, a short exchange, and the heap that a steady request costs. Plain MicroPython
that CPython runs as well (without the heap); prints a line per failure and a last line
with counts.
"""

import gc
import json
import os
import sys
from binascii import unhexlify

from msgin5g import coap
from msgin5g.codes import code_text
from msgin5g.exchange import FAILED, REQUEST, RESPONSE, Endpoint, Params
from msgin5g.paths import json_options
from msgin5g.receiving import Receiver

HEAP_BUDGET_BYTES = 400
ROUNDS = 50
PEER = "peer"
OPTIONS = coap.encode_options(json_options("msgin5g"))

results = [0, 0]


def check(condition, name, what):
    """Count one check; print it if it failed."""
    results[not condition] += 1
    if not condition:
        print("FAILED %s: %s" % (name, what))


def load(folder):
    """Yield the vectors of a folder, one at a time, in order of their names."""
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(folder + "/" + name, "rb") as file:
                yield json.loads(file.read().decode())


def fields(message):
    options = [(number, bytes(value)) for number, value in message.options]
    return (
        message.type,
        message.code,
        message.mid,
        bytes(message.token),
        options,
        bytes(message.payload),
    )


def codec(vector, data):
    """Decode bytes and a memoryview; encode again."""
    name = vector["name"]
    if "error" in vector:
        try:
            coap.decode(data)
            reason = None
        except coap.FormatError as problem:
            reason = str(problem)
        check(reason == vector["error"], name, "format error: %s" % reason)
        return
    wanted = vector["message"]
    wanted = (
        wanted["type"],
        wanted["code"],
        wanted["mid"],
        unhexlify(wanted["token"]),
        [(number, unhexlify(value)) for number, value in wanted["options"]],
        unhexlify(wanted["payload"]),
    )
    check(fields(coap.decode(data)) == wanted, name, "decoded bytes")
    check(fields(coap.decode(memoryview(data))) == wanted, name, "decoded memoryview")
    check((coap.encode(*wanted) == data) == vector["canonical"], name, "encoded")


def react(vector, data, reuse):
    """Let an endpoint answer the datagram."""
    name = vector["name"]
    endpoint = Endpoint(lambda n: 0, reuse=reuse)
    endpoint.receive(memoryview(data) if reuse else data, PEER, 1000)
    event = endpoint.next_event()
    out = [bytes(answer) for answer, _ in endpoint.poll(1000)]
    reaction = vector["reaction"]
    if reaction == "request":
        good = event is not None and event[0] == REQUEST and out == []
    elif reaction == "silence":
        good = event is None and out == []
    elif reaction == "rst":
        good = event is None and out == [b"\x70\x00" + data[2:4]]
    else:
        answer = coap.decode(out[0]) if len(out) == 1 else coap.Message()
        good = (
            event is None
            and len(out) == 1
            and code_text(answer.code) == reaction
            and answer.type == coap.ACK
            and answer.mid == data[2] << 8 | data[3]
            and answer.token == data[4 : 4 + (data[0] & 15)]
        )
    check(good, name, "answered %s" % out)


def sent(endpoint, now):
    return [bytes(data) for data, _ in endpoint.poll(now)]


def exchange():
    """A request is repeated, answered late, and its duplicate gets the same bytes again."""
    board = Receiver(lambda n: 0, Params(max_datagram_bytes=512), first_mid=1, reuse=True)
    gateway = Endpoint(lambda n: 0, first_mid=900)
    sign_up = board.send_request("gateway", coap.POST, OPTIONS, b"{}", 0)
    (first,) = sent(board, 0)
    check(board.next_deadline() == 2000, "exchange", "deadline")
    check(sent(board, 2000) == [first], "exchange", "retransmission")
    gateway.receive(first, "board", 2010)
    kind, incoming = gateway.next_event()
    check(kind == REQUEST and incoming.message.uri_path() == "msgin5g", "exchange", "request")
    gateway.receive(first, "board", 2020)
    check(gateway.next_event() is None, "exchange", "duplicate")
    check(sent(gateway, 2020) == [], "exchange", "duplicate while in progress")
    gateway.respond(incoming, coap.CHANGED, b'{"x":1}', 2030)
    (answer,) = sent(gateway, 2030)
    gateway.receive(first, "board", 2040)
    check(sent(gateway, 2040) == [answer], "exchange", "the same answer again")
    board.receive(memoryview(answer), "gateway", 2050)
    event = board.next_event()
    check(event[:2] == (RESPONSE, sign_up), "exchange", "response")
    check(bytes(event[2].payload) == b'{"x":1}', "exchange", "payload")
    check(board.next_deadline() is None, "exchange", "rest")

    lost = board.send_request("gateway", coap.POST, OPTIONS, b"{}", 3000)
    count = 0
    while board.next_deadline() is not None:
        count += len(sent(board, board.next_deadline()))
    check(count == 5, "exchange", "%d transmissions" % count)
    check(board.next_event() == (FAILED, lost, "timeout"), "exchange", "timeout")

    gateway.receive(coap.encode(coap.CON, coap.GET, 77, b"t"), "board", 4000)
    incoming = gateway.next_event()[1]
    gateway.poll(4000)
    check(sent(gateway, 12000) == [b"\x60\x00\x00\x4d"], "exchange", "empty ACK")
    gateway.respond(incoming, coap.CONTENT, b"late", 12001)
    (answer,) = sent(gateway, 12001)
    check(coap.decode(answer).type == coap.CON, "exchange", "separate response")


def heap():
    """Print the bytes of heap that one POST of 208 bytes and its answer of 60 bytes cost."""
    if not hasattr(gc, "mem_alloc"):
        return
    endpoint = Receiver(lambda n: 0, Params(max_datagram_bytes=512), reuse=True)
    payload = bytes(208 - 4 - 4 - 8 - 2 - 1)
    answer = bytearray(60)
    answer[0] = 0x64
    answer[1] = coap.CHANGED
    answer[8:11] = b"\xc1\x32\xff"
    view = memoryview(answer)
    used = 0
    now = 0
    gc.collect()
    gc.disable()
    for number in range(ROUNDS + 5):
        if number == 5:
            used = gc.mem_alloc()
        now += 100
        endpoint.send_request(PEER, coap.POST, OPTIONS, payload, now)
        datagram, _ = endpoint.poll(now)[0]
        answer[2:8] = datagram[2:8]
        endpoint.receive(view, PEER, now)
        event = endpoint.next_event()
    used = (gc.mem_alloc() - used) / ROUNDS
    gc.enable()
    check(len(datagram) == 208 and event[0] == RESPONSE, "heap", "the exchange itself")
    print("heap: %d bytes a request, %d allowed" % (used, HEAP_BUDGET_BYTES))
    check(used <= HEAP_BUDGET_BYTES, "heap", "%d bytes a request" % used)


def main():
    count = 0
    for vector in load(sys.argv[1] + "/coap"):
        count += 1
        data = unhexlify(vector["hex"])
        codec(vector, data)
        react(vector, data, False)
        react(vector, data, True)
        gc.collect()
    check(count >= 50, "vectors", "only %d" % count)
    exchange()
    heap()
    print("%d passed, %d failed" % (results[0], results[1]))
    return 1 if results[1] else 0


sys.exit(main())
