"""Configuration: the order of sources, and what an error says."""

import argparse

import pytest

from msgin5g_host.config import (
    ConfigError,
    Key,
    Settings,
    Table,
    add_flags,
    check_uri,
    given_flags,
    load,
    parse_address,
    parse_link,
)

KEYS = (
    Key("gateway.server", str, "coap://127.0.0.1:65401", "URI of the MSGin5G Server"),
    Key("gateway.links", list, ["udp://127.0.0.1:65402"], "links to UEs", parse_link),
    Key("gateway.open", bool, False, "let any UE in"),
    Key("bulk.max_requests", int, 50, "requests in one bulk, 100 % full"),
    Key("bulk.interval_s", float, 5.0, "seconds between bulks"),
)
TABLES = (
    Table(
        "ue",
        (
            Key("ue.ue_service_id", str, "", "who may register", check_uri, required=True),
            Key("ue.gateway", str, None, "its gateway"),
        ),
        "ue_service_id",
    ),
    Table(
        "device",
        (
            Key("device.application_id", int, 0, "number of the application", required=True),
            Key("device.credential", str, None, "shared secret", secret=True),
        ),
        "application_id",
    ),
)


def read(tmp_path, text="", environ=None, flags=None) -> Settings:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return load(KEYS, TABLES, str(path), environ or {}, flags or {})


def error(tmp_path, text="", environ=None, flags=None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, environ, flags)
    return str(caught.value).replace(str(tmp_path) + "/", "")


def test_defaults_without_a_file() -> None:
    settings = load(KEYS, TABLES, None, {}, {})
    assert settings["gateway.server"] == "coap://127.0.0.1:65401"
    assert settings.source("gateway.server") == "default"
    assert settings.rows == {"ue": [], "device": []}


def test_flag_beats_environment_beats_file_beats_default(tmp_path) -> None:
    text = "[bulk]\nmax_requests = 1\n"
    environ = {"MSGIN5G_BULK_MAX_REQUESTS": "2"}
    flags = {"bulk.max_requests": 3}
    for given, value, source in (
        ((text, environ, flags), 3, "flag"),
        ((text, environ), 2, "environment"),
        ((text,), 1, "file"),
        ((), 50, "default"),
    ):
        settings = read(tmp_path, *given)
        assert (settings["bulk.max_requests"], settings.source("bulk.max_requests")) == (
            value,
            source,
        )


def test_file_with_tables(tmp_path) -> None:
    settings = read(
        tmp_path,
        """
        [bulk]
        interval_s = 2
        [[ue]]
        ue_service_id = "urn:example:ue:1"
        [[ue]]
        ue_service_id = "urn:example:ue:2"
        gateway = "urn:example:gw:1"
        """,
    )
    assert settings["bulk.interval_s"] == 2.0
    assert isinstance(settings["bulk.interval_s"], float)
    assert settings.rows["ue"] == [
        {"ue_service_id": "urn:example:ue:1", "gateway": None},
        {"ue_service_id": "urn:example:ue:2", "gateway": "urn:example:gw:1"},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[gateway]\nsrever = "x"',
            "gateway.toml: [gateway] unknown key 'srever'; did you mean 'server'?",
        ),
        (
            "[gateway]\nzzz = 1",
            "gateway.toml: [gateway] unknown key 'zzz'; known are links, open, server",
        ),
        ("[gatway]", "gateway.toml: unknown table [gatway]; did you mean 'gateway'?"),
        ("[[devices]]", "gateway.toml: unknown table [devices]; did you mean 'device'?"),
        (
            'server = "x"',
            "gateway.toml: the key 'server' stands outside of any table; "
            "write it below [bulk] or [gateway]",
        ),
        ("[[gateway]]", "gateway.toml: gateway is a table: write [gateway]"),
        ("[ue]", "gateway.toml: ue is a list of tables: write [[ue]]"),
        (
            "[gateway]\nserver = 5",
            "gateway.toml: [gateway] server: a string is wanted, not 5",
        ),
        (
            "[gateway]\nopen = 1",
            "gateway.toml: [gateway] open: true or false is wanted, not 1",
        ),
        (
            "[bulk]\nmax_requests = true",
            "gateway.toml: [bulk] max_requests: a whole number is wanted, not true",
        ),
        (
            "[bulk]\ninterval_s = nan",
            "gateway.toml: [bulk] interval_s: a finite number is wanted, not nan",
        ),
        (
            '[gateway]\nlinks = "udp://[::1]:1"',
            'gateway.toml: [gateway] links: a list of strings is wanted, not "udp://[::1]:1"',
        ),
        (
            '[gateway]\nlinks = ["ble://?slot=1"]',
            "gateway.toml: [gateway] links: a BLE link has slots, idle_s, allow, name, backend, "
            "not 'slot'",
        ),
        (
            '[[ue]]\nue_service_id = "urn:a:1"\n[[ue]]',
            "gateway.toml: [[ue]] number 2: ue_service_id is missing (who may register)",
        ),
        (
            '[[ue]]\nue_service_id = "1"',
            "gateway.toml: [[ue]] number 1: ue_service_id: "
            "a URI is wanted, such as urn:example:ue:1, not '1'",
        ),
        (
            '[[ue]]\nue_service_id = "urn:a:1"\n[[ue]]\nue_service_id = "urn:a:1"',
            "gateway.toml: [[ue]] number 2: ue_service_id 'urn:a:1' is in number 1 already; "
            "remove one of the two",
        ),
        (
            "[[device]]\naplication_id = 4660",
            "gateway.toml: [[device]] number 1: unknown key 'aplication_id'; "
            "did you mean 'application_id'?",
        ),
        (
            "[[device]]\napplication_id = '4660'",
            "gateway.toml: [[device]] number 1: application_id: "
            'a whole number is wanted, not "4660"',
        ),
    ],
)
def test_error_names_place_and_remedy(tmp_path, text: str, said: str) -> None:
    assert error(tmp_path, text) == said


