"""A virtual network in memory: datagrams, loss, delay, duplication, and time that is passed in.

Nodes are anything with `receive(data, peer, now)`, `poll(now) -> [(data, peer)]` and
`next_deadline()`. Nothing sleeps; `run` jumps from one event to the next. The same seed gives the
same run.
"""

import heapq
import random
from collections import Counter


class Wire:
    """Carry datagrams between named nodes.

    loss and duplication: shares from 0 to 1, each way; delay_ms: (shortest, longest), which also
    reorders; mtu: longer datagrams vanish; blackouts: [(from_ms, to_ms)] in which all vanish.
    """

    def __init__(
        self, loss=0.0, delay_ms=(1, 1), duplication=0.0, mtu=65535, seed=0, blackouts=()
    ):
        self.now = 0
        self.nodes = {}
        self.counts = Counter()
        self.log = []
        self._loss = loss
        self._delay_ms = delay_ms
        self._duplication = duplication
        self._mtu = mtu
        self._blackouts = blackouts
        self._random = random.Random(seed)
        self._queue = []
        self._order = 0

    def attach(self, name, node):
        """Put a node on the network; the name is its address."""
        self.nodes[name] = node
        return node

    def detach(self, name):
        """Take a node off the network; what is on its way to it is lost."""
        return self.nodes.pop(name)

    def run(self, until_ms, done=None, most_steps=200_000):
        """Run until `done()` holds or the time is reached; tells whether `done()` holds."""
        for _ in range(most_steps):
            self._collect()
            if done is not None and done():
                return True
            then = self._next()
            if then is None or then > until_ms:
                self.now = until_ms
                return done is not None and done()
            self.now = max(self.now, then)
            self._deliver()
        raise AssertionError("the network never comes to rest")

    def _collect(self):
        for name, node in list(self.nodes.items()):
            for data, peer in node.poll(self.now):
                self._send(bytes(data), name, peer)

    def _send(self, data, source, target):
        self.counts["sent"] += 1
        self.log.append((self.now, source, target, data))
        dark = any(start <= self.now < end for start, end in self._blackouts)
        if dark or len(data) > self._mtu or self._random.random() < self._loss:
            self.counts["lost"] += 1
            return
        copies = 2 if self._random.random() < self._duplication else 1
        self.counts["duplicated"] += copies - 1
        for _ in range(copies):
            at = self.now + self._random.randint(*self._delay_ms)
            self._order += 1
            heapq.heappush(self._queue, (at, self._order, source, target, data))

    def _next(self):
        times = [node.next_deadline() for node in self.nodes.values()]
        times = [one for one in times if one is not None]
        if self._queue:
            times.append(self._queue[0][0])
        return min(times, default=None)

    def _deliver(self):
        while self._queue and self._queue[0][0] <= self.now:
            _, _, source, target, data = heapq.heappop(self._queue)
            node = self.nodes.get(target)
            if node is None:
                self.counts["to nobody"] += 1
                continue
            self.counts["delivered"] += 1
            node.receive(data, source, self.now)
