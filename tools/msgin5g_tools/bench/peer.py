"""The servers that the benchmark compares, each answering the same registration.

    python -m msgin5g_tools.bench.peer aiocoap|exchange

Both parse and check the JSON of a REG and build the JSON of its answer; neither stores anything.
Prints "ready PORT" when it serves.
"""

import asyncio
import json
import random
import sys
from typing import Any

_SERVICE_ID = "urn:msgin5g:service"


def answer(payload: bytes) -> bytes:
    """Do the JSON work of a registration with the standard library."""
    request = json.loads(payload)
    if request["msgIden"] != _SERVICE_ID or request["msgType"] != "REG":
        raise ValueError("not a registration")
    if request["oriAddr"]["oriAddrType"] != "UE":
        raise ValueError("not a UE")
    result = {"oriAddr": request["oriAddr"], "result": True, "regExpTime": 3600}
    return json.dumps(result, separators=(",", ":")).encode()


async def serve_aiocoap() -> None:
    """Stock aiocoap: its default transport, a Site, a plain Resource."""
    from aiocoap import CREATED, Context, Message
    from aiocoap.resource import Resource, Site

    class Registration(Resource):  # type: ignore[misc]
        async def render_post(self, request: Any) -> Any:
            return Message(code=CREATED, payload=answer(request.payload), content_format=50)

    site = Site()
    site.add_resource(["msgin5g"], Registration())
    port = random.SystemRandom().randrange(20000, 30000)
    await Context.create_server_context(site, bind=("127.0.0.1", port))
    print(f"ready {port}", flush=True)
    await asyncio.Event().wait()


async def serve_exchange() -> None:
    """The core's exchange layer on a host socket."""
    from msgin5g import coap
    from msgin5g.exchange import REQUEST, Endpoint
    from msgin5g_host.clock import Clock
    from msgin5g_host.udp import UdpSocket, open_socket

    endpoint = Endpoint(random.randrange)

    def on_event(event: tuple[Any, ...], now: int) -> None:
        if event[0] == REQUEST:
            endpoint.respond(event[1], coap.CREATED, answer(event[1].message.payload), now)

    udp = UdpSocket(open_socket("127.0.0.1", 0), endpoint, Clock(), on_event)
    print(f"ready {udp.address[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run({"aiocoap": serve_aiocoap, "exchange": serve_exchange}[sys.argv[1]]())
