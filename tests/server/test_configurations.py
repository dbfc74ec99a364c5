"""Configuration (6.2, TS 24.546 C.3): who gets what, in which form, and that it is kept."""

import json
import sqlite3

import pytest

from msgin5g import cbor, coap, configuration, gaps, registration
from msgin5g import configuration_document as documents
from msgin5g.codes import code_text
from msgin5g_host.config import ConfigError, load
from msgin5g_host.folder import StoreError
from msgin5g_server import config, ue_ids
from msgin5g_server.seal import CBOR_FORMAT, PROBLEM_FORMAT, UNPROCESSABLE, SealRequest
from msgin5g_server.ue_ids import document_id
from tests.server.post_office import PostOffice
from tests.world import GATEWAY, SERVICE, ue_id

PATH = ["v1", "val-services", SERVICE, "ue-configurations"]
SERVER = "coap://192.0.2.1:65401"
MANAGER = "10.9.9.9:5683"
ELSEWHERE = "10.7.7.7:5683"
AT_GATEWAY = "10.8.8.8:5683"
# The device of UE n has this MSGin5G UE ID; it is no URI, as an External Identifier is none.
DEVICE = "device{}@example.org"


class Office(PostOffice):
    """UEs 1 to 4 have a MSGin5G UE ID each, and 3 and 4 come through the gateway only."""

    def __init__(self, folder, **more):
        given = {"group_managers": ["10.9.9.9"], "address": SERVER, **more}
        super().__init__(folder, register=(), **given)

    def accounts(self):
        rows = [
            {
                "ue_service_id": one,
                "ue_id": DEVICE.format(at),
                "gateway": GATEWAY if at > 2 else None,
                "segment_bytes": 512 if at == 2 else None,
            }
            for at, one in enumerate(self.ues, 1)
        ]
        return [*rows, {"ue_service_id": GATEWAY, "ue_id": "gateway@example.org"}]

    def ask_for(self, *query, source=ELSEWHERE, path=None, payload=b"", method=coap.GET, **more):
        """Returns (code, what the JSON or CBOR says)."""
        form = coap.JSON_FORMAT if payload else None
        given = {"payload": payload, "content_format": form, **more}
        request = SealRequest(method, path or PATH, source, list(query), **given)
        self.answer = self.core.configurations.handle(request, self.now)
        self.settle()
        if self.answer.content_format == coap.JSON_FORMAT:
            return self.answer.code, json.loads(self.answer.payload)
        return self.answer.code, cbor.loads(self.answer.payload)

    def configuration(self, device, **more):
        """Returns the Configuration that a UE gets."""
        code, value = self.ask_for(f"ue-uri={device}", **more)
        assert code == coap.CONTENT, value
        return configuration.parse_answer(self.answer.payload).configuration

    def bulk(self, *devices, own=None, source=AT_GATEWAY):
        """Returns the ConfigurationAnswer that a gateway gets."""
        query = [] if own is None else [f"ue-uri={own}"]
        payload = configuration.bulk_request(list(devices))
        code, value = self.ask_for(*query, source=source, payload=payload)
        assert code == coap.CONTENT, value
        return configuration.parse_answer(self.answer.payload)

    def refused(self, code, *query, **more):
        """Returns the cause of an error, which has problem details (RFC 9290)."""
        found, problem = self.ask_for(*query, **more)
        assert found == code and self.answer.content_format == PROBLEM_FORMAT, problem
        assert set(problem) == {-1, -2} and problem[-1] == code_text(code)
        return problem[-2]

    def register_gateway(self):
        payload = registration.reg(GATEWAY, SERVICE)
        code, answer = self.core.handle(payload, AT_GATEWAY, self.now, b"tk")
        self.settle()
        assert json.loads(answer)["result"]


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    yield made
    made.close()


@pytest.fixture
def lab(tmp_path):
    made = Office(tmp_path, open=True)
    yield made
    made.close()


@pytest.mark.clause("6.2.1.3-p2", "6.8.2.1-p1", "7.2.2")
def test_a_ue_gets_what_stands_in_its_account(office):
    code, value = office.ask_for(f"ue-uri={DEVICE.format(1)}")
    assert code == coap.CONTENT and office.answer.content_format == coap.JSON_FORMAT
    assert value == {"ueServiceId": ue_id(1), "serverAddr": SERVER, "segSize": 640}
    assert office.configuration(DEVICE.format(2)).segment_bytes == 512


