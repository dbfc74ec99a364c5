"""The registry: durable when committed, itself after a rollback, bounded, expiring in time."""

import os
import signal
import subprocess
import sys

import pytest

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
