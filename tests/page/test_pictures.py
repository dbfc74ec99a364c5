"""The pictures in the documents are small, and each is shown somewhere."""

import struct

from tests.browser import DESKTOP, PHONE
from tests.markdown import DOCUMENTS, ROOT
from tests.page.screenshots import MAX_BYTES, PICTURES


def test_pictures_are_small_and_as_large_as_a_desktop_or_a_phone():
    found = list(PICTURES.iterdir())
    assert {one.suffix for one in found} == {".png"}
    for one in found:
        data = one.read_bytes()
        size = struct.unpack(">II", data[16:24])
        assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) < MAX_BYTES, one
        assert size == (PHONE if one.name.startswith("phone") else DESKTOP), one


def test_each_picture_is_shown_in_a_document():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    for one in PICTURES.iterdir():
        assert f"pictures/{one.name}" in text, f"no document shows {one.name}"