@pytest.mark.clause("7.2.5-ue", "7.2.3-a", "7.2.3-b", "7.2.3-c", "7.2.4.2")
def test_whoever_wants_cbor_gets_the_document_of_seal(office):
    code, (value,) = office.ask_for(f"ue-uri={DEVICE.format(2)}", accept=CBOR_FORMAT)
    assert code == coap.CONTENT and office.answer.content_format == CBOR_FORMAT
    text = value.pop("ueConfigs")[0]["configData"]
    assert value == {
        "ueConfigDocId": document_id(DEVICE.format(2)),
        "valServiceDomain": "192.0.2.1",
        "valServiceId": SERVICE,
        "valUeIds": {"uris": [DEVICE.format(2)]},
    }
    found = documents.parse_on_network(text)
    assert vars(found) == {
        **{"ue_service_id": ue_id(2), "server": SERVER, "segment_bytes": 512},
        "ue_id": None,
    }


def test_a_document_is_read_by_its_id_as_well(office):
    path = [*PATH, document_id(DEVICE.format(1))]
    assert office.ask_for(path=path)[1]["ueServiceId"] == ue_id(1)
    code, value = office.ask_for(path=path, accept=CBOR_FORMAT)
    assert code == coap.CONTENT and value["valUeIds"] == {"uris": [DEVICE.format(1)]}
    assert office.ask_for(f"ue-uri={DEVICE.format(1)}", path=path)[0] == coap.CONTENT
    other = f"ue-uri={DEVICE.format(2)}"
    assert office.refused(coap.NOT_FOUND, other, path=path) == "no such configuration document"
    assert office.refused(coap.NOT_FOUND, path=[*PATH, "0a1b"]) == "no such configuration document"
    # Who may not have the configuration may not have the document either.
    third = [*PATH, document_id(DEVICE.format(3))]
    assert office.refused(coap.FORBIDDEN, path=third) == gaps.CAUSE_ONLY_THROUGH_GATEWAY


@pytest.mark.clause("6.2.1.3-p2")
def test_who_is_not_authorised_gets_4_03(office):
    assert "unknown MSGin5G UE ID" in office.refused(coap.FORBIDDEN, "ue-uri=urn:x:1")
    third = f"ue-uri={DEVICE.format(3)}"
    assert office.refused(coap.FORBIDDEN, third) == gaps.CAUSE_ONLY_THROUGH_GATEWAY
    office.register_gateway()
    assert office.refused(coap.FORBIDDEN, third) == gaps.CAUSE_ONLY_THROUGH_GATEWAY
    assert office.configuration(DEVICE.format(3), source=AT_GATEWAY).ue_service_id == ue_id(3)


@pytest.mark.clause("6.2.1.3-p2")
@pytest.mark.parametrize(
    "path",
    [
        ["v1", "val-services", "urn:other:service", "ue-configurations"],
        ["v1", "val-services", SERVICE, "user-profiles"],
        ["v2", "val-services", SERVICE, "ue-configurations"],
        ["v1", "val-services", SERVICE],
        [*PATH, "a", "b"],
        ["v1"],
        [],
    ],
)
def test_another_service_or_resource_is_not_found(office, path):
    cause = office.refused(coap.NOT_FOUND, f"ue-uri={DEVICE.format(1)}", path=path or ["x"])
    assert cause in (f"the service here is {SERVICE}", "no such resource")


@pytest.mark.parametrize(
    ("code", "cause", "query", "more"),
    [
        (coap.METHOD_NOT_ALLOWED, "GET", [], {"method": coap.POST, "payload": b"x"}),
        (coap.METHOD_NOT_ALLOWED, "GET", [], {"method": coap.PUT}),
        (coap.METHOD_NOT_ALLOWED, "GET", [], {"method": coap.DELETE, "path": [*PATH, "a"]}),
        (coap.NOT_ACCEPTABLE, "60 (CBOR) or 50", ["ue-uri=a"], {"accept": 0}),
        (coap.NOT_ACCEPTABLE, "60 (CBOR) or 50", ["ue-uri=a"], {"accept": 41}),
        (coap.UNSUPPORTED_FORMAT, "50 (JSON)", [], {"payload": b"\xa0", "content_format": 60}),
        (coap.BAD_REQUEST, "Uri-Query: each of", ["ue-id=a"], {}),
        (coap.BAD_REQUEST, "Uri-Query: each of", ["ue-uri=a", "ue-uri=b"], {}),
        (coap.BAD_REQUEST, "ue-type: 8 digits", ["ue-uri=a", "ue-type=1"], {}),
        (coap.BAD_REQUEST, "not JSON", [], {"payload": b"{"}),
        (coap.BAD_REQUEST, "ueId: missing", [], {"payload": b"{}"}),
        (coap.BAD_REQUEST, "ueIdList: a list", [], {"payload": b'{"ueIdList":[]}'}),
        (UNPROCESSABLE, "ask with it", ["ue-type=35209900"], {"source": MANAGER}),
        (coap.FORBIDDEN, "ue-uri is missing", [], {}),
        (coap.FORBIDDEN, "ue-uri is missing", ["ue-vendor=x"], {}),
    ],
)
def test_bad_requests_get_the_error_that_fits_and_what_is_wrong(office, code, cause, query, more):
    assert cause in office.refused(code, *query, **more)
    assert office.core.counters[f"configuration requests refused: {code_text(code)}"] == 1


