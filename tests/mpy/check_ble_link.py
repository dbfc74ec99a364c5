"""The firmware's BLE link on a scripted stack: `micropython check_ble_link.py`.

A `bluetooth` module in software whose events come in the middle of calls, as on a board; a stack
that is busy, broken, out of memory or gone; URLs. Prints a line per failure and a last line with
counts.
"""

import asyncio
import errno
import sys

from msgin5g.ble_framing import NOTIFY_UUID, SERVICE_UUID, WRITE_UUID, Reassembler, fragments
from ue import link_ble
from ue.link_ble import MAX_QUEUED_VALUES, MAX_RECEIVED_VALUES, BleLink

CONNECT, DISCONNECT, WRITE, MTU = 1, 2, 3, 21
WRITE_HANDLE, NOTIFY_HANDLE = 16, 18
CONN = 7
EBUSY = 16
GATEWAY = b"\x01\x02\x03\x04\x05\x06"

results = [0, 0]


def check(condition, name, what=""):
    """Count one check; print it if it failed."""
    results[not condition] += 1
    if not condition:
        print("FAILED %s: %s" % (name, what))


class Ble:
    """bluetooth.BLE: `calls` are what was asked of it; `answers`: what the next notify does."""

    def __init__(self):
        self.calls = []
        self.sent = []
        self.answers = []
        self.failing = {}
        self.handler = None
        self.value = b""
        self.number = 0

    def _call(self, name, *what):
        self.calls.append((name,) + what)
        problem = self.failing.get(name)
        if problem is not None:
            raise OSError(problem)

    def names(self):
        return [one[0] for one in self.calls]

    def active(self, on):
        self._call("active", on)

    def config(self, **given):
        self._call("config", given)

    def irq(self, handler):
        self.handler = handler

    def gatts_register_services(self, services):
        self._call("register", services)
        return ((WRITE_HANDLE, NOTIFY_HANDLE),)

    def gatts_set_buffer(self, handle, size, append=False):
        self._call("buffer", handle, size, append)

    def gap_advertise(self, interval_us, adv_data=None):
        self._call("advertise", interval_us, adv_data)

    def gap_disconnect(self, conn):
        self._call("disconnect", conn)

    def gatts_read(self, handle):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def gatts_notify(self, conn, handle, data):
        answer = self.answers.pop(0) if self.answers else None
        if callable(answer):
            answer()
        elif answer is not None:
            raise OSError(answer)
        check((conn, handle) == (CONN, NOTIFY_HANDLE), "notify", "to %s %s" % (conn, handle))
        self.sent.append(data)

    # What a gateway does

    def connect(self, mtu=None):
        self.number = 0
        self.handler(CONNECT, (CONN, 0, GATEWAY))
        if mtu is not None:
            self.handler(MTU, (CONN, mtu))

    def leave(self, conn=CONN):
        self.handler(DISCONNECT, (conn, 0, GATEWAY))

    def write(self, value, conn=CONN, handle=WRITE_HANDLE):
        self.value = value
        self.handler(WRITE, (conn, handle))

    def say(self, frame, value_bytes=244):
        values = fragments(frame, value_bytes, self.number)
        self.number += len(values)
        for value in values:
            self.write(value)

    def heard(self):
        joined = Reassembler()
        found = [joined.receive(value) for value in self.sent]
        return [frame for frame in found if frame is not None]


class Bluetooth:
    """The module `bluetooth` of a board."""

    FLAG_WRITE_NO_RESPONSE, FLAG_WRITE, FLAG_NOTIFY = 4, 8, 16
    stack = None

    @staticmethod
    def UUID(text):
        return text.replace("-", "")[:16].encode()

    @staticmethod
    def BLE():
        return Bluetooth.stack


def made(url="ble://"):
    stack = Bluetooth.stack = Ble()
    return BleLink(url), stack


async def opened(mtu=None):
    link, stack = made()
    link.open()
    stack.connect(mtu)
    return link, stack


async def turns(condition, count=200):
    for _ in range(count):
        if condition():
            return True
        await asyncio.sleep_ms(1)
    return condition()


