"""What the Server answers, keeps and tells: clauses 6.3.1.2 and 6.3.4.4, payload by payload."""

import io
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from msgin5g import coap, gaps
from msgin5g.limits import MAX_BULK_ENTRIES, MAX_SECONDS
from msgin5g.registration import breg, bulk_dereg, dereg, reg
from msgin5g_host.log import EventLog
from msgin5g_server.core import ServerCore
from msgin5g_server.registry import Registry, StoreError
from tests.world import SERVICE, server_settings, ue_id

G1, G2 = "urn:example:gw:1", "urn:example:gw:2"
AT, AT_G1, AT_G2 = "10.9.9.9:5000", "10.0.0.1:4000", "10.0.0.2:4000"
NOW = 1_800_000_000_000
PROFILE = {"triInfo": {"ueId": "urn:example:device:1", "cliPort": "7000"}}
# UEs 1 to 4 come any way, 5 and 6 through gateway 1, 7 through gateway 2.
ACCOUNTS = [
    *({"ue_service_id": gateway, "gateway": None} for gateway in (G1, G2)),
    *({"ue_service_id": ue_id(number), "gateway": None} for number in range(1, 5)),
    *({"ue_service_id": ue_id(number), "gateway": G1} for number in (5, 6)),
    {"ue_service_id": ue_id(7), "gateway": G2},
]


class Server:
    """A ServerCore on a folder; answers come back decoded, after a commit."""

    def __init__(self, folder, limit=200_000, accounts=ACCOUNTS, **values):
        self.stream = io.StringIO()
        self.registry = Registry(str(folder), limit)
        made = server_settings(str(folder), accounts, **values)
        log = EventLog("server", True, self.stream, messages=made["server.log_messages"])
        self.core = ServerCore(made, self.registry, log)
        self.now = NOW

    def ask(self, payload, source=AT):
        code, answer = self.core.handle(payload, source, self.now)
        self.core.commit()
        return code, json.loads(answer)

    def refusal(self, payload, source=AT):
        code, answer = self.core.handle(payload, source, self.now)
        self.core.commit()
        assert code == coap.BAD_REQUEST
        return answer.decode("ascii")

    def reg(self, number, source=AT, profile=None):
        return self.ask(reg(ue_id(number), SERVICE, profile=profile), source)

    def dereg(self, number, source=AT):
        return self.ask(dereg(ue_id(number), SERVICE), source)

    def sign_in(self, gateway, source):
        assert self.ask(reg(gateway, SERVICE), source)[1]["result"]

    def breg(self, *numbers, gateway=G1, source=AT_G1):
        entries = [reg(ue_id(number), SERVICE) for number in numbers]
        code, answer = self.ask(breg(gateway, SERVICE, entries), source)
        assert answer["regRespNum"] == len(answer["regRespList"]) == len(numbers)
        return code, answer["regRespList"]

    def bulk_dereg(self, *numbers, gateway=G1, source=AT_G1):
        entries = [dereg(ue_id(number), SERVICE) for number in numbers]
        code, answer = self.ask(bulk_dereg(gateway, SERVICE, entries), source)
        assert answer["deregRespNum"] == len(answer["deregRespList"]) == len(numbers)
        return code, answer["deregRespList"]

    def events(self, name):
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    def row(self, number):
        return self.registry.get(ue_id(number))


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    made.registry.close()


def address(name):
    return {"oriAddrType": "UE", "addr": name}


def good(number):
    return {"oriAddr": address(ue_id(number)), "result": True, "regExpTime": 3600}


def gone(number):
    return {"oriAddr": address(ue_id(number)), "result": True}


def bad(number, cause):
    return {"oriAddr": address(ue_id(number)), "result": False, "cause": cause}


# One UE


