"""The marks: unknown ids stop the run, outcomes reach the report."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = "import pytest\n"
CONFIG = "[pytest]\nmarkers = clause(*ids): statements\naddopts = --strict-markers\n"


def run(folder: Path, code: str, *options: str) -> tuple[int, str, dict[str, dict[str, str]]]:
    (folder / "pytest.ini").write_text(CONFIG)
    (folder / "test_it.py").write_text(HEAD + code)
    report = folder / "report.json"
    plugins = ["-p", "tests.conformance.plugin", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins]
        + ["-c", str(folder / "pytest.ini"), f"--conformance-report={report}", str(folder)]
        + list(options),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    results = json.loads(report.read_text()) if report.exists() else {}
    return done.returncode, done.stdout + done.stderr, results


def test_unknown_id_fails_the_collection(tmp_path) -> None:
    code, text, _ = run(tmp_path, "@pytest.mark.clause('6.9.9-z')\ndef test_a(): pass\n")
    assert code == 4
    assert "test_it.py::test_a: not in catalogue.toml: 6.9.9-z" in text


def test_what_is_not_applicable_cannot_be_proven(tmp_path) -> None:
    code, text, _ = run(tmp_path, "@pytest.mark.clause('6.2.1.2-p4')\ndef test_a(): pass\n")
    assert code == 4
    assert "test_it.py::test_a: proven, but in not_applicable.toml: 6.2.1.2-p4" in text


def test_a_reason_for_a_statement_that_there_is_not_stops_the_run(tmp_path) -> None:
    reasons = tmp_path / "reasons.toml"
    reasons.write_text('[[row]]\nid = "6.9.9-z"\nreason = "None."\n')
    (tmp_path / "other.py").write_text(
        "from pathlib import Path\n"
        "from tests.conformance import plugin\n"
        f"plugin.load_reasons.__defaults__ = (Path({str(reasons)!r}),)\n"
    )
    code, text, _ = run(tmp_path, "def test_a(): pass\n", "-p", "other")
    assert code == 4
    assert "in not_applicable.toml, but not in catalogue.toml: 6.9.9-z" in text


def test_outcomes_by_statement(tmp_path) -> None:
    code, _, results = run(
        tmp_path,
        """
@pytest.mark.clause("6.3.4.3.3-b1", "6.1-coap")
def test_passes(): pass
@pytest.mark.clause("6.1-coap")
def test_fails(): assert False
@pytest.mark.clause("6.3.4.3.3-a")
def test_skips(): pytest.skip("not here")
@pytest.fixture
def broken():
    yield
    raise RuntimeError
@pytest.mark.clause("7.1-type")
def test_fails_at_its_end(broken): pass
def test_proves_nothing(): pass
""",
    )
    assert code == 1
    assert results == {
        "6.3.4.3.3-b1": {"test_it.py::test_passes": "passed"},
        "6.1-coap": {"test_it.py::test_passes": "passed", "test_it.py::test_fails": "failed"},
        "6.3.4.3.3-a": {"test_it.py::test_skips": "skipped"},
        "7.1-type": {"test_it.py::test_fails_at_its_end": "failed"},
    }


def test_in_workers_it_is_the_same(tmp_path) -> None:
    good = "@pytest.mark.clause('6.1-coap')\ndef test_good(): pass\n"
    bad = "@pytest.mark.clause('6.9.9-z')\ndef test_bad(): pass\n"
    code, text, results = run(tmp_path, good + bad, "-n", "2")
    assert code == 1 and "not in catalogue.toml: 6.9.9-z" in text, text
    assert results["6.1-coap"] == {"test_it.py::test_good": "passed"}
