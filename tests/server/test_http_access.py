"""TLS and tokens: what may be opened to others, and what is said when it may not."""

import asyncio
import ssl
import subprocess
import sys

import aiohttp
import pytest

from msgin5g_host.config import ConfigError, load
from msgin5g_server.config import KEYS, TABLES
from msgin5g_server.http_access import check_access
from tests.certificates import make_certificate
from tests.server.http_world import AS, REGISTRATIONS, Site
from tests.world import ue_id

TOKEN = "0123456789abcdef-operator"
AS_TOKEN = "0123456789abcdef-of-the-as"


def loaded(tmp_path, text):
    path = tmp_path / "server.toml"
    path.write_text(text)
    return load(KEYS, TABLES, str(path), {}, {})


@pytest.mark.parametrize("where", ["127.0.0.1:0", "[::1]:0", "localhost:0", ""])
def test_this_machines_own_addresses_need_nothing(tmp_path, where):
    check_access(loaded(tmp_path, f'[server]\nhttp = "{where}"\n'))


@pytest.mark.parametrize("where", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "example.org:80"])
def test_any_other_address_is_refused_with_what_is_missing(tmp_path, where):
    text = f'[server]\nhttp = "{where}"\n[[application]]\nas_service_id = "{AS}"\n'
    with pytest.raises(ConfigError) as refused:
        check_access(loaded(tmp_path, text))
    said = str(refused.value)
    assert where in said and "bind 127.0.0.1:8080" in said and "openssl rand" in said
    for missing in ("http.tls_cert and http.tls_key", "http.token", f"a token for {AS}"):
        assert missing in said


def test_with_tls_and_tokens_it_may_be_opened(tmp_path):
    cert, key = make_certificate(tmp_path)
    text = f"""
[server]
http = "0.0.0.0:8080"
[http]
tls_cert = "{cert}"
tls_key = "{key}"
token = "{TOKEN}"
[[application]]
as_service_id = "{AS}"
"""
    with pytest.raises(ConfigError, match="a token for urn:example:as:1"):
        check_access(loaded(tmp_path, text))
    check_access(loaded(tmp_path, text + f'token = "{AS_TOKEN}"\n'))
    with pytest.raises(ConfigError, match="another's as well"):
        check_access(loaded(tmp_path, text + f'token = "{TOKEN}"\n'))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[http]\ntls_cert = "x.pem"\n', "go together"),
        ('[http]\ntls_cert = "x.pem"\ntls_key = "y.pem"\n', "No such file"),
        ('[http]\nca = "x.pem"\n', "No such file"),
        ('[http]\ntoken = "short"\n', "16 to 255"),
        ('[http]\ntoken = "with a space in it, long"\n', "16 to 255"),
        ('[[peer]]\nserver_id = "urn:b"\nurl = "ftp://b"\n', "https://example.org"),
        ('[[peer]]\nserver_id = "urn:b"\nurl = "http://b:99999"\n', "https://example.org"),
        ('[[peer]]\nserver_id = "urn:b"\nurl = "http://u:p@b/"\n', "https://example.org"),
        (
            '[[message_gateway]]\nmgw_service_id = "urn:g"\nurl = "http://g"\nkind = "SMS"\n',
            "L3G, N3G or BMG",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path, text, words):
    with pytest.raises(ConfigError) as refused:
        check_access(loaded(tmp_path, text))
    assert words in str(refused.value)


def test_a_key_that_is_not_of_the_certificate_is_refused(tmp_path):
    cert, _ = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, key = make_certificate(tmp_path / "other")
    with pytest.raises(ConfigError, match="two PEM files are wanted"):
        check_access(loaded(tmp_path, f'[http]\ntls_cert = "{cert}"\ntls_key = "{key}"\n'))


def test_no_secret_is_printed_or_an_option(tmp_path):
    text = f"""
[http]
token = "{TOKEN}"
[[application]]
as_service_id = "{AS}"
token = "{AS_TOKEN}"
our_token = "{AS_TOKEN}-2"
"""
    path = tmp_path / "server.toml"
    path.write_text(text)
    command = [sys.executable, "-m", "msgin5g_tools.cli", "server"]
    done = subprocess.run(
        [*command, "-c", path, "--print-config"], capture_output=True, text=True, check=True
    )
    assert 'token = "…"' in done.stdout and "0123456789abcdef" not in done.stdout
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "--tls-cert" in done.stdout and "--token" not in done.stdout


def test_a_server_that_may_not_be_opened_does_not_start(tmp_path):
    command = [sys.executable, "-m", "msgin5g_tools.cli", "server", "--http", "0.0.0.0:0"]
    done = subprocess.run([*command, "--data", tmp_path], capture_output=True, text=True)
    assert done.returncode == 2 and "is open to others" in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_speaks_tls_and_calls_over_tls(tmp_path):
    cert, key = make_certificate(tmp_path)
    http = {"http.tls_cert": cert, "http.tls_key": key, "http.ca": cert}
    rows = {"application": [{"as_service_id": AS}]}

    async def scenario():
        async with Site(tmp_path / "data", rows, http, [ue_id(1)]) as site:
            assert site.url.startswith("https://")
            trusted = ssl.create_default_context(cafile=cert)
            address = site.url + REGISTRATIONS
            body = {"asSvcId": AS, "targetUri": "https://as.example/"}
            async with aiohttp.ClientSession() as session:
                async with session.post(address, json=body, ssl=trusted) as answer:
                    assert answer.status == 201
                    assert answer.headers["Location"].startswith(site.url)
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await session.post(address, json=body)
            status, _, _ = await site.calls.request("GET", site.url + "/health", None, {})
            assert status == 200

    asyncio.run(scenario())
