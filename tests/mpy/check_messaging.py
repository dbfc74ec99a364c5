"""Messages of the constrained UE on MicroPython: `micropython check_messaging.py`.

Both ways, with a client and as a device in both forms, over a reboot, and the heap that a message
leaves. Plain MicroPython that CPython runs as well (without the heap); prints a line per failure
and a last line with counts.
"""

import gc
import json
import sys

from msgin5g import coap, l3, registration
from msgin5g.message import Message, Segment, imdn, msg, parse_message, segrec
from msgin5g.receiving import Params, Receiver
from ue.config import defaults
from ue.core import UeCore
from ue.modes import make_core

UE = "urn:example:ue:1"
UE2 = ("UE", "urn:example:ue:2")
SERVICE = "urn:msgin5g:service"
JSON = ((coap.CONTENT_FORMAT, b"\x32"),)
REGISTRATION = b"\x01\x23\x45\x67\x89\xab"
IDS = ("9e9c3c54-8d2f-4f6b-9b5e-1f0e9a4f2b%02x", "7d1c3c54-8d2f-4f6b-9b5e-1f0e9a4f2b%02x")
# What one more message each way leaves behind, once the tables of what was seen are full.
GROWTH_BUDGET_BYTES = 1024

results = [0, 0]


def check(condition, name, what=""):
    """Count one check; print it if it failed."""
    results[not condition] += 1
    if not condition:
        print("FAILED %s: %s" % (name, what))


def rng(limit):
    return limit // 2


class Client:
    """A UE with a client and its gateway; messages are answered `code`."""

    def __init__(self, saved, **settings):
        config = defaults()
        config.update({"ue_service_id": UE, "urgent": True, "refresh_s": 0, "segment_bytes": 200})
        config.update(settings)
        params = Params(max_datagram_bytes=1280, max_waiting=2)
        self.core = UeCore(config, Receiver(rng, params, reuse=True), saved, rng)
        self.saved = saved
        self.now = 0
        self.mid = 0
        self.code = coap.CHANGED
        self.got = []
        self.codes = []
        self.events = []

    def register(self):
        self.core.register(self.now)
        self.flush()
        check(self.core.state == "registered", "register", self.core.state)

    def flush(self):
        for _ in range(200):
            out = [bytes(data) for data, _ in self.core.poll(self.now)]
            for data in out:
                self.gateway(coap.decode(data))
            event = self.core.next_event()
            while event is not None:
                if event[0] == "save":
                    self.saved = event[1]
                self.events.append(event)
                event = self.core.next_event()
            due = self.core.next_deadline()
            if not out and (due is None or due > self.now):
                return

    def run(self, milliseconds):
        end = self.now + milliseconds
        while True:
            self.flush()
            due = self.core.next_deadline()
            if due is None or due > end:
                self.now = end
                self.flush()
                return
            self.now = max(self.now, due)

    def gateway(self, message):
        if not 0 < message.code < 32:
            self.codes.append(message.code)
            return
        code, payload = self.code, b""
        if b'"GWREG"' in message.payload:
            code, payload = coap.CREATED, registration.gwreg_answer(UE, True, 86400)
        elif b'"REG"' in message.payload:
            code, payload = coap.CREATED, registration.reg_answer(UE, True)
        else:
            self.got.append(parse_message(message.payload))
        options = JSON if payload else ()
        data = coap.encode(coap.ACK, code, message.mid, message.token, options, payload)
        self.core.receive(memoryview(data), self.now)

    def post(self, payload):
        self.mid += 1
        data = coap.encode(coap.CON, coap.POST, self.mid, b"t", JSON, payload)
        self.core.receive(memoryview(data), self.now)
        self.flush()
        return self.codes.pop() if self.codes else None

    def send(self, payload, report=False):
        options = ("UE", report, True, "NORMAL", None)
        message_id = self.core.messages().send(UE2[1], payload, options, self.now)
        self.flush()
        return message_id

    def named(self, name):
        return [event[1:] for event in self.events if event[0] == name]


def incoming(number, payload, segment=None, report=False):
    message = Message()
    message.message_id = IDS[number >> 8] % (number & 255)
    message.origin, message.destination = UE2, ("UE", UE)
    message.payload = payload
    message.segment = segment
    message.report = report
    return msg(SERVICE, message)


