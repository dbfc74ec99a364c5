"""What arrives at a UE with an MSGin5G client (6.4.1.1.6 to 6.4.1.1.9, 6.5).

Each message is acknowledged, joined if it came in segments, handed on once, and reported.
"""

from binascii import crc32, unhexlify

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.message_parse import parse_message
from msgin5g.octets import from_text
from msgin5g.payload_errors import BadMessage
from ue.postman import Received

REASSEMBLY_SETS = 4
REASSEMBLY_PART_BYTES = 64
RECOVERY_ROUNDS = 5  # longer than the server lets a UE sleep that did not answer
RECOVERY_RANGES = 48  # in one SEGREC, which has to fit a frame

# In the place of a segment's number, in what was seen.
_REPORT = -1
_RESPONSE = -2


class Inbox:
    """Take what the gateway brings. postman: the `Messaging` that sends what follows from it.

    Reassembly takes `reassembly_bytes` of payload at most, in REASSEMBLY_SETS messages, each in no
    more segments than segments of REASSEMBLY_PART_BYTES would be: the set that was silent for
    longest gives way.
    """

    def __init__(self, postman, core, config, seen):
        self._postman = postman
        self._core = core
        self._ue = config["ue_service_id"]
        self._service = config["service_id"]
        self._most_bytes = config["reassembly_bytes"]
        self._wait_ms = config["segment_wait_s"] * 1000
        self._seen = seen
        self._assembler = None

    def receive(self, incoming, now):
        """Take a POST of the message family and answer it."""
        try:
            self.take(incoming.message.payload, now)
        except BadMessage as problem:
            self._core.counters["messages_malformed"] += 1
            self._core.reply(incoming, coap.BAD_REQUEST, str(problem).encode(), now)
            return
        self._core.reply(incoming, coap.CHANGED, b"", now)

    def take(self, payload, now):
        """Take what a POST or a notification carries. Raises BadMessage."""
        message = parse_message(payload)
        if message.service_id != self._service:
            raise BadMessage(n.MSG_IDEN, "not this service")
        self._check_address(message)
        info = {"trace": message.message_id, "set": message.set_id}
        if message.segment is not None:
            info["part"] = "%d/%s" % (message.segment.number, message.segment.total or "?")
        self._core.note(message.msg_type, info)
        self._TAKE[message.msg_type](self, message, now)

    def tick(self, now):
        """Ask for segments that are missing, and give up those that do not come."""
        assembler = self._assembler
        if assembler is None:
            return
        due = assembler.next_deadline()
        if due is None or now < due:
            return
        for what, found, detail in assembler.poll(now):
            if what == "missing":
                self._core.counters["segment_recoveries"] += 1
                self._postman.control(n.SEGREC, found.key[1], detail[:RECOVERY_RANGES])
            else:
                self._give_up(found, detail, now)

    def next_deadline(self):
        """Return when `tick` is due, or None."""
        return None if self._assembler is None else self._assembler.next_deadline()

    def _check_address(self, message):
        """Raise BadMessage for a message that is not for this UE."""
        kind = message.msg_type
        if kind == n.MSGRESP:
            key, address = n.ORI_ADDR, message.origin
        elif message.recipient is not None:
            key, address = gaps.RECIPIENT, (n.UE, message.recipient)
        elif kind == n.MSG or kind == n.IMDN:
            key, address = n.DEST_ADDR, message.destination
        else:
            return
        if address[0] in (n.UE, n.AS) and address != (n.UE, self._ue):
            raise BadMessage(key, "not this UE")

    def _on_msg(self, message, now):
        if message.entries:
            # Each entry by itself: a message may come alone once and with others later.
            arrived = []
            for entry in message.entries:
                arrived.append(self._received(message, entry, from_text(entry.payload)))
            for one in arrived:
                self._hand_on(one, now)
        elif message.segment is not None:
            self._on_segment(message, now)
        else:
            payload = from_text(message.payload or "")
            self._hand_on(self._received(message, message, payload), now)

    def _on_segment(self, message, now):
        segment = message.segment
        if _key(message.origin, message.message_id, 0) in self._seen:
            self._core.counters["messages_repeated"] += 1
            if segment.last:
                self._postman.control(n.SEGCONFIR, segment.set_id, True)
            return
        most = self._most_bytes // REASSEMBLY_PART_BYTES
        if max(segment.number, segment.total or 0) > most:
            raise BadMessage(n.SEG_PARAMS, "at most %d segments are wanted" % most)
        if self._assembler is None:
            from msgin5g.assembling import Assembler

            self._assembler = Assembler(
                REASSEMBLY_SETS, self._most_bytes, self._wait_ms, RECOVERY_ROUNDS
            )
        found = self._assembler.add(message, now)
        if found is None:
            return
        try:
            payload = _join(found)
        except MemoryError:
            self._give_up(found, "no memory", now)
            return
        except BadMessage:
            self._give_up(found, "malformed", now)
            raise
        self._postman.control(n.SEGCONFIR, segment.set_id, True)
        whole = found.first
        whole.report = found.report
        self._hand_on(self._received(whole, whole, payload), now)

    def _give_up(self, found, reason, now):
        set_id = found.key[1]
        self._core.counters["sets_given_up"] += 1
        self._core.emit(("given-up", {"set": set_id, "reason": reason}))
        self._postman.control(n.SEGCONFIR, set_id, False)
        if found.report:
            lost = Received(found.first.message_id, found.first.origin, b"")
            self._postman.report(lost, False, reason, now)

    def _received(self, message, entry, payload):
        """Return what an application gets. entry: the message itself or one of an aggregate."""
        one = Received(entry.message_id, message.origin, payload)
        one.applications = entry.applications or message.applications
        one.report = entry.report or message.report
        one.priority = entry.priority if entry.priority != n.NORMAL else message.priority
        if message.destination[0] in (n.GROUP, n.TOPIC, n.BC):
            one.group = message.destination[1]
        return one

    def _hand_on(self, message, now):
        key = _key(message.origin, message.message_id, 0)
        if key in self._seen:
            self._core.counters["messages_repeated"] += 1
            return
        self._seen.add(key)
        self._postman.deliver(message, now)

    def _on_imdn(self, message, now):
        for one in message.entries or (message,):
            if self._is_new(message.origin, one.message_id, _REPORT):
                success = one.status == n.SUCCESS
                self._core.emit(("report", one.message_id, success, one.cause))

    def _on_msgresp(self, message, now):
        number = _RESPONSE - (message.status == n.STORED)
        if self._is_new(message.origin, message.message_id, number):
            event = ("response", message.message_id, message.status, message.cause)
            self._core.emit(event)
        if message.cause in (gaps.CAUSE_NOT_THE_SENDER, gaps.CAUSE_NOT_REGISTERED):
            # The server has forgotten this UE, which does not know that.
            self._core.renew(now)

    def _on_segrec(self, message, now):
        if not self._postman.send_again(message.set_id, message.ranges, now):
            self._core.counters["stray"] += 1

    def _on_segconfir(self, message, now):
        self._postman.confirmed(message.set_id)

    def _is_new(self, origin, message_id, number):
        key = _key(origin, message_id, number)
        if key in self._seen:
            self._core.counters["messages_repeated"] += 1
            return False
        self._seen.add(key)
        return True

    _TAKE = {
        n.MSG: _on_msg,
        n.IMDN: _on_imdn,
        n.MSGRESP: _on_msgresp,
        n.SEGREC: _on_segrec,
        n.SEGCONFIR: _on_segconfir,
    }


def _join(found):
    """Return the payload of a whole `SegmentSet` in bytes, letting go of its parts on the way.

    Raises BadMessage for text that announces octets and has none, MemoryError.
    """
    parts = found.parts
    data = bytearray(found.size_bytes)
    found.first.payload = None
    at = 0
    for number in sorted(parts):
        part = parts.pop(number).encode()
        data[at : at + len(part)] = part
        at += len(part)
    prefix = len(gaps.BINARY_PREFIX)
    if data[:prefix] == gaps.BINARY_PREFIX.encode():
        return from_text(data.decode())
    return bytes(data)


def _key(origin, message_id, number):
    """Return what tells a message from others, in 20 bytes."""
    rest = crc32(("%d %s" % (number, origin[1])).encode())
    return unhexlify(message_id.replace("-", "")) + rest.to_bytes(4, "big")
