"""`msgin5g config check`: each misfit is found, with its file and what to do."""

import json
from pathlib import Path

import pytest

from msgin5g_tools.cli import main
from msgin5g_tools.config.places import link_misses, unreachable

SERVER = """
[server]
[[ue]]
ue_service_id = "urn:example:gw:1"
[[ue]]
ue_service_id = "urn:example:ue:1"
gateway = "urn:example:gw:1"
[[ue]]
ue_service_id = "urn:example:ue:2"
"""
GATEWAY = """
[gateway]
[[ue]]
ue_service_id = "urn:example:ue:1"
[[device]]
application_id = 7
credential = "s3cret"
ue_service_id = "urn:example:ue:2"
"""
UE = {"ue_service_id": "urn:example:ue:1"}
DEVICE = {"mode": "l3", "application_id": 7, "credential": "s3cret"}
DIRECT = {"ue_service_id": "urn:example:ue:2", "direct": True}


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(server=SERVER, gateway=GATEWAY, *ues):
        names = []
        texts = [("s.toml", server), ("g.toml", gateway)]
        texts += [(f"u{at}.json", json.dumps(ue)) for at, ue in enumerate(ues)]
        for name, text in texts:
            if text is not None:
                (tmp_path / name).write_text(text)
                names.append(name)
        code = main(["config", "check", "--json", *names])
        answer = json.loads(capsys.readouterr().out)
        assert answer["ok"] == (code == 0)
        return answer["problems"]

    return run


def test_what_fits_has_no_problem(check):
    assert check(SERVER, GATEWAY, UE, DEVICE, DIRECT) == []


def test_a_ue_that_asks_who_it_is_fits_by_its_ue_id(check):
    here = key(ue_id="device1@example.org")
    with_ids = {
        "server": change(SERVER, '"urn:example:ue:1"\n', '"urn:example:ue:1"\n' + here),
        "gateway": change(GATEWAY, '"urn:example:ue:1"\n', '"urn:example:ue:1"\n' + here),
    }
    asks = {"ue_id": "device1@example.org"}
    direct = {"ue_id": "device2@example.org", "direct": True}
    server = with_ids["server"] + key(ue_id="device2@example.org")
    assert check(server, with_ids["gateway"], asks, direct) == []
    (found,) = check(server, GATEWAY, asks)
    assert "device1@example.org of u0.json may not use the gateway" in found["problem"]
    assert 'ue_id = "device1@example.org"' in found["do"]
    (found,) = check(with_ids["server"], with_ids["gateway"], direct)
    assert "device2@example.org has no account" in found["problem"]
    (found,) = check(SERVER, with_ids["gateway"], asks)
    assert found["level"] == "warning" and "has no ue_id" in found["problem"]
    other = change(with_ids["server"], "device1", "device9")
    (found,) = check(other, with_ids["gateway"], asks)
    assert found["level"] == "error" and "device9@example.org in s.toml" in found["problem"]


def test_a_gateway_that_asks_who_it_is_fits_by_its_ue_id(check):
    server = change(SERVER, GW_ACCOUNT, GW_ACCOUNT + key(ue_id="box-7"))
    asks = change(GATEWAY, "[gateway]\n", "[gateway]\n" + key(ue_id="box-7"))
    assert check(server, asks, UE, DEVICE, DIRECT) == []
    (found,) = check(SERVER, asks)
    assert (found["level"], found["file"]) == ("error", "g.toml")
    assert "no account at the server has the gateway's ue_id box-7" in found["problem"]
    assert 'add ue_id = "box-7" to the account of the gateway in s.toml' in found["do"]
    # With both keys the name counts, and nothing is asked.
    named = change(asks, "[gateway]\n", "[gateway]\n" + key(ue_service_id="urn:example:gw:1"))
    assert check(SERVER, named) == []
    # Its name is that of its account: what is wrong with its tables is found as ever.
    (found,) = check(server, change(asks, UE_1, ""))
    assert "may only come through urn:example:gw:1, which does not know it" in found["problem"]
    assert check("[server]\nopen = true\n", asks) == []


