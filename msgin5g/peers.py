"""What an endpoint remembers of each peer, bounded in number and in size."""


class PeerState:
    """One peer: its recent requests and their answers, our Message IDs, our open exchanges.

    seen: Message ID -> [time, answer datagram or None while it is being worked on].
    """

    __slots__ = ("active", "waiting", "seen", "next_mid", "_order", "_used", "_used_at")

    def __init__(self, first_mid):
        self.active = []
        self.waiting = []
        self.seen = {}
        self.next_mid = first_mid
        self._order = []
        self._used = None
        self._used_at = 0

    def remember(self, mid, now, limit):
        """Note a request's Message ID, forgetting the oldest of `limit`; return its record."""
        order = self._order
        if mid in self.seen:
            order.remove(mid)
        elif len(order) >= limit:
            del self.seen[order.pop(0)]
        order.append(mid)
        self.seen[mid] = record = [now, None]
        return record

    def forget(self, mid):
        """Take a request's Message ID for new when it comes again."""
        if self.seen.pop(mid, None) is not None:
            self._order.remove(mid)

    def use(self, mid, now):
        """Note a Message ID of ours; the last 8 are kept."""
        if self._used is None:
            self._used = [-1] * 16
        used = self._used
        at = self._used_at
        used[at] = mid
        used[at + 1] = now
        self._used_at = (at + 2) & 15

    def has_used(self, mid, since):
        """Tell whether this peer got that Message ID from us after `since`."""
        used = self._used
        if used is not None:
            for at in range(0, 16, 2):
                if used[at] == mid and used[at + 1] > since:
                    return True
        return False


class PeerTable:
    """At most `limit` peers, in two generations.

    When the young generation holds half of the limit, the old one is forgotten and the young one
    becomes the old: whoever was silent for that long starts afresh. Peers with open exchanges stay
    until these have ended.
    """

    def __init__(self, limit, counters, first_mid):
        self._half = limit // 2 or 1
        self._young = {}
        self._old = {}
        self._busy = {}
        self._counters = counters
        self._first_mid = first_mid

    def __len__(self):
        return len(self._young) + len(self._old)

    def find_state(self, peer):
        """Return the state of a known peer or None."""
        return self._young.get(peer) or self._old.get(peer) or self._busy.get(peer)

    def state_of(self, peer):
        """Return the state of a peer, making room for a new one if needed."""
        state = self._young.get(peer)
        if state is not None:
            return state
        state = self._old.pop(peer, None) or self._busy.get(peer)
        if state is None:
            state = PeerState(self._first_mid())
        if len(self._young) >= self._half:
            self._turn()
        self._young[peer] = state
        return state

    def note_busy(self, peer, state):
        """Keep a peer while it has open exchanges."""
        self._busy[peer] = state

    def settle(self, peer, state):
        """Let a peer go once it has no open exchange."""
        if not state.active and not state.waiting:
            self._busy.pop(peer, None)

    def at_rest(self):
        """Tell whether no peer has an open exchange."""
        return not self._busy

    def all_busy(self):
        """Return the states of all peers with open exchanges, as a list."""
        return list(self._busy.values())

    def _turn(self):
        forgotten = len(self._old)
        for peer in self._busy:
            if peer in self._old:
                forgotten -= 1
        self._counters["peers_forgotten"] += forgotten
        self._old = self._young
        self._young = {}