@pytest.mark.clause("6.3.1.2.1-a", "6.3.1.2.1-b", "6.3.1.2.1-b2-iii", "6.3.1.2.1-b2-iv")
def test_a_registration_is_new_once_and_refreshed_after_that(server):
    assert server.reg(1, profile=PROFILE) == (coap.CREATED, good(1))
    first = server.row(1)
    assert json.loads(first.profile) == PROFILE
    assert (first.via, first.peer) == ("", AT)
    assert first.registered_at_ms == first.refreshed_at_ms == NOW
    assert first.expires_at_ms == NOW + 3_600_000
    server.now += 60_000
    assert server.reg(1, "10.9.9.9:6000") == (coap.CHANGED, good(1))
    again = server.row(1)
    assert (again.profile, again.peer) == (None, "10.9.9.9:6000")
    assert (again.registered_at_ms, again.refreshed_at_ms) == (NOW, NOW + 60_000)
    assert again.expires_at_ms == NOW + 3_660_000


@pytest.mark.clause("6.1-auth", "6.3.1.2.1-p1", "6.3.1.2.1-b", "6.3.1.2.1-b2-iii-not")
@pytest.mark.clause("6.3.1.2.1-b2-iv")
@pytest.mark.parametrize(
    ("number", "cause"),
    [(9, gaps.CAUSE_UNKNOWN_UE), (5, gaps.CAUSE_ONLY_THROUGH_GATEWAY)],
)
def test_a_refused_registration_has_a_cause_no_lifetime_and_leaves_no_trace(server, number, cause):
    assert server.reg(number, profile=PROFILE) == (coap.CHANGED, bad(number, cause))
    assert len(server.registry) == 0
    assert server.core.counters == {"refused: " + cause: 1}


@pytest.mark.clause("6.3.1.2.1-p1", "6.1-auth")
def test_a_refused_refresh_leaves_the_registration_as_it_was(server):
    server.sign_in(G1, AT_G1)
    server.breg(5)
    before = server.row(5)
    server.now += 1000
    assert server.reg(5, profile=PROFILE)[1] == bad(5, gaps.CAUSE_ONLY_THROUGH_GATEWAY)
    assert server.row(5) is before


@pytest.mark.clause("6.3.1.2.2-p1", "6.3.1.2.2-a", "6.3.1.2.2-b", "6.3.1.2.2-b3-iii")
def test_a_de_registration_ends_the_registration_and_its_profile(server):
    server.reg(1, profile=PROFILE)
    assert server.dereg(1) == (coap.CHANGED, gone(1))
    assert server.row(1) is None
    assert server.dereg(1) == (coap.CHANGED, bad(1, gaps.CAUSE_NOT_REGISTERED))
    assert server.dereg(9) == (coap.CHANGED, bad(9, gaps.CAUSE_UNKNOWN_UE))
    assert server.reg(1)[0] == coap.CREATED
    assert server.row(1).profile is None


@pytest.mark.clause("6.3.1.2.2-p1", "6.1-auth")
def test_nobody_else_de_registers_a_ue_behind_a_gateway(server):
    server.sign_in(G1, AT_G1)
    server.sign_in(G2, AT_G2)
    server.breg(5)
    for source in (AT, AT_G2):
        assert server.dereg(5, source)[1] == bad(5, gaps.CAUSE_ONLY_THROUGH_GATEWAY)
        assert server.row(5)
    (entry,) = server.bulk_dereg(5, gateway=G2, source=AT_G2)[1]
    assert entry == bad(5, gaps.CAUSE_NOT_AUTHORISED_GATEWAY)
    assert server.row(5)
    assert server.dereg(5, AT_G1)[1] == gone(5)


def test_a_forwarded_urgent_request_is_known_to_come_through_its_gateway(server):
    server.sign_in(G1, AT_G1)
    assert server.reg(5, AT_G1)[0] == coap.CREATED
    assert server.row(5).via == G1
    assert server.reg(5, "10.0.0.1:4444")[0] == coap.CHANGED
    assert server.row(5).via == G1
    assert server.reg(1, AT_G1)[0] == coap.CREATED
    assert server.row(1).via == G1
    assert server.registry.get(G1).via == ""


