"""The conformance report: what counts as proven, and the table."""

from tests.conformance import report
from tests.conformance.plugin import load_catalogue, load_reasons

CATALOGUE = {
    "6.3.4.3.3-a": {"role": "gateway", "iface": "MSGin5G-6", "level": "shall", "what": "x"},
    "6.3.4.3.3-b1": {"role": "gateway", "iface": "MSGin5G-6", "level": "shall", "what": "x"},
    "6.3.4.3.3-c": {"role": "gateway", "iface": "MSGin5G-6", "level": "may", "what": "x"},
    "6.4.1.2.1-a": {"role": "server", "iface": "MSGin5G-1", "level": "shall", "what": "x"},
    "6.4.1.2.1-b": {"role": "server", "iface": "MSGin5G-1", "level": "shall", "what": "x"},
    "6.4.1.2.1-c": {"role": "server", "iface": "MSGin5G-1", "level": "shall", "what": "x"},
}
RESULTS = {
    "6.3.4.3.3-a": {"t1": "passed", "t2": "passed"},
    "6.3.4.3.3-b1": {"t1": "passed", "t3": "skipped"},
    "6.3.4.3.3-c": {"t1": "passed", "t4": "failed"},
    "6.4.1.2.1-c": {"t1": "passed"},
}
REASONS = {
    "6.4.1.2.1-b": {"id": "6.4.1.2.1-b", "reason": "there is none"},
    "6.4.1.2.1-c": {"id": "6.4.1.2.1-c", "reason": "half is there", "partly": True},
}


def test_state_of_a_statement() -> None:
    assert report.state(None) == "no test"
    assert report.state({"a": "passed", "b": "passed"}) == "proven"
    assert report.state({"a": "passed", "b": "skipped"}) == "not proven"
    assert report.state({"a": "passed", "b": "not run"}) == "not proven"
    assert report.state({"a": "skipped", "b": "failed"}) == "failed"
    assert report.state(None, {}) == "not applicable"
    part = {"partly": True}
    assert report.state({"a": "passed"}, part) == "in part"
    assert report.state({"a": "failed"}, part) == "failed"
    assert report.state(None, part) == "no test"


def test_table() -> None:
    head = "role     interface  rows  shall  proven  shall proven  failed  not proven  no test"
    assert report.render(report.summary(CATALOGUE, RESULTS, REASONS)).splitlines() == [
        head + "  in part  not applicable",
        "gateway  MSGin5G-6     3      2       1             1       1           1        0"
        "        0               0",
        "server   MSGin5G-1     3      3       0             0       0           0        1"
        "        1               1",
        "all                    6      5       1             1       1           1        1"
        "        1               1",
    ]


def test_missing_names_shall_statements_of_supported_families_only() -> None:
    lacking = report.missing(CATALOGUE, RESULTS, REASONS)
    found = {family: ids for family, ids in lacking.items() if ids}
    assert found == {
        "registration": ["6.3.4.3.3-b1"],
        "messages": ["6.4.1.2.1-a", "6.4.1.2.1-c"],
    }


def test_reasons_are_shown() -> None:
    text = "\n".join(report.explain(REASONS))
    assert "not applicable:\n  6.4.1.2.1-b" in text and "there is none" in text
    assert "in part:\n  6.4.1.2.1-c" in text and "half is there" in text


def test_family_prefixes_match_the_catalogue() -> None:
    for prefixes in report.FAMILIES.values():
        for prefix in prefixes:
            assert any(one.startswith(prefix) for one in load_catalogue()), prefix


def test_every_reason_is_one_sentence_or_more_for_a_statement_that_there_is() -> None:
    for one, row in load_reasons().items():
        assert one in load_catalogue(), one
        assert set(row) <= {"id", "reason", "partly"} and row["reason"].endswith("."), one
