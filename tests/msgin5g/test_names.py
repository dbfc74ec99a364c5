"""Names, gaps and limits: one place each, and complete."""

import inspect
import re

import pytest

from msgin5g import gaps, limits, names


@pytest.mark.clause("7.1-values")
def test_message_types():
    family = {"REG", "DEREG", "BREG", "GWREG", "REGRESP", "DEREGRESP"}
    assert {getattr(names, kind) for kind in family} == family
    assert set(names.OTHER_FAMILIES) == {"MSG", "MSGRESP", "IMDN", "SEGREC", "SEGCONFIR"}


def test_keys_are_unique():
    values = [v for k, v in vars(names).items() if k.isupper() and isinstance(v, str)]
    assert len(values) == len(set(values))


def test_bulk_keys():
    pairs = ("regReq", "regResp", "deregReq", "deregResp")
    assert set(gaps.BULK_KEYS) == {pair + end for pair in pairs for end in ("Num", "List")}


def test_causes_are_short_and_ascii():
    causes = [v for k, v in vars(gaps).items() if k.startswith("CAUSE_") and isinstance(v, str)]
    assert len(causes) == len(set(causes)) >= 10
    assert all(cause.isascii() and len(cause) <= 64 for cause in causes)


def test_every_gap_names_its_clause():
    blocks = re.findall(r"(?:^#.*\n)+", inspect.getsource(gaps), re.M)
    assert len(blocks) >= 10
    assert all(re.match(r"# GAP ([67A]\.\d|TS \d\d\.\d{3})", block) for block in blocks)


def test_every_limit_is_in_the_table():
    constants = {k: v for k, v in vars(limits).items() if k.startswith("MAX_")}
    assert {row[0]: row[1] for row in limits.LIMITS} == constants
    assert all(unit and effect for _, _, unit, effect in limits.LIMITS)
