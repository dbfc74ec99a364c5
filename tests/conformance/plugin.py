"""Conformance marks for pytest: unknown ids fail the collection, results can go to a file.

The report is one JSON object: statement id -> {test: "passed", "failed", "skipped" or "not run"}.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CATALOGUE = Path(__file__).with_name("catalogue.toml")


def load_catalogue(path: Path = CATALOGUE) -> dict[str, dict[str, str]]:
    """Return the statements of the catalogue by id, in the order of the file."""
    return {row["id"]: row for row in tomllib.loads(path.read_text(encoding="utf-8"))["clause"]}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--conformance-report",
        metavar="FILE",
        help="write which tests prove which statement, and with what outcome, to this file",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Marks(config.getoption("--conformance-report")), "clause-marks")


def ids_of(item: pytest.Item) -> Iterator[str]:
    """Yield the statements that a test says it proves."""
    for mark in item.iter_markers("clause"):
        yield from mark.args


class _Marks:
    def __init__(self, report: str | None) -> None:
        self._report = report
        self._proves: dict[str, list[str]] = {}
        self._outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = load_catalogue()
        wrong: dict[str, str] = {}
        for item in items:
            ids = list(dict.fromkeys(ids_of(item)))
            wrong.update({str(one): item.nodeid for one in ids if one not in known})
            if ids:
                self._proves[item.nodeid] = ids
        if wrong:
            lines = [f"  {one!r} in {nodeid}" for one, nodeid in wrong.items()]
            raise pytest.UsageError(
                f"not in {CATALOGUE.name}, but in @pytest.mark.clause:\n" + "\n".join(lines)
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self._outcomes.get(report.nodeid, "not run")
        if report.failed:
            self._outcomes[report.nodeid] = "failed"
        elif report.skipped and before != "failed":
            self._outcomes[report.nodeid] = "skipped"
        elif report.when == "call" and before == "not run":
            self._outcomes[report.nodeid] = "passed"

    def pytest_sessionfinish(self) -> None:
        if self._report is None:
            return
        found: dict[str, Any] = {}
        for nodeid, ids in self._proves.items():
            for one in ids:
                found.setdefault(one, {})[nodeid] = self._outcomes.get(nodeid, "not run")
        Path(self._report).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
