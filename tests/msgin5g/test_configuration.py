"""Configuration: golden vectors, and what callers and peers may get wrong."""

import contextlib
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import cbor, coap, configuration, configuration_document, configuration_requests
from msgin5g.configuration import Configuration
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage
from tests.mpy import check_configuration as vectors
from tests.mpy.check_message import load

FOLDER = Path(__file__).parents[1] / "vectors" / "configuration"
VECTORS = load(str(FOLDER))
SERVICE = "urn:msgin5g:service"
UE = Configuration("urn:example:ue:1", "coap://192.0.2.1:65401", 640)


def vector_params():
    for vector in VECTORS:
        ids = [one for one in vector["clause"] if one.startswith("7.")]
        marks = [pytest.mark.clause(*ids)] if ids else []
        yield pytest.param(vector, id=vector["name"], marks=marks)


@pytest.mark.parametrize("vector", list(vector_params()))
def test_vector(vector):
    assert vectors.check(vector) == ""


def test_vectors_are_named_after_their_files():
    stems = [path.stem for path in sorted(FOLDER.glob("*.json"))]
    assert stems == [json.loads((FOLDER / f"{one}.json").read_text())["name"] for one in stems]


def test_every_builder_has_a_vector():
    built = {one["build"]["function"] for one in VECTORS if "build" in one}
    assert built == {"request", "bulk_request", "interim", "answer", "bulk_answer", "document"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"ue_id": ""},
        {"ue_id": "x" * 249},
        {"ue_id": "a\nb"},
        {"ue_id": "\ud800"},
        {"ue_id": "a", "type": "3520990"},
        {"ue_id": "a", "type": "3520990x"},
        {"ue_id": "a", "serial": ""},
        {"ue_id": "a", "serial": "1234567"},
        {"ue_id": "a", "vendor": ""},
        {"ue_id": "a", "vendor": "x" * 246},
        {"document_id": ""},
    ],
)
def test_a_caller_cannot_ask_with_what_no_server_takes(wrong):
    with pytest.raises(CallerError):
        configuration.request_options(SERVICE, **wrong)


def test_a_callers_payload_is_that_of_the_schema():
    for wrong in ({"ue_id": ""}, {"ue_id": "x" * 249}, {"ue_id": "a", "infos": [("", "b")]}):
        with pytest.raises(CallerError):
            configuration.request(**wrong)
    for ids in ([], [""], ["x" * 249], ["a"] * 501):
        with pytest.raises(CallerError):
            configuration.bulk_request(ids)


def test_options_stand_in_their_order():
    options = configuration.request_options(
        SERVICE, "a", "b", "12345678", "1", has_payload=True, accept=60, host="server.example"
    )
    numbers = [number for number, _ in options]
    assert numbers == sorted(numbers) and numbers[0] == coap.URI_HOST
    coap.encode_options(options)


@pytest.mark.clause("7.2.3-a", "7.2.3-b", "7.2.3-c", "7.2.4.2")
def test_a_stock_xml_reader_finds_the_elements_in_their_namespace():
    odd = Configuration("urn:x:<&\"'>ü", UE.server, 640)
    root = ElementTree.fromstring(configuration_document.on_network(odd))
    assert root.tag == "{urn:3gpp:ns:seal:sealUEConfig:1.0}on-network"
    space = "{urn:3gpp:ns:seal:MSGin5GUEConfig:1.0}"
    assert {one.tag.removeprefix(space): one.text for one in root} == {
        "MSGin5G-Server-address": UE.server,
        "MSGin5G-UE-Service-id": odd.ue_service_id,
        "Segment-size": "640",
    }


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters=" ")))
def test_what_xml_escapes_comes_back(text):
    given_ = Configuration("urn:" + text[:60] + ".", "coap:" + text[:60] + ".")
    found = configuration_document.parse_on_network(configuration_document.on_network(given_))
    assert (found.ue_service_id, found.server) == (given_.ue_service_id, given_.server)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MSGin5G-UE-Service-id",
        "<MSGin5G-UE-Service-id",
        "<MSGin5G-UE-Service-id>",
        "<MSGin5G-UE-Service-id/>",
        "<a b='MSGin5G-UE-Service-id'>urn:x</a>",
        "<MSGin5G-UE-Service-ids>urn:x</MSGin5G-UE-Service-ids>",
        "<xMSGin5G-UE-Service-id>urn:x</xMSGin5G-UE-Service-id>",
    ],
)
def test_other_xml_has_no_configuration(text):
    assert configuration_document.parse_on_network(text) is None


@given(st.lists(st.sampled_from(["MSGin5G-UE-Service-id", "Segment-size", *"<>/:m'\"& u"])))
def test_xml_that_is_none_is_read_or_refused(parts):
    text = "<m:MSGin5G-Server-address>a:b" + "".join(parts)
    with contextlib.suppress(BadMessage):
        configuration_document.parse_on_network(text)


@given(st.binary(max_size=60), st.lists(st.binary(max_size=20), max_size=4))
def test_whatever_a_peer_sends_is_read_or_refused(payload, queries):
    path = (b"su-uc", b"v1", b"val-services", b"s", b"ue-configurations")
    options = [(coap.URI_PATH, one) for one in path]
    options += [(coap.URI_QUERY, one) for one in queries]
    message = coap.decode(coap.encode(coap.CON, coap.GET, 1, b"", options, payload))
    for read in (
        lambda: configuration_requests.parse_message(message),
        lambda: configuration.parse_answer(payload),
        lambda: configuration_document.parse_documents(payload),
    ):
        try:
            read()
        except BadMessage:
            continue


def test_a_get_below_the_root_is_told_from_others():
    def get(path, code=coap.GET):
        options = [(coap.URI_PATH, one.encode()) for one in path]
        return coap.decode(coap.encode(coap.CON, code, 1, b"", options))

    assert configuration_requests.is_request(get(["su-uc", "v1"]))
    assert not configuration_requests.is_request(get(["su-uc", "v1"], coap.POST))
    assert not configuration_requests.is_request(get(["topic", "su-uc"]))
    assert not configuration_requests.is_request(get([]))


def test_a_path_that_is_no_utf8_is_refused():
    message = coap.decode(coap.encode(coap.CON, coap.GET, 1, b"", [(coap.URI_PATH, b"\xff")]))
    with pytest.raises(BadMessage):
        configuration_requests.parse_message(message)


def test_the_largest_bulk_request_comes_back_whole():
    ids = [f"urn:example:device:{number}" for number in range(500)]
    path = ["su-uc", "v1", "val-services", SERVICE, "ue-configurations"]
    found = configuration_requests.parse_request(path, [], configuration.bulk_request(ids))
    assert found.ue_ids == ids
    entries = [Configuration("urn:x:" + one, UE.server, 640, one) for one in ids]
    answer = configuration.parse_answer(configuration_requests.bulk_answer(entries))
    assert [one.ue_id for one in answer.entries] == ids
    documents = [configuration_document.document(UE, one, SERVICE, "x") for one in ids]
    assert len(configuration_document.parse_documents(cbor.dumps(documents)).entries) == 500