def client():
    """Sending, refusals, outages, segments, a recovery, what arrives, and a reboot."""
    bench = Client({})
    bench.register()
    message_id = bench.send(b"\x00\xff", True)
    check(bench.got[0].payload == "data:;base64,AP8=", "octets", bench.got[0].payload)
    check(bench.got[0].message_id == message_id and bench.got[0].report, "sent", message_id)
    check(bench.named("outcome") == [(message_id, None)], "outcome", bench.events)
    bench.got.clear()
    bench.send("gr\u00fcn " * 70)
    sizes = [len(one.payload.encode()) for one in bench.got]
    check(sizes == [200, 200, 20], "segments", sizes)
    set_id = bench.got[0].segment.set_id
    bench.got.clear()
    code = bench.post(segrec(SERVICE, set_id, [(2, 3)]))
    check(code == coap.CHANGED, "SEGREC", code)
    check([one.segment.number for one in bench.got] == [2, 3], "SEGREC", len(bench.got))
    bench.events.clear()
    for _ in range(2):
        check(bench.post(incoming(1, "hello", report=True)) == coap.CHANGED, "MSG", bench.codes)
    received = bench.named("received")
    check(len(received) == 1 and received[0][0].payload == b"hello", "received", received)
    check(bench.got[-1].msg_type == "IMDN", "IMDN", bench.got[-1].msg_type)
    for number in (3, 1, 2):
        segment = Segment("set", number, 3, number == 3)
        bench.post(incoming(2, "abc"[number - 1] * 300, segment))
    received = bench.named("received")
    check(len(received) == 2, "joined", len(received))
    check(received[-1][0].payload == b"a" * 300 + b"b" * 300 + b"c" * 300, "joined")
    check(bench.got[-1].msg_type == "SEGCONFIR" and bench.got[-1].result, "SEGCONFIR")
    report = Message()
    report.origin, report.destination = UE2, ("UE", UE)
    report.message_id, report.status = message_id, "success"
    bench.post(imdn(SERVICE, report))
    check(bench.named("report") == [(message_id, True, None)], "report", bench.named("report"))
    bench.post(incoming(3, "x", Segment("other", 1, 2)))
    bench.run(11000)
    check(bench.got[-1].msg_type == "SEGREC", "SEGREC", bench.got[-1].msg_type)
    check(bench.got[-1].ranges == [(2, 2)], "SEGREC", bench.got[-1].ranges)
    bench.code = coap.FORBIDDEN
    refused = bench.send("no")
    check(bench.named("outcome")[-1] == (refused, "4.03"), "refused", bench.named("outcome"))
    bench.code = coap.UNAVAILABLE
    waits = bench.send("later")
    bench.run(8000)
    check(bench.saved.get("outbox"), "outbox", bench.saved)
    again = Client(json.loads(json.dumps(bench.saved)))
    again.register()
    check(again.got[0].message_id == waits, "reboot", again.got)


def heap():
    """What messages leave on the heap once the tables are full."""
    if not hasattr(gc, "mem_alloc"):
        return
    bench = Client({})
    bench.register()
    used = 0
    for number in range(200):
        if number == 100:
            gc.collect()
            used = gc.mem_alloc()
        bench.send("reading")
        bench.post(incoming(number, "hello"))
        bench.got.clear()
        bench.events.clear()
    gc.collect()
    grown = gc.mem_alloc() - used
    print("heap: %d bytes more after 100 messages each way" % grown)
    check(grown <= GROWTH_BUDGET_BYTES, "heap", "%d bytes grown" % grown)


def device_l3():
    """A device that speaks L3."""
    config = defaults()
    config.update({"mode": "l3", "credential": "x", "refresh_s": 0})
    core = make_core(config, {}, rng, 1280)
    core.register(0)
    check(bytes(core.poll(0)[0][0])[0] == l3.REGISTRATION_REQUEST, "l3", "register")
    core.receive(l3.registration_accept(REGISTRATION), 0)
    options = ("UE", True, True, "NORMAL", 7)
    message_id = core.messages().send("ue.example", b"\x00\xff", options, 0)
    request = l3.decode(bytes(core.poll(0)[0][0]))
    check(request.payload == b"\x00\xff" and request.report, "l3", "send")
    check(request.target == ("fqdn", "ue.example"), "l3", request.target)
    core.receive(l3.message_sending_response(True), 10)
    core.receive(l3.message_received_request(b"x" * 16, b"hello", "urn:a", report=True), 10)
    core.receive(l3.message_received_request(b"x" * 16, b"hello", "urn:a", report=True), 10)
    frames = [l3.decode(bytes(frame)).type for frame, _ in core.poll(10)]
    check(frames == [4, 4, 5, 5], "l3", frames)
    events = []
    event = core.next_event()
    while event is not None:
        events.append(event)
        event = core.next_event()
    check(("outcome", message_id, None) in events, "l3", events)
    received = [one[1].payload for one in events if one[0] == "received"]
    check(received == [b"hello"], "l3", received)


def main():
    device_l3()
    client()
    heap()
    print("%d passed, %d failed" % (results[0], results[1]))
    return 1 if results[1] else 0


sys.exit(main())
