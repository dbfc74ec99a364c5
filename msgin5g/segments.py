"""Segmentation, reassembly and recovery (6.4.1.1.2, 6.4.1.1.6, 6.5) with bounded memory.

Time is an argument. `split` cuts a payload, an `Assembler` joins what arrives and says what is
missing, an `Outbox` remembers what was sent until it is confirmed. A board loads only the modules
that it needs: `splitting`, `assembling`.
"""

from msgin5g.assembling import Assembler, SegmentSet
from msgin5g.splitting import split, to_ranges

__all__ = ["Assembler", "Outbox", "SegmentSet", "split", "to_ranges"]


class Outbox:
    """What was sent in segments, until SEGCONFIR or `keep_ms`; the oldest of `max_sets` goes.

    A value is whatever sends a segment again: the Outbox only keeps and finds it.
    """

    def __init__(self, max_sets, keep_ms):
        self._max_sets = max_sets
        self._keep_ms = keep_ms
        self._sets = {}
        self._order = []
        self.counters = {"forgotten": 0}

    def __len__(self):
        return len(self._sets)

    def put(self, set_id, value, now):
        """Remember a set."""
        if set_id not in self._sets:
            self._order.append(set_id)
        self._sets[set_id] = (value, now + self._keep_ms)
        while len(self._order) > self._max_sets:
            del self._sets[self._order.pop(0)]
            self.counters["forgotten"] += 1

    def get(self, set_id, now):
        """Return a set's value, or None if it is unknown or too old."""
        found = self._sets.get(set_id)
        if found is None:
            return None
        if now >= found[1]:
            self.drop(set_id)
            return None
        return found[0]

    def drop(self, set_id):
        """Forget a set; returns its value or None."""
        found = self._sets.pop(set_id, None)
        if found is None:
            return None
        self._order.remove(set_id)
        return found[0]
