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
NOT_APPLICABLE = Path(__file__).with_name("not_applicable.toml")
_PROPERTY = "clauses"


def load_catalogue(path: Path = CATALOGUE) -> dict[str, dict[str, str]]:
    """Return the statements of the catalogue by id, in the order of the file."""
    return {row["id"]: row for row in tomllib.loads(path.read_text(encoding="utf-8"))["clause"]}


def load_reasons(path: Path = NOT_APPLICABLE) -> dict[str, dict[str, Any]]:
    """Return why statements are not proven, or proven in part only, by id."""
    return {row["id"]: row for row in tomllib.loads(path.read_text(encoding="utf-8"))["row"]}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--conformance-report",
        metavar="FILE",
        help="write which tests prove which statement, and with what outcome, to this file",
    )


def pytest_configure(config: pytest.Config) -> None:
    # With pytest-xdist the tests run in workers, and what they report comes together here.
    in_worker = hasattr(config, "workerinput")
    unknown = sorted(load_reasons().keys() - load_catalogue().keys())
    if unknown and not in_worker:
        raise pytest.UsageError(
            f"in {NOT_APPLICABLE.name}, but not in {CATALOGUE.name}: {', '.join(unknown)}"
        )
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
        excused = {one for one, row in load_reasons().items() if not row.get("partly")}
        for item in items:
            ids = list(dict.fromkeys(ids_of(item)))
            unknown = [one for one in ids if one not in known]
            both = [one for one in ids if one in excused]
            if unknown or both:
                self._wrong[item.nodeid] = "; ".join(
                    [f"not in {CATALOGUE.name}: {one}" for one in unknown]
                    + [f"proven, but in {NOT_APPLICABLE.name}: {one}" for one in both]
                )
            if ids:
                self._proves[item.nodeid] = ids
                item.user_properties.append((_PROPERTY, " ".join(ids)))
        if self._wrong and not self._in_worker:
            lines = [f"  {nodeid}: {text}" for nodeid, text in self._wrong.items()]
            raise pytest.UsageError(
                f"@pytest.mark.clause names what {CATALOGUE.name} has, and what is proven whole "
                f"or in part (partly = true in {NOT_APPLICABLE.name}):\n" + "\n".join(lines)
            )

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        # A worker that ends while it collects takes the whole run with it, and says nothing.
        if item.nodeid in self._wrong:
            pytest.fail(self._wrong[item.nodeid], pytrace=False)

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
