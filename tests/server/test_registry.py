"""The registry: durable when committed, itself after a rollback, bounded, expiring in time."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msgin5g_server import registry as module
from msgin5g_server.registry import Registration, Registry, StoreError


@pytest.fixture
def registry(tmp_path):
    made = Registry(str(tmp_path))
    yield made
    made.close()


def row(expires_ms=10_000, peer="127.0.0.1:1"):
    return Registration("", peer, None, 1, 1, expires_ms)


def test_what_is_committed_is_there_after_kill_9_and_nothing_else(tmp_path):
    script = f"""
import os, signal
from msgin5g_server.registry import Registration, Registry
registry = Registry({str(tmp_path)!r})
registry.put("urn:a:1", Registration("urn:gw", "h:1", '{{"x":1}}', 1, 2, 3))
registry.put("urn:a:2", Registration("", "h:2", None, 1, 2, 3))
registry.commit()
registry.remove("urn:a:2")
registry.commit()
registry.put("urn:a:3", Registration("", "h:3", None, 1, 2, 3))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script])
    assert done.returncode == -signal.SIGKILL
    registry = Registry(str(tmp_path))
    assert [ue for ue, _ in registry.items()] == ["urn:a:1"]
    kept = registry.get("urn:a:1")
    assert (kept.via, kept.peer, kept.profile, kept.expires_at_ms) == (
        "urn:gw",
        "h:1",
        '{"x":1}',
        3,
    )
    registry.close()


def test_a_rollback_puts_memory_back_to_the_disk(registry):
    registry.put("urn:a:1", row())
    registry.put("urn:a:2", row())
    registry.commit()
    registry.put("urn:a:1", row(peer="elsewhere:9"))
    registry.remove("urn:a:2")
    registry.put("urn:a:3", row())
    registry.rollback()
    assert sorted(ue for ue, _ in registry.items()) == ["urn:a:1", "urn:a:2"]
    assert registry.get("urn:a:1").peer == "127.0.0.1:1"


def test_registrations_expire_in_time_and_refreshed_ones_stay(registry):
    for number in range(10):
        registry.put(f"urn:a:{number}", row(5_000))
    registry.put("urn:a:0", row(60_000))
    assert registry.expire(4_999) == []
    expired = {ue for ue, _ in registry.expire(6_000)}
    assert expired == {f"urn:a:{number}" for number in range(1, 10)}
    assert registry.expire(59_000) == [] and len(registry) == 1
    assert [ue for ue, _ in registry.expire(61_000)] == ["urn:a:0"]
    assert registry.next_deadline() is None


def test_expiry_is_bounded_per_call_and_loses_nobody(registry):
    for number in range(2500):
        registry.put(f"urn:a:{number}", row(1_000))
    found = 0
    while expired := registry.expire(10_000):
        assert len(expired) <= 1000
        found += len(expired)
    assert found == 2500 and len(registry) == 0


def test_expiry_survives_a_restart(tmp_path):
    registry = Registry(str(tmp_path))
    registry.put("urn:a:1", row(5_000))
    registry.commit()
    registry.close()
    again = Registry(str(tmp_path))
    assert [ue for ue, _ in again.expire(6_000)] == ["urn:a:1"]
    again.close()


def test_the_limit_is_a_limit(tmp_path):
    registry = Registry(str(tmp_path), limit=2)
    registry.put("urn:a:1", row())
    assert not registry.is_full()
    registry.put("urn:a:2", row())
    assert registry.is_full()
    registry.close()


