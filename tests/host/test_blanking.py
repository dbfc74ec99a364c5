"""No credential survives, whatever it is written like; everything else does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import app_client, coap, l3
from msgin5g_host.blanking import blanked

SECRET = b"s3cret\xff"


def request(payload):
    options = [(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x32")]
    return coap.encode(coap.CON, coap.POST, 7, b"tok", options, payload)


def test_the_credential_of_an_l3_registration_request():
    frame = l3.registration_request(4660, SECRET)
    shown = blanked(frame)
    assert shown == frame[:5] + b"*" * len(SECRET)
    assert l3.decode(shown).application_id == 4660


def test_a_damaged_l3_registration_request_is_blanked_behind_the_application_id():
    frame = l3.registration_request(4660, SECRET) + b"more s3cret"
    assert blanked(frame)[5:] == b"*" * (len(frame) - 5)
    assert blanked(frame[:4]) == frame[:4]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        l3.message_sending_request("UE", ("fqdn", "a.b"), bytes(16), b'{"credential":"x"}'),
        request(b'{"msgType":"MSG","payload":"my credential is \\"x\\""}'),
        request(b'{"a":"credential","b":["credential"]}'),
        b"\xff\x00 anything",
    ],
)
def test_what_is_no_credential_stays(frame):
    assert blanked(frame) == frame


def test_the_coap_form_keeps_its_length_and_everything_else():
    frame = request(app_client.registration("urn:s", 7, b"s3cret"))
    shown = blanked(frame)
    assert len(shown) == len(frame) and b"s3cret" not in shown
    assert json.loads(coap.decode(shown).payload) == {
        **{"msgIden": "urn:s", "msgType": "REG", "appId": "7", "credential": "******"}
    }


@pytest.mark.parametrize(
    "payload",
    [
        b'{ "credential" :\n "s3cret" }',
        b'{"credential":"a\\"s3cret","x":1}',
        b'{"Credential":"s3cret"}',
        b'{"cred\\u0065ntial":"s3cret"}',
        b'{"x":{"credential":"s3cret"}}',
        b'{"credential":["s3cret"],"y":"s3cret"}',
        b'{"credential":{"a":"s3cret"}}',
        b'{"credential":"x","credential":"s3cret"}',
        b'{"x":"\\\\","credential":"s3cret"}',
        # Not JSON at all: nobody knows where it begins.
        b'"{"credential":"s3cret"}',
        b'{"credential":"s3cret',
        b"credential=s3cret",
        b'{"credential":"s3cret"} \xff',
        b'{"\\u0063redential":"s3cret"',
    ],
)
def test_other_ways_to_write_it(payload):
    for frame in (request(payload), b"\xff" + payload):
        shown = blanked(frame)
        assert b"s3cret" not in shown and len(shown) == len(frame)


def test_a_number_is_no_credential_and_blanked_all_the_same():
    assert blanked(request(b'{"credential":1234, "x":1}')).endswith(b'{"credential":****, "x":1}')


@given(st.text(min_size=1), st.text(), st.integers(0, 3))
def test_any_credential_between_any_neighbours(secret, other, spaces):
    secret = "S3" + secret
    value = {"a": other, other + "b": [other], "credential": secret, "z": other}
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only, indent=spaces)
        frame = request(text.encode("utf-8", "replace"))
        shown = blanked(frame)
        assert len(shown) == len(frame)
        payload = bytes(coap.decode(shown).payload)
        if payload.strip(b"*"):
            found = json.loads(payload)
            assert set(found["credential"]) == {"*"}
            assert {**found, "credential": None} == {
                **json.loads(bytes(coap.decode(frame).payload)),
                "credential": None,
            }


@given(st.binary(max_size=300))
def test_nothing_makes_it_raise_or_change_a_length(data):
    for frame in (data, b"\x07" + data, b"\x40\x02\x00\x01\xffcredential" + data):
        assert len(blanked(frame)) == len(frame)
