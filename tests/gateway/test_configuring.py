"""Configuration GETs at the gateway: who may ask, and what is passed on as it is."""

import json

import pytest

from msgin5g import coap, configuration
from msgin5g_gateway import configuring
from tests.gateway.bench import SERVICE, ue_id
from tests.gateway.office import Office
from tests.world import GATEWAY, device_id

PASS = {"configuration": False}
FORMAT = (coap.CONTENT_FORMAT, b"\x32")


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path, bulk=PASS)
    yield made
    made.close()


@pytest.mark.clause("6.2.3.3.1-a", "6.2.3.3.1-p1")
def test_without_the_policy_a_get_goes_up_unmodified_and_its_answer_comes_back(office):
    wanted = {"vendor": "Example", "type": "35693803", "accept": 60}
    options = configuration.request_options(SERVICE, device_id(1), **wanted, host="gateway")
    options.append((coap.SIZE1, b""))
    assert office.ask_with(options, b'{"ueId":"x"}', token=b"mine") is None
    ((_, sent, token, payload),) = office.gets
    assert sent == [one for one in options if one[0] != coap.URI_HOST]
    assert (token, payload) == (b"mine", b'{"ueId":"x"}')
    answered = [(coap.ETAG, b"e"), (coap.CONTENT_FORMAT, b"\x3c"), (coap.MAX_AGE, b"\x05")]
    office.pass_back(payload=b"\xa0", options=answered)
    assert office.passed == [(office.last, coap.CONTENT, b"\xa0", answered)]
    assert not office.fetches and not office.store.configurations


@pytest.mark.parametrize("code", [coap.FORBIDDEN, coap.NOT_FOUND, coap.UNAVAILABLE])
def test_a_refusal_of_the_server_comes_back_as_it_is(office, code):
    office.ask()
    office.pass_back(code, b"because", [])
    assert office.passed == [(office.last, code, b"because", [])]


def test_an_answer_in_blocks_is_not_passed_off_as_whole(office):
    """UEs are answered in one datagram: half a document would look like all of it."""
    office.ask()
    options = [(coap.CONTENT_FORMAT, b"\x3c"), (coap.BLOCK2, b"\x0e")]
    office.pass_back(payload=b"\xa1" * 1024, options=options)
    code, text = office.answer_to(office.last)
    assert (code, text) == (coap.BAD_GATEWAY, b"the server's answer does not fit one datagram")
    assert not office.passed
    # The last block is the only one.
    office.ask()
    office.pass_back(
        payload=b"\xa0", options=[(coap.CONTENT_FORMAT, b"\x3c"), (coap.BLOCK2, b"\x06")]
    )
    assert office.passed[-1][1:3] == (coap.CONTENT, b"\xa0")


def test_a_gateway_that_is_refused_registers_anew(tmp_path):
    office = Office(tmp_path, bulk=PASS, register=True)
    office.serve()
    office.ask()
    office.pass_back(coap.FORBIDDEN, b"no", [])
    assert office.serve() == [GATEWAY]
    office.close()


def test_a_server_that_is_silent_is_5_04_after_20_seconds(office):
    office.ask()
    office.wait(19_999)
    assert not office.answers
    office.wait(1)
    assert office.answer_to(office.last)[0] == coap.GATEWAY_TIMEOUT
    office.pass_back()
    assert not office.passed and office.core.counters["late_answers"] == 1


def test_a_failed_request_is_5_04_and_what_waits_is_refused_when_the_disk_fails(office):
    office.ask()
    office.core.north_failed(office.gets.pop()[0], "timeout", office.now)
    office.settle()
    assert office.answer_to(office.last) == (coap.GATEWAY_TIMEOUT, b"server unreachable")
    office.ask()
    assert office.core.unanswered() == [office.last]


def test_two_ues_with_the_same_token_have_different_ones_at_the_server(office):
    office.ask(1, token=b"same")
    office.ask(2, token=b"same")
    office.ask(3, token=b"")
    tokens = [get[2] for get in office.gets]
    assert tokens[0] == b"same" and len(set(tokens)) == 3 and all(tokens)
    for _ in range(3):
        office.pass_back()
    office.ask(1, token=b"same")
    assert office.gets[0][2] == b"same"


def test_only_so_many_wait_at_the_server(office, monkeypatch):
    monkeypatch.setattr(configuring, "MAX_PASSED", 2)
    assert [office.ask(number) for number in (1, 2)] == [None, None]
    assert office.ask(3)[0] == coap.UNAVAILABLE
    office.pass_back()
    assert office.ask(3) is None