def test_in_lab_mode_a_bulk_request_shows_who_forwards_until_that_one_leaves(tmp_path):
    server = Server(tmp_path, accounts=(), open=True)
    server.sign_in(G1, AT_G1)
    server.reg(1, AT_G1)
    assert server.row(1).via == ""
    server.breg(2)
    server.reg(1, AT_G1)
    assert server.row(1).via == G1
    assert server.ask(dereg(G1, SERVICE), AT_G1)[1]["result"] is True
    server.reg(1, AT_G1)
    assert server.row(1).via == ""
    server.registry.close()


def test_an_ended_registration_is_no_registration_even_before_it_is_noticed(server):
    for number in (1, 2):
        server.reg(number)
    server.now += 3_600_000
    assert server.dereg(2)[1] == bad(2, gaps.CAUSE_NOT_REGISTERED)
    assert server.reg(1)[0] == coap.CREATED
    assert server.row(1).registered_at_ms == server.now
    assert server.core.counters["expired"] == 2


def test_registrations_end_with_their_lifetime(server):
    server.sign_in(G1, AT_G1)
    server.reg(1)
    server.now += 1_800_000
    server.reg(2)
    server.now += 1_801_000
    server.core.expire(server.now)
    server.core.commit()
    assert list(server.registry) == [ue_id(2)]
    assert {one["ue"] for one in server.events("expired")} == {G1, ue_id(1)}
    assert server.breg(5, source=AT)[1] == [good(5)], "a gateway that ended has no address"


def test_a_full_registry_refuses_new_ues_and_refreshes_old_ones(tmp_path):
    server = Server(tmp_path, limit=2)
    server.reg(1)
    server.reg(2)
    assert server.reg(3) == (coap.CHANGED, bad(3, gaps.CAUSE_CONGESTION))
    assert server.breg(1, 4)[1] == [good(1), bad(4, gaps.CAUSE_CONGESTION)]
    assert server.core.counters["refused: congestion"] == 2
    server.dereg(1)
    assert server.reg(3)[0] == coap.CREATED
    server.registry.close()


@pytest.mark.parametrize("lifetime_s", [1, 86_400, MAX_SECONDS])
def test_the_answer_names_the_configured_lifetime(tmp_path, lifetime_s):
    server = Server(tmp_path, registration_lifetime_s=lifetime_s)
    assert server.reg(1)[1]["regExpTime"] == lifetime_s
    server.registry.close()


# Many at once


@pytest.mark.clause("6.3.4.4.1-p1", "6.3.4.4.1-a", "6.3.4.4.1-b2-i", "6.3.4.4.1-b2-ii")
def test_each_entry_of_a_bulk_registration_is_judged_by_itself(server):
    code, entries = server.breg(1, 9, 5, 7)
    assert code == coap.CREATED
    assert entries == [
        good(1),
        bad(9, gaps.CAUSE_UNKNOWN_UE),
        good(5),
        bad(7, gaps.CAUSE_NOT_AUTHORISED_GATEWAY),
    ]
    assert sorted(server.registry) == [ue_id(1), ue_id(5)]
    assert {(row.via, row.peer) for _, row in server.registry.items()} == {(G1, AT_G1)}
    assert server.breg(1, 5) == (coap.CHANGED, [good(1), good(5)])
    assert server.breg(1, 6)[0] == coap.CREATED
    assert server.core.counters["bulk_requests"] == 3
    assert server.core.counters["bulk_entries"] == 8


