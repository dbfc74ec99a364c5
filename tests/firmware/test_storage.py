"""The state file: whole, missing, damaged, and no room for it."""

import json
import os

import pytest

from ue.storage import Storage

STATE = {"wanted": "registered", "known": True, "mid": 7, "token": 9}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ue.state"


def test_what_was_saved_is_loaded_and_nothing_else_is_left(path):
    assert Storage(str(path)).save(STATE)
    storage = Storage(str(path))
    assert storage.load() == STATE and storage.problem is None
    assert os.listdir(path.parent) == [path.name]


def test_without_a_file_the_ue_starts_afresh_and_that_is_no_problem(path):
    storage = Storage(str(path))
    assert storage.load() == {} and storage.problem is None and storage.damaged == 0


def test_without_a_path_nothing_is_kept():
    storage = Storage("")
    assert storage.save(STATE) and storage.load() == {}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        json.dumps(STATE).encode()[:-1],
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'{"mid": "7"}',
        b'{"mid": -1}',
        b'{"token": 1.5}',
        b"\x00" * 64,
    ],
)
def test_a_damaged_file_counts_as_none_and_is_reported(path, data):
    path.write_bytes(data)
    storage = Storage(str(path))
    assert storage.load() == {}
    assert storage.damaged == 1 and storage.problem == f"{path} is damaged, starting afresh"
    assert storage.save(STATE) and storage.problem is None
    assert Storage(str(path)).load() == STATE


def test_every_cut_of_the_file_is_survived(path):
    whole = json.dumps(STATE).encode()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert Storage(str(path)).load() == {}


def test_a_file_that_was_not_yet_renamed_is_found(path):
    path.with_name("ue.state.new").write_text(json.dumps(STATE))
    assert Storage(str(path)).load() == STATE


def test_the_old_file_counts_while_the_new_one_is_half_written(path):
    Storage(str(path)).save(STATE)
    path.with_name("ue.state.new").write_text('{"mid": 9')
    assert Storage(str(path)).load() == STATE


def test_a_full_flash_is_reported_and_the_old_state_stays(path, monkeypatch):
    storage = Storage(str(path))
    assert storage.save(STATE)

    def full(source, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full)
        assert not storage.save({**STATE, "mid": 71})
    assert storage.failures == 1 and "cannot be written" in storage.problem
    assert os.listdir(path.parent) == [path.name] and Storage(str(path)).load() == STATE
    assert storage.save({**STATE, "mid": 71})


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    storage = Storage(str(tmp_path / "none" / "ue.state"))
    assert not storage.save(STATE) and "cannot be written" in storage.problem
