"""Which statements of the catalogue have a passing test, per role and interface.

Runs every test that is marked with statements. Exit code 1 if one of them fails, or if a mark
names a statement that is not in the catalogue. not_applicable.toml says why some have none.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.conformance.plugin import load_catalogue, load_reasons  # noqa: E402

# Id prefixes of the families of procedures that the product has.
FAMILIES = {
    "as a whole": ("6.1-",),
    "configuration": ("6.2.", "6.8.2", "7.2", "7.3.2"),
    "registration": (
        "6.3.0",
        "6.3.1.",
        "6.3.4.",
        "6.3.5.",
        "7.1",
        "7.3.1",
        "7.3.3.",
        "S0-",
    ),
    "devices without a client": ("6.3.2.", "A.2", "A.3.1.7", "A.3.1.8", "A.3.1.9")
    + ("A.3.1.10", "A.3.2", "S4-"),
    "messages": ("6.4.", "6.5.", "7.3.4", "7.3.6", "A.3.1.1", "A.3.1.2", "A.3.1.3")
    + ("A.3.1.4", "A.3.1.5", "A.3.1.6"),
    "topics and groups": ("6.6.", "6.8.1", "6.8.3", "7.3.5"),
}
_COLUMNS = ("rows", "shall", "proven", "shall proven", "failed", "not proven", "no test") + (
    "in part",
    "not applicable",
)

Reasons = Mapping[str, Mapping[str, Any]]


def state(outcomes: dict[str, str] | None, reason: Mapping[str, Any] | None = None) -> str:
    """Return what the tests of one statement say about it. reason: its row, if it has one.

    "proven" if all passed, "failed" if one failed, "not proven" if one was skipped or not run,
    "no test" if there is none; with a reason "not applicable", or "in part" for "proven".
    """
    if reason is not None and not reason.get("partly"):
        return "not applicable"
    if not outcomes:
        return "no test"
    found = set(outcomes.values())
    if "failed" in found:
        return "failed"
    if found != {"passed"}:
        return "not proven"
    return "proven" if reason is None else "in part"


def summary(
    catalogue: dict[str, dict[str, str]],
    results: dict[str, dict[str, str]],
    reasons: Reasons,
) -> dict[tuple[str, str], Counter[str]]:
    """Return the counts of _COLUMNS by (role, interface), sorted."""
    table: dict[tuple[str, str], Counter[str]] = {}
    for one, row in catalogue.items():
        counts = table.setdefault((row["role"], row["iface"]), Counter())
        now = state(results.get(one), reasons.get(one))
        counts["rows"] += 1
        counts[now] += 1
        if row["level"] == "shall":
            counts["shall"] += 1
            counts["shall proven"] += now == "proven"
    return dict(sorted(table.items()))


def missing(
    catalogue: dict[str, dict[str, str]],
    results: dict[str, dict[str, str]],
    reasons: Reasons,
) -> dict[str, list[str]]:
    """Return the "shall" statements of each supported family that should be proven and are not."""
    return {
        family: [
            one
            for one, row in catalogue.items()
            if row["level"] == "shall"
            and one.startswith(prefixes)
            and state(results.get(one), reasons.get(one)) not in ("proven", "not applicable")
        ]
        for family, prefixes in FAMILIES.items()
    }


def render(table: dict[tuple[str, str], Counter[str]]) -> str:
    """Return the summary as aligned text with a line of totals."""
    total: Counter[str] = Counter()
    for counts in table.values():
        total.update(counts)
    head = ("role", "interface", *_COLUMNS)
    body = [
        (role, iface, *(str(counts[name]) for name in _COLUMNS))
        for (role, iface), counts in [*table.items(), (("all", ""), total)]
    ]
    widths = [max(len(row[at]) for row in [head, *body]) for at in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *body]
    )


def explain(reasons: Reasons) -> list[str]:
    """Return the lines with the reasons why statements are not proven, or in part only."""
    lines = []
    for title, partly in (("not applicable", False), ("in part", True)):
        lines += ["", f"{title}:"]
        for one, row in reasons.items():
            if row.get("partly", False) is partly:
                lines.append(f"  {one:22} {row['reason']}")
    return lines


def run_tests() -> tuple[int, dict[str, dict[str, str]]]:
    """Run the marked tests; returns pytest's exit code and the outcomes by statement."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "4", "-m", "clause"]
        done = subprocess.run(
            [*command, f"--conformance-report={path}"], cwd=ROOT, stdout=sys.stderr
        )
        results = json.loads(path.read_text()) if path.exists() else {}
    return done.returncode, results


def main() -> int:
    """Run the tests and print the report; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--missing",
        action="store_true",
        help='list the "shall" statements of the supported families that are not proven',
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    code, results = run_tests()
    catalogue, reasons = load_catalogue(), load_reasons()
    table = summary(catalogue, results, reasons)
    lacking = missing(catalogue, results, reasons)
    failed = sorted(one for one in results if state(results[one]) == "failed")
    if args.json:
        rows = [
            {"role": role, "iface": iface, **{name: counts[name] for name in _COLUMNS}}
            for (role, iface), counts in table.items()
        ]
        report = {
            **{"table": rows, "failed": failed, "missing": lacking, "statements": results},
            "reasons": reasons,
        }
        print(json.dumps(report))
        return 1 if code else 0
    print(render(table))
    for family, ids in lacking.items():
        wanted = [
            one
            for one, row in catalogue.items()
            if row["level"] == "shall"
            and one.startswith(FAMILIES[family])
            and state(None, reasons.get(one)) != "not applicable"
        ]
        print(f'\n{family}: {len(wanted) - len(ids)} of {len(wanted)} "shall" statements proven')
        if args.missing:
            for one in ids:
                print(f"  {one:22} {catalogue[one]['role']:14} {catalogue[one]['what']}")
    for line in explain(reasons):
        print(line)
    if failed:
        print("\nfailed: " + ", ".join(failed))
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())
