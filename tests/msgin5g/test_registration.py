"""The registration family: golden vectors, round trips, and whatever a peer may send."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import gaps, names, registration
from msgin5g.errors import CallerError
from msgin5g.limits import (
    MAX_BULK_ENTRIES,
    MAX_CAUSE_BYTES,
    MAX_JSON_DEPTH,
    MAX_SECONDS,
    MAX_URI_BYTES,
)
from msgin5g.payload_errors import BadMessage, UnsupportedType
from tests.mpy import check_registration as vectors

FOLDER = Path(__file__).parents[1] / "vectors" / "registration"
UE, GATEWAY, SERVICE = "urn:example:ue:1", "urn:example:gw:1", gaps.SERVICE_ID
# The codec alone proves statements about payloads, not those about what a role does with them.
PAYLOAD_STATEMENTS = ("7.", "6.3.1.1.1-d4")


def vector_params():
    for vector in vectors.load(str(FOLDER)):
        ids = [one for one in vector["clause"] if one.startswith(PAYLOAD_STATEMENTS)]
        marks = [pytest.mark.clause(*ids)] if ids else []
        yield pytest.param(vector, id=vector["name"], marks=marks)


@pytest.mark.parametrize("vector", list(vector_params()))
def test_vector(vector):
    assert vectors.check(vector) == ""


def test_every_builder_has_a_vector():
    built = {one["build"]["function"] for one in vectors.load(str(FOLDER)) if "build" in one}
    builders = {name for name in registration.__all__ if name[0].islower()}
    assert built == builders - {"parse_request", "parse_answer"}


def test_vectors_are_named_after_their_files():
    names = [path.stem for path in sorted(FOLDER.glob("*.json"))]
    assert names == [json.loads((FOLDER / f"{name}.json").read_text())["name"] for name in names]


uris = st.builds(
    "{}:{}".format,
    st.sampled_from(["urn", "sip", "a+b"]),
    st.text(
        st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters=" "),
        min_size=1,
        max_size=60,
    ),
)
flags = st.none() | st.booleans()
times = st.none() | st.integers(0, MAX_SECONDS)
causes = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=60)
ports = st.fixed_dictionaries(
    {"portNum": st.integers(0, 65535), "Protocol": st.sampled_from(["SMS", "NIDD", "OTHER"])}
)
triggers = st.one_of(
    st.fixed_dictionaries({"ueId": uris, "cliPorts": st.lists(ports, min_size=1, max_size=16)}),
    st.fixed_dictionaries({"ueId": uris, "cliPort": st.just("65401")}),
)
profiles = st.fixed_dictionaries({}, optional={"triInfo": triggers})


@given(ue=uris, service=uris, urgent=flags, wait_s=times, profile=st.none() | profiles)
def test_reg_round_trip(ue, service, urgent, wait_s, profile):
    request = registration.parse_request(registration.reg(ue, service, urgent, wait_s, profile))
    assert (request.msg_type, request.ue_service_id, request.service_id) == ("REG", ue, service)
    assert (request.urgent, request.wait_s) == (urgent, wait_s)
    assert (request.profile, request.entries) == (profile, None)


@given(ue=uris, urgent=flags, wait_s=times)
def test_dereg_round_trip(ue, urgent, wait_s):
    request = registration.parse_request(registration.dereg(ue, SERVICE, urgent, wait_s))
    assert (request.msg_type, request.ue_service_id) == ("DEREG", ue)
    assert (request.urgent, request.wait_s, request.entries) == (urgent, wait_s, None)


@given(ue=uris, ue_id=st.none() | uris, expires_s=times)
def test_gwreg_round_trip(ue, ue_id, expires_s):
    request = registration.parse_request(registration.gwreg(ue, SERVICE, ue_id, expires_s))
    assert (request.msg_type, request.ue_service_id) == ("GWREG", ue)
    assert (request.ue_id, request.expires_s) == (ue_id, expires_s)


@given(ues=st.lists(uris, min_size=1, max_size=5), urgent=flags)
def test_bulk_round_trip(ues, urgent):
    entries = [registration.reg(ue, SERVICE, urgent) for ue in ues]
    payload = registration.breg(GATEWAY, SERVICE, entries)
    request = registration.parse_request(payload)
    assert (request.msg_type, request.ue_service_id) == ("BREG", GATEWAY)
    assert [entry.ue_service_id for entry in request.entries] == ues
    assert b",".join(entries) in payload
    entries = [registration.dereg(ue, SERVICE, urgent) for ue in ues]
    request = registration.parse_request(registration.bulk_dereg(GATEWAY, SERVICE, entries))
    assert (request.msg_type, request.ue_service_id) == ("DEREG", GATEWAY)
    assert [entry.ue_service_id for entry in request.entries] == ues


@given(ue=uris, result=st.booleans(), cause=causes, time_s=times)
def test_verdict_round_trip(ue, result, cause, time_s):
    cause, time_s = (None, time_s) if result else (cause, None)
    for build in (registration.regresp, registration.deregresp):
        request = registration.parse_request(build(ue, SERVICE, result, cause))
        assert (request.ue_service_id, request.result, request.cause) == (ue, result, cause)
    for build, attribute in (
        (registration.reg_answer, "lifetime_s"),
        (registration.gwreg_answer, "accepted_s"),
    ):
        answer = registration.parse_answer(build(ue, result, time_s, cause))
        assert (answer.ue_service_id, answer.result, answer.cause) == (ue, result, cause)
        assert getattr(answer, attribute) == time_s
    answer = registration.parse_answer(registration.dereg_answer(ue, result, cause))
    assert (answer.ue_service_id, answer.result, answer.cause) == (ue, result, cause)


@given(ues=st.lists(uris, min_size=1, max_size=5), result=st.booleans())
def test_bulk_answer_round_trip(ues, result):
    for entry, bulk in (
        (registration.reg_answer, registration.breg_answer),
        (registration.dereg_answer, registration.bulk_dereg_answer),
    ):
        answer = registration.parse_answer(bulk([entry(ue, result) for ue in ues]))
        assert [(one.ue_service_id, one.result) for one in answer.entries] == [
            (ue, result) for ue in ues
        ]


def parse_both(payload):
    for parse in (registration.parse_request, registration.parse_answer):
        try:
            parse(payload)
        except BadMessage as problem:
            assert str(problem).isascii()
            assert 0 < len(str(problem)) <= 120


@given(st.binary(max_size=300))
def test_any_bytes(payload):
    parse_both(payload)


known_keys = st.sampled_from(
    [value for key, value in vars(names).items() if key.isupper() and isinstance(value, str)]
    + list(gaps.BULK_KEYS)
)
known_values = st.sampled_from(
    ["REG", "DEREG", "BREG", "BDEREG", "GWREG", "REGRESP", "DEREGRESP", "MSG", "UE", UE, "P"]
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.text("\ud800\udc00\\u", max_size=4)
    | known_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(known_keys, inner, max_size=6),
    max_leaves=12,
)


@given(
    st.dictionaries(known_keys, anything, max_size=8),
    st.sampled_from(["REG", "DEREG", "BREG", "BDEREG", "GWREG", "REGRESP", "DEREGRESP"]),
    st.booleans(),
)
def test_any_json(value, kind, escape):
    value = {"msgIden": SERVICE, "oriAddr": {"oriAddrType": "UE", "addr": UE}} | value
    payload = json.dumps(value | {"msgType": kind}, ensure_ascii=escape)
    parse_both(payload.encode(errors="surrogatepass"))


@pytest.mark.parametrize("kind", [memoryview, bytearray])
def test_other_kinds_of_bytes(kind):
    assert registration.parse_request(kind(registration.reg(UE, SERVICE))).msg_type == "REG"


@pytest.mark.clause("7.1-values")
@pytest.mark.parametrize("kind", ["MSG", "MSGRESP", "IMDN", "SEGREC", "SEGCONFIR"])
def test_other_families_are_told_apart(kind):
    with pytest.raises(UnsupportedType):
        registration.parse_request(json.dumps({"msgIden": SERVICE, "msgType": kind}).encode())
    with pytest.raises(BadMessage) as unknown:
        registration.parse_request(json.dumps({"msgIden": SERVICE, "msgType": "X"}).encode())
    assert not isinstance(unknown.value, UnsupportedType)


def nested(levels):
    """A REG whose deepest place is `levels` deep."""
    reg = registration.reg(UE, SERVICE)
    return reg[:-1] + b',"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_what_is_taken_alone_is_taken_in_bulk():
    deepest = nested(MAX_JSON_DEPTH)
    assert registration.parse_request(deepest).ue_service_id == UE
    bulk = registration.breg(GATEWAY, SERVICE, [deepest])
    assert len(registration.parse_request(bulk).entries) == 1
    with pytest.raises(BadMessage, match="nested"):
        registration.parse_request(nested(MAX_JSON_DEPTH + 1))


def test_the_largest_bulk():
    entries = [registration.reg(UE, SERVICE)] * MAX_BULK_ENTRIES
    request = registration.parse_request(registration.breg(GATEWAY, SERVICE, entries))
    assert len(request.entries) == MAX_BULK_ENTRIES


@pytest.mark.clause("6.3.1.1.1-d4-i1", "6.3.1.1.1-d4-i2", "6.3.1.1.1-d4-ii1-2")
@pytest.mark.parametrize(
    "profile",
    [
        {"triInfo": {"cliPort": "1"}},
        {"triInfo": {"ueId": "dev"}},
        {
            "triInfo": {
                "ueId": "dev",
                "cliPort": "1",
                "cliPorts": [{"portNum": 1, "Protocol": "SMS"}],
            }
        },
        {"comAvail": {"schTime": "2026-03-01T08:00:00Z"}},
        {"comAvail": {"durTime": "2026-03-01T08:00:00Z"}},
    ],
)
def test_a_profile_that_breaks_a_rule_is_never_sent(profile):
    with pytest.raises(CallerError, match="cliProfile"):
        registration.reg(UE, SERVICE, profile=profile)


@pytest.mark.clause("7.3.3.1-resp", "7.3.3.2-resp", "7.3.3.3-resp", "7.3.3.4", "7.3.3.5")
def test_cause_and_time_go_with_their_result():
    for build in (registration.reg_answer, registration.gwreg_answer):
        with pytest.raises(CallerError, match="cause|failure reason"):
            build(UE, True, cause="no")
        with pytest.raises(CallerError, match="Time"):
            build(UE, False, 60, "no")
    with pytest.raises(CallerError, match="cause"):
        registration.dereg_answer(UE, True, "no")
    for build in (registration.regresp, registration.deregresp):
        with pytest.raises(CallerError, match="cause"):
            build(UE, SERVICE, True, "no")
        value = json.loads(build(UE, SERVICE, False))
        assert value["cause"] == gaps.CAUSE_UNSPECIFIED


@pytest.mark.parametrize(
    "call",
    [
        lambda: registration.reg("", SERVICE),
        lambda: registration.reg(None, SERVICE),
        lambda: registration.reg("ue 1", SERVICE),
        lambda: registration.reg("urn:\ud800", SERVICE),
        lambda: registration.reg("urn:" + "x" * MAX_URI_BYTES, SERVICE),
        lambda: registration.reg(UE, ""),
        lambda: registration.reg(UE, SERVICE, urgent=1),
        lambda: registration.reg(UE, SERVICE, wait_s=-1),
        lambda: registration.reg(UE, SERVICE, wait_s=1.5),
        lambda: registration.reg(UE, SERVICE, wait_s=True),
        lambda: registration.reg(UE, SERVICE, profile="x"),
        lambda: registration.dereg(UE, SERVICE, wait_s="60"),
        lambda: registration.gwreg(UE, SERVICE, ue_id=""),
        lambda: registration.gwreg(UE, SERVICE, expires_s=-1),
        lambda: registration.breg(GATEWAY, SERVICE, []),
        lambda: registration.breg(GATEWAY, SERVICE, [b"{}"] * (MAX_BULK_ENTRIES + 1)),
        lambda: registration.bulk_dereg("", SERVICE, [b"{}"]),
        lambda: registration.breg_answer([]),
        lambda: registration.bulk_dereg_answer([]),
        lambda: registration.reg_answer(UE, None),
        lambda: registration.reg_answer(UE, 1),
        lambda: registration.reg_answer(UE, False, cause=5),
        lambda: registration.reg_answer(UE, False, cause="\ud800"),
        lambda: registration.interim(UE, -1),
    ],
)
def test_the_caller_did_wrong(call):
    with pytest.raises(CallerError):
        call()


def test_a_time_above_the_limit_is_sent_as_the_limit():
    answer = registration.parse_answer(registration.interim(UE, MAX_SECONDS + 1))
    assert answer.expected_s == MAX_SECONDS


def test_a_long_cause_is_cut_between_characters():
    answer = json.loads(registration.reg_answer(UE, False, cause="é" * 300))
    assert answer["cause"] == "é" * (MAX_CAUSE_BYTES // 2)
