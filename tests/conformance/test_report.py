"""The conformance report: what counts as proven, and the table."""

from tests.conformance import report
from tests.conformance.plugin import load_catalogue

CATALOGUE = {
    "6.3.4.3.3-a": {"role": "gateway", "iface": "MSGin5G-6", "level": "shall", "what": "x"},
    "6.3.4.3.3-b1": {"role": "gateway", "iface": "MSGin5G-6", "level": "shall", "what": "x"},
    "6.3.4.3.3-c": {"role": "gateway", "iface": "MSGin5G-6", "level": "may", "what": "x"},
    "6.4.1.2.1-a": {"role": "server", "iface": "MSGin5G-1", "level": "shall", "what": "x"},
}
RESULTS = {
    "6.3.4.3.3-a": {"t1": "passed", "t2": "passed"},
    "6.3.4.3.3-b1": {"t1": "passed", "t3": "skipped"},
    "6.3.4.3.3-c": {"t1": "passed", "t4": "failed"},
}


def test_state_of_a_statement() -> None:
    assert report.state(None) == "no test"
    assert report.state({"a": "passed", "b": "passed"}) == "proven"
    assert report.state({"a": "passed", "b": "skipped"}) == "not proven"
    assert report.state({"a": "passed", "b": "not run"}) == "not proven"
    assert report.state({"a": "skipped", "b": "failed"}) == "failed"


def test_table() -> None:
    assert report.render(report.summary(CATALOGUE, RESULTS)).splitlines() == [
        "role     interface  rows  shall  proven  shall proven  failed  not proven  no test",
        "gateway  MSGin5G-6     3      2       1             1       1           1        0",
        "server   MSGin5G-1     1      1       0             0       0           0        1",
        "all                    4      3       1             1       1           1        1",
    ]


def test_missing_names_shall_statements_of_supported_families_only() -> None:
    found = {family: ids for family, ids in report.missing(CATALOGUE, RESULTS).items() if ids}
    assert found == {"registration": ["6.3.4.3.3-b1"], "messages": ["6.4.1.2.1-a"]}


def test_family_prefixes_match_the_catalogue() -> None:
    for prefixes in report.FAMILIES.values():
        for prefix in prefixes:
            assert any(one.startswith(prefix) for one in load_catalogue()), prefix
