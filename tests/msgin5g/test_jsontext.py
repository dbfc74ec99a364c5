"""JSON on the wire: bounds when reading, one form when writing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import jsontext
from msgin5g.errors import CallerError
from msgin5g.limits import MAX_JSON_DEPTH
from msgin5g.payload_errors import BadMessage


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"\xff", "UTF-8"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b"\xef\xbb\xbf1", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"NaN", "not JSON"),
        (b"[-Infinity]", "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"1e400", "not JSON"),
        (b"[-1e400]", "not JSON"),
        (b'"\\ud800"', "surrogate"),
        (b'"\\udc00\\ud800"', "surrogate"),
        (b'"\\ud800\\u0041"', "surrogate"),
        (b'"\\ud800', "surrogate"),
        (b'"\\u12', "not JSON"),
        (b'"\\u+123"', "not JSON"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
    ],
)
def test_refused(payload, reason):
    with pytest.raises(BadMessage, match=reason) as caught:
        jsontext.loads(payload)
    assert caught.value.key == ""


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b'"\\ud83d\\ude00\\u00e9"', "\U0001f600é"),
        (b'"\\\\ud83d"', "\\ud83d"),
        (b'"\\\\\\ud83d\\ude00"', "\\\U0001f600"),
        (b" [1 , 2]\n", [1, 2]),
        (b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH, None),
        (b'["' + b"[" * 50 + b'"]', ["[" * 50]),
        (b'["\\\\","' + b"[" * 50 + b'"]', ["\\", "[" * 50]),
        (b'["\\"' + b"[" * 50 + b'"]', ['"' + "[" * 50]),
    ],
)
def test_accepted(payload, value):
    found = jsontext.loads(payload)
    assert value is None or found == value
    assert found == json.loads(payload)


def test_closing_brackets_in_strings_hide_no_depth():
    payload = b'["]]]]",' * (MAX_JSON_DEPTH + 1) + b"1" + b"]" * (MAX_JSON_DEPTH + 1)
    json.loads(payload)
    with pytest.raises(BadMessage, match="nested"):
        jsontext.loads(payload)


def depth_of(value):
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8) | st.text('[]{}"\\')
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=30,
)


@given(values, st.booleans(), st.integers(1, 8))
def test_depth_is_exact(value, escape, limit):
    payload = json.dumps(value, ensure_ascii=escape).encode()
    if depth_of(value) > limit:
        with pytest.raises(BadMessage, match="nested"):
            jsontext.loads(payload, limit)
    else:
        assert jsontext.loads(payload, limit) == value


@given(values)
def test_dumps_round_trip(value):
    text = jsontext.dumps(value)
    assert json.loads(text) == value
    assert text == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_object_has_its_keys_in_order():
    pairs = (("b", 1), ("a", None), ("c", True), ("d", 'é\b\f\x01"\\'), ("e", b'{"x":[]}'))
    want = '{"b":1,"c":true,"d":"é\\b\\f\\u0001\\"\\\\","e":{"x":[]}}'
    assert jsontext.obj(pairs) == want.encode()
    assert jsontext.array([b"1", b"{}"]) == b"[1,{}]"
    assert jsontext.array([]) == b"[]"


def test_half_a_pair_is_not_written():
    with pytest.raises(CallerError):
        jsontext.obj((("a", "\ud800"),))