def test_two_servers_cannot_share_a_folder(registry, tmp_path):
    with pytest.raises(StoreError, match="another server uses this folder"):
        Registry(str(tmp_path))


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "registry.sqlite3").write_bytes(b"this is no database, not at all" * 100)
    with pytest.raises(StoreError, match=r"registry\.sqlite3.*move the file away"):
        Registry(str(tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Registry(str(tmp_path / "file" / "folder"))
    assert os.listdir(tmp_path) == ["file"]


# Every column, every order of changes, every kind of failure

FILE = "registry.sqlite3"


def ue(number):
    return f"urn:example:ue:{number}"


def registration(expires_at_ms=60_000, via="urn:example:gw:1", profile=None, since=0):
    return Registration(via, "10.0.0.1:4000", profile, since, since + 1, expires_at_ms)


def as_tuple(row):
    return tuple(getattr(row, name) for name in Registration.__slots__)


def content(registry):
    return {name: as_tuple(row) for name, row in registry.items()}


def reopen(registry, tmp_path):
    registry.close()
    return Registry(str(tmp_path))


def test_what_was_committed_is_there_again_in_every_column(tmp_path):
    registry = Registry(str(tmp_path))
    registry.put(ue(1), registration(profile='{"triInfo":{"ueId":"ä"}}', since=7))
    registry.put(ue(2), registration(via=""))
    registry.commit()
    before = content(registry)
    registry = reopen(registry, tmp_path)
    assert content(registry) == before
    assert len(registry) == 2 and ue(1) in registry and sorted(registry) == [ue(1), ue(2)]
    registry.close()


def test_what_was_not_committed_is_gone_after_a_reopening(tmp_path):
    registry = Registry(str(tmp_path))
    registry.put(ue(1), registration())
    registry.commit()
    registry.remove(ue(1))
    registry.put(ue(2), registration())
    registry = reopen(registry, tmp_path)
    assert list(registry) == [ue(1)]
    registry.close()


def test_a_rollback_takes_back_every_staged_change(registry):
    registry.put(ue(1), registration(1000))
    registry.put(ue(2), registration(1000))
    registry.commit()
    before = content(registry)
    registry.put(ue(1), registration(9000))
    registry.put(ue(1), registration(10_000))
    registry.remove(ue(2))
    registry.put(ue(3), registration())
    registry.put(ue(4), registration())
    registry.remove(ue(4))
    registry.rollback()
    assert content(registry) == before
    assert [name for name, _ in registry.expire(2000)] == [ue(2), ue(1)]


def test_what_is_put_and_removed_in_one_batch_leaves_no_trace(tmp_path):
    registry = Registry(str(tmp_path))
    registry.put(ue(1), registration())
    assert registry.remove(ue(1)) is not None
    assert registry.remove(ue(1)) is None
    registry.commit()
    assert registry.next_deadline() is None
    registry = reopen(registry, tmp_path)
    assert len(registry) == 0
    registry.close()


CRASH = """
    import os, signal, sys
    from msgin5g_server.registry import Registration, Registry

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    folder, where = sys.argv[1:]
    registry = Registry(folder)
    for batch in range(3):
        for number in range(40):
            name = "urn:example:ue:%d" % (batch * 40 + number)
            registry.put(name, Registration("", "10.0.0.1:1", None, batch, batch, 60_000))
        registry.remove("urn:example:ue:%d" % (batch * 40))
        registry.commit()
    registry.put("urn:example:ue:1", Registration("", "10.0.0.1:2", None, 9, 9, 90_000))
    registry.put("urn:example:ue:new", Registration("", "10.0.0.1:1", None, 9, 9, 90_000))
    registry.remove("urn:example:ue:2")
    if where == "inside":
        registry._db.set_trace_callback(lambda sql: die() if sql == "COMMIT" else None)
        registry.commit()
    elif where == "after":
        registry.commit()
    die()
"""


@pytest.mark.parametrize("where", ["before", "inside", "after"])
def test_after_kill_9_exactly_the_committed_rows_are_there(tmp_path, where):
    command = [sys.executable, "-c", textwrap.dedent(CRASH), str(tmp_path), where]
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL
    expected = {
        ue(batch * 40 + number): ("", "10.0.0.1:1", None, batch, batch, 60_000)
        for batch in range(3)
        for number in range(1, 40)
    }
    if where == "after":
        expected[ue(1)] = ("", "10.0.0.1:2", None, 9, 9, 90_000)
        expected[ue("new")] = ("", "10.0.0.1:1", None, 9, 9, 90_000)
        del expected[ue(2)]
    registry = Registry(str(tmp_path))
    assert content(registry) == expected
    registry.close()


def test_a_registration_expires_within_a_second_of_its_end_and_never_before(registry):
    registry.put(ue(1), registration(60_500))
    assert registry.next_deadline() == 61_000
    assert registry.expire(60_999) == []
    ((name, row),) = registry.expire(61_000)
    assert (name, row.expires_at_ms) == (ue(1), 60_500)
    assert len(registry) == 0 and registry.next_deadline() is None


def test_expiry_is_staged_like_any_change(tmp_path):
    registry = Registry(str(tmp_path))
    registry.put(ue(1), registration(1000))
    registry.commit()
    assert len(registry.expire(5000)) == 1
    registry.rollback()
    assert ue(1) in registry
    assert len(registry.expire(5000)) == 1
    registry.commit()
    registry = reopen(registry, tmp_path)
    assert len(registry) == 0
    registry.close()


def test_a_refreshed_registration_stays_until_its_new_end(registry):
    registry.put(ue(1), registration(10_000))
    registry.put(ue(1), registration(20_000))
    assert registry.expire(11_000) == []
    assert registry.next_deadline() == 21_000
    assert len(registry.expire(21_000)) == 1


def test_a_shorter_lifetime_after_a_restart_counts_at_once(registry):
    registry.put(ue(1), registration(3_600_000))
    registry.put(ue(1), registration(10_000))
    assert registry.next_deadline() == 11_000
    assert len(registry.expire(11_000)) == 1
    assert registry.expire(4_000_000) == []


def test_expiry_does_a_bounded_amount_of_work_in_a_call(registry):
    for number in range(2500):
        registry.put(ue(number), registration(1000 if number % 2 else 2000))
    steps = []
    while (deadline := registry.next_deadline()) is not None and deadline <= 10_000:
        steps.append(len(registry.expire(10_000)))
    assert steps == [1000, 1000, 500]


def test_refreshed_registrations_count_as_work_too(registry):
    for number in range(1500):
        registry.put(ue(number), registration(1000))
        registry.put(ue(number), registration(50_000))
    assert registry.expire(10_000) == [] and registry.next_deadline() == 2000
    assert registry.expire(10_000) == [] and registry.next_deadline() == 51_000


def test_the_schedule_stays_small_while_ues_come_and_go(registry):
    for number in range(20_000):
        registry.put(ue(number), registration(3_600_000 + number * 1000))
        registry.remove(ue(number))
        if number % 1000 == 0:
            registry.commit()
    assert not registry._due and not registry._buckets
    assert len(registry._order) <= 200


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5), st.integers(0, 30)),
        st.tuples(st.just("remove"), st.integers(0, 5), st.just(0)),
        st.tuples(st.sampled_from(["commit", "rollback", "expire", "reopen"]), *[st.just(0)] * 2),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OPERATIONS)
