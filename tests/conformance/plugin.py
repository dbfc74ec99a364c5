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
_PROPERTY = "clauses"


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
    # With pytest-xdist the tests run in workers, and what they report comes together here.
    in_worker = hasattr(config, "workerinput")
    file = None if in_worker else config.getoption("--conformance-report")
    config.pluginmanager.register(_Marks(file, in_worker), "clause-marks")


def ids_of(item: pytest.Item) -> Iterator[str]:
    """Yield the statements that a test says it proves."""
    for mark in item.iter_markers("clause"):
        yield from mark.args


class _Marks:
    def __init__(self, report: str | None, in_worker: bool) -> None:
        self._report = report
        self._in_worker = in_worker
        self._wrong: dict[str, str] = {}
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
                item.user_properties.append((_PROPERTY, " ".join(ids)))
        self._wrong = wrong
        if wrong and not self._in_worker:
            lines = [f"  {one!r} in {nodeid}" for one, nodeid in wrong.items()]
            raise pytest.UsageError(
                f"not in {CATALOGUE.name}, but in @pytest.mark.clause:\n" + "\n".join(lines)
            )

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        # A worker that ends while it collects takes the whole run with it, and says nothing.
        wrong = [one for one, nodeid in self._wrong.items() if nodeid == item.nodeid]
        if wrong:
            pytest.fail(f"not in {CATALOGUE.name}: {', '.join(wrong)}", pytrace=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == _PROPERTY:
                self._proves[report.nodeid] = str(value).split()
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