@pytest.mark.clause("6.3.4.4.1-p1", "6.1-auth")
def test_a_bulk_registration_of_an_unknown_or_false_gateway_registers_nobody(server):
    server.sign_in(G1, AT_G1)
    cause = gaps.CAUSE_UNKNOWN_GATEWAY
    entries = server.breg(1, 5, gateway="urn:example:gw:9", source=AT)[1]
    assert entries == [bad(1, cause), bad(5, cause)]
    cause = gaps.CAUSE_NOT_AUTHORISED_GATEWAY
    assert server.breg(1, 7, gateway=G2, source=AT_G1)[1] == [bad(1, cause), bad(7, cause)]
    assert server.breg(5, gateway=G1, source=AT_G2)[1] == [bad(5, cause)]
    assert list(server.registry) == [G1]


def test_a_bulk_registration_without_originator_serves_accounts_without_gateway(server):
    entries = [json.loads(reg(ue_id(number), SERVICE)) for number in (1, 5)]
    payload = {"msgIden": SERVICE, "msgType": "BREG", "regReqNum": 2, "regReqList": entries}
    answer = server.ask(json.dumps(payload).encode())[1]
    assert answer["regRespList"] == [good(1), bad(5, gaps.CAUSE_NOT_AUTHORISED_GATEWAY)]
    assert server.row(1).via == ""


def test_in_a_list_with_a_ue_twice_both_are_answered_and_the_last_profile_counts(server):
    entries = [
        reg(ue_id(1), SERVICE, profile={"triInfo": {"ueId": "urn:first", "cliPort": "1"}}),
        reg(ue_id(2), SERVICE),
        reg(ue_id(1), SERVICE, profile=PROFILE),
    ]
    code, answer = server.ask(breg(G1, SERVICE, entries), AT_G1)
    assert (code, answer["regRespList"]) == (coap.CREATED, [good(1), good(2), good(1)])
    assert json.loads(server.row(1).profile) == PROFILE
    expected = [gone(1), bad(1, gaps.CAUSE_NOT_REGISTERED)]
    assert server.bulk_dereg(1, 1)[1] == expected


@pytest.mark.clause("6.3.4.4.2-p1", "6.3.4.4.2-a", "6.3.4.4.2-b2-i", "6.3.4.4.2-b2-ii")
@pytest.mark.parametrize("msg_type", ["DEREG", "BDEREG"])
def test_a_bulk_de_registration_ends_who_is_listed_and_nobody_else(server, msg_type):
    server.sign_in(G1, AT_G1)
    server.breg(1, 2, 5)
    entries = [dereg(ue_id(number), SERVICE) for number in (1, 9, 7, 5, 3)]
    payload = json.loads(bulk_dereg(G1, SERVICE, entries))
    payload["msgType"] = msg_type
    code, answer = server.ask(json.dumps(payload).encode(), AT_G1)
    assert code == coap.CHANGED and answer["deregRespNum"] == 5
    assert answer["deregRespList"] == [
        gone(1),
        bad(9, gaps.CAUSE_UNKNOWN_UE),
        bad(7, gaps.CAUSE_NOT_AUTHORISED_GATEWAY),
        gone(5),
        bad(3, gaps.CAUSE_NOT_REGISTERED),
    ]
    assert sorted(server.registry) == [G1, ue_id(2)]


def test_the_largest_bulk_request_is_served_and_a_larger_one_is_not(tmp_path):
    server = Server(tmp_path, accounts=(), open=True)
    code, entries = server.breg(*range(MAX_BULK_ENTRIES))
    assert code == coap.CREATED and all(entry["result"] for entry in entries)
    assert len(server.registry) == MAX_BULK_ENTRIES
    body = json.loads(breg(G1, SERVICE, [reg(ue_id(k), SERVICE) for k in range(500)]))
    body["regReqList"].append(body["regReqList"][0])
    body["regReqNum"] += 1
    assert "regReqList" in server.refusal(json.dumps(body).encode())
    server.registry.close()


def test_a_gateway_in_its_own_list_is_registered_like_by_itself(server):
    payload = breg(G1, SERVICE, [reg(G1, SERVICE)])
    assert server.ask(payload, AT_G1)[1]["regRespList"][0]["result"] is True
    assert server.registry.get(G1).via == ""
    assert server.reg(5, AT_G1)[1] == good(5)


