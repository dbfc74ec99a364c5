"""Checks of single values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import checks
from msgin5g.limits import MAX_CAUSE_BYTES, MAX_SECONDS, MAX_URI_BYTES
from msgin5g.payload_errors import BadMessage


@pytest.mark.parametrize("value", ["urn:a:b", "a:b", "sip:ü@x", "A+1.-:x", "x:" + "y" * 253])
def test_uri(value):
    assert checks.uri(value, "k") == value


@pytest.mark.parametrize(
    "value",
    [None, 1, b"a:b", "", "ab", ":b", "a:", "1:b", "a: b", "a:\n", "a:\x85", "a:" + "y" * 254],
)
def test_no_uri(value):
    with pytest.raises(BadMessage) as caught:
        checks.uri(value, "k")
    assert caught.value.key == "k"


@pytest.mark.parametrize("value", [True, False, -1, MAX_SECONDS + 1, 1.0, "1", None, 10**400])
def test_no_seconds(value):
    with pytest.raises(BadMessage):
        checks.seconds(value, "k")


@pytest.mark.parametrize("value", [0, 1, MAX_SECONDS])
def test_seconds(value):
    assert checks.seconds(value, "k") == value


@pytest.mark.parametrize("value", [0, 1, "true", None, []])
def test_no_boolean(value):
    with pytest.raises(BadMessage):
        checks.boolean(value, "k")


@given(st.text())
def test_control_characters(value):
    controls = any(ord(char) < 32 or 127 <= ord(char) < 160 for char in value)
    assert checks.has_controls(value) == controls


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=300))
def test_length_is_in_bytes(value):
    if len(value.encode()) <= MAX_URI_BYTES:
        assert checks.text(value, "k", MAX_URI_BYTES) == value
    else:
        with pytest.raises(BadMessage, match="255"):
            checks.text(value, "k", MAX_URI_BYTES)


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=50, max_size=300))
def test_cause_is_cut(value):
    cut = checks.cut_cause(value)
    assert value.startswith(cut)
    assert len(cut.encode()) <= MAX_CAUSE_BYTES
    if cut != value:
        assert len(value[: len(cut) + 1].encode()) > MAX_CAUSE_BYTES