def test_two_gateways_with_one_name_are_found_whatever_their_files_call_it(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(change(SERVER, GW_ACCOUNT, GW_ACCOUNT + key(ue_id="box-7")))
    Path("a.toml").write_text(GATEWAY)
    Path("b.toml").write_text(change(GATEWAY, "[gateway]\n", '[gateway]\nue_id = "box-7"\n'))
    assert main(["config", "check", "s.toml", "a.toml", "b.toml"]) == 1
    assert "urn:example:gw:1 is the ue_service_id of another" in capsys.readouterr().out
    assert main(["config", "check", "b.toml", "b.toml"]) == 1
    out = capsys.readouterr().out
    assert "b.toml: a gateway's, box-7" in out and "box-7 is the ue_id of another" in out


def change(text, old, new):
    assert old in text
    return text.replace(old, new)


def in_server(old, new):
    return {"server": change(SERVER, old, new)}


def in_gateway(old, new):
    return {"gateway": change(GATEWAY, old, new)}


def key(**values):
    """Lines of TOML."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def gateway_keys(**values):
    return in_gateway("[gateway]\n", "[gateway]\n" + key(**values))


def server_keys(**values):
    return in_server("[server]\n", "[server]\n" + key(**values))


def in_view(**values):
    return in_gateway("[gateway]\n", "[view]\n" + key(**values) + "[gateway]\n")


HTTP_TOKEN = '[http]\ntoken = "a-token-of-the-operator"\n'
GW_ACCOUNT = '[[ue]]\nue_service_id = "urn:example:gw:1"\n'
UE_1 = '[[ue]]\nue_service_id = "urn:example:ue:1"\n'

MISFITS = {
    "gateway without an account": (
        in_server(GW_ACCOUNT, ""),
        ("g.toml", "the gateway urn:example:gw:1 has no account at the server", "add to s.toml"),
    ),
    "gateway behind a gateway": (
        in_server(GW_ACCOUNT, GW_ACCOUNT + key(gateway="urn:example:gw:1")),
        ("s.toml", "names the gateway urn:example:gw:1", "remove that line"),
    ),
    "UE without an account": (
        in_gateway("[[device]]", '[[ue]]\nue_service_id = "urn:example:ue:3"\n[[device]]'),
        ("g.toml", "urn:example:ue:3 may use the gateway and has no account", "s.toml a [[ue]]"),
    ),
    "device without an account": (
        in_gateway('"urn:example:ue:2"', '"urn:example:ue:4"'),
        ("g.toml", "urn:example:ue:4 may use the gateway and has no account", "add to s.toml"),
    ),
    "UE unknown to its gateway": (
        in_gateway(UE_1, ""),
        ("g.toml", "urn:example:ue:1 may only come through urn:example:gw:1", "add to g.toml"),
    ),
    "UE of another gateway": (
        in_server(
            key(gateway="urn:example:gw:1"),
            key(gateway="urn:example:gw:2") + '[[ue]]\nue_service_id = "urn:example:gw:2"\n',
        ),
        ("s.toml", "urn:example:ue:1 may only come through urn:example:gw:2", "set gateway ="),
    ),
    "account that names nobody": (
        in_server(key(gateway="urn:example:gw:1"), key(gateway="urn:example:gw:9")),
        ("s.toml", "accounts name the gateway urn:example:gw:9, which has no account", "add to"),
    ),
    "service identifiers": (
        gateway_keys(service_id="urn:example:other"),
        ("g.toml", "service_id is urn:example:other, and urn:msgin5g:service in s.toml", "both"),
    ),
    "another port": (
        gateway_keys(server="coap://127.0.0.1:7000"),
        ("g.toml", "calls coap://127.0.0.1:7000, and the server is on port 65401", "set server"),
    ),
    "a loopback is called from outside": (
        gateway_keys(server="coap://192.0.2.1:65401"),
        ("g.toml", "it listens on 127.0.0.1, which only its own machine reaches", "or bind in"),
    ),
    "a port of its own each time": (
        server_keys(bind="127.0.0.1:0"),
        ("s.toml", "port 0", "65401 is MSGin5G's"),
    ),
    "a link on the server's port": (
        gateway_keys(links=["udp://0.0.0.0:65401"]),
        ("g.toml", "want the same UDP port of one machine", "another port"),
    ),
    "reports to nobody": (
        {**in_view(report_to="http://127.0.0.1:8080"), **server_keys(http="")},
        ("g.toml", "and the server has no HTTP", "set http in s.toml"),
    ),
    "reports to another port": (
        in_view(report_to="http://127.0.0.1:8081"),
        ("g.toml", "the server: it listens at http://127.0.0.1:8080", "set report_to in g.toml"),
    ),
    "reports without a token": (
        {**in_view(report_to="http://127.0.0.1:8080"), **in_server(UE_1, HTTP_TOKEN + UE_1)},
        ("g.toml", "has not the token by which the server takes its reports", "[view] in g.toml"),
    ),
    "reports to the whole network": (
        in_view(report_to="http://192.0.2.1:8080", report_token="a-token-of-the-gateway"),
        ("g.toml", "would show view.report_token to the whole network", "correct the file"),
    ),
    "two links on one port": (
        gateway_keys(links=["udp://0.0.0.0:7000", "udp://127.0.0.1:7000"]),
        ("g.toml", "two links are on UDP port 7000", "a port of its own"),
    ),
    "refresh after the end": (
        server_keys(registration_lifetime_s=10),
        ("g.toml", "registrations end after 10 s, before a refresh has left", "above 12"),
    ),
    "one folder for both": (
        {**gateway_keys(data="both"), **server_keys(data="both")},
        ("g.toml", "the same data folder both", "another data folder"),
    ),
    "client and device": (
        in_gateway('ue_service_id = "urn:example:ue:2"', 'ue_service_id = "urn:example:ue:1"'),
        ("g.toml", "urn:example:ue:1 is in [[ue]] and in [[device]]", "keep [[device]]"),
    ),
    "a file that does not load": (
        gateway_keys(sevrer="coap://127.0.0.1:65401"),
        ("g.toml", "[gateway] unknown key 'sevrer'; did you mean 'server'?", "correct the file"),
    ),
    "HTTP open to everybody": (
        server_keys(http="0.0.0.0:8080"),
        ("s.toml", "server.http 0.0.0.0:8080 is open to others", "correct the file"),
    ),
    "a member of a group without an account": (
        in_server(
            "[server]\n",
            '[server]\n[[group]]\ngroup_service_id = "urn:g:1"\nmembers = ["urn:example:ue:8"]\n',
        ),
        ("s.toml", "urn:example:ue:8 of group urn:g:1 has no account", "add to s.toml"),
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_misfit_is_found_with_its_file_and_what_to_do(check, name):
    files, (file, problem, do) = MISFITS[name]
    found = check(**files)
    assert any(
        one["file"] == file and problem in one["problem"] and do in one["do"] for one in found
    ), found


@pytest.mark.parametrize(
    ("ue", "file", "problem"),
    [
        ({**UE, "link": "udp://127.0.0.1:7000"}, "u0.json", "the gateway listens on port 65402"),
        ({**UE, "link": "udp://192.0.2.1:65402"}, "u0.json", "only its own machine reaches"),
        ({**UE, "link": "serial://uart0"}, "u0.json", "the gateway has no serial:// link"),
        ({**UE, "link": "ble://"}, "u0.json", "the gateway has no ble:// link"),
        ({**UE, "ue_service_id": "urn:x:1"}, "g.toml", "urn:x:1 of u0.json may not use"),
        ({**UE, "service_id": "urn:x:s"}, "u0.json", "service_id is urn:x:s"),
        ({**UE, "linc": "ble://"}, "u0.json", "unknown key 'linc'; did you mean 'link'?"),
        ({**DEVICE, "credential": "other"}, "u0.json", "the credential of application_id 7"),
        ({**DEVICE, "application_id": 8}, "g.toml", "the gateway knows no device 8"),
        ({**DIRECT, "ue_service_id": "urn:x:1"}, "u0.json", "urn:x:1 has no account"),
        ({**DIRECT, **UE}, "u0.json", "is direct, and may only come through urn:example:gw:1"),
        ({**DIRECT, "refresh_s": 3600}, "u0.json", "ends after 3600 s, and refresh_s is 3600"),
    ],
)
def test_a_ue_that_does_not_fit(check, ue, file, problem):
    found = check(SERVER, GATEWAY, ue)
    assert [one["file"] for one in found] == [file], found
    assert problem in found[0]["problem"] and found[0]["do"]
    assert "s3cret" not in json.dumps(found)


def test_reports_with_the_token_of_the_account(check):
    token = key(report_token="a-token-of-the-gateway")
    server = change(SERVER, GW_ACCOUNT, HTTP_TOKEN + GW_ACCOUNT + token)
    view = in_view(report_to="http://127.0.0.1:8080", report_token="a-token-of-the-gateway")
    assert check(server, view["gateway"]) == []
    with_id = change(server, token, token + key(ue_id="box-7"))
    asks = change(view["gateway"], "[gateway]\n", "[gateway]\n" + key(ue_id="box-7"))
    assert check(with_id, asks) == []
    assert check(SERVER, in_view(report_to="http://127.0.0.1:8080")["gateway"]) == []


def test_lab_mode_needs_no_tables(check):
    assert check("[server]\nopen = true\n", "[gateway]\nopen = true\n", UE) == []
    told = check("[server]\nopen = true\n", "[gateway]\n")
    assert [(one["level"], one["file"]) for one in told] == [("warning", "g.toml")]


def test_a_relay_needs_an_address_only(check):
    assert check(SERVER, "[gateway]\nrelay = true\n", DIRECT) == []
    assert check(SERVER, '[gateway]\nrelay = true\nserver = "coap://127.0.0.1:1"\n') != []


def test_several_gateways_of_a_server(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(SERVER)
    Path("a.toml").write_text(GATEWAY)
    Path("b.toml").write_text(GATEWAY)
    assert main(["config", "check", "s.toml", "a.toml", "b.toml"]) == 1
    out = capsys.readouterr().out
    assert "urn:example:gw:1 is the ue_service_id of another of these gateways" in out
    assert main(["config", "check", "s.toml", "s.toml"]) == 2
    assert "check each with its own gateways" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file"),
        ("x = ", "is not valid TOML"),
        ("[[ue]]\n", "neither [server] nor [gateway]"),
        ("[server]\n[gateway]\n", "both [server] and [gateway]"),
        ("\ufeff\x00", "is not valid TOML"),
        ('{"a"', "is not valid JSON"),
    ],
)
def test_a_file_that_is_none(tmp_path, capsys, text, said):
    file = tmp_path / "x"
    if text is not None:
        file.write_text(text)
    assert main(["config", "check", str(file)]) == 1
    assert f"error: {file}: " in (out := capsys.readouterr().out)
    assert said in out


def test_show_merges_the_environment(tmp_path, monkeypatch, capsys):
    (tmp_path / "s.toml").write_text(SERVER)
    monkeypatch.setenv("MSGIN5G_SERVER_BIND", "127.0.0.1:7000")
    assert main(["config", "show", str(tmp_path / "s.toml"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["values"]["server.bind"] == {"value": "127.0.0.1:7000", "source": "environment"}
    assert answer["rows"]["ue"][0] == {"ue_service_id": "urn:example:gw:1"}
    assert main(["config", "show", str(tmp_path / "s.toml")]) == 0
    shown = capsys.readouterr().out
    assert main(["server", "-c", str(tmp_path / "s.toml"), "--print-config"]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("host", "bound", "why"),
    [
        ("192.0.2.1", "0.0.0.0", ""),
        ("192.0.2.1", "192.0.2.1", ""),
        ("localhost", "127.0.0.1", ""),
        ("server.example", "127.0.0.1", ""),
        ("192.0.2.1", "::", ""),
        ("::1", "0.0.0.0", "IPv6"),
        ("192.0.2.1", "192.0.2.2", "not on 192.0.2.1"),
        ("192.0.2.1", "::1", "only its own machine"),
    ],
)
def test_addresses(host, bound, why):
    found = unreachable(host, bound)
    assert why in found if why else not found


def test_a_serial_line_has_one_speed():
    offered = ["serial:///dev/ttyACM0?baud=9600"]
    assert link_misses("serial://uart0?baud=9600", offered) == ""
    assert link_misses("serial://uart0", offered) == (
        "the UE speaks at 115200 baud, the gateway at 9600"
    )
