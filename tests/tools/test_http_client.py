"""HTTP to a server: tokens, TLS, and what is said when it does not work. By the verb `ues`."""

import json

import pytest
from aiohttp import web

from msgin5g_tools.cli import main
from msgin5g_tools.http_client import HttpClient, HttpError
from tests.certificates import make_certificate
from tests.http_answers import serving
from tests.processes import msgin5g

TOKEN = "a-token-of-the-operator"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """(https://host:port, file of the CA, file of the token) of a server that wants both."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = make_certificate(folder)
    (folder / "server.toml").write_text(f'[server]\nopen = true\n[http]\ntoken = "{TOKEN}"\n')
    (folder / "token").write_text(TOKEN + "\n")
    process = msgin5g(
        *("server", "-c", folder / "server.toml", "--json", "--data", folder / "data"),
        *("--bind", "127.0.0.1:0", "--http", "127.0.0.1:0"),
        *("--tls-cert", cert, "--tls-key", key),
    )
    ready = process.wait_for("ready")
    yield f"https://{ready['http']}", cert, str(folder / "token")
    process.stop()


def test_a_server_with_tls_that_wants_a_token(guarded, capsys, monkeypatch):
    http, ca, token_file = guarded
    assert main(["ues", "--http", http, "--ca", ca, "--token-file", token_file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ues"] == []
    monkeypatch.setenv("MSGIN5G_TOKEN", TOKEN)
    assert main(["messages", "--http", http, "--ca", ca, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"] == []


@pytest.mark.parametrize("token", [None, "some-other-token"])
def test_without_the_token_it_is_said_how_to_give_it(guarded, capsys, monkeypatch, token):
    http, ca, _ = guarded
    if token:
        monkeypatch.setenv("MSGIN5G_TOKEN", token)
    assert main(["ues", "--http", http, "--ca", ca]) == 1
    said = capsys.readouterr().err
    assert "answers 401" in said and "give --token-file, or MSGIN5G_TOKEN" in said
    assert token is None or token not in said


def test_an_unknown_certificate(guarded, capsys):
    assert main(["ues", "--http", guarded[0]]) == 1
    assert "its certificate is not trusted" in (said := capsys.readouterr().err)
    assert "give its CA with --ca" in said


def test_a_server_with_tls_asked_without(guarded, capsys):
    assert main(["ues", "--http", guarded[0].removeprefix("https://")]) == 1
    assert "no server answers at http://" in capsys.readouterr().err


def test_nobody_answers(capsys):
    with serving({}) as http:
        pass
    assert main(["ues", "--http", http]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"msgin5g ues: no server answers at http://{http} (")
    assert "start one with `msgin5g server`" in said


def test_another_program_answers(capsys):
    with serving({"/view/ues": lambda _request: web.Response(text="hello")}) as http:
        assert main(["ues", "--http", http]) == 1
    assert "is not what is expected; is that an MSGin5G Server?" in capsys.readouterr().err
    with serving({}) as http:
        assert main(["ues", "--http", http]) == 1
    assert "answers 404: Not Found; is that an MSGin5G Server?" in capsys.readouterr().err


def test_a_token_does_not_follow_to_another_place():
    asked = []

    def there(request):
        asked.append(request.headers)
        return web.json_response({})

    with (
        serving({"/there": there}) as other,
        serving(
            {
                "/": lambda _: web.Response(
                    status=302, headers={"Location": f"http://{other}/there"}
                )
            }
        ) as http,
        pytest.raises(HttpError, match="answers 302"),
    ):
        HttpClient(http, 10.0, TOKEN).get("/")
    assert asked == []


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        (["--http", "localhost"], "", "--http: host:port is wanted"),
        (["--http", "ftp://127.0.0.1:1"], "", "host:port or https://host:port is wanted"),
        (["--http", "192.0.2.1:8080"], TOKEN, "give --http https://192.0.2.1:8080"),
        (["--token-file", "/nowhere"], "", "--token-file /nowhere: No such file"),
        (["--token-file", "/proc/self/mem"], "", "--token-file /proc/self/mem: "),
        *(
            (
                ["--timeout-s", value],
                "",
                f"--timeout-s: more than 0 and at most 86400 are wanted, not {value}",
            )
            for value in ("0", "-1", "nan", "inf")
        ),
        ([], "two words", "characters that none can have"),
        (["--http", "https://127.0.0.1:1", "--ca", "/nowhere"], "", "--ca /nowhere: No such file"),
    ],
)
def test_wrong_use(capsys, monkeypatch, arguments, token, said):
    if token:
        monkeypatch.setenv("MSGIN5G_TOKEN", token)
    assert main(["ues", *arguments]) == 2
    assert said in (told := capsys.readouterr().err)
    assert not token or token not in told


def test_no_command_line_takes_a_token(capsys):
    for verb in ("ues", "messages", "send", "listen"):
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        shown = capsys.readouterr().out
        assert "--token-file FILE" in shown and "--token " not in shown


def test_a_stream_that_is_none():
    answers = {"/view/events": lambda _: web.Response(text="event: entry\ndata: {\n\n")}
    with serving(answers) as http, pytest.raises(HttpError, match="is not what is expected"):
        list(HttpClient(http, 10.0).events("/view/events"))
