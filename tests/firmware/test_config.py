"""The configuration file: what it takes, and what it says when it does not."""

import json

import pytest

from ue.config import ConfigError, defaults, load, merge, nearest

UE = {"ue_service_id": "urn:example:ue:1"}


def test_what_is_given_stands_over_the_defaults():
    config = merge({**UE, "wait_s": 9})
    assert config == {**defaults(), **UE, "wait_s": 9}
    assert defaults()["wait_s"] == 5


def test_defaults_are_not_shared():
    defaults()["profile"]["x"] = 1
    assert defaults()["profile"] == {}


def test_an_unknown_key_names_the_nearest_one(tmp_path):
    path = tmp_path / "ue.json"
    path.write_text(json.dumps({**UE, "refesh_s": 5}))
    with pytest.raises(ConfigError) as error:
        load(str(path))
    assert str(error.value) == f"{path}: unknown key 'refesh_s'; did you mean 'refresh_s'?"


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("refesh_s", "refresh_s"),
        ("link_url", "link"),
        ("ueServiceId", "ue_service_id"),
        ("wait", "wait_s"),
    ],
)
def test_nearest(word, known):
    assert nearest(word, defaults()) == known


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"wait_s": "5"}, "config: wait_s: a whole number is wanted, not '5'"),
        ({"wait_s": 5.5}, "config: wait_s: a whole number is wanted, not 5.5"),
        ({"wait_s": True}, "config: wait_s: a whole number is wanted, not True"),
        ({"wait_s": -1}, "config: wait_s: a number from 0 is wanted, not -1"),
        ({"urgent": 1}, "config: urgent: true or false is wanted, not 1"),
        ({"urgent": "yes"}, "config: urgent: true or false is wanted, not 'yes'"),
        ({"link": None}, "config: link: a string is wanted, not None"),
        ({"profile": []}, "config: profile: an object is wanted, not []"),
        (
            {"link": "serial:x"},
            "config: link: serial:x: udp://HOST:PORT, serial:///dev/NAME, serial://uartN "
            "or ble:// is wanted",
        ),
        ({"link": "udp://h"}, "config: link: udp://h: udp://HOST:PORT is wanted"),
        ({"link": "udp://h:0"}, "config: link: udp://h:0: udp://HOST:PORT is wanted"),
        ({"link": "udp://h:99999"}, "config: link: udp://h:99999: udp://HOST:PORT is wanted"),
        ({"profile": {"triInfo": {}}}, "config: cliProfile.triInfo.ueId: missing"),
        ({"say_to": "nobody"}, "config: say_to: a URI is wanted"),
        ({"service_id": ""}, "config: msgIden: 1 to 255 bytes are wanted"),
        ({"ue_id": "\n"}, "config: MSGin5G UE ID: control characters"),
        ({"ack_timeout_ms": 0}, "config: ack_timeout_ms: at least 10 is wanted"),
        ({"max_retransmit": 11}, "config: max_retransmit: at most 10 is wanted"),
        ({"refused_retry_s": 0}, "config: refused_retry_s: at least 1 is wanted"),
        ({"backoff_min_s": 0}, "config: backoff_min_s is at least 1 and at most backoff_max_s"),
        ({"backoff_max_s": 1}, "config: backoff_min_s is at least 1 and at most backoff_max_s"),
        ({"server_host": "h" * 256}, "config: server_host: at most 255 bytes are wanted"),
        (
            {"ue_service_id": "ue1"},
            "config: ue_service_id: the UE's URI is wanted, such as urn:example:ue:1",
        ),
        ({"ue_service_id": ":x"}, "config: UE Service ID: a URI is wanted"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(given, text):
    with pytest.raises(ConfigError) as error:
        merge({**UE, **given})
    assert str(error.value) == text


def test_a_profile_that_makes_the_registration_too_long_is_refused_at_once():
    ports = [{"portNum": 50_000 + port, "Protocol": "OTHER"} for port in range(16)]
    profile = {"triInfo": {"ueId": "urn:" + "x" * 240, "cliPorts": ports}}
    profile["comAvail"] = {
        "schTime": "2026-01-01T00:00:00Z",
        "durTime": "2026-01-01T01:00:00Z",
        "dataSize": "9" * 255,
        "storeForward": "9" * 255,
    }
    with pytest.raises(ConfigError, match="does not fit 1280 bytes"):
        merge({**UE, "profile": profile, "service_id": "urn:" + "s" * 200})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b"\xff", "is not valid JSON"),
        (b"[]", "an object {...} is wanted"),
        (b"{}", "ue_service_id: the UE's URI is wanted"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, data, text):
    path = tmp_path / "ue.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="ue.json: ") as error:
        load(str(path))
    assert text in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="none.json: cannot be read"):
        load(str(tmp_path / "none.json"))
