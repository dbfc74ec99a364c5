"""What is remembered of peers, and that it is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from msgin5g.peers import PeerState, PeerTable


def table(limit):
    counters = {"peers_forgotten": 0}
    return PeerTable(limit, counters, lambda: 7), counters


def test_a_new_peer_starts_at_first_mid_and_stays() -> None:
    peers, _ = table(8)
    state = peers.state_of("a")
    assert state.next_mid == 7
    assert peers.state_of("a") is peers.find_state("a") is state
    assert peers.find_state("b") is None
    assert len(peers) == 1


def test_two_generations_bound_the_table() -> None:
    peers, counters = table(8)
    for number in range(1000):
        peers.state_of(number)
        assert len(peers) <= 8
    assert counters["peers_forgotten"] == 1000 - len(peers)
    assert peers.find_state(999) is not None
    assert peers.find_state(0) is None


def test_who_speaks_is_not_forgotten() -> None:
    peers, _ = table(8)
    state = peers.state_of("speaker")
    for number in range(1000):
        peers.state_of(number)
        if number % 3 == 0:
            assert peers.state_of("speaker") is state


def test_busy_peers_stay_until_they_settle() -> None:
    peers, counters = table(8)
    state = peers.state_of("busy")
    state.active.append("exchange")
    peers.note_busy("busy", state)
    for number in range(1000):
        peers.state_of(number)
    assert peers.find_state("busy") is peers.state_of("busy") is state
    peers.settle("busy", state)
    assert peers.all_busy() == [state]
    state.active.clear()
    peers.settle("busy", state)
    assert peers.all_busy() == []
    before = counters["peers_forgotten"]
    for number in range(1000, 2000):
        peers.state_of(number)
    assert peers.find_state("busy") is None
    assert counters["peers_forgotten"] >= before + 992


def test_a_peer_with_a_waiting_request_stays_busy() -> None:
    peers, _ = table(8)
    state = peers.state_of("a")
    state.waiting.append("exchange")
    peers.note_busy("a", state)
    peers.settle("a", state)
    assert peers.all_busy() == [state]


def test_more_busy_peers_than_the_limit_do_not_push_out_each_other() -> None:
    peers, counters = table(8)
    states = []
    for number in range(100):
        state = peers.state_of(number)
        state.active.append("exchange")
        peers.note_busy(number, state)
        states.append(state)
    assert [peers.find_state(number) for number in range(100)] == states
    assert counters["peers_forgotten"] == 0
    # The generations hold no more than before: a new peer is still remembered.
    peers.state_of("new").seen[1] = [0, None]
    peers.state_of("other")
    assert peers.find_state("new").seen
    assert len(peers) <= 8


def test_a_table_of_one() -> None:
    peers, _ = table(1)
    assert peers.state_of("a") is peers.state_of("a")
    for number in range(10):
        peers.state_of(number)
        assert len(peers) <= 2


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 8))
def test_remembered_ids_are_the_last_ones(mids, limit) -> None:
    state = PeerState(0)
    wanted = []
    for now, mid in enumerate(mids):
        record = state.remember(mid, now, limit)
        assert record == [now, None]
        assert state.seen[mid] is record
        wanted = ([one for one in wanted if one != mid] + [mid])[-limit:]
        assert sorted(state.seen) == sorted(wanted)


def test_own_message_ids_are_known_for_as_long_as_they_must_be() -> None:
    state = PeerState(0)
    assert not state.has_used(0, -1)
    for mid in range(100, 108):
        state.use(mid, mid * 10)
    assert all(state.has_used(mid, 999) for mid in range(100, 108))
    assert not state.has_used(100, 1000)
    assert not state.has_used(108, 0)
    state.use(108, 1080)
    assert state.has_used(108, 0)
    assert not state.has_used(100, 0)