@pytest.mark.clause("7.3.2.1")
def test_the_ue_id_may_come_in_the_payload_of_the_schema(office):
    payload = configuration.request(DEVICE.format(1), [("vendor", "Example")])
    code, value = office.ask_for(payload=payload)
    assert (code, value["ueServiceId"]) == (coap.CONTENT, ue_id(1))


def test_a_manager_reads_all_documents(office):
    code, value = office.ask_for(source=MANAGER)
    assert code == coap.CONTENT
    found = {one["ueId"]: one["ueServiceId"] for one in value["confInfoList"]}
    assert found == {row["ue_id"]: row["ue_service_id"] for row in office.accounts()}
    code, listed = office.ask_for(source=MANAGER, accept=CBOR_FORMAT)
    assert [one["valUeIds"]["uris"][0] for one in listed] == [*found]


# Lab mode


def test_an_unknown_ue_is_given_a_ue_service_id_and_keeps_it(lab):
    first = lab.configuration("urn:x:1").ue_service_id
    assert first.startswith("urn:msgin5g:ue:") and len(first) == len("urn:msgin5g:ue:") + 12
    other = lab.configuration("urn:x:2").ue_service_id
    assert other != first
    assert lab.configuration("urn:x:1", source=MANAGER).ue_service_id == first
    lab.crash()
    assert lab.configuration("urn:x:1").ue_service_id == first
    assert lab.configuration("urn:x:2").ue_service_id == other
    path = [*PATH, document_id("urn:x:1")]
    assert lab.ask_for(path=path)[1]["ueServiceId"] == first
    assert lab.core.counters["assigned"] == 0
    # An account counts for its UE ID in lab mode as well.
    assert lab.configuration(DEVICE.format(1)).ue_service_id == ue_id(1)
    found = {one["ueId"] for one in lab.ask_for(source=MANAGER)[1]["confInfoList"]}
    assert {"urn:x:1", "urn:x:2", DEVICE.format(1)} < found


@pytest.mark.clause("6.2.1.3-p2")
def test_what_was_assigned_may_register(lab):
    found = lab.configuration("urn:x:1")
    payload = registration.reg(found.ue_service_id, SERVICE)
    code, answer = lab.core.handle(payload, ELSEWHERE, lab.now, b"tk")
    assert code == coap.CREATED and json.loads(answer)["result"] is True


def test_the_template_is_configured(tmp_path):
    lab = Office(tmp_path, open=True, new_ue_service_id="urn:plant:{random}:ue")
    found = lab.configuration("urn:x:1").ue_service_id
    assert found.startswith("urn:plant:") and found.endswith(":ue") and "{" not in found
    lab.close()


def test_a_closed_server_gives_what_was_assigned_to_nobody(tmp_path):
    lab = Office(tmp_path, open=True)
    first = lab.configuration("urn:x:1").ue_service_id
    lab.values["open"] = False
    lab.crash()
    assert "unknown MSGin5G UE ID" in lab.refused(coap.FORBIDDEN, "ue-uri=urn:x:1")
    lab.refused(coap.FORBIDDEN, path=[*PATH, document_id("urn:x:1")])
    lab.values["open"] = True
    lab.crash()
    assert lab.configuration("urn:x:1").ue_service_id == first
    lab.close()


def test_an_account_that_is_added_counts_more_than_what_was_assigned(tmp_path):
    lab = Office(tmp_path, open=True)
    lab.configuration("urn:x:1")
    rows = [*lab.accounts(), {"ue_service_id": "urn:example:new", "ue_id": "urn:x:1"}]
    lab.accounts = lambda: rows
    lab.crash()
    assert lab.configuration("urn:x:1").ue_service_id == "urn:example:new"
    found = [one["ueId"] for one in lab.ask_for(source=MANAGER)[1]["confInfoList"]]
    assert found.count("urn:x:1") == 1
    lab.close()


