"""CoAP option rules: recognised or not, how long, how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import coap
from msgin5g.coap import Message, decode, encode
from msgin5g.options import PLAIN, format_only, review, rule


def reviewed(listed, known=None):
    message = Message()
    message.options = listed
    return review(message, known), message.options


def limits(number):
    return PLAIN[number] >> 12 & 0xFFF, PLAIN[number] & 0xFFF


# Number, critical, repeatable, shortest, longest: table 4 of RFC 7252.
TABLE_4 = [
    (3, True, False, 1, 255),
    (4, False, True, 1, 8),
    (7, True, False, 0, 2),
    (8, False, True, 0, 255),
    (11, True, True, 0, 255),
    (12, False, False, 0, 2),
    (14, False, False, 0, 4),
    (15, True, True, 0, 255),
    (17, True, False, 0, 2),
    (20, False, True, 0, 255),
    (60, False, False, 0, 4),
]


def test_rfc7252_5_10_every_known_option_is_in_the_table() -> None:
    assert sorted(PLAIN) == [row[0] for row in TABLE_4]


@pytest.mark.parametrize(("number", "critical", "repeatable", "shortest", "longest"), TABLE_4)
def test_rfc7252_5_4_3_length(number, critical, repeatable, shortest, longest) -> None:
    assert limits(number) == (shortest, longest)
    for length in {shortest, longest}:
        assert reviewed([(number, bytes(length))]) == (0, [(number, bytes(length))])
    wrong = [longest + 1] + ([shortest - 1] if shortest else [])
    for length in wrong:
        problem, kept = reviewed([(number, bytes(length))])
        assert problem == (number if critical else 0)
        assert critical or kept == []


@pytest.mark.parametrize(("number", "critical", "repeatable", "shortest", "longest"), TABLE_4)
def test_rfc7252_5_4_5_second_copy(number, critical, repeatable, shortest, longest) -> None:
    first, second = bytes(longest), bytes(shortest)
    problem, kept = reviewed([(number, first), (number, second)])
    if repeatable:
        assert (problem, len(kept)) == (0, 2)
    elif critical:
        assert problem == number
    else:
        assert (problem, kept) == (0, [(number, first)])


@pytest.mark.parametrize("number", [1, 5, 9, 13, 23, 27, 35, 39, 257, 65535])
def test_rfc7252_5_4_1_unknown_critical_is_named(number) -> None:
    assert reviewed([(2, b""), (number, b"")])[0] == number


@pytest.mark.parametrize("number", [0, 2, 6, 28, 256, 258, 65534])
def test_rfc7252_5_4_1_unknown_elective_is_left_alone(number) -> None:
    assert reviewed([(number, b"x"), (number, b"y")]) == (0, [(number, b"x"), (number, b"y")])


def test_the_first_of_two_problems_is_named() -> None:
    assert reviewed([(9, b""), (13, b"")])[0] == 9


def test_own_rules_replace_the_plain_ones() -> None:
    known = {23: rule(0, 3), 2: rule(0, 1)}
    assert reviewed([(23, b"\6")], known) == (0, [(23, b"\6")])
    assert reviewed([(11, b"a")], known)[0] == 11
    assert reviewed([(2, b"long"), (23, b"")], known) == (0, [(23, b"")])


@given(st.lists(st.tuples(st.integers(0, 70), st.binary(max_size=10)), max_size=10))
def test_what_passes_the_review_passes_again_unchanged(listed) -> None:
    listed.sort(key=lambda option: option[0])
    problem, kept = reviewed(list(listed))
    if problem:
        assert problem & 1 and any(number == problem for number, _ in listed)
    else:
        assert reviewed(list(kept)) == (0, kept)
        rest = iter(listed)
        assert all(one in rest for one in kept), "order kept"


def read(encoded):
    return decode(encode(coap.CON, coap.POST, 1, b"", encoded)).options


def test_format_only() -> None:
    assert read(format_only(50)) == [(12, b"\x32")]
    assert read(format_only(0)) == [(12, b"")]
    assert read(format_only(11542)) == [(12, b"\x2d\x16")]
