"""Which UE sent and which got a set of segments, for SEGREC and SEGCONFIR carry no address (6.5).

Those of the server go to who sent the set; those of a UE are taken from who got it. The senders
are on disk, for a set may be asked for after a restart; who got a set is also known by where it
speaks from. Both tables are bounded, the oldest goes.
"""

from collections import OrderedDict
from collections.abc import Iterator

from msgin5g_gateway.effects import Shared
from msgin5g_gateway.message_rows import SentSet
from msgin5g_host.fill import Fill

MAX_SENT_SETS = 2_000
MAX_RECEIVED_SETS = 2_000


class SegmentSets:
    """The segment sets that have passed through lately."""

    def __init__(self, shared: Shared) -> None:
        self._store = shared.store
        self._counters = shared.counters
        self._received: OrderedDict[str, dict[str, None]] = OrderedDict()

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("sent_sets", len(self._store.sent_sets), MAX_SENT_SETS)
        yield Fill("received_sets", len(self._received), MAX_RECEIVED_SETS)

    def note_sent(self, set_id: str, ue: str, now: int) -> None:
        """Stage who sends a set."""
        sent = self._store.sent_sets
        known = sent.get(set_id)
        if known is not None and known.ue == ue:
            return
        if known is not None:
            # The newest counts, and as the newest.
            self._store.drop(known)
        self._store.put(SentSet(set_id, ue, now))
        while len(sent) > MAX_SENT_SETS:
            self._store.drop(next(iter(sent.values())))
            self._counters["sets_forgotten"] += 1

    def sender(self, set_id: str) -> str | None:
        """Return the UE that sent a set, or None."""
        found = self._store.sent_sets.get(set_id)
        return None if found is None else found.ue

    def note_received(self, set_id: str, ue: str) -> None:
        """Remember who gets a set; it may be several members of a group."""
        self._received.setdefault(set_id, {})[ue] = None
        if len(self._received) > MAX_RECEIVED_SETS:
            self._received.popitem(last=False)
            self._counters["sets_forgotten"] += 1

    def receiver_at(self, set_id: str, peer: str) -> str | None:
        """Return the UE that may speak of a set from this transport identifier, or None."""
        here = self._store.ues_at.get(peer)
        if not here:
            return None
        known = self._received.get(set_id, {})
        return next((ue for ue in here if ue in known), next(iter(here)))