# Nonsense


def other(payload, **changes):
    """The payload with keys changed, or left out where the change is None."""
    body = {**json.loads(payload), **changes}
    return json.dumps({key: value for key, value in body.items() if value is not None}).encode()


REG = reg(ue_id(1), SERVICE)
ELSEWHERE_ENTRY = json.loads(reg(ue_id(2), "urn:other:service"))


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "the payload is empty"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (other(REG, msgIden="urn:other:service"), "msgIden: not this service"),
        (other(REG, msgIden=None), "msgIden: missing"),
        (other(REG, msgType=None), "msgType: missing"),
        (other(REG, msgType="REGX"), "msgType: unknown Message Type"),
        (other(REG, msgType="GWREG"), "msgType: a server takes no GWREG"),
        (other(REG, msgType="REGRESP", result=True), "msgType: a server takes no REGRESP"),
        (other(REG, msgType="DEREGRESP", result=True), "msgType: a server takes no DEREGRESP"),
        (other(REG, msgType="MSG"), "msgId: missing"),
        (other(REG, oriAddr=None), "oriAddr: missing"),
        (other(REG, msgType="BREG"), "regReqList: missing"),
        (other(REG, msgType="DEREG", deregReqNum=1), "deregReqList: missing"),
        (
            breg(G1, SERVICE, [REG, json.dumps(ELSEWHERE_ENTRY).encode()]),
            "regReqList[1].msgIden: not this service",
        ),
        (
            bulk_dereg(G1, SERVICE, [dereg(ue_id(1), "urn:other:service")]),
            "deregReqList[0].msgIden: not this service",
        ),
    ],
)
def test_nonsense_is_answered_4_00_names_the_key_and_changes_nothing(server, payload, text):
    server.reg(1)
    before = server.row(1)
    assert server.refusal(payload) == text
    assert server.row(1) is before and len(server.registry) == 1
    (event,) = server.events("malformed")
    assert event["reason"] == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["oriAddr", "oriAddrType", "addr", "cliProfile", "triInfo", "ueId", "cliPorts"]
                + [
                    "regReqList",
                    "regReqNum",
                    "deregReqList",
                    "deregReqNum",
                    "urgentTag",
                    "reqExpTime",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
TYPES = st.sampled_from(["REG", "DEREG", "BREG", "BDEREG", "GWREG", "REGRESP", "MSG", "x", None])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda kind, body: json.dumps(
                {"msgIden": SERVICE, "msgType": kind, "oriAddr": address(ue_id(1))}
                | (body if isinstance(body, dict) else {"body": body})
            ).encode(),
            TYPES,
            JSON,
        ),
    )
)
@example(b'{"msgIden":"urn:msgin5g:service","msgType":{},"oriAddr":[]}')
@example(b'{"msgIden":"urn:msgin5g:service","msgType":[]}')
def test_no_payload_at_all_breaks_the_server(server, payload):
    before = {name: row for name, row in server.registry.items()}
    code, answer = server.core.handle(payload, AT, server.now)
    server.core.commit()
    if code == coap.BAD_REQUEST:
        assert 0 < len(answer) <= 120 and answer.isascii()
        assert {name: row for name, row in server.registry.items()} == before
    else:
        assert code in (coap.CREATED, coap.CHANGED)
        assert isinstance(json.loads(answer), dict)


def test_a_flood_of_different_nonsense_fills_no_table(server):
    for number in range(300):
        server.core.handle(other(REG, msgType=f"T{number}"), AT, server.now)
        server.core.handle(other(REG, oriAddr=address(f"u{number}")), AT, server.now)
    assert len(server.core.counters) == 2
    assert server.core.counters["malformed: msgType"] == 300


# What is told


