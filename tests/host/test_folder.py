"""A small file is on disk as a whole, or as it was."""

import os

import pytest

from msgin5g_host.folder import replace_file


def test_a_file_is_made_and_replaced(tmp_path):
    file = tmp_path / "x.json"
    replace_file(file, "one")
    assert file.read_text() == "one"
    replace_file(file, "zwölf")
    assert file.read_text(encoding="utf-8") == "zwölf"
    assert os.listdir(tmp_path) == ["x.json"]


def test_what_cannot_be_written_leaves_the_old_one(tmp_path):
    file = tmp_path / "x.json"
    replace_file(file, "one")
    (tmp_path / "x.json.new").mkdir()
    with pytest.raises(OSError):
        replace_file(file, "two")
    assert file.read_text() == "one"