def test_toml_error_names_the_line(tmp_path) -> None:
    assert error(tmp_path, "[gateway]\nserver = \n").startswith("gateway.toml: is not valid TOML:")
    assert "line 2" in error(tmp_path, "[gateway]\nserver = \n")


def test_unreadable_file() -> None:
    with pytest.raises(ConfigError, match="/nowhere.toml: cannot be read: No such file"):
        load(KEYS, TABLES, "/nowhere.toml", {}, {})


def test_file_that_is_not_text(tmp_path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(KEYS, TABLES, str(path), {}, {})


def test_environment_values_take_the_type_of_their_key(tmp_path) -> None:
    settings = read(
        tmp_path,
        environ={
            "MSGIN5G_GATEWAY_LINKS": "udp://127.0.0.1:1, udp://[::1]:2",
            "MSGIN5G_GATEWAY_OPEN": "yes",
            "MSGIN5G_BULK_INTERVAL_S": "0.5",
            "MSGIN5G_DEBUG": "1",
            "MSGIN5G_SERVER_BIND": "that is another program's",
            "HOME": "/root",
        },
    )
    assert settings["gateway.links"] == ["udp://127.0.0.1:1", "udp://[::1]:2"]
    assert settings["gateway.open"] is True
    assert settings["bulk.interval_s"] == 0.5


def test_environment_errors(tmp_path) -> None:
    assert error(tmp_path, environ={"MSGIN5G_GATEWAY_SERVR": "x"}) == (
        "unknown environment variable MSGIN5G_GATEWAY_SERVR; "
        "did you mean 'MSGIN5G_GATEWAY_SERVER'?"
    )
    assert error(tmp_path, environ={"MSGIN5G_BULK_MAX_REQUESTS": "many"}) == (
        "MSGIN5G_BULK_MAX_REQUESTS: a whole number is wanted, not 'many'"
    )
    assert error(tmp_path, environ={"MSGIN5G_GATEWAY_OPEN": "perhaps"}) == (
        "MSGIN5G_GATEWAY_OPEN: true or false is wanted, not 'perhaps'"
    )


def test_flags_that_were_given_and_no_others() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, KEYS)
    args = parser.parse_args(["--link", "udp://a:1", "--link", "udp://b:2", "--no-open"])
    assert given_flags(args, KEYS) == {
        "gateway.links": ["udp://a:1", "udp://b:2"],
        "gateway.open": False,
    }
    assert given_flags(parser.parse_args([]), KEYS) == {}
    assert "100 % full" in parser.format_help()


def test_check_of_a_flag_names_the_flag(tmp_path) -> None:
    assert error(tmp_path, flags={"gateway.links": ["tcp://a:1"]}) == (
        "--link: a link is udp://host:port, serial:///dev/NAME or ble://, not 'tcp://a:1'"
    )


def test_required_key_says_the_three_ways_to_give_it() -> None:
    keys = (Key("gateway.ue_service_id", str, None, "its own identity", required=True),)
    with pytest.raises(ConfigError) as caught:
        load(keys, (), None, {}, {})
    assert str(caught.value) == (
        "gateway.ue_service_id is missing (its own identity): give --ue-service-id, "
        "MSGIN5G_GATEWAY_UE_SERVICE_ID, or ue_service_id under [gateway] in the file named with -c"
    )


def test_describe_is_toml_with_sources_and_without_secrets(tmp_path) -> None:
    text = '[[device]]\napplication_id = 1\ncredential = "s3cret"\n'
    shown = read(tmp_path, text, flags={"bulk.max_requests": 3}).describe()
    assert "s3cret" not in shown
    assert "max_requests = 3  # flag" in shown
    (tmp_path / "again.toml").write_text(shown)
    again = load(KEYS, TABLES, str(tmp_path / "again.toml"), {}, {})
    assert again["bulk.max_requests"] == 3
    assert again.rows["device"][0]["application_id"] == 1


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("127.0.0.1:65401", ("127.0.0.1", 65401)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_parse_address(text: str, pair: tuple[str, int]) -> None:
    assert parse_address(text) == pair


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        ":1",
        "host:",
        "host:x",
        "host:-1",
        "host:65536",
        "::1:1",
        "[x]:1",
        "a b:1",
        "h:١",
    ],
)
def test_parse_address_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        parse_address(text)


def test_parse_link() -> None:
    assert parse_link("udp://[::1]:65402") == ("udp", "::1", 65402)
    assert parse_link("serial:///dev/ttyS0?baud=9600") == ("serial", "/dev/ttyS0", 9600)
    assert parse_link("ble://hci1?slots=3") == ("ble", "hci1", 3)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("serial://ttyACM0", "a serial link is serial:///dev/NAME"),
        ("serial:///dev/ttyACM0?bauds=1", "unknown key 'bauds'; known are baud, dtr"),
        ("ble://?slots=0", "slots is a number from 1 to 20"),
        ("udp:127.0.0.1:1", "a link is udp://host:port, serial:///dev/NAME or ble://"),
        ("udp://127.0.0.1", "host:port is wanted"),
        ("udp://127.0.0.1:1/x", "a port is a number"),
    ],
)
def test_parse_link_refuses(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_link(url)


@pytest.mark.parametrize("value", ["", "1", "urn:", ":x", "urn:a b", "urn:\n", "urn:" + "x" * 252])
def test_check_uri_refuses(value: str) -> None:
    with pytest.raises(ValueError):
        check_uri(value)
