"""Segments that wait for the rest of their set, on disk and in memory (6.5.3.2)."""

from collections.abc import Iterator

from msgin5g.message import Message, parse_message
from msgin5g.segments import Assembler, SegmentSet
from msgin5g_host.fill import Fill
from msgin5g_server.message_store import Body, MessageStore

MAX_SETS = 1_000
MAX_SET_BYTES = 16 << 20
# With pauses that double: longer than a Confirmable message and the pause of a UE after it take.
_ROUNDS = 5

# (source, token, payload) of a segment as it came
Part = tuple[str, bytes, bytes]


class Collector:
    """Collect segments; sets are bounded in number and in bytes, see `segments.Assembler`.

    keep_ms: how long an incomplete set of a message to be stored waits for a silent sender.
    """

    def __init__(self, store: MessageStore, wait_ms: int, keep_ms: int) -> None:
        self._store = store
        self._wait_ms = wait_ms
        self._keep_ms = keep_ms
        self.start(0)

    def start(self, now: int) -> None:
        """Take up what the store holds."""
        bounds = (MAX_SETS, MAX_SET_BYTES, self._wait_ms, _ROUNDS, self._keep_ms)
        self._assembler = Assembler(*bounds)
        self._parts: dict[tuple[str, str], dict[int, int]] = {}
        for number, (_, _, payload) in self._store.parts.items():
            message = parse_message(payload)
            self._assembler.add(message, now)
            key = (message.origin[1], message.segment.set_id)
            self._parts.setdefault(key, {})[message.segment.number] = number

    def add(self, message: Message, body: Body, now: int) -> tuple[SegmentSet, list[Part]] | None:
        """Stage a segment. Returns its set with all parts in order once that is whole.

        Raises BadMessage for a segment that contradicts the others.
        """
        found = self._assembler.add(message, now)
        key = (body.origin, message.segment.set_id)
        numbers = self._parts.setdefault(key, {})
        if message.segment.number not in numbers:
            part = self._store.put_part(body.source, body.token, body.payload)
            numbers[message.segment.number] = part
        if found is None:
            return None
        return found, self._take(key)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("sets", len(self._assembler), MAX_SETS)
        # A board pays for every method of it; a host may look inside.
        yield Fill("set_bytes", self._assembler._size_bytes, MAX_SET_BYTES)

    def next_deadline(self) -> int | None:
        """Return when `poll` has something, or None."""
        deadline: int | None = self._assembler.next_deadline()
        return deadline

    def poll(self, now: int) -> list[tuple[str, SegmentSet, list[tuple[int, int]], list[Part]]]:
        """Return ("missing", set, ranges, []) and ("failed", set, [], its parts)."""
        events: list[tuple[str, SegmentSet, list[tuple[int, int]], list[Part]]] = []
        for what, found, detail in self._assembler.poll(now):
            if what == "missing":
                events.append((what, found, detail, []))
            else:
                events.append((what, found, [], self._take(found.key)))
        return events

    def _take(self, key: tuple[str, str]) -> list[Part]:
        numbers = self._parts.pop(key, {})
        parts = [self._store.parts[numbers[one]] for one in sorted(numbers)]
        self._store.drop_parts(numbers.values())
        return parts