async def heard_or_lost(link):
    """Return the next frame, or the number of the error that ended the link."""
    try:
        return await asyncio.wait_for_ms(link.receive(), 500)
    except asyncio.TimeoutError:
        return "nothing"
    except OSError as problem:
        return problem.errno


async def opening():
    link, stack = made("ble://?name=kitchen&interval_ms=250")
    check(not link.send(b"@"), "closed", "sent")
    link.close()
    link.open()
    link.open()
    check(stack.names().count("advertise") == 1, "open", "twice: %s" % stack.names())
    calls = {one[0]: one[1:] for one in stack.calls}
    check(calls["active"] == (True,), "open", "active")
    check(calls["config"][0] == {"mtu": 247, "gap_name": "kitchen"}, "open", "config")
    check(calls["buffer"] == (WRITE_HANDLE, 247, False), "open", "buffer")
    (service,) = calls["register"][0]
    uuids = [Bluetooth.UUID(one) for one in (SERVICE_UUID, WRITE_UUID, NOTIFY_UUID)]
    check(
        service == (uuids[0], ((uuids[1], 12), (uuids[2], 16))), "open", "service %s" % (service,)
    )
    interval, data = calls["advertise"]
    check(interval == 250000 and len(data) <= 31, "advertise", "%d octets" % len(data))
    check(data == b"\x02\x01\x06\x11\x07" + uuids[0] + b"\x08\x09kitchen", "advertise", data)
    check(not link.send(b"@"), "not connected", "sent")


async def frames():
    link, stack = await opened()
    for size in (1, 17, 18, 600, 1280):
        frame = bytes([at * 7 % 256 for at in range(size)])
        task = asyncio.create_task(heard_or_lost(link))
        for value in fragments(frame, 244, stack.number):
            stack.write(value)
            stack.number += 1
            await asyncio.sleep_ms(0)
        check(await task == frame, "receive", "%d bytes" % size)
    check(not link.send(b"") and not link.send(bytes(1281)), "send", "no frame")
    check(link.send(memoryview(b"@small")) and link.send(bytes(100)), "send")
    await turns(lambda: len(stack.heard()) == 2)
    check(stack.heard() == [b"@small", bytes(100)], "send", "heard")
    check(max([len(one) for one in stack.sent]) <= 20, "send", "before the MTU is known")
    stack.handler(MTU, (CONN, 517))
    link.send(bytes(1280))
    await turns(lambda: len(stack.heard()) == 3)
    check(max([len(one) for one in stack.sent]) == 244, "send", "at the MTU asked for")
    stack.write(b"\xff", handle=NOTIFY_HANDLE)
    stack.write(b"\xff", conn=CONN + 1)
    stack.handler(28, (CONN, 4, b""))
    stack.say(b"@last")
    check(await heard_or_lost(link) == b"@last", "receive", "after what is not for it")
    check(link.counters["gaps"] == 0, "receive", "%s" % link.counters)


async def busy():
    link, stack = await opened(247)
    stack.answers = [errno.ENOMEM, None, errno.ENOMEM, errno.ENOMEM, errno.EAGAIN, EBUSY]
    sent = [bytes([number]) * 300 for number in range(1, 5)]
    for frame in sent:
        check(link.send(frame), "busy", "refused")
    await turns(lambda: len(stack.heard()) == 4)
    check(stack.heard() == sent, "busy", "frames")
    stack.sent = []
    stack.handler(MTU, (CONN, 23))
    check(link.send(bytes(1280)), "busy", "the largest frame in the smallest values")
    await turns(lambda: stack.heard(), 1000)
    check(stack.heard() == [bytes(1280)] and len(stack.sent) == 68, "busy", "largest")
    stack.handler(MTU, (CONN, 247))
    stack.sent = []
    stack.answers = [errno.EIO]
    check(link.send(b"@lost") and link.send(b"@lost too"), "broken", "refused")
    await asyncio.sleep_ms(20)
    check(link.send(b"@next"), "broken", "refused afterwards")
    await turns(lambda: stack.heard())
    check(stack.heard() == [b"@next"], "broken", "%s" % stack.heard())
    stack.sent = []
    give_up, link_ble._GIVE_UP_MS = link_ble._GIVE_UP_MS, 20
    stack.answers = [errno.ENOMEM] * 100
    dropped = link.counters["dropped"]
    link.send(b"@stuck")
    await turns(lambda: link.counters["dropped"] > dropped)
    link_ble._GIVE_UP_MS = give_up
    check(len(stack.answers) > 0, "stuck", "tried for ever")
    stack.answers = []
    link.send(b"@free")
    await turns(lambda: stack.heard())
    check(stack.heard() == [b"@free"], "stuck", "%s" % stack.heard())


