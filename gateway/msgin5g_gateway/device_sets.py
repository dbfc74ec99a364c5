"""Segments for devices: joined here, for a device without an MSGin5G client has no segments (6.5).

The gateway is the Message Receiver then: it asks for what is missing (SEGREC) and says how it
ended (SEGCONFIR). A segment that was answered 2.04 is on disk until its message was handed over.
"""

import copy
from collections import OrderedDict
from collections.abc import Iterator

from msgin5g import names as n
from msgin5g.limits import MAX_MESSAGE_BYTES
from msgin5g.message import Message, Segment, parse_message
from msgin5g.payload_errors import BadMessage
from msgin5g.segments import Assembler
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.message_rows import Part
from msgin5g_host.fill import Fill

MAX_JOINING = 200
MAX_JOINING_BYTES = 4 << 20
MAX_WHOLE = 100
EXPECTED_MS = 10_000
# With pauses that double: longer than the server lets a UE sleep that did not answer.
_ROUNDS = 5

_Key = tuple[str, str, str]


class Whole:
    """A message of which all segments are here. key: recipient, originator, set identifier."""

    def __init__(self, key: _Key, message: Message) -> None:
        self.key = key
        self.message = message


class DeviceSets:
    """The segments of messages that are not handed over yet; bounded, the longest silent go."""

    def __init__(self, shared: Shared, now: int) -> None:
        self._shared = shared
        self._store = shared.store
        self._assembler = Assembler(MAX_JOINING, MAX_JOINING_BYTES, EXPECTED_MS, _ROUNDS)
        self._parts: dict[_Key, list[Part]] = {}
        self._whole: OrderedDict[_Key, Whole] = OrderedDict()
        for part in self._store.parts.values():
            message = parse_message(part.payload)
            key = _key(part.recipient, message)
            self._parts.setdefault(key, []).append(part)
            self._add(key, message, now)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("joining", len(self._assembler), MAX_JOINING)
        # A board pays for every method of it; a host may look inside.
        yield Fill("joining_bytes", self._assembler._size_bytes, MAX_JOINING_BYTES)
        yield Fill("whole", len(self._whole), MAX_WHOLE)

    def take(self, recipient: str, message: Message, payload: bytes, now: int) -> Whole | None:
        """Stage a segment; return the message if it is whole. Raises BadMessage."""
        key = _key(recipient, message)
        found = self._whole.get(key)
        if found is not None:
            return found
        repeated = self._assembler.counters["repeated"]
        found = self._add(key, message, now)
        if self._assembler.counters["repeated"] == repeated:
            part = Part(self._store.new_id(), recipient, payload)
            self._store.put(part)
            self._parts.setdefault(key, []).append(part)
        if found is not None and len(found.message.payload.encode()) > MAX_MESSAGE_BYTES:
            self.drop(key)
            raise BadMessage(n.PAYLOAD, f"more than {MAX_MESSAGE_BYTES} bytes in all")
        return found

    def drop(self, key: _Key) -> None:
        """Stage the end of a set: it was handed over, or never will be."""
        self._whole.pop(key, None)
        for part in self._parts.pop(key, ()):
            self._store.drop(part)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        due: int | None = self._assembler.next_deadline()
        return due

    def poll(self, now: int) -> list[tuple[_Key, list[tuple[int, int]] | None]]:
        """Return (key, missing ranges) of sets to ask for, (key, None) of those given up."""
        out: list[tuple[_Key, list[tuple[int, int]] | None]] = []
        for what, found, detail in self._assembler.poll(now):
            recipient, origin = found.key[0].split(" ")
            key = recipient, origin, found.key[1]
            if what == "missing":
                out.append((key, detail))
                continue
            self._shared.counters["device sets given up"] += 1
            self._shared.log.event("dropped", ue=recipient, set=key[2], reason=detail)
            self.drop(key)
            out.append((key, None))
        return out

    def _add(self, key: _Key, message: Message, now: int) -> Whole | None:
        # Two devices may get the same set: for the Assembler the recipient is part of the origin.
        segment = copy.copy(message)
        segment.origin = (message.origin[0], f"{key[0]} {key[1]}")
        found = self._assembler.add(segment, now)
        if found is None:
            return None
        joined = copy.copy(message)
        joined.segment = None
        joined.payload = found.joined()
        joined.report = found.report
        whole = self._whole[key] = Whole(key, joined)
        while len(self._whole) > MAX_WHOLE:
            self._shared.counters["device sets forgotten"] += 1
            self.drop(next(iter(self._whole)))
        return whole


def _key(recipient: str, message: Message) -> _Key:
    segment: Segment = message.segment
    return recipient, message.origin[1], segment.set_id
