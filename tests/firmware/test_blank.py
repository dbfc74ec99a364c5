"""A UE that has only its MSGin5G UE ID: it fetches who it is, and then is a UE like others."""

import json

import pytest

from msgin5g import coap, configuration, configuration_requests, gaps, registration
from tests.firmware.bench import JSON, SERVICE, UE, Bench, interim, kind_of
from ue.blank import CONFIGURING, BlankCore
from ue.config import ConfigError, merge

UE_ID = "urn:example:device:1"
SERVER = "coap://192.0.2.1:65401"


def answer(ue=UE, server=SERVER, segment_bytes=None):
    found = configuration.Configuration(ue, server, segment_bytes)
    return configuration_requests.answer(found)


class Blank(Bench):
    """A UE without a name; the gateway answers a GET with `script["GET"]`."""

    Core = BlankCore

    def __init__(self, saved=None, seed=0, **settings):
        super().__init__(saved, seed, ue_service_id="", **{"ue_id": UE_ID, **settings})
        self.script["GET"] = coap.CONTENT, configuration_requests.interim(4)

    def to_asked(self):
        """Up to the interim answer; returns the GET."""
        self.register()
        assert self.names() == [CONFIGURING, CONFIGURING]
        (get,) = self.requests("GET")
        return get

    def tell(self, get, code=coap.CONTENT, payload=None, kind=coap.CON, mid=None, token=None):
        """The second answer; returns what the UE answers to it."""
        payload = answer() if payload is None else payload
        mid = get.mid if mid is None else mid
        options = JSON if code < 0x80 else []
        token = get.token if token is None else token
        self.answers.clear()
        self.core.receive(coap.encode(kind, code, mid, token, options, payload), self.now)
        self.flush()
        return self.answers[0] if self.answers else None

    def to_told(self, payload=None):
        get = self.to_asked()
        self.tell(get, payload=payload)
        assert self.state == "waiting"


def query(message):
    return [bytes(value).decode() for number, value in message.options if number == 15]


@pytest.mark.clause("6.2.3.2.1-p1-a", "6.2.3.2.1-a1", "6.2.3.2.1-a2-a3", "7.2.5-ue")
def test_the_get_names_the_resource_the_service_and_the_ue_id_but_no_host():
    bench = Blank(server_host="server.example")
    get = bench.to_asked()
    assert get.type == coap.CON and get.payload == b""
    assert get.uri_path() == f"su-uc/v1/val-services/{SERVICE}/ue-configurations"
    assert query(get) == [f"ue-uri={UE_ID}"]
    assert coap.URI_HOST not in [number for number, _ in get.options]


@pytest.mark.clause("6.2.3.2.1-a3-ii", "6.2.1.2-c3-ii")
def test_vendor_and_type_are_in_the_query_if_they_are_told():
    bench = Blank(ue_info={"vendor": "Example", "type": "35693803"})
    wanted = [f"ue-uri={UE_ID}", "ue-vendor=Example", "ue-type=35693803"]
    assert query(bench.to_asked()) == wanted


@pytest.mark.clause("6.2.1.2-c", "6.2.1.2-c1-c2", "6.2.1.2-c3-i", "6.2.1.2-p1", "6.2.2.2-p1")
def test_directly_and_through_a_relay_the_get_is_the_same_and_names_the_server():
    bench = Blank(direct=True, server_host="server.example")
    bench.script["GET"] = coap.CONTENT, answer()
    bench.script["REG"] = coap.CREATED, registration.reg_answer(UE, True, 3600)
    bench.register()
    (get,) = bench.requests("GET")
    assert (coap.URI_HOST, b"server.example") in get.options
    assert get.uri_path() == f"su-uc/v1/val-services/{SERVICE}/ue-configurations"
    assert query(get) == [f"ue-uri={UE_ID}"]
    assert bench.state == "registered" and [kind_of(one) for one in bench.got] == ["GET", "REG"]


@pytest.mark.parametrize("kind", [coap.CON, coap.NON, coap.ACK])
@pytest.mark.parametrize("same_mid", [True, False])
@pytest.mark.clause("6.2.3.2.1-p2", "6.1-c")
def test_the_second_answer_is_taken_in_any_form_and_the_ue_registers_under_its_name(
    kind, same_mid
):
    if kind == coap.ACK and not same_mid:
        return
    bench = Blank()
    get = bench.to_asked()
    assert bench.info == {"expected_s": 4}
    acked = bench.tell(get, kind=kind, mid=None if same_mid else 4242)
    if kind == coap.CON:
        assert (acked.type, acked.code, acked.mid) == (coap.ACK, 0, get.mid if same_mid else 4242)
    assert [kind_of(one) for one in bench.got] == ["GET", "GWREG", "REG"]
    sign_up = json.loads(bench.requests("GWREG")[0].payload)
    assert sign_up["oriAddr"]["addr"] == UE and sign_up["oriUEAddr"]["addr"] == UE_ID
    bench.regresp(bench.requests("REG")[0])
    assert bench.state == "registered"


