"""docs/reference/conformance.md: what the catalogue of statements has, and what is not proven."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from msgin5g_tools.reference.markdown import page, table

_FOLDER = Path(__file__).parents[3] / "tests" / "conformance"
_INTRODUCTION = """\
[`catalogue.toml`](../../tests/conformance/catalogue.toml) has the statements of TS 24.538 V18.3.0
that a test can hold this project to, in its own words, with role, level and clause. A test names
those that it proves with `@pytest.mark.clause("6.3.4.3.3-b1")`. `make conformance` runs these
tests and prints by role and interface what is proven, what failed and what has no test."""
_NOT_PROVEN = "What no test proves, or tests prove in part only, with the reason:"


def page_of_conformance() -> str:
    """Return the page."""
    statements = {row["id"]: row for row in _rows("catalogue.toml", "clause")}
    counts = Counter((row["role"], row["level"]) for row in statements.values())
    levels = ("shall", "should", "may")
    roles = [
        (role, *(str(counts[role, level]) for level in levels))
        for role in dict.fromkeys(row["role"] for row in statements.values())
    ]
    heads = ("who must act", *(f">{level}" for level in levels))
    reasons = [
        (row["id"], _plain(statements[row["id"]]["what"]), _plain(_reason(row)))
        for row in _rows("not_applicable.toml", "row")
    ]
    return page(
        "Conformance",
        _INTRODUCTION,
        table(heads, roles),
        "## Not proven",
        _NOT_PROVEN,
        table(("statement", "what it wants", "why"), reasons),
    )


def _rows(name: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))[key]
    return rows


def _reason(row: dict[str, Any]) -> str:
    return f"In part: {row['reason']}" if row.get("partly") else str(row["reason"])


def _plain(text: str) -> str:
    return text.replace("<", "\\<")
