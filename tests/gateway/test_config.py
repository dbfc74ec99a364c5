"""gateway.toml: its sample, its keys and what is said about mistakes."""

from pathlib import Path

import pytest

from msgin5g_gateway.config import KEYS, TABLES, leave_to_server
from msgin5g_host.config import ConfigError, load

SAMPLE = Path(__file__).parents[2] / "gateway" / "gateway.toml"


def given(tmp_path, text):
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return load(KEYS, TABLES, str(path), {}, {})


def test_the_sample_sets_every_key_to_its_default():
    settings = load(KEYS, TABLES, str(SAMPLE), {}, {})
    for key in KEYS:
        assert settings.source(key.name) == "file", key.name
        assert settings[key.name] == key.default, key.name
    assert settings.rows["ue"] == [{"ue_service_id": "urn:example:ue:1", "ue_id": None}]
    assert settings.rows["device"][0]["application_id"] == 4660


def test_every_key_of_the_sample_has_a_comment_above_it():
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    keys = {key.key for key in KEYS}
    for above, line in zip(lines, lines[1:], strict=False):
        if line.partition(" ")[0] in keys:
            assert above.startswith("#") or "=" in above or above.startswith("[["), line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[gateway]\nserver = "http://x"', "coap://host:port"),
        ('[gateway]\nserver = "coap://host:70000"', "65535"),
        ('[gateway]\nlinks = ["tcp://127.0.0.1:1"]', "udp://host:port"),
        ('[gateway]\nue_service_id = "no uri"', "a URI is wanted"),
        ('[gateway]\nue_id = "a\\tb"', "without control characters"),
        ("[gateway]\ngateway_time_s = 0", "above 0"),
        ("[gateway]\nopne = true", "did you mean 'open'"),
        ("[bulk]\nmax_requests = 1.5", "a whole number"),
        ("[bulk]\ninterval_s = -1.0", "above 0"),
        ("[bulk]\nanswer_margin_s = -0.1", "0 or more"),
        ("[[ue]]\n", "ue_service_id is missing"),
        ('[[device]]\napplication_id = 65536\ncredential = "x"', "0 to 65535"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        given(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "own", "source"),
    [
        ("", "urn:example:gw:1", "default"),
        ('ue_id = "box-7"', None, "server"),
        ('ue_id = "box-7"\nue_service_id = "urn:a:1"', "urn:a:1", "file"),
        ('ue_id = "box-7"\nue_service_id = "urn:example:gw:1"', "urn:example:gw:1", "file"),
        ('ue_id = ""', "urn:example:gw:1", "default"),
    ],
)
def test_a_gateway_with_a_ue_id_alone_leaves_its_name_to_the_server(tmp_path, text, own, source):
    settings = given(tmp_path, f"[gateway]\n{text}\n")
    leave_to_server(settings)
    assert settings["gateway.ue_service_id"] == own
    assert settings.source("gateway.ue_service_id") == source


def test_a_whole_number_does_for_seconds(tmp_path):
    assert given(tmp_path, "[bulk]\ninterval_s = 3")["bulk.interval_s"] == 3.0


def test_a_credential_is_never_printed(tmp_path):
    text = '[[device]]\napplication_id = 1\ncredential = "s3cret"'
    assert "s3cret" not in given(tmp_path, text).describe()