@pytest.mark.clause("6.2.1.2-p5", "7.2.5-svc", "7.2.5-server", "6.2.2.2-p2")
def test_what_it_is_told_is_stored_and_holds_after_a_reboot():
    bench = Blank()
    bench.to_told(answer(segment_bytes=300))
    before = bench.saves[-1]
    assert (
        configuration.parse_answer(before["configuration"].encode()).configuration.server == SERVER
    )
    again = Blank(saved=before)
    again.register()
    assert [kind_of(one) for one in again.got] == ["GWREG", "REG"]
    reg = again.requests("REG")[0]
    assert json.loads(reg.payload)["oriAddr"]["addr"] == UE
    assert (coap.URI_HOST, b"192.0.2.1") in reg.options
    assert again.config["segment_bytes"] == 300


def test_it_is_saved_before_its_acknowledgement_leaves():
    bench = Blank()
    get = bench.to_asked()
    second = coap.encode(coap.CON, coap.CONTENT, 4242, get.token, JSON, answer())
    bench.core.receive(second, bench.now)
    out = bench.core.poll(bench.now)
    assert any(data[1] == 0 for data, _ in out)
    assert bench.core.next_event()[0] == "save"


@pytest.mark.parametrize("saved", [7, "{", "{}", [], '{"ueServiceId":"x"}'])
def test_a_damaged_configuration_is_as_good_as_none(saved):
    bench = Blank(saved={"mid": 1, "token": 2, "configuration": saved})
    bench.to_asked()


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ("coap://192.0.2.1", b"192.0.2.1"),
        ("coaps://[2001:db8::1]:5684/x", b"2001:db8::1"),
        ("coap://server.example:1/", b"server.example"),
        ("urn:server", None),
    ],
)
def test_the_servers_address_is_that_of_reg(server, host):
    bench = Blank()
    bench.to_told(answer(server=server))
    reg = bench.requests("REG")[0]
    found = dict(reg.options).get(coap.URI_HOST)
    assert (None if found is None else bytes(found)) == host


@pytest.mark.clause("7.2.5-size")
@pytest.mark.parametrize(("told", "own", "size"), [(100, 640, 100), (2000, 300, 300)])
def test_no_segment_is_longer_than_told_nor_than_its_own_limit(told, own, size):
    bench = Blank(segment_bytes=own)
    options = ("UE", False, True, "NORMAL", None)
    bench.core.messages().send("urn:example:ue:2", "x" * 1500, options, 0)
    get = bench.to_asked()
    bench.tell(get, payload=answer(segment_bytes=told))
    bench.script["MSG"] = coap.CHANGED, b""
    bench.regresp(bench.requests("REG")[0])
    parts = [json.loads(one.payload) for one in bench.requests("MSG")]
    assert {len(one["payload"]) for one in parts[:-1]} == {size}
    assert sum(len(one["payload"]) for one in parts) == 1500
    assert {one["oriAddr"]["addr"] for one in parts} == {UE}


