"""What has to change on a board: worked out from what it has and what it shall have."""

import json

import pytest

from msgin5g_tools.flash.install import MANIFEST, There, check_room, make_plan, sum_of
from msgin5g_tools.flash.problems import FlashError

WANTED = {
    "lib/ue/core.mpy": b"core",
    "lib/msgin5g/coap.mpy": b"coap",
    "config.json": b"{}",
    "main.py": b"from ue.startup import start\n",
}
FOLDERS = frozenset({"", "lib", "lib/ue", "lib/msgin5g"})


def there(files, has_manifest=True, unknown=()):
    return There(
        {path: len(data) for path, data in files.items()},
        {path: sum_of(data) for path, data in files.items() if path not in unknown},
        FOLDERS,
        has_manifest,
    )


def test_an_empty_board_gets_all_and_main_py_last():
    plan = make_plan(There({}, {}, frozenset({""}), False), WANTED)
    assert list(plan.copy)[-1] == "main.py"
    assert (set(plan.copy), plan.remove, plan.kept) == (set(WANTED), (), 0)
    rows = json.loads(plan.manifest)["files"]
    assert rows == {path: [sum_of(data), len(data)] for path, data in WANTED.items()}


def test_a_board_that_has_all_gets_nothing():
    plan = make_plan(there(WANTED), WANTED)
    assert (plan.copy, plan.remove, plan.kept) == ({}, (), len(WANTED))


def test_what_changed_is_copied_and_main_py_comes_back_after_it():
    plan = make_plan(there({**WANTED, "lib/ue/core.mpy": b"eroc"}), WANTED)
    assert list(plan.copy) == ["lib/ue/core.mpy", "main.py"]
    assert plan.kept == 2


def test_what_is_not_needed_any_more_goes_and_files_of_others_stay():
    files = {
        **WANTED,
        "lib/ue/core.py": b"in the way of core.mpy",
        "lib/ue/link_udp.mpy": b"old",
        "lib/ue/core.mpy.new": b"half",
        "config.json.new": b"half",
        "data.csv": b"theirs",
        "lib/theirs.mpy": b"theirs",
        "ue-state.json": b"{}",
    }
    foreign = ("data.csv", "lib/theirs.mpy", "ue-state.json", "config.json.new")
    plan = make_plan(there(files, unknown=foreign), WANTED)
    assert plan.remove == (
        "config.json.new",
        "lib/ue/core.mpy.new",
        "lib/ue/core.py",
        "lib/ue/link_udp.mpy",
    )
    assert list(plan.copy) == ["main.py"]


def test_a_board_that_is_too_full_says_what_is_needed_and_what_is_free():
    wanted = {**WANTED, "lib/ue/core.mpy": bytes(40_000)}
    plan = make_plan(there({}), wanted)
    # 10 blocks and one each for three files and the manifest, and what littlefs moves things with.
    check_room(plan, there({}), 4096, 10 + 3 + 1 + 4)
    with pytest.raises(FlashError) as error:
        check_room(plan, there({}), 4096, 9)
    assert str(error.value).startswith(
        "the board's file system is too full: 73 kB are needed, 36 kB are free; remove files"
    )


def test_a_file_needs_room_beside_its_old_self():
    old, new = bytes(40_000), b"x" + bytes(39_999)
    files = {**WANTED, "lib/ue/core.mpy": old}
    plan = make_plan(there(files), {**WANTED, "lib/ue/core.mpy": new})
    check_room(plan, there(files), 4096, 14)
    with pytest.raises(FlashError, match="too full"):
        check_room(plan, there(files), 4096, 13)


def test_what_is_removed_makes_room():
    files = {"lib/ue/old.mpy": bytes(40_000), MANIFEST: b"{}"}
    plan = make_plan(there(files), WANTED)
    check_room(plan, there(files), 4096, 0)
