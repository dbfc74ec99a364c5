"""`msgin5g ues`, against a real server, and against answers that no server gives."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from msgin5g_tools import ues
from msgin5g_tools.cli import main
from msgin5g_tools.http_client import HttpClient
from msgin5g_tools.tables import aligned, text
from tests.http_answers import serving as serving_paths
from tests.processes import msgin5g

GW, HERE, AWAY = "urn:example:gw:1", "urn:example:ue:here", "urn:example:ue:away"

ROW = {
    "ue_service_id": HERE,
    "state": "registered",
    "via": GW,
    "link": "serial",
    "peer": "127.0.0.1:40000",
    "registered_at": "2026-01-02T03:04:05.678Z",
    "expires_at": "2026-01-02T04:04:05.678Z",
    "expires_in_s": 3599,
    "waiting": 0,
    "last": {"t": "2026-01-02T03:05:06.007Z", "what": "MSG", "trace": "x", "text": "21.5"},
}
GATEWAY = {**ROW, "ue_service_id": GW, "via": "", "link": "udp", "expires_in_s": 59, "last": None}

TABLE = """\
UE SERVICE ID        STATE       VIA               LINK    PEER             EXPIRES IN   LAST \
MESSAGE
urn:example:gw:1     registered  -                 udp     127.0.0.1:40000  59 s         -
urn:example:ue:here  registered  urn:example:gw:1  serial  127.0.0.1:40000  59 min 59 s  03:05:06 \
MSG 21.5
2 UEs registered; 3 expected: --all shows them
"""
COUNTS = {"registered": 2, "expected": 3, "unreachable": 0, "deregistered": 0}


@contextmanager
def serving(answer: Callable[[web.Request], web.Response]) -> Iterator[str]:
    with serving_paths({"/view/ues": answer}) as address:
        yield address


def listing(*rows: dict) -> Callable[[web.Request], web.Response]:
    def answer(request: web.Request) -> web.Response:
        state = request.query.get("state")
        found = [row for row in rows if state in (None, row["state"])]
        return web.json_response({"ues": found, "total": len(found), "counts": COUNTS})

    return answer


def test_table(capsys) -> None:
    with serving(listing(ROW, GATEWAY)) as http:
        assert main(["ues", "--http", http]) == 0
    assert capsys.readouterr().out == TABLE


def test_table_of_nobody(capsys) -> None:
    with serving(listing()) as http:
        assert main(["ues", "--http", http]) == 0
    assert capsys.readouterr().out == "0 UEs registered; 3 expected: --all shows them\n"


def test_json(capsys) -> None:
    with serving(listing(ROW)) as http:
        assert main(["ues", "--http", http, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ues": [ROW], "count": 1, "counts": COUNTS}


def test_long_lists_come_in_pages() -> None:
    everybody = [{**ROW, "ue_service_id": f"urn:{number}"} for number in range(2_501)]

    def answer(request: web.Request) -> web.Response:
        first = int(request.query["offset"])
        page = everybody[first : first + int(request.query["limit"])]
        return web.json_response({"ues": page, "total": len(everybody), "counts": COUNTS})

    with serving(answer) as http:
        found, _ = ues.fetch(HttpClient(http, 10.0), ("registered",))
        assert len(found) == 2_501


def test_a_list_that_never_ends_is_left() -> None:
    def answer(_request: web.Request) -> web.Response:
        return web.json_response({"ues": [], "total": 1 << 60, "counts": COUNTS})

    with serving(answer) as http:
        assert ues.fetch(HttpClient(http, 10.0), ("registered",)) == ([], COUNTS)


def test_control_characters_do_not_reach_the_terminal() -> None:
    hostile = {**ROW, "peer": "\x1b[2J", "last": {**ROW["last"], "text": "\x1b[31m"}}
    assert "\x1b" not in aligned(["x"] * 7, [ues.row_of(hostile)])
    assert text("[bold]") == "[bold]"


@pytest.mark.parametrize(
    "answer",
    [{}, {"ues": [{}], "counts": {}, "total": 1}, {"ues": 5, "counts": {}, "total": 1}, []],
)
def test_another_program_answers(capsys, answer) -> None:
    with serving(lambda _request: web.json_response(answer)) as http:
        assert main(["ues", "--http", http]) == 1
    assert "is that an MSGin5G Server?" in capsys.readouterr().err


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with an account that is registered, and one that is not."""
    folder = tmp_path_factory.mktemp("ues")
    accounts = "".join(f'[[ue]]\nue_service_id = "{ue}"\n' for ue in (HERE, AWAY))
    (folder / "server.toml").write_text("[server]\n" + accounts)
    process = msgin5g(
        *("server", "-c", folder / "server.toml", "--json", "--data", folder / "data"),
        *("--bind", "127.0.0.1:0", "--http", "127.0.0.1:0"),
    )
    ready = process.wait_for("ready")
    ue = msgin5g("listen", "--server", f"coap://{ready['coap']}", "--ue", HERE, "--json")
    ue.wait_for("ready")
    yield ready["http"]
    ue.stop()
    process.stop()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], [HERE]),
        (["--all"], [AWAY, HERE]),
        (["--state", "expected"], [AWAY]),
        (["--state", "unreachable"], []),
        (["--link", "udp"], [HERE]),
        (["--link", "ble"], []),
        (["--via", GW], []),
        (["--all", "--prefix", "urn:example:ue:a"], [AWAY]),
        (["--all", "--prefix", "example"], []),
        (["--prefix", "a b&c"], []),
    ],
)
def test_a_real_server_is_asked_for_what_is_wanted(server, capsys, arguments, names) -> None:
    assert main(["ues", "--http", server, "--json", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [ue["ue_service_id"] for ue in answer["ues"]] == names
    assert answer["counts"]["registered"] == answer["counts"]["expected"] == 1


def test_the_table_of_a_real_server(server, capsys) -> None:
    assert main(["ues", "--http", server]) == 0
    head, row, total = capsys.readouterr().out.splitlines()
    assert head.split()[3:5] == ["STATE", "VIA"]
    assert row.split()[:4] == [HERE, "registered", "-", "udp"]
    assert total == "1 UE registered; 1 expected: --all shows them"
