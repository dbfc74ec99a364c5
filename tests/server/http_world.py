"""A whole MSGin5G Server in this process, Application Servers with manners, and UEs on sockets."""

import asyncio
import io
import json
import socket
import uuid

import aiohttp
from aiohttp import web

from msgin5g import message, registration
from msgin5g_host.capture import Capture
from msgin5g_host.clock import Clock
from msgin5g_host.http_access import client_tls
from msgin5g_host.journal import Journal
from msgin5g_host.log import EventLog
from msgin5g_server.calls import Calls
from msgin5g_server.coap import CoapServer
from msgin5g_server.core import ServerCore
from msgin5g_server.http import HttpServer
from msgin5g_server.metrics import sources
from msgin5g_server.network_http import NetworkCalls
from msgin5g_server.registry import Registry
from tests.conformance.test_server_messages import Socket
from tests.world import SERVICE, server_settings, ue_id

AS = "urn:example:as:1"
UE1, UE2 = ue_id(1), ue_id(2)
DEADLINE_S = 10.0
REGISTRATIONS = "/msgs-asregistration/v1/registrations"
AS_MESSAGE = "/msgs-msgdelivery/v1/deliver-as-message"
UE_MESSAGE = "/msgs-msgdelivery/v1/deliver-ue-message"
REPORT = "/msgs-msgdelivery/v1/deliver-report"


def an_address(kind, text):
    return {"addrType": kind, "addr": text}


def as_message(to=("UE", UE1), origin=AS, **more):
    """An ASMessageDelivery."""
    return {
        "oriAddr": an_address("AS", origin),
        "destAddr": an_address(*to),
        "msgId": str(uuid.uuid4()),
        "stoAndFwInd": False,
        "payload": "open the valve",
        **more,
    }


def ue_message(origin=UE1, to=("UE", UE2), **more):
    """A UEMessageDelivery."""
    made = as_message(to, **more)
    return {**made, "oriAddr": an_address("UE", origin)}


def a_report(origin, to, message_id, status="REPT_DELY_SUCCESS", **more):
    """A DeliveryStatusReport; origin and to are (kind, text)."""
    return {
        **{"oriAddr": an_address(*origin), "destAddr": an_address(*to)},
        **{"msgId": message_id, "delivSt": status, **more},
    }


def who(ue):
    """The UE Service ID of a UE that is given by its number, or by just that."""
    return ue_id(ue) if isinstance(ue, int) else ue


def a_msg(origin, to, **more):
    """The payload of a MSG of a UE, and its Message ID; origin: `who`, to: (kind, text)."""
    made = message.Message()
    made.message_id = str(uuid.uuid4())
    made.origin, made.destination = ("UE", who(origin)), to
    made.payload = "21.5"
    for name, value in more.items():
        setattr(made, name, value)
    return message.msg(SERVICE, made), made.message_id


class Site:
    """One Server. rows: tables of server.toml; values: keys of [server]; port: of HTTP."""

    def __init__(self, folder, rows=None, http=None, ues=(), port=0, **values):
        self._port = port
        accounts = [{"ue_service_id": one, "gateway": None} for one in ues]
        self.settings = server_settings(str(folder), accounts, **values)
        self.settings.values.update(http or {})
        self.settings.values["http.deadline_s"] = (http or {}).get("http.deadline_s", 2.0)
        self.settings.rows.update(rows or {})

    async def __aenter__(self):
        self._stream = io.StringIO()
        self.journal = Journal()
        log = EventLog("server", True, self._stream, at="server", journal=self.journal)
        self.registry = Registry(self.settings["server.data"])
        self.core = ServerCore(self.settings, self.registry, log)
        self.coap = CoapServer("127.0.0.1", 0, self.core, Clock(), log)
        capture = Capture("server", Clock())
        self.http = HttpServer(
            *(self.core, Clock(), dict, self.coap.durably, self.journal, capture),
            sources(self.core, self.coap, self.journal, capture),
        )
        tls = client_tls(self.settings)
        deadline_s = self.settings["http.deadline_s"]
        self.calls = Calls(self.core.messages, self.coap.durably, tls, deadline_s, log)
        asks = NetworkCalls(
            self.core.messages.network, self.calls, self.coap.durably, self.settings
        )
        self.coap.on_calls, self.coap.on_asks = self.calls.start, asks.start
        await self.http.start("127.0.0.1", self._port)
        self.url = f"{self.http.scheme}://127.0.0.1:{self.http.address[1]}"
        self.session = aiohttp.ClientSession(self.url)
        self.sockets = []
        return self

    async def __aexit__(self, *_):
        for one in self.sockets:
            one.close()
        await self.session.close()
        await self.http.close()
        await self.calls.close()
        await self.coap.close()
        self.core.close()
        self.registry.close()

    async def post(self, path, body, token=None, **headers):
        """POST JSON; returns (status, body, headers)."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **headers}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        async with self.session.post(path, data=data, headers=sent) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None, answer.headers

    async def register_as(self, url, as_service_id=AS, token=None):
        """Register an AS; returns the path of its registration."""
        body = {"asSvcId": as_service_id, "targetUri": url}
        status, _, headers = await self.post(REGISTRATIONS, body, token)
        assert status == 201
        return headers["Location"].removeprefix(self.url)

    def log_text(self):
        """What was logged."""
        return self._stream.getvalue()

    async def ue(self, ue):
        """A registered UE on a socket of its own; ue: see `who`."""
        one = Socket(self.coap.address)
        self.sockets.append(one)
        answer = await one.post(registration.reg(who(ue), SERVICE))
        assert json.loads(answer.payload)["result"] is True
        return one

    @property
    def counters(self):
        return self.core.counters


def free_ports(count):
    """Ports of 127.0.0.1 that nobody has."""
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


class Listener:
    """Somebody who is called over HTTP. `answer` gives what it answers: a status, (status, text),
    or a coroutine function of the request. `got` holds (path, JSON, headers)."""

    def __init__(self, answer=204, port=0):
        self.answer = answer
        self._port = port
        self.got = []
        self._new = asyncio.Event()

    async def __aenter__(self):
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _handle(self, request):
        self.got.append((request.path, await request.json(), request.headers))
        self._new.set()
        answer = self.answer
        if callable(answer):
            answer = await answer(request)
        if isinstance(answer, web.StreamResponse):
            return answer
        status, text = answer if isinstance(answer, tuple) else (answer, "")
        return web.Response(status=status, text=text)

    async def until(self, count):
        """Wait until it was called that often; returns the JSON of the calls."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.got) < count:
                self._new.clear()
                await self._new.wait()
        return [body for _, body, _ in self.got]


async def eventually(true, what="it never became true"):
    """Wait until a function returns something true, and return that."""
    async with asyncio.timeout(DEADLINE_S):
        while not (found := true()):
            await asyncio.sleep(0.01)
    assert found, what
    return found