def test_as_long_as_the_server_does_not_know_the_gateway_nothing_is_passed_on(tmp_path):
    office = Office(tmp_path, bulk=PASS, register=True)
    assert office.ask() == (coap.UNAVAILABLE, b"unknown gateway")
    assert office.serve() == [GATEWAY]
    assert office.ask() is None and office.gets
    office.close()


@pytest.mark.parametrize("policy", [True, False])
def test_who_is_not_in_the_table_is_refused_unless_the_gateway_is_open(tmp_path, policy):
    office = Office(tmp_path / "a", bulk={"configuration": policy})
    assert office.ask(9) == (coap.FORBIDDEN, b"UE may not use this gateway")
    assert office.ask(1, ue_id=ue_id(1))[0] == coap.FORBIDDEN
    assert office.core.counters["refused"] == 2 and office.events("refused")
    office.close()
    office = Office(tmp_path / "b", bulk={"configuration": policy}, open=True)
    answer = office.ask(9)
    assert answer is None or answer[0] == coap.CONTENT
    office.close()


@pytest.mark.parametrize("policy", [True, False])
def test_a_row_without_ue_id_lets_nobody_ask(tmp_path, policy):
    office = Office(tmp_path, bulk={"configuration": policy})
    office.office_rows[0]["ue_id"] = None
    office.crash()
    assert office.ask(1)[0] == coap.FORBIDDEN
    office.close()


@pytest.mark.parametrize("policy", [True, False])
@pytest.mark.clause("7.2.5-ue")
def test_another_service_or_path_is_4_04(tmp_path, policy):
    office = Office(tmp_path, bulk={"configuration": policy})
    assert office.ask(1, service_id="urn:other")[0] == coap.NOT_FOUND
    options = configuration.request_options(SERVICE, device_id(1))
    options[4] = (coap.URI_PATH, b"others")
    assert office.ask_with(options)[0] == coap.NOT_FOUND
    office.close()


@pytest.mark.parametrize("policy", [True, False])
def test_what_is_malformed_is_4_00_with_the_reason(tmp_path, policy):
    office = Office(tmp_path, bulk={"configuration": policy})
    options = configuration.request_options(SERVICE, None)
    many = json.dumps({"bulkConfFlag": True, "ueIdList": [device_id(1)]}).encode()
    for payload, text in [
        (b"", b"ue-uri"),
        (b"[", b""),
        (b'{"ueId":1}', b"ueId"),
        (many, b"ueIdList: a gateway takes no bulk request"),
    ]:
        code, told = office.ask_with(options, payload)
        assert code == coap.BAD_REQUEST and text in told
    twice = [*options, (coap.URI_QUERY, b"ue-uri=a"), (coap.URI_QUERY, b"ue-uri=b")]
    assert office.ask_with(twice)[0] == coap.BAD_REQUEST
    counted = {name: count for name, count in office.core.counters.items() if "malformed" in name}
    elements = ("ue-uri", "payload", "ueId", "ueIdList", "Uri-Query")
    assert counted == {"malformed: " + one: 1 for one in elements}
    assert len(office.events("malformed")) == 5
    office.close()


@pytest.mark.parametrize("policy", [True, False])
def test_a_payload_that_says_it_is_no_json_is_4_15(tmp_path, policy):
    office = Office(tmp_path, bulk={"configuration": policy})
    options = configuration.request_options(SERVICE, None)
    payload = b'{"ueId":"%s"}' % device_id(1).encode()
    told = office.ask_with([*options, (coap.CONTENT_FORMAT, b"\x3c")], payload)
    assert told == (
        coap.UNSUPPORTED_FORMAT,
        b"Content-Format: 50 (application/json) is understood",
    )
    assert not office.gets and not office.store.configurations
    # Without a payload there is nothing that it could be about.
    asked = configuration.request_options(SERVICE, device_id(1))
    asked.insert(-1, (coap.CONTENT_FORMAT, b"\x3c"))
    office.ask_with(asked)
    assert len(office.gets) + len(office.store.configurations) == 1
    office.close()


def test_a_link_set_aside_for_devices_takes_no_configuration_get(office):
    options = configuration.request_options(SERVICE, device_id(1))
    get = coap.decode(coap.encode(coap.CON, coap.GET, 7, b"tk", options))
    office.core.configuring.receive("it", get, "udp2://d:1", office.now, devices_only=True)
    office.settle()
    code, text = office.answer_to("it")
    assert code == coap.BAD_REQUEST and b"for devices without an MSGin5G client" in text


@pytest.mark.clause("6.2.1.2-p6")
def test_the_ue_id_may_come_in_a_payload(office):
    payload = configuration.request(device_id(2), [("vendor", "Example")])
    assert (
        office.ask_with(configuration.request_options(SERVICE, has_payload=True), payload, 2)
        is None
    )
    assert office.gets[0][3] == payload