def test_a_ue_service_id_that_somebody_has_is_given_to_nobody(lab, monkeypatch):
    lab.values["new_ue_service_id"] = "urn:example:ue:{random}"
    lab.crash()
    drawn = iter(["1", "aa", "aa", "bb"])
    monkeypatch.setattr(ue_ids.secrets, "token_hex", lambda size: next(drawn))
    assert lab.configuration("urn:x:1").ue_service_id == "urn:example:ue:aa"
    assert lab.configuration("urn:x:2").ue_service_id == "urn:example:ue:bb"


def test_the_table_of_assignments_is_bounded(lab, monkeypatch):
    monkeypatch.setattr(ue_ids, "MAX_ASSIGNED", 2)
    for number in (1, 2):
        lab.configuration(f"urn:x:{number}")
    assert lab.refused(coap.UNAVAILABLE, "ue-uri=urn:x:3") == gaps.CAUSE_CONGESTION
    assert lab.core.counters["assignments refused"] == 1
    assert lab.configuration("urn:x:2").ue_service_id
    # In bulk, what cannot be given is left out.
    assert [one.ue_id for one in lab.bulk("urn:x:3", "urn:x:1").entries] == ["urn:x:1"]


def test_an_assignment_that_cannot_be_written_is_forgotten(lab):
    lab.core._store._db.close()
    lab.core._store._db = _Broken(lab.core._store._path)
    request = SealRequest(coap.GET, PATH, ELSEWHERE, ["ue-uri=urn:x:1"])
    assert lab.core.configurations.handle(request, lab.now).code == coap.CONTENT
    with pytest.raises(StoreError):
        lab.core.commit()
    lab.core._store._db.broken = False
    lab.core.rollback()
    assert len(lab.core._ue_ids) == 0
    lab.refused(coap.NOT_FOUND, path=[*PATH, document_id("urn:x:1")])
    first = lab.configuration("urn:x:1").ue_service_id
    lab.crash()
    assert lab.configuration("urn:x:1").ue_service_id == first


class _Broken:
    """A database whose disk is full, as long as `broken`."""

    def __init__(self, path):
        self.broken = True
        self._db = sqlite3.connect(path, isolation_level=None)

    def __getattr__(self, name):
        return getattr(self._db, name)

    def execute(self, text, *values):
        if self.broken and text.startswith("INSERT"):
            raise sqlite3.OperationalError("database or disk is full")
        return self._db.execute(text, *values)

    def executemany(self, text, *values):
        if self.broken:
            raise sqlite3.OperationalError("database or disk is full")
        return self._db.executemany(text, *values)


# In bulk


@pytest.mark.clause("6.2.3.4.1-a", "6.2.3.4.1-a1-a2", "6.2.3.4.1-a3")
def test_a_gateway_gets_an_entry_for_each_ue_that_is_known(office):
    office.register_gateway()
    asked = [DEVICE.format(4), "urn:nobody", DEVICE.format(2)]
    found = office.bulk(*asked)
    assert found.configuration is None
    assert [vars(one) for one in found.entries] == [
        *(
            {"ue_service_id": ue_id(at), "server": SERVER, "segment_bytes": size, "ue_id": ue}
            for at, size, ue in ((4, 640, DEVICE.format(4)), (2, 512, DEVICE.format(2)))
        )
    ]
    assert office.core.counters["configurations refused in bulk"] == 1


@pytest.mark.clause("6.2.3.4.1-a")
def test_a_gateway_that_names_itself_gets_its_own_as_well(office):
    found = office.bulk(DEVICE.format(3), own="gateway@example.org")
    assert found.configuration.ue_service_id == GATEWAY
    assert [one.ue_id for one in found.entries] == [DEVICE.format(3)]
    payload = configuration.bulk_request([DEVICE.format(3)])
    query = "ue-uri=gateway@example.org"
    _, listed = office.ask_for(query, payload=payload, accept=CBOR_FORMAT)
    assert [one["valUeIds"]["uris"] for one in listed] == [
        ["gateway@example.org"],
        [DEVICE.format(3)],
    ]


def test_who_is_no_gateway_may_not_ask_in_bulk(office):
    payload = configuration.bulk_request([DEVICE.format(1)])
    assert "in bulk" in office.refused(coap.FORBIDDEN, payload=payload)
    office.refused(coap.FORBIDDEN, "ue-uri=urn:nobody", payload=payload)
    # Another gateway's UEs are left out, whoever asks.
    found = office.bulk(DEVICE.format(1), DEVICE.format(3), own=DEVICE.format(2))
    assert [one.ue_id for one in found.entries] == [DEVICE.format(1)]
    # From elsewhere than the gateway's host its name does not help.
    office.register_gateway()
    own = "ue-uri=gateway@example.org"
    asked = configuration.bulk_request([DEVICE.format(3)])
    assert office.ask_for(own, payload=asked)[1]["confInfoList"] == []