def test_it_behaves_like_two_dicts(tmp_path_factory, operations):
    folder = tmp_path_factory.mktemp("registry")
    registry = Registry(str(folder))
    now, memory, disk = 0, {}, {}
    for what, number, seconds in operations:
        now += 500
        if what == "put":
            row = registration(now + seconds * 1000)
            registry.put(ue(number), row)
            memory[ue(number)] = as_tuple(row)
        elif what == "remove":
            assert (registry.remove(ue(number)) is None) == (ue(number) not in memory)
            memory.pop(ue(number), None)
        elif what == "commit":
            registry.commit()
            disk = dict(memory)
        elif what == "rollback":
            registry.rollback()
            memory = dict(disk)
        elif what == "expire":
            due = {name for name, row in memory.items() if row[-1] // 1000 + 1 <= now // 1000}
            ended = {name for name, row in memory.items() if row[-1] <= now}
            found = {name for name, _ in registry.expire(now)}
            assert due <= found <= ended
            for name in found:
                del memory[name]
        else:
            registry = reopen(registry, folder)
            memory = dict(disk)
        assert content(registry) == memory
    registry.close()


def test_a_folder_in_use_is_refused_until_it_is_free(tmp_path):
    first = Registry(str(tmp_path))
    with pytest.raises(StoreError, match="another server uses this folder.*--data") as problem:
        Registry(str(tmp_path))
    assert str(tmp_path) in str(problem.value)
    first.close()
    Registry(str(tmp_path)).close()


def test_a_file_that_is_no_database_is_named_and_kept(tmp_path):
    path = tmp_path / FILE
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="move the file away") as problem:
        Registry(str(tmp_path))
    assert str(path) in str(problem.value)
    assert path.read_bytes().startswith(b"this is no")
    path.rename(tmp_path / "away")
    Registry(str(tmp_path)).close()


