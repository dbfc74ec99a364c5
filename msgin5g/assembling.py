"""Joining segments and saying what is missing (6.4.1.1.6, 6.5) with bounded memory."""

from msgin5g import names as n
from msgin5g.errors import BadMessage
from msgin5g.splitting import to_ranges

_PREFIX = n.SEG_PARAMS + "."
_REMEMBERED_SETS = 8


class SegmentSet:
    """The segments of one message so far. first: the Message that came first, for its elements."""

    def __init__(self, key, message):
        self.key = key
        self.first = message
        self.parts = {}
        self.size_bytes = 0
        self.total = None
        self.last = None
        self.report = False
        self.deadline = 0
        self.rounds = 0

    def is_complete(self):
        """Tell whether all parts are here, counted from 1 or from 0."""
        if 0 in self.parts:
            count = self.total if self.total is not None else self.last and self.last + 1
        else:
            count = self.total if self.total is not None else self.last
        return count is not None and len(self.parts) == count

    def missing(self):
        """Return the ranges that are not here; after an unknown end, one number more."""
        start = 0 if 0 in self.parts else 1
        if self.total is not None:
            end = self.total + start
        elif self.last is not None:
            end = self.last + 1
        else:
            end = max(self.parts) + 2
        return to_ranges([one for one in range(start, end) if one not in self.parts])

    def joined(self):
        """Return the whole payload."""
        return "".join([self.parts[number] for number in sorted(self.parts)])


class Assembler:
    """Join segments. At most `max_sets` sets and `max_bytes` in all; the longest silent set goes.

    expected_ms: how long after the last segment missing ones are asked for; rounds: how often,
    before a set is given up. What happened comes out of `poll`.
    """

    def __init__(self, max_sets, max_bytes, expected_ms, rounds):
        self._max_sets = max_sets
        self._max_bytes = max_bytes
        self._expected_ms = expected_ms
        self._rounds = rounds
        self._sets = {}
        self._done = []
        self._size_bytes = 0
        self._events = []
        self.counters = {"sets": 0, "completed": 0, "given_up": 0, "evicted": 0, "repeated": 0}

    def __len__(self):
        return len(self._sets)

    def add(self, message, now):
        """Take a segment. Returns its SegmentSet when that is complete, else None.

        Raises BadMessage for one that contradicts the others; these stay.
        """
        segment = message.segment
        key = (message.origin[1], segment.set_id)
        found = self._sets.get(key)
        if found is None:
            if self._is_repeated(key, segment.number, message.payload):
                self.counters["repeated"] += 1
                return None
            found = SegmentSet(key, message)
        self._check(found, segment)
        number, part = segment.number, message.payload or ""
        if number in found.parts:
            if found.parts[number] != part:
                raise BadMessage(_PREFIX + n.SEG_NUMB, "came before with another payload")
            self.counters["repeated"] += 1
            return None
        size_bytes = len(part.encode())
        self._make_room(key, size_bytes)
        if key not in self._sets:
            self._sets[key] = found
            self.counters["sets"] += 1
        found.parts[number] = part
        found.size_bytes += size_bytes
        self._size_bytes += size_bytes
        if segment.total is not None:
            found.total = segment.total
        if segment.last:
            found.last = number
        found.report = found.report or message.report
        found.deadline = now + self._expected_ms
        if not found.is_complete():
            return None
        self._forget(found)
        self._done.append((key, [hash(found.parts[one]) for one in sorted(found.parts)]))
        if len(self._done) > _REMEMBERED_SETS:
            self._done.pop(0)
        self.counters["completed"] += 1
        return found

    def next_deadline(self):
        """Return when `poll` has something, or None."""
        if self._events:
            return 0
        soonest = None
        for one in self._sets.values():
            if soonest is None or one.deadline < soonest:
                soonest = one.deadline
        return soonest

    def poll(self, now):
        """Return [("missing", set, ranges) or ("failed", set, reason), ...]."""
        events = self._events
        self._events = []
        for found in list(self._sets.values()):
            if now < found.deadline:
                continue
            if found.rounds >= self._rounds:
                self._forget(found)
                self.counters["given_up"] += 1
                events.append(("failed", found, "segments are missing"))
            else:
                found.rounds += 1
                found.deadline = now + self._expected_ms
                events.append(("missing", found, found.missing()))
        return events

    def _check(self, found, segment):
        """Raise BadMessage where a segment cannot belong to the others of its set."""
        number, total = segment.number, segment.total
        if total is not None and found.total is not None and total != found.total:
            raise BadMessage(_PREFIX + n.TOTAL_SEG_COUNT, "differs from the other segments'")
        limit = total if total is not None else found.total
        zero = number == 0 or 0 in found.parts
        highest = max(found.parts) if found.parts else 0
        if limit is not None and max(number, highest) + zero > limit:
            raise BadMessage(_PREFIX + n.SEG_NUMB, "above %s" % n.TOTAL_SEG_COUNT)
        if segment.last and (number < highest or limit is not None and number + zero != limit):
            raise BadMessage(_PREFIX + n.LAST_SEG_FLAG, "is not the last number")
        if found.last is not None and (
            number > found.last or segment.last and number != found.last
        ):
            raise BadMessage(_PREFIX + n.SEG_NUMB, "after the last segment")

    def _make_room(self, key, size_bytes):
        if size_bytes > self._max_bytes:
            raise BadMessage(n.PAYLOAD, "more than the %d bytes kept here" % self._max_bytes)
        own = self._sets.get(key)
        while self._sets and (
            self._size_bytes + size_bytes > self._max_bytes
            or own is None
            and len(self._sets) >= self._max_sets
        ):
            oldest = None
            for one in self._sets.values():
                if one is not own and (oldest is None or one.deadline < oldest.deadline):
                    oldest = one
            if oldest is None:
                self._forget(own)
                self._events.append(("failed", own, "too long"))
                raise BadMessage(n.PAYLOAD, "more than the %d bytes kept here" % self._max_bytes)
            self._forget(oldest)
            self.counters["evicted"] += 1
            self._events.append(("failed", oldest, "no room"))

    def _forget(self, found):
        if self._sets.pop(found.key, None) is not None:
            self._size_bytes -= found.size_bytes

    def _is_repeated(self, key, number, payload):
        """Tell whether a set that is complete has had this segment: its sender sent it twice."""
        for done, hashes in self._done:
            if done == key:
                for at in (number, number - 1):
                    if 0 <= at < len(hashes) and hashes[at] == hash(payload or ""):
                        return True
        return False
