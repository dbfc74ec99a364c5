"""What the gateway keeps on disk."""

import sqlite3

import pytest

from msgin5g_gateway.message_rows import Kept, Part, Reportable, SentSet
from msgin5g_gateway.store import CACHED, Pending, Registered, SignUp, Store, StoreError


def pending(store, ue="urn:x:1", kind="REG"):
    row = Pending(
        *(store.new_id(), ue, kind, "udp://a:1", 7, b"\x00\xfftk", b'{"a":1}'),
        *(CACHED, None, None, 1000, 3000),
    )
    store.put_pending(row)
    return row


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path))
    yield made
    made.close()


def reopened(store, tmp_path):
    store.close()
    return Store(str(tmp_path))


def test_what_was_committed_is_there_after_a_crash_and_nothing_else(tmp_path):
    store = Store(str(tmp_path))
    row = pending(store)
    store.put_signup(SignUp("urn:x:1", "udp://a:1", 99))
    store.put_registered(Registered("urn:x:1", "udp://a:1", b"t", b"{}", 5, 10))
    store.commit()
    pending(store, "urn:x:2")
    store.put_signup(SignUp("urn:x:2", "udp://a:2", 99))
    store.drop_registered("urn:x:1")
    store = reopened(store, tmp_path)
    (found,) = store.pending.values()
    assert found.row() == row.row()
    assert [one.row() for one in store.signups.values()] == [("urn:x:1", "udp://a:1", 99)]
    assert store.registered["urn:x:1"].row() == ("urn:x:1", "udp://a:1", b"t", b"{}", 5, 10)
    store.close()


def test_what_was_dropped_stays_away(tmp_path):
    store = Store(str(tmp_path))
    row = pending(store)
    store.put_signup(SignUp("urn:x:1", "udp://a:1", 99))
    store.commit()
    store.drop_pending(row)
    store.drop_signup("urn:x:1")
    store.drop_signup("urn:x:never")
    store.commit()
    store = reopened(store, tmp_path)
    assert not store.pending and not store.signups
    store.close()


def test_a_changed_row_is_stored_as_it_is_at_the_commit(tmp_path):
    store = Store(str(tmp_path))
    row = pending(store)
    row.state, row.result, row.cause = "answered", False, "no"
    store.commit()
    store = reopened(store, tmp_path)
    (found,) = store.pending.values()
    assert (found.state, found.result, found.cause) == ("answered", False, "no")
    store.close()


def test_rollback_puts_memory_back_to_the_disk(store):
    kept = pending(store)
    store.commit()
    pending(store, "urn:x:2")
    store.drop_pending(kept)
    store.rollback()
    assert [one.ue for one in store.pending.values()] == ["urn:x:1"]


def test_ids_grow_across_restarts(tmp_path):
    store = Store(str(tmp_path))
    for number in range(3):
        pending(store, f"urn:x:{number}")
    store.commit()
    store = reopened(store, tmp_path)
    assert [row.id for row in store.pending.values()] == [1, 2, 3]
    assert store.new_id() == 4
    store.close()


def test_a_commit_that_fails_says_so_and_a_rollback_recovers(tmp_path):
    store = Store(str(tmp_path))
    store._db.execute("PRAGMA query_only=ON")
    pending(store)
    with pytest.raises(StoreError, match="gateway.sqlite3"):
        store.commit()
    store.rollback()
    assert not store.pending
    store._db.execute("PRAGMA query_only=OFF")
    pending(store)
    store.commit()
    store = reopened(store, tmp_path)
    assert len(store.pending) == 1
    store.close()


def test_a_commit_reaches_the_disk_before_it_returns(store):
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"


def test_two_gateways_cannot_share_a_folder(store, tmp_path):
    with pytest.raises(StoreError, match="another gateway uses this folder"):
        Store(str(tmp_path))


def test_the_folder_is_free_again_after_close(tmp_path):
    Store(str(tmp_path)).close()
    Store(str(tmp_path)).close()


def test_a_file_that_is_no_database_is_named_and_the_folder_stays_free(tmp_path):
    path = tmp_path / "gateway.sqlite3"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="gateway.sqlite3.*move the file away"):
        Store(str(tmp_path))
    path.unlink()
    Store(str(tmp_path)).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Store(str(tmp_path / "file" / "data"))


def test_the_tables_are_those_of_the_file(store, tmp_path):
    with sqlite3.connect(tmp_path / "gateway.sqlite3") as other:
        names = {name for (name,) in other.execute("SELECT name FROM sqlite_master")}
    other.close()
    assert {"pending", "signup", "registered"} <= names


def test_messages_survive_what_was_committed_and_ids_are_not_used_twice(tmp_path):
    store = Store(str(tmp_path))
    rows = [
        Kept(store.new_id(), "urn:x:1", "p", "MSG", b"t", b"{}", "id", True, 5, "why"),
        SentSet("set", "urn:x:1", 7),
        Part(store.new_id(), "urn:x:2", b"{}"),
        Reportable(store.new_id(), 17, bytes(16), "urn:x:2", "UE", "urn:x:1"),
    ]
    for row in rows:
        store.put(row)
    store.commit()
    store.drop(rows[0])
    store = reopened(store, tmp_path)
    tables = (store.outbox, store.sent_sets, store.parts, store.reportable)
    assert [[one.row() for one in table.values()] for table in tables] == [
        [row.row()] for row in rows
    ]
    assert store.new_id() > 3
    for table in tables:
        store.drop(next(iter(table.values())))
    store.commit()
    store = reopened(store, tmp_path)
    assert not (store.outbox or store.sent_sets or store.parts or store.reportable)
    store.close()


def test_a_folder_from_before_messages_is_taken_over(tmp_path):
    Store(str(tmp_path)).close()
    with sqlite3.connect(tmp_path / "gateway.sqlite3") as db:
        db.execute("ALTER TABLE device DROP COLUMN speaks_l3")
        db.execute("INSERT INTO device VALUES (17, 'udp://a:1', x'010203040506', NULL)")
    db.close()
    store = Store(str(tmp_path))
    (device,) = store.devices.values()
    assert device.speaks_l3 is False
    device.speaks_l3 = True
    store.put_device(device)
    store.commit()
    store = reopened(store, tmp_path)
    assert store.devices[17].speaks_l3 is True
    store.close()