def test_a_database_with_broken_pages_is_refused(tmp_path):
    registry = Registry(str(tmp_path))
    for number in range(500):
        registry.put(ue(number), registration())
    registry.commit()
    registry.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    assert len(data) > 20_000
    data[4096:16384] = b"\xff" * 12288
    path.write_bytes(data)
    with pytest.raises(StoreError, match="move the file away"):
        Registry(str(tmp_path))


def test_a_database_of_another_shape_is_refused(tmp_path):
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("CREATE TABLE registration (something TEXT)")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match="no such column.*move the file away"):
        Registry(str(tmp_path))


def test_a_folder_that_cannot_be_used_is_named_with_a_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="cannot be used.*--data") as problem:
            Registry(str(folder))
        assert str(folder) in str(problem.value)


def test_a_database_locked_by_another_program_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BUSY_S", 0.01)
    registry = Registry(str(tmp_path))
    registry.put(ue(1), registration())
    registry.commit()
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    registry.put(ue(2), registration())
    with pytest.raises(StoreError, match="another program writes to it"):
        registry.commit()
    registry.rollback()
    assert list(registry) == [ue(1)]
    other.execute("ROLLBACK")
    other.close()
    registry.put(ue(3), registration())
    registry.commit()
    registry = reopen(registry, tmp_path)
    assert sorted(registry) == [ue(1), ue(3)]
    registry.close()


def test_a_full_disk_fails_the_commit_and_nothing_of_the_batch_is_kept(tmp_path):
    registry = Registry(str(tmp_path))
    registry.put(ue("first"), registration())
    registry.commit()
    ((pages,),) = registry._db.execute("PRAGMA page_count")
    registry._db.execute(f"PRAGMA max_page_count={pages + 2}")
    for number in range(200):
        registry.put(ue(number), registration())
    registry.remove(ue("first"))
    with pytest.raises(StoreError, match="make room on the disk"):
        registry.commit()
    registry.rollback()
    assert list(registry) == [ue("first")]
    registry = reopen(registry, tmp_path)
    assert list(registry) == [ue("first")]
    registry.close()


def test_after_a_commit_that_failed_half_way_the_next_one_works(tmp_path):
    registry = Registry(str(tmp_path))
    other = sqlite3.connect(tmp_path / FILE)
    other.execute(
        "CREATE TRIGGER t BEFORE INSERT ON registration WHEN new.via = 'bad' "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    )
    other.close()
    registry.put(ue(1), registration())
    registry.put(ue(2), registration(via="bad"))
    with pytest.raises(StoreError, match="not this one"):
        registry.commit()
    registry.rollback()
    registry.put(ue(3), registration())
    registry.commit()
    registry = reopen(registry, tmp_path)
    assert list(registry) == [ue(3)]
    registry.close()