@pytest.mark.parametrize(
    ("code", "payload", "cause"),
    [
        (coap.FORBIDDEN, b"UE may not use this gateway", "4.03 UE may not use this gateway"),
        (coap.FORBIDDEN, b"", "4.03: this UE may not be configured from here"),
        (coap.NOT_FOUND, b"\xa1\x20\x01", "4.04: nothing is known of this MSGin5G UE ID"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.clause("6.2.2.2-p2")
def test_a_refusal_ends_the_fetch_with_its_cause_and_is_tried_again_rarely(
    code, payload, cause, late
):
    bench = Blank()
    if late:
        bench.tell(bench.to_asked(), code, payload)
    else:
        bench.script["GET"] = code, payload
        bench.register()
    assert bench.state == "refused" and bench.info == {"cause": cause}
    assert "configuration" not in bench.saved
    assert len(bench.requests("GET")) == 1
    bench.script["GET"] = coap.CONTENT, answer()
    bench.run(220_000)
    assert len(bench.requests("GET")) == 1
    bench.run(160_000)
    assert len(bench.requests("GET")) == 2 and bench.requests("REG")


@pytest.mark.parametrize("late", [False, True])
def test_an_outage_is_a_pause_that_grows(late):
    bench = Blank()
    if late:
        bench.tell(bench.to_asked(), coap.GATEWAY_TIMEOUT, b"server unreachable")
    else:
        bench.script["GET"] = coap.GATEWAY_TIMEOUT, b"server unreachable"
        bench.register()
    assert bench.state == "backoff" and "5.04" in bench.info["reason"]
    bench.script["GET"] = coap.CONTENT, answer()
    bench.run(3_000)
    assert bench.state == "waiting"


def test_a_second_answer_that_never_comes_is_waited_for_as_announced_and_no_longer():
    bench = Blank(wait_s=5, answer_margin_s=10)
    bench.script["GET"] = coap.CONTENT, configuration_requests.interim(20)
    bench.to_asked()
    bench.run(29_999)
    assert bench.state == CONFIGURING
    bench.run(1)
    assert bench.state == "backoff" and bench.info["reason"] == "timeout"
    bench.run(5_000)
    assert len(bench.requests("GET")) == 2


def test_after_that_the_old_token_is_unknown():
    bench = Blank()
    get = bench.to_asked()
    bench.run(15_000)
    assert bench.tell(get, mid=4242).type == coap.RST
    assert not bench.requests("REG")


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{", b'{"ueServiceId":"x"}', b'{"serverAddr":1}']
)
def test_a_malformed_answer_is_an_outage(payload):
    bench = Blank()
    bench.tell(bench.to_asked(), payload=payload)
    assert bench.state == "backoff" and "malformed" in bench.info["reason"]


def test_an_answer_without_anything_known_is_interim():
    bench = Blank()
    bench.script["GET"] = coap.CONTENT, b'{"other":1}'
    get = bench.to_asked()
    assert bench.info == {"expected_s": None}
    bench.tell(get)
    assert bench.state == "waiting"


def test_a_configuration_that_makes_a_registration_too_long_is_refused_with_the_reason():
    bench = Blank(profile={"triInfo": {"ueId": UE_ID, "cliPort": "1"}})
    bench.core.max_frame_bytes = 300
    bench.tell(bench.to_asked(), payload=answer(ue="urn:" + "x" * 200))
    assert bench.state == "refused" and "does not fit" in bench.info["cause"]


def test_who_is_refused_under_the_name_it_was_given_asks_for_it_again():
    bench = Blank()
    bench.to_told()
    bench.regresp(bench.requests("REG")[0], False, gaps.CAUSE_UNKNOWN_UE)
    assert bench.state == "refused"
    bench.script["GET"] = coap.CONTENT, answer(ue="urn:example:ue:other")
    bench.script["GWREG"] = (
        coap.CREATED,
        registration.gwreg_answer("urn:example:ue:other", True, 3600),
    )
    bench.run(400_000)
    reg = json.loads(bench.requests("REG")[-1].payload)
    assert reg["oriAddr"]["addr"] == "urn:example:ue:other"


def test_an_outage_of_the_registration_does_not_ask_again():
    bench = Blank()
    bench.to_told()
    bench.run(120_000)
    assert len(bench.requests("GET")) == 1 and len(bench.requests("REG")) > 1


def test_a_ue_that_knows_nothing_yet_leaves_without_a_word():
    bench = Blank()
    bench.deregister()
    assert bench.state == "deregistered" and not bench.got


def test_leaving_ends_a_fetch():
    bench = Blank()
    get = bench.to_asked()
    bench.deregister()
    assert bench.state == "deregistered"
    assert bench.tell(get, mid=4242).type == coap.RST
    bench.run(60_000)
    assert len(bench.got) == 1


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"ue_id": ""}, "ue_service_id"),
        ({"ue_id": "x" * 249}, "ue-uri"),
        ({"ue_id": UE_ID, "ue_info": {"type": "123"}}, "ue-type: 8 digits"),
        ({"ue_id": UE_ID, "ue_info": {"type": 12345678}}, "ue_info: type: a string"),
        ({"ue_id": UE_ID, "ue_info": {"vendor": 7}}, "ue_info: vendor: a string"),
        ({"ue_id": UE_ID, "ue_info": {"colour": "red"}}, "ue_info: vendor and type"),
        ({"ue_id": UE_ID, "coap": "microcoapy"}, "coap"),
    ],
)
def test_what_cannot_be_asked_for_is_a_clear_error(keys, text):
    with pytest.raises(ConfigError, match=text):
        merge(keys)


def test_a_ue_id_alone_is_a_configuration():
    assert merge({"ue_id": UE_ID})["ue_service_id"] == ""


def test_the_interim_answer_of_a_registration_is_not_that_of_the_fetch():
    bench = Blank()
    bench.to_told()
    assert bench.core.counters["attempts"] == 1
    assert bench.script["REG"] == interim()
