"""The catalogue itself: unique ids, known fields, known values."""

import re
import tomllib
from collections import Counter

from tests.conformance.plugin import CATALOGUE

ROWS = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))["clause"]
ROLES = {"msgin5g-client", "server", "gateway", "constrained-ue", "app-client", "relay", "any"}
NEEDED = {"id", "ref", "role", "level", "iface", "what"}


def test_ids_are_unique() -> None:
    assert [one for one, count in Counter(row["id"] for row in ROWS).items() if count > 1] == []
    assert len(ROWS) == 519


def test_every_row_has_its_fields_and_no_others() -> None:
    for row in ROWS:
        assert NEEDED <= set(row) <= NEEDED | {"note"}, row["id"]
        assert all(isinstance(value, str) and value.strip() for value in row.values()), row["id"]


def test_values_are_known() -> None:
    for row in ROWS:
        assert row["role"] in ROLES, row["id"]
        assert row["level"] in {"shall", "should", "may"}, row["id"]
        assert row["iface"] in {"MSGin5G-1", "MSGin5G-5", "MSGin5G-6", "other"}, row["id"]


def test_ids_start_with_their_clause() -> None:
    for row in ROWS:
        plain = row["id"].removeprefix("S0-")
        if plain.startswith("S4-"):
            plain = row["ref"]
        assert plain == row["ref"] or plain.startswith(row["ref"] + "-"), row["id"]
        assert re.fullmatch(r"[6-7](\.\d+)+|7|A(\.\d+)+", row["ref"]), row["ref"]