async def full():
    link, stack = await opened(23)
    stack.answers = [errno.ENOMEM] * 10
    accepted = 0
    while link.send(bytes([accepted + 1]) * 300):
        accepted += 1
        check(accepted < 100, "full", "no bound")
    check(accepted == MAX_QUEUED_VALUES // 16, "full", "%d frames" % accepted)
    check(link.counters["dropped"] == 1, "full", "%s" % link.counters)
    await turns(lambda: len(stack.heard()) == accepted)
    check([one[0] for one in stack.heard()] == list(range(1, accepted + 1)), "full", "order")
    # What comes in while nobody takes it.
    for number in range(MAX_RECEIVED_VALUES + 9):
        stack.say(bytes([number + 1]))
    check(link.counters["overflow"] == 9, "overflow", "%s" % link.counters)
    got = []
    for _ in range(MAX_RECEIVED_VALUES):
        got.append(await heard_or_lost(link))
    check(got == [bytes([n + 1]) for n in range(MAX_RECEIVED_VALUES)], "overflow", "order")
    stack.say(b"@next")
    check(await heard_or_lost(link) == b"@next", "overflow", "next")


async def no_memory():
    link, stack = await opened()
    stack.write(MemoryError("no room"))
    stack.say(b"@next")
    check(await heard_or_lost(link) == b"@next", "no memory", "next frame")
    check(link.counters["overflow"] == 1, "no memory", "%s" % link.counters)


async def leaving():
    """A gateway that leaves in the middle of everything, and comes back."""
    link, stack = await opened(247)
    stack.say(b"@whole")
    stack.write(fragments(bytes(500), 244, stack.number)[0])
    stack.answers = [None, stack.leave]
    for _ in range(4):
        link.send(bytes(600))
    await turns(lambda: len(stack.sent) == 2)
    await asyncio.sleep_ms(20)
    check(len(stack.sent) == 2, "leave", "sent %d values to nobody" % len(stack.sent))
    check(not link.send(b"@"), "leave", "sent")
    check(await heard_or_lost(link) == b"@whole", "leave", "what came before")
    check(await heard_or_lost(link) == errno.ECONNRESET, "leave", "lost")
    stack.calls = []
    link.close()
    link.open()
    check("active" not in stack.names(), "again", "the stack was restarted: %s" % stack.names())
    check(stack.names().count("advertise") == 2, "again", "%s" % stack.names())
    stack.leave(CONN + 1)
    check(await heard_or_lost(link) == "nothing", "again", "a stranger's end")
    stack.sent = []
    stack.connect()
    check(link.send(b"@new"), "again", "refused")
    await turns(lambda: stack.sent)
    check(stack.heard() == [b"@new"], "again", "stale values went before")
    check(max([len(one) for one in stack.sent]) <= 20, "again", "the old MTU")
    stack.write(fragments(bytes(500), 244, 1)[1])
    stack.say(b"@whole again")
    check(await heard_or_lost(link) == b"@whole again", "again", "half of an old frame")


async def closing():
    link, stack = await opened(247)
    stack.answers = [errno.ENOMEM] * 3
    link.send(b"@waits")
    await asyncio.sleep_ms(1)
    stack.say(b"@unread")
    stack.calls = []
    link.close()
    link.close()
    check(("disconnect", CONN) in stack.calls, "close", "%s" % stack.calls)
    check(("advertise", None, None) in stack.calls, "close", "%s" % stack.calls)
    check(not link.send(b"@"), "close", "sent")
    stack.write(b"\xff\xff\xff")
    # The old connection's end comes when the link is open again.
    link.open()
    stack.leave()
    check(await heard_or_lost(link) == "nothing", "close", "an old end, an old value")
    stack.connect(247)
    check(link.send(b"@new"), "close", "refused")
    await turns(lambda: stack.sent)
    check(stack.heard() == [b"@new"], "close", "%s" % stack.heard())


async def silence():
    """A central that takes everything and never answers is no gateway."""
    link, stack = await opened(247)
    longest, link_ble._SILENT_MS = link_ble._SILENT_MS, 20
    link.send(b"@ask")
    await asyncio.sleep_ms(30)
    stack.say(b"@answer")
    check(link.send(b"@ask"), "silence", "given up although it answered")
    check(await heard_or_lost(link) == b"@answer", "silence")
    await asyncio.sleep_ms(30)
    check(not link.send(b"@ask"), "silence", "kept")
    check(("disconnect", CONN) in stack.calls, "silence", "%s" % stack.names())
    check(await heard_or_lost(link) == errno.ECONNRESET, "silence", "not told")
    link_ble._SILENT_MS = longest


async def radio_gone():
    """A stack that fails is started from nothing."""
    link, stack = await opened()
    stack.leave(65535)
    check(await heard_or_lost(link) == errno.ECONNRESET, "radio", "lost")
    stack.failing = {"advertise": errno.ENODEV}
    link.close()
    stack.calls = []
    for name in ("active", "config", "register", "buffer", "advertise"):
        stack.failing = {name: errno.ENODEV}
        try:
            link.open()
            check(False, "radio", "%s failed and open did not" % name)
        except OSError as problem:
            check(problem.errno == errno.ENODEV, "radio", "%s" % problem)
        check(not link.send(b"@"), "radio", "sent")
    stack.failing = {}
    stack.calls = []
    link.open()
    check(stack.names()[0] == "active" and "register" in stack.names(), "radio", stack.names())
    stack.connect()
    stack.say(b"@back")
    check(await heard_or_lost(link) == b"@back", "radio", "back")


def urls():
    for url, said in (
        ("ble://hci0", "ble:// or ble://?name=NAME is wanted"),
        ("udp://?name=a", "ble:// or ble://?name=NAME is wanted"),
        ("ble://?name=", "name=NAME or interval_ms=20..10000 is wanted"),
        ("ble://?interval_ms=19", "name=NAME or interval_ms=20..10000 is wanted"),
        ("ble://?interval_ms=10001", "name=NAME or interval_ms=20..10000 is wanted"),
        ("ble://?interval_ms=x", "name=NAME or interval_ms=20..10000 is wanted"),
        ("ble://?color=red", "name=NAME or interval_ms=20..10000 is wanted"),
    ):
        try:
            BleLink(url)
            check(False, url, "taken")
        except ValueError as problem:
            check(said in str(problem) and url in str(problem), url, problem)
    for name, wanted in (
        ("x" * 20, b"x" * 8),
        ("\u00e4" * 9, b"\xc3\xa4" * 4),
        ("a\u20ac\u20ac\u20ac", None),
    ):
        link, stack = made("ble://?name=" + name)
        link.open()
        data = [one for one in stack.calls if one[0] == "advertise"][0][2]
        check(len(data) <= 31, "name", "%d octets" % len(data))
        check(wanted is None or data[-8:] == wanted, "name", data)
        data[23:].decode()


async def main():
    for step in (opening, frames, busy, full, no_memory, leaving, closing, silence, radio_gone):
        try:
            await asyncio.wait_for(step(), 10)
        except Exception as problem:
            check(False, step.__name__, "%s: %s" % (type(problem).__name__, problem))


def unhandled(_, context):
    check(False, "a task of the link", repr(context["exception"]))


sys.modules["bluetooth"] = Bluetooth
asyncio.get_event_loop().set_exception_handler(unhandled)
asyncio.run(main())
urls()
print("%d passed, %d failed" % (results[0], results[1]))
sys.exit(1 if results[1] else 0)
