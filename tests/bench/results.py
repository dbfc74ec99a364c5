"""What the bench measured, as a table: at the end of the run, and in build/bench.md.

The values travel with the tests' reports, as properties that JUnit files have as well.
"""

import re
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build"
_HEAD = "| scenario | what | value | unit |\n|---|---|--:|---|"
_NAME = re.compile(r"(.*) \[(.*)\]")


def property_name(what, unit):
    """Return the name of a value's property, such as "heap idle [bytes]"."""
    return f"{what} [{unit}]"


class Results:
    """A pytest plugin that gathers the values of all workers."""

    def __init__(self):
        self._lines = []

    def pytest_runtest_logreport(self, report):
        if report.when != "teardown":
            return
        test = report.nodeid.rpartition("::")[2]
        for name, value in report.user_properties:
            found = _NAME.fullmatch(name)
            if found:
                self._lines.append(f"| {test} | {found[1]} | {value:,} | {found[2]} |")

    def pytest_terminal_summary(self, terminalreporter):
        if not self._lines:
            return
        text = "\n".join([_HEAD, *self._lines])
        BUILD.mkdir(exist_ok=True)
        (BUILD / "bench.md").write_text(text + "\n")
        terminalreporter.section("bench")
        terminalreporter.write_line(text)
