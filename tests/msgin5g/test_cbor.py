"""CBOR: the examples of RFC 8949 Appendix A, bounds, and whatever a peer may send."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import cbor
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage
from tests.mpy import check_cbor

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.binary(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=40,
)


@pytest.mark.parametrize(("text", "value"), check_cbor.EXAMPLES)
def test_examples_of_rfc_8949(text, value):
    data = bytes.fromhex(text)
    assert cbor.loads(data) == value
    if text not in check_cbor.READ_ONLY:
        assert cbor.dumps(value) == data


@pytest.mark.parametrize("text", check_cbor.REFUSED)
def test_what_is_refused(text):
    with pytest.raises(BadMessage):
        cbor.loads(bytes.fromhex(text))


@pytest.mark.parametrize("value", [1 << 64, -(1 << 64) - 1, object(), {1, 2}])
def test_what_cannot_be_written(value):
    with pytest.raises(CallerError):
        cbor.dumps(value)


def test_depth_is_bounded():
    nested = b"\x81" * 8 + b"\x00"
    assert cbor.loads(nested, 8)
    with pytest.raises(BadMessage, match="nested"):
        cbor.loads(nested, 7)
    with pytest.raises(BadMessage):
        cbor.loads(b"\x81" * 100_000)


def test_a_promise_of_many_elements_costs_nothing():
    for head in (b"\x9b", b"\xbb", b"\x7b", b"\x5b"):
        with pytest.raises(BadMessage):
            cbor.loads(head + b"\xff" * 8)


@given(VALUES)
def test_what_is_written_is_read(value):
    assert cbor.loads(cbor.dumps(value), 64) == value


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(data):
    try:
        value = cbor.loads(data)
    except BadMessage:
        return
    assert not isinstance(value, float) or math.isfinite(value)
    assert cbor.loads(cbor.dumps(value), 64) == value
