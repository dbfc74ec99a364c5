"""`msgin5g ues` against a small HTTP server."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from msgin5g_tools import ues
from msgin5g_tools.cli import main

ROW = {
    "ue_service_id": "urn:example:ue:1",
    "via": "urn:example:gw:1",
    "link": "udp",
    "peer": "127.0.0.1:40000",
    "registered_at": "2026-01-02T03:04:05.678Z",
    "expires_at": "2026-01-02T04:04:05.678Z",
    "expires_in_s": 3599,
    "profile": None,
}
DIRECT = {**ROW, "ue_service_id": "urn:example:gw:1", "via": None, "expires_in_s": 59}

TABLE = """\
UE SERVICE ID     VIA               LINK  PEER             REGISTERED AT        EXPIRES IN
urn:example:ue:1  urn:example:gw:1  udp   127.0.0.1:40000  2026-01-02 03:04:05  59 min 59 s
urn:example:gw:1  -                 udp   127.0.0.1:40000  2026-01-02 03:04:05  59 s
2 UEs registered
"""


@contextmanager
def serving(answer: Callable[[web.Request], web.Response]) -> Iterator[str]:
    """Run an HTTP server in a thread; yields its "host:port"."""
    loop = asyncio.new_event_loop()
    address: list[str] = []
    started = threading.Event()
    stop = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        return answer(request)

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/ues", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append("{}:{}".format(*runner.addresses[0][:2]))
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def listing(*rows: dict) -> Callable[[web.Request], web.Response]:
    return lambda _request: web.json_response({"ues": list(rows), "count": len(rows)})


def test_table(capsys) -> None:
    with serving(listing(ROW, DIRECT)) as http:
        assert main(["ues", "--http", http]) == 0
    assert capsys.readouterr().out == TABLE


def test_table_of_nobody(capsys) -> None:
    with serving(listing()) as http:
        assert main(["ues", "--http", http]) == 0
    assert capsys.readouterr().out == "0 UEs registered\n"


def test_json(capsys) -> None:
    with serving(listing(ROW)) as http:
        assert main(["ues", "--http", http, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ues": [ROW], "count": 1}


def test_prefix_is_passed_on(capsys) -> None:
    asked: list[str] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request.query["prefix"])
        return web.json_response({"ues": [], "count": 0})

    with serving(answer) as http:
        assert main(["ues", "--http", http, "--prefix", "urn:a b&c"]) == 0
    assert asked == ["urn:a b&c"]


def test_long_lists_come_in_pages() -> None:
    everybody = [{**ROW, "ue_service_id": f"urn:{number}"} for number in range(10_001)]

    def answer(request: web.Request) -> web.Response:
        first = int(request.query["offset"])
        page = everybody[first : first + int(request.query["limit"])]
        return web.json_response({"ues": page, "count": len(page)})

    with serving(answer) as http:
        assert len(ues.fetch(f"http://{http}")) == 10_001


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in ues.table([{**ROW, "peer": "\x1b[2J"}])


def test_no_server(capsys) -> None:
    with serving(listing()) as http:
        pass
    assert main(["ues", "--http", http]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"msgin5g ues: no server answers at http://{http} (")
    assert "start one with `msgin5g server`" in said


def test_another_program_answers(capsys) -> None:
    with serving(lambda _request: web.Response(text="hello")) as http:
        assert main(["ues", "--http", http]) == 1
    assert "is not a list of UEs; is that an MSGin5G Server?" in capsys.readouterr().err
    with serving(lambda _request: web.Response(status=404)) as http:
        assert main(["ues", "--http", http]) == 1
    assert "answers 404 Not Found" in capsys.readouterr().err


def test_bad_address(capsys) -> None:
    assert main(["ues", "--http", "localhost"]) == 2
    assert capsys.readouterr().err.startswith("msgin5g ues: --http: host:port is wanted")
