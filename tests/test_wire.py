"""The virtual network itself: what it loses, delays and doubles, and that a seed repeats it."""

import pytest

from tests.wire import Wire


class Talker:
    """Sends `count` numbered datagrams, one each `every_ms`, and notes what arrives."""

    def __init__(self, target, count=0, every_ms=1, size=4):
        self.target = target
        self.count = count
        self.every_ms = every_ms
        self.size = size
        self.next = 0
        self.got = []

    def receive(self, data, peer, now):
        self.got.append((now, peer, int.from_bytes(data, "big")))

    def poll(self, now):
        out = []
        while self.next < self.count and self.next * self.every_ms <= now:
            out.append((self.next.to_bytes(self.size, "big"), self.target))
            self.next += 1
        return out

    def next_deadline(self):
        return self.next * self.every_ms if self.next < self.count else None


def talk(count=1000, every_ms=1, size=4, **wire):
    net = Wire(**wire)
    talker = net.attach("a", Talker("b", count, every_ms, size))
    sink = net.attach("b", Talker("a"))
    net.run(count * every_ms + 10_000)
    assert talker.next == count
    return net, sink


def numbers(sink):
    return [number for _, _, number in sink.got]


def test_a_perfect_wire_delivers_all_in_order_after_the_delay() -> None:
    net, sink = talk(delay_ms=(7, 7))
    assert sink.got == [(number + 7, "a", number) for number in range(1000)]
    assert net.counts == {"sent": 1000, "delivered": 1000, "duplicated": 0}
    assert [entry[:3] for entry in net.log] == [(n, "a", "b") for n in range(1000)]


def test_loss_is_a_share_of_all() -> None:
    net, sink = talk(10_000, loss=0.3)
    assert net.counts["lost"] == pytest.approx(3000, abs=200)
    assert len(sink.got) == 10_000 - net.counts["lost"]
    assert numbers(sink) == sorted(numbers(sink))


def test_duplication_is_a_share_of_what_is_not_lost() -> None:
    net, sink = talk(10_000, duplication=0.2)
    assert net.counts["duplicated"] == pytest.approx(2000, abs=150)
    assert len(sink.got) == 10_000 + net.counts["duplicated"]
    assert set(numbers(sink)) == set(range(10_000))
    assert max(numbers(sink).count(number) for number in range(100)) == 2


def test_a_range_of_delays_reorders() -> None:
    _, sink = talk(delay_ms=(5, 50))
    assert sorted(numbers(sink)) == list(range(1000))
    assert numbers(sink) != list(range(1000))
    delays = {now - number for now, _, number in sink.got}
    assert (min(delays), max(delays)) == (5, 50)


def test_no_delay_is_the_same_millisecond() -> None:
    _, sink = talk(delay_ms=(0, 0))
    assert all(now == number for now, _, number in sink.got)


def test_the_same_seed_is_the_same_run() -> None:
    runs = []
    for seed in (1, 1, 2):
        net, sink = talk(loss=0.2, duplication=0.2, delay_ms=(1, 99), seed=seed)
        runs.append((sink.got, net.counts, net.log))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0]


def test_all_vanishes_in_a_blackout() -> None:
    net, sink = talk(blackouts=[(100, 200), (300, 301)])
    assert set(range(1000)) - set(numbers(sink)) == {*range(100, 200), 300}
    assert net.counts["lost"] == 101


@pytest.mark.parametrize(("size", "arrives"), [(100, True), (101, False)])
def test_longer_than_the_mtu_vanishes(size, arrives) -> None:
    _, sink = talk(10, size=size, mtu=100)
    assert bool(sink.got) == arrives


def test_run_jumps_and_ends_at_its_condition_or_its_time() -> None:
    net = Wire()
    net.attach("a", Talker("b", 5, every_ms=10**9))
    sink = net.attach("b", Talker("a"))
    assert net.run(10**12, lambda: len(sink.got) == 3)
    assert net.now == 2 * 10**9 + 1
    assert not net.run(3 * 10**9 - 1, lambda: len(sink.got) == 4)
    assert (net.now, len(sink.got)) == (3 * 10**9 - 1, 3)
    assert not net.run(10**12), "without a condition there is nothing to tell"
    assert (net.now, len(sink.got)) == (10**12, 5)


def test_to_nobody_and_after_detaching() -> None:
    net = Wire(delay_ms=(10, 10))
    net.attach("a", Talker("b", 10))
    sink = net.attach("b", Talker("a"))
    net.run(14)
    assert net.detach("b") is sink
    net.run(100)
    assert (len(sink.got), net.counts["to nobody"]) == (5, 5)


def test_nodes_that_never_rest_are_noticed() -> None:
    class Restless(Talker):
        def next_deadline(self):
            return 0

    net = Wire()
    net.attach("a", Restless("b"))
    with pytest.raises(AssertionError, match="never comes to rest"):
        net.run(10, most_steps=1000)


def test_ping_pong_between_two_nodes_takes_both_delays() -> None:
    class Echo(Talker):
        def __init__(self):
            super().__init__("a")
            self.out = []

        def receive(self, data, peer, now):
            self.out.append((data, peer))

        def poll(self, now):
            out, self.out = self.out, []
            return out

    net = Wire(delay_ms=(3, 3))
    talker = net.attach("a", Talker("b", 2, every_ms=100))
    net.attach("b", Echo())
    net.run(1000)
    assert talker.got == [(6, "b", 0), (106, "b", 1)]
