"""What leaves the UE: options and urgency."""

import json

import pytest

from msgin5g import coap
from msgin5g import names as n
from msgin5g.receiving import Params, Receiver
from tests.firmware.bench import UE
from ue.config import merge
from ue.requests import Requests


def build(what, **settings):
    return Requests(merge({"ue_service_id": UE, **settings})).build(what)


@pytest.mark.clause("6.3.4.2.1-b", "6.3.4.2.2-a-c")
@pytest.mark.parametrize("what", [n.REG, n.DEREG])
def test_reg_and_dereg_name_the_server_and_gwreg_does_not(what):
    settings = {"server_host": "server.example", "path": "a/b"}
    assert build(what, **settings)[1] == [
        (coap.URI_HOST, b"server.example"),
        (coap.URI_PATH, b"a"),
        (coap.URI_PATH, b"b"),
        (coap.CONTENT_FORMAT, b"\x32"),
    ]
    path = [(coap.URI_PATH, b"a"), (coap.URI_PATH, b"b"), (coap.CONTENT_FORMAT, b"\x32")]
    assert build(n.GWREG, **settings)[1] == path
    assert build(what, path="a/b")[1] == path


def test_a_ue_encodes_the_options_of_its_requests_once():
    config = merge({"ue_service_id": UE, "server_host": "server.example", "path": "a/b"})
    endpoint = Receiver(lambda n: 0, Params())
    made = Requests(config, endpoint.prepare)
    for what in (n.GWREG, n.REG, n.DEREG):
        options = made.build(what)[1]
        assert options.__class__ is bytes
        assert coap.encode(0, coap.POST, 1, b"", options) == coap.encode(
            0, coap.POST, 1, b"", build(what, server_host="server.example", path="a/b")[1]
        )


def test_an_empty_path_has_no_segment():
    numbers = [number for number, _ in build(n.REG, server_host="h", path="")[1]]
    assert numbers == [coap.URI_HOST, coap.CONTENT_FORMAT]


@pytest.mark.clause("6.3.4.2.1-d3", "6.3.4.2.2-d4")
@pytest.mark.parametrize("what", [n.REG, n.DEREG])
@pytest.mark.parametrize("urgent", [True, False])
def test_urgency_is_stated_and_only_what_may_wait_has_a_time(what, urgent):
    body = json.loads(build(what, urgent=urgent, wait_s=9)[0])
    assert body["urgentTag"] is urgent and body.get("reqExpTime") == (None if urgent else 9)
    assert "reqExpTime" not in json.loads(build(what, urgent=urgent, wait_s=0)[0])


@pytest.mark.clause("6.3.0-p5")
@pytest.mark.parametrize("what", [n.REG, n.DEREG])
def test_the_direct_way_has_neither_urgency_nor_time(what):
    body = json.loads(build(what, direct=True, urgent=True, wait_s=9)[0])
    assert set(body) == {"msgIden", "msgType", "oriAddr"}
