"""Joining segments and saying what is missing (6.4.1.1.6, 6.5) with bounded memory."""

from msgin5g import names as n
from msgin5g.limits import MAX_RANGES, MAX_SEGMENTS
from msgin5g.payload_errors import BadMessage
from msgin5g.splitting import to_ranges

_PREFIX = n.SEG_PARAMS + "."
_REMEMBERED_SETS = 8
_MOST_DOUBLED = 8


class SegmentSet:
    """The segments of one message so far. first: the Message that came first, for its elements.

    Senders count from 1 or from 0, which none of them says: a set counts from 0 if that number is
    there, or if the last one is one below the total. All else is taken to count from 1.
    """

    def __init__(self, key, message):
        self.key = key
        self.first = message
        self.parts = {}
        self.size_bytes = 0
        self.total = None
        self.last = None
        self.report = False
        self.heard = 0
        self.deadline = 0
        self.rounds = 0

    def start(self):
        """Return the first number, as far as that is known."""
        if 0 in self.parts or self.total is not None and self.last == self.total - 1:
            return 0
        return 1

    def end(self):
        """Return the number after the last, or None."""
        if self.total is not None:
            return self.start() + self.total
        return None if self.last is None else self.last + 1

    def is_complete(self):
        """Tell whether all parts are here."""
        end = self.end()
        return end is not None and len(self.parts) == end - self.start()

    def missing(self):
        """Return the first MAX_RANGES ranges that are not here.

        While the end is unknown, one number more than is here counts as missing.
        """
        end = self.end()
        if end is None:
            end = min(max(self.parts) + 1, MAX_SEGMENTS) + 1
        numbers = [one for one in range(self.start(), end) if one not in self.parts]
        return to_ranges(numbers)[:MAX_RANGES]

    def joined(self):
        """Return the whole payload."""
        return "".join([self.parts[number] for number in sorted(self.parts)])


class Assembler:
    """Join segments. At most `max_sets` sets and `max_bytes` in all; the longest silent set goes.

    expected_ms: how long after the last segment missing ones are asked for, doubled after each
    time; rounds: how often since a new one came, before a set is given up; keep_ms: how long after
    that the set of a message to be stored is kept, as its sender may be cut off, but not beyond
    its expiry. What happened comes out of `poll`; a set that failed has let go of its parts.
    """

    def __init__(self, max_sets, max_bytes, expected_ms, rounds, keep_ms=0):
        self._max_sets = max_sets
        self._max_bytes = max_bytes
        self._expected_ms = expected_ms
        self._rounds = rounds
        self._keep_ms = keep_ms
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
        self._make_room(found, size_bytes)
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
        found.heard = now
        # Somebody is there and sends: that ends only with the segments.
        found.rounds = 0
        found.deadline = now + self._expected_ms
        if not found.is_complete():
            return None
        self._forget(found)
        self._done.append((key, {one: hash(part) for one, part in found.parts.items()}))
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
            ranges = found.missing() if found.rounds < self._rounds else None
            if ranges:
                found.rounds += 1
                # A sender that backs off is silent for longer each time.
                found.deadline = now + (self._expected_ms << min(found.rounds, _MOST_DOUBLED))
                events.append(("missing", found, ranges))
            elif now < self._kept_until(found):
                found.deadline = self._kept_until(found)
            else:
                self._forget(found)
                self.counters["given_up"] += 1
                found.parts = {}
                events.append(("failed", found, "segments are missing"))
        return events

    def _kept_until(self, found):
        if not found.first.store:
            return 0
        until = found.heard + self._keep_ms
        expires = found.first.expires_ms
        return until if expires is None else min(until, expires)

    def _check(self, found, segment):
        """Raise BadMessage where a segment cannot belong to the others of its set."""
        number, total, last = segment.number, segment.total, found.last
        if total is None:
            total = found.total
        elif found.total is not None and total != found.total:
            raise BadMessage(_PREFIX + n.TOTAL_SEG_COUNT, "differs from the other segments'")
        if last is not None and (number > last or segment.last and number != last):
            raise BadMessage(_PREFIX + n.SEG_NUMB, "after the last segment")
        highest = max(max(found.parts) if found.parts else 0, number)
        zero = number == 0 or 0 in found.parts
        if total is not None and highest + zero > total:
            raise BadMessage(_PREFIX + n.SEG_NUMB, "above %s" % n.TOTAL_SEG_COUNT)
        if segment.last:
            last = number
            if number < highest:
                raise BadMessage(_PREFIX + n.LAST_SEG_FLAG, "is not the last number")
        if last is not None and total is not None and last != total and last != total - 1:
            key = n.LAST_SEG_FLAG if segment.last else n.TOTAL_SEG_COUNT
            raise BadMessage(_PREFIX + key, "is not the last number")

    def _make_room(self, own, size_bytes):
        """Let the longest silent sets go until a part fits. Raises BadMessage if it never does."""
        if own.size_bytes + size_bytes > self._max_bytes:
            if own.parts:
                self._fail(own, "too long")
            raise BadMessage(n.PAYLOAD, "more than the %d bytes kept here" % self._max_bytes)
        is_new = not own.parts
        while (
            self._size_bytes + size_bytes > self._max_bytes
            or is_new
            and len(self._sets) >= self._max_sets
        ):
            oldest = None
            for one in self._sets.values():
                if one is not own and (oldest is None or one.heard < oldest.heard):
                    oldest = one
            self._fail(oldest, "no room")
            self.counters["evicted"] += 1

    def _fail(self, found, reason):
        self._forget(found)
        found.parts = {}
        self._events.append(("failed", found, reason))

    def _forget(self, found):
        if self._sets.pop(found.key, None) is not None:
            self._size_bytes -= found.size_bytes

    def _is_repeated(self, key, number, payload):
        """Tell whether a set that is complete has had this segment: its sender sent it twice."""
        for done, hashes in self._done:
            if done == key and hashes.get(number) == hash(payload or ""):
                return True
        return False
