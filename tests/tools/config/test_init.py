"""`msgin5g config init`: files that load, fit each other, and are not lost or read by others."""

import json
import os
import stat
import tomllib
from pathlib import Path

import pytest

from msgin5g_host.config import load
from msgin5g_tools.cli import main
from msgin5g_tools.config.kinds import DECLARED


@pytest.fixture(autouse=True)
def clean_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_defaults_of_all_three_fit_each_other(capsys):
    for role in ("server", "gateway", "ue"):
        assert main(["config", "init", role]) == 0
    capsys.readouterr()
    assert main(["config", "check", "server.toml", "gateway.toml", "ue.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "server.toml: a server's, on 127.0.0.1:65401",
        "gateway.toml: a gateway's, urn:example:gw:1",
        "ue.json: a UE's, urn:example:ue:1",
        "they fit each other",
    ]


@pytest.mark.parametrize("token", [[], ["--token"]])
def test_a_gateway_reports_to_the_page_of_its_server(token):
    assert main(["config", "init", "server", *token]) == 0
    assert main(["config", "init", "gateway", "--server-config", "server.toml"]) == 0
    view = tomllib.loads(Path("gateway.toml").read_text())["view"]
    assert view["report_to"] == "http://127.0.0.1:8080"
    assert ("report_token" in view) == bool(token)
    assert mode("gateway.toml") == (0o600 if token else 0o644)
    assert main(["config", "check", "server.toml", "gateway.toml"]) == 0


def test_one_is_made_to_fit_the_other(capsys):
    devices = ["--device", "7=urn:example:ue:9"]
    for command in (
        ["server", "--bind", "0.0.0.0:7000", "--service-id", "urn:example:lab"]
        + [
            "--gateway",
            "urn:example:gw:a",
            "--ue",
            "urn:example:ue:1",
            "--ue",
            "urn:example:ue:9",
        ],
        ["gateway", "--ue-service-id", "urn:example:gw:a", "--server-config", "server.toml"]
        + ["--link", "udp://127.0.0.1:7002", *devices],
        ["ue", "--gateway-config", "gateway.toml"],
        ["ue", "--gateway-config", "gateway.toml", "--device", "7", "--to", "device.json"],
    ):
        assert main(["config", "init", *command]) == 0
    assert json.loads(Path("ue.json").read_text()) == {
        "ue_service_id": "urn:example:ue:1",
        "link": "udp://127.0.0.1:7002",
        "service_id": "urn:example:lab",
        "state_file": "ue-state.json",
    }
    capsys.readouterr()
    files = ["server.toml", "gateway.toml", "ue.json", "device.json"]
    assert main(["config", "check", "--json", *files]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["problems"]) == (True, [])
    assert [one["kind"] for one in answer["files"]] == ["server", "gateway", "ue", "ue"]


def test_a_ue_may_have_its_ue_id_only_and_the_gateway_takes_those_of_the_server(capsys):
    Path("server.toml").write_text(
        '[server]\n[[ue]]\nue_service_id = "urn:example:gw:1"\n'
        '[[ue]]\nue_service_id = "urn:a"\nue_id = "a chip"\ngateway = "urn:example:gw:1"\n'
    )
    assert main(["config", "init", "gateway", "--server-config", "server.toml"]) == 0
    assert 'ue_id = "a chip"' in Path("gateway.toml").read_text()
    assert main(["config", "init", "ue", "--ue-id", "a chip"]) == 0
    assert "ue_service_id" not in json.loads(Path("ue.json").read_text())
    assert main(["config", "check", "server.toml", "gateway.toml", "ue.json"]) == 0


@pytest.mark.parametrize("role", ["server", "gateway"])
def test_every_key_is_there_with_its_meaning_and_its_default(role):
    assert main(["config", "init", role]) == 0
    text = Path(f"{role}.toml").read_text()
    declared = DECLARED[role]
    whole = "\n".join(
        line[2:] if line[:2] == "# " and " = " in line and line[2].islower() else line
        for line in text.splitlines()
    )
    values = tomllib.loads(whole)
    for key in declared.KEYS:
        assert values[key.table][key.key] == key.default, key.name
    assert load(declared.KEYS, declared.TABLES, f"{role}.toml", {}, {})


def test_a_file_that_is_there_is_not_touched_without_force(capsys):
    Path("server.toml").write_text("mine")
    assert main(["config", "init", "server"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("msgin5g config: server.toml: is there already; --force replaces it")
    assert Path("server.toml").read_text() == "mine"
    assert main(["config", "init", "server", "--force"]) == 0
    assert "[server]" in Path("server.toml").read_text()
    assert os.listdir() == ["server.toml"]


def test_a_secret_is_for_the_owner_only_and_not_printed(capsys):
    arguments = ["--token", "--application", "urn:example:as:1", "--to", "new/s.toml"]
    assert main(["config", "init", "server", *arguments]) == 0
    made = tomllib.loads(Path("new/s.toml").read_text())
    tokens = [
        made["http"]["token"],
        made["application"][0]["token"],
        made["ue"][0]["report_token"],
    ]
    assert len(set(tokens)) == 3 and min(map(len, tokens)) >= 32
    assert mode("new/s.toml") == 0o600
    assert main(["config", "init", "gateway", "--device", "7"]) == 0
    credential = tomllib.loads(Path("gateway.toml").read_text())["device"][0]["credential"]
    assert mode("gateway.toml") == 0o600
    assert main(["config", "init", "ue", "--device", "7", "--gateway-config", "gateway.toml"]) == 0
    assert json.loads(Path("ue.json").read_text())["credential"] == credential
    assert mode("ue.json") == 0o600
    assert main(["config", "init", "server"]) == 0
    assert mode("server.toml") == 0o644
    for file in ("new/s.toml", "gateway.toml", "ue.json"):
        for flag in ([], ["--json"]):
            assert main(["config", "show", file, *flag]) == 0
    out = capsys.readouterr().out
    assert "…" in out
    assert all(secret not in out for secret in (*tokens, credential))


def test_a_gateway_may_have_its_ue_id_only(capsys):
    Path("server.toml").write_text(
        '[server]\n[[ue]]\nue_service_id = "urn:gw:7"\nue_id = "box-7"\n'
        '[[ue]]\nue_service_id = "urn:a"\ngateway = "urn:gw:7"\n'
    )
    command = ["config", "init", "gateway", "--server-config", "server.toml", "--ue-id"]
    assert main([*command, "box-7"]) == 0
    made = tomllib.loads(Path("gateway.toml").read_text())
    assert made["gateway"]["ue_id"] == "box-7" and "ue_service_id" not in made["gateway"]
    assert made["ue"] == [{"ue_service_id": "urn:a"}]
    assert main(["config", "check", "server.toml", "gateway.toml"]) == 0
    capsys.readouterr()
    assert main(["config", "show", "--json", "gateway.toml"]) == 0
    values = json.loads(capsys.readouterr().out)["values"]
    assert values["gateway.ue_service_id"] == {"value": None, "source": "server"}
    assert main([*command, "box-8", "--force"]) == 2
    assert 'no account has ue_id = "box-8"' in capsys.readouterr().err
    Path("server.toml").write_text("[server]\nopen = true\n")
    assert main([*command, "box-8", "--force"]) == 0


def test_force_takes_the_right_to_read_away(capsys):
    assert main(["config", "init", "gateway"]) == 0
    assert mode("gateway.toml") == 0o644
    assert main(["config", "init", "gateway", "--device", "7", "--force"]) == 0
    assert mode("gateway.toml") == 0o600


def test_to_standard_output(capsys):
    assert main(["config", "init", "gateway", "--to", "-"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["gateway"]["server"] == "coap://127.0.0.1:65401"
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["server", "--bind", "everywhere"], "host:port is wanted"),
        (["server", "--ue", "no-uri"], "a URI is wanted"),
        (["server", "--gateway", "urn:a:1", "--ue", "urn:a:1"], "urn:a:1 is there twice"),
        (["gateway", "--server", "http://x"], "coap://host:port is wanted"),
        (["gateway", "--link", "tcp://x:1"], "a link is udp://host:port"),
        (["gateway", "--ue-id", "a\tb"], "without control characters"),
        (["gateway", "--device", "70000"], "a number from 0 to 65535"),
        (["gateway", "--device", "1", "--device", "1=urn:a:1"], "1 is there twice"),
        (["gateway", "--server-config", "none.toml"], "none.toml: cannot be read"),
        (["ue", "--device", "7"], "--gateway-config"),
        (["ue", "--link", "tcp://x"], "serial://uartN or ble:// is wanted"),
        (["ue", "--to", "/proc/no/ue.json"], "/proc/no/ue.json: cannot be written"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_left(capsys, arguments, said):
    assert main(["config", "init", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert os.listdir() == []
