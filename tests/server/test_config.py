"""The keys of server.toml and the sample file."""

from pathlib import Path

import pytest

from msgin5g_host.config import ConfigError, load
from msgin5g_server.config import KEYS, TABLES, check_roles

SAMPLE = Path(__file__).parents[2] / "server" / "server.toml"


def settings(text, tmp_path, environ=None, flags=None):
    path = tmp_path / "server.toml"
    path.write_text(text, encoding="utf-8")
    return load(KEYS, TABLES, str(path), environ or {}, flags or {})


def test_the_sample_file_loads_and_shows_the_defaults():
    loaded = load(KEYS, TABLES, str(SAMPLE), {}, {})
    for key in KEYS:
        assert loaded.source(key.name) == "file", f"{key.name} is missing in {SAMPLE.name}"
        assert loaded[key.name] == key.default
    gateway, ue = loaded.rows["ue"]
    assert gateway["gateway"] is None
    assert ue["gateway"] == gateway["ue_service_id"]


def test_the_sample_file_comments_every_key():
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    names = [key.key for key in KEYS] + [key.key for table in TABLES for key in table.keys]
    for name in names:
        (first, *_) = (
            at for at, line in enumerate(lines) if line.removeprefix("# ").startswith(f"{name} =")
        )
        while not lines[first - 1].startswith(("#", "[")):
            first -= 1
        above = lines[first - 1]
        assert above.startswith("#") or lines[first - 2].startswith("#"), name


def test_the_order_is_flag_environment_file_default(tmp_path):
    text = '[server]\nbind = "127.0.0.1:1"\nhttp = "127.0.0.1:2"\ndata = "a"\n'
    environ = {"MSGIN5G_SERVER_HTTP": "127.0.0.1:3", "MSGIN5G_SERVER_DATA": "b"}
    loaded = settings(text, tmp_path, environ, {"server.data": "c"})
    values = [loaded[f"server.{name}"] for name in ("data", "http", "bind", "open")]
    assert values == ["c", "127.0.0.1:3", "127.0.0.1:1", False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nregistration_lifetime = 60\n", ["registration_lifetime_s"]),
        ("[server]\nregistration_lifetime_s = 0\n", ["registration_lifetime_s", "from 1"]),
        ("[server]\nregistration_lifetime_s = 4294967296\n", ["registration_lifetime_s"]),
        ("[server]\nmax_registrations = -1\n", ["max_registrations"]),
        ("[server]\nbind = '127.0.0.1'\n", ["bind", "host:port"]),
        ("[server]\nhttp = '::1:8080'\n", ["http", "brackets"]),
        ("[server]\nopen = 'yes'\n", ["open", "true or false"]),
        ("[server]\nservice_id = 'no uri'\n", ["service_id", "URI"]),
        ("[[ue]]\ngateway = 'urn:example:gw:1'\n", ["ue_service_id", "missing"]),
        ("[[ue]]\nue_service_id = 'urn:a:1'\ngatway = 'urn:a:2'\n", ["gatway", "gateway"]),
        ("[[ue]]\nue_service_id = 'urn:a:1'\n[[ue]]\nue_service_id = 'urn:a:1'\n", ["number 2"]),
        ("[[topic]]\ntopic = '/a/b'\n", ["topic", "slash"]),
        ("[[topic]]\ntopic = ''\n", ["topic"]),
        ("[[topic]]\ntopic = 'su-gm'\n", ["topic", "path"]),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_is_wanted(tmp_path, text, words):
    with pytest.raises(ConfigError) as problem:
        settings(text, tmp_path)
    for word in [*words, "server.toml"]:
        assert word in str(problem.value)


UE, AN_AS = "[[ue]]\nue_service_id = 'urn:a:1'\n", "[[application]]\nas_service_id = 'urn:a:1'\n"
MGW = """[[message_gateway]]
mgw_service_id = 'urn:m:1'
kind = 'N3G'
url = 'http://127.0.0.1:1'
ues = ['urn:a:1']
"""
PEER = "[[peer]]\nserver_id = 'urn:b:server'\nurl = 'http://127.0.0.1:1'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (UE + AN_AS, ["'urn:a:1'", "[[ue]]", "[[application]]"]),
        (UE + MGW, ["'urn:a:1'", "[[ue]]", "ues of urn:m:1"]),
        (AN_AS + MGW, ["'urn:a:1'", "[[application]]", "ues of urn:m:1"]),
        (MGW + MGW.replace("m:1", "m:2"), ["'urn:a:1'", "ues of urn:m:1", "ues of urn:m:2"]),
        (UE + PEER.replace("b:server", "a:1"), ["'urn:a:1'", "[[peer]]"]),
        (PEER, ["[[peer]] urn:b:server", "prefixes"]),
    ],
)
def test_a_service_id_has_one_owner_and_a_peer_has_some(tmp_path, text, words):
    with pytest.raises(ConfigError) as problem:
        check_roles(settings(text, tmp_path))
    for word in words:
        assert word in str(problem.value)


def test_roles_that_differ_are_taken(tmp_path):
    fits = UE + AN_AS.replace("a:1", "a:2") + MGW.replace("a:1", "a:3")
    check_roles(settings(fits + PEER + "prefixes = ['urn:b:']\n", tmp_path))


def test_without_an_http_address_there_is_no_http_server(tmp_path):
    assert settings("[server]\nhttp = ''\n", tmp_path)["server.http"] == ""