def test_in_lab_mode_any_gateway_gets_any_ue(lab):
    found = lab.bulk("urn:x:1", "urn:x:2", "urn:x:1")
    assert [one.ue_id for one in found.entries] == ["urn:x:1", "urn:x:2"]
    given = {one.ue_id: one.ue_service_id for one in found.entries}
    lab.crash()
    assert lab.configuration("urn:x:1").ue_service_id == given["urn:x:1"]
    assert lab.configuration("urn:x:2").ue_service_id == given["urn:x:2"]
    assert len(set(given.values())) == 2


def test_more_documents_than_an_answer_holds_are_not_listed(lab):
    lab.bulk(*(f"urn:x:{number}" for number in range(500)))
    assert "more than 500" in lab.refused(UNPROCESSABLE, source=MANAGER)


@pytest.mark.clause("7.2.3-c")
def test_the_segment_size_that_is_told_is_the_one_that_is_used(office):
    office.register(1)
    office.register(2)
    size = office.configuration(DEVICE.format(2)).segment_bytes
    text = "x" * (size + 1)
    # Longer than UE 2 takes in one piece, and sent in one.
    office.send(1, 2, text)
    sizes = []
    while office.posts:
        _, message = office.take()
        sizes.append(len(message.payload))
    assert sizes == [size, 1]


def test_a_server_that_does_not_know_its_address_says_what_to_do(office):
    def no_way(source):
        raise OSError

    office.core.configurations.address_for = no_way
    cause = office.refused(coap.UNAVAILABLE, f"ue-uri={DEVICE.format(1)}")
    assert "set [server] address" in cause
    # Nor are the UEs of a gateway told that nothing is known of them.
    office.register_gateway()
    payload = configuration.bulk_request([DEVICE.format(1), DEVICE.format(2)])
    cause = office.refused(coap.UNAVAILABLE, source=AT_GATEWAY, payload=payload)
    assert "set [server] address" in cause


def test_its_address_is_looked_up_once_however_many_ask(office):
    asked = []
    office.core.configurations.address_for = lambda source: asked.append(source) or SERVER
    office.register_gateway()
    assert len(office.bulk(*(DEVICE.format(number) for number in (1, 2, 3, 4))).entries) == 4
    assert asked == [AT_GATEWAY]


# The keys of server.toml


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("address", "192.0.2.1:65401", "a URI"),
        ("address", "http://192.0.2.1", "coap://"),
        ("address", "coap://", "a URI"),
        ("address", "coap://a/b", "nothing follows"),
        ("address", "coap://a:0", "coap://"),
        ("new_ue_service_id", "urn:x:ue", "one {random}"),
        ("new_ue_service_id", "urn:{random}:{random}", "one {random}"),
        ("new_ue_service_id", "{random}", "a URI"),
        ("new_ue_service_id", "urn:{random}" + "x" * 200, "200 bytes"),
    ],
)
def test_a_wrong_value_is_told(key, value, text):
    with pytest.raises(ConfigError, match=text.replace("{", r"\{")):
        load(config.KEYS, config.TABLES, None, {}, {f"server.{key}": value})


@pytest.mark.parametrize(
    "value", ["coap://192.0.2.1", "coaps://server.example:5684", "coap://[::1]:1"]
)
def test_addresses_that_are_given_out(value):
    load(config.KEYS, config.TABLES, None, {}, {"server.address": value})


@pytest.mark.parametrize("value", ["", "a\nb", "x" * 249])
def test_a_ue_id_that_no_ue_can_ask_with_is_told(tmp_path, value):
    path = tmp_path / "server.toml"
    path.write_text(f'[[ue]]\nue_service_id = "urn:x:1"\nue_id = {json.dumps(value)}\n')
    with pytest.raises(ConfigError, match="1 to 248 bytes"):
        load(config.KEYS, config.TABLES, str(path), {}, {})


def test_a_ue_id_of_two_accounts_is_told():
    rows = [{"ue_service_id": one, "ue_id": "urn:dev:1"} for one in ("urn:x:1", "urn:x:2")]
    with pytest.raises(ConfigError, match="urn:x:1 and to urn:x:2"):
        ue_ids.accounts_by_ue_id(rows)