def test_state_changes_are_told_once_they_are_durable(server, monkeypatch):
    def fail():
        raise StoreError("no")

    server.core.handle(REG, AT, NOW)
    assert server.events("registered") == []
    server.core.commit()
    (event,) = server.events("registered")
    assert (event["ue"], event["peer"]) == (ue_id(1), AT)
    monkeypatch.setattr(server.registry, "commit", fail)
    server.core.handle(dereg(ue_id(1), SERVICE), AT, NOW)
    with pytest.raises(StoreError):
        server.core.commit()
    server.core.rollback()
    monkeypatch.undo()
    server.core.commit()
    assert server.events("deregistered") == []
    assert server.row(1) and server.core.counters["store_failures"] == 1


def test_after_a_rollback_gateways_speak_from_where_they_are_registered(server):
    server.sign_in(G1, AT_G1)
    server.core.handle(reg(G1, SERVICE), AT_G2, NOW)
    server.core.handle(reg(G2, SERVICE), AT_G1, NOW)
    server.core.rollback()
    assert server.reg(5, AT_G1)[1] == good(5)
    assert server.reg(6, AT_G2)[1] == bad(6, gaps.CAUSE_ONLY_THROUGH_GATEWAY)


def test_log_lines_are_rationed_and_what_was_left_out_is_counted(server):
    for _ in range(120):
        server.reg(1)
    assert len(server.stream.getvalue().splitlines()) == 50
    server.now += 1000
    server.core.expire(server.now)
    server.core.commit()
    (event,) = server.events("suppressed")
    assert event["lines"] == 70
    server.reg(1)
    assert len(server.events("refreshed")) == 50


def test_messages_are_logged_on_demand(tmp_path):
    server = Server(tmp_path, log_messages=True)
    server.breg(1, 5)
    received, sent = server.events("message")
    assert (received["what"], received["ue"]) == ("BREG", G1)
    assert (received["direction"], received["iface"]) == ("rx", "MSGin5G-1")
    assert (sent["what"], sent["direction"]) == ("2.01", "tx")
    server.registry.close()


def test_all_of_it_is_there_after_a_restart(tmp_path):
    server = Server(tmp_path)
    server.sign_in(G1, AT_G1)
    server.breg(1, 5)
    server.registry.close()
    server = Server(tmp_path)
    assert sorted(server.registry) == [G1, ue_id(1), ue_id(5)]
    assert server.reg(6, AT_G1)[1] == good(6)
    assert server.breg(1, 5)[0] == coap.CHANGED
    server.registry.close()


@pytest.mark.parametrize("bulk", [False, True])
def test_a_ue_is_triggered_by_the_ue_id_of_its_account_and_by_no_other(tmp_path, bulk):
    """Else the server would wake the device of somebody else."""
    own = PROFILE["triInfo"]["ueId"]
    account = {"ue_service_id": ue_id(5), "gateway": G1, "ue_id": own}
    server = Server(tmp_path, accounts=[*ACCOUNTS[:5], account])
    server.sign_in(G1, AT_G1)

    def register(ue_id_told):
        profile = {"triInfo": {**PROFILE["triInfo"], "ueId": ue_id_told}}
        if not bulk:
            return server.reg(5, AT_G1, profile)[1]
        entries = [reg(ue_id(5), SERVICE, profile=profile)]
        return server.ask(breg(G1, SERVICE, entries), AT_G1)[1]["regRespList"][0]

    assert register(own)["result"] is True
    before = server.row(5)
    refused = register("urn:example:device:2")
    assert (refused["result"], refused["cause"]) == (False, gaps.CAUSE_WRONG_UE_ID)
    assert server.row(5) is before
    assert server.events("refused")[-1]["cause"] == gaps.CAUSE_WRONG_UE_ID
    # Without triggering information nothing is to be compared; nor without a ue_id.
    assert server.reg(5, AT_G1)[1]["result"] is True
    assert server.reg(1, AT, PROFILE)[1]["result"] is True
