"""Northbound (MSGin5G-1): POST requests to the MSGin5G Server through aiocoap."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from aiocoap import Code, Message, error

from msgin5g import coap, gaps
from msgin5g.exchange import Endpoint, Params
from msgin5g_host.aiocoap_transport import RULES, create_context
from msgin5g_host.clock import Clock
from msgin5g_host.udp import UdpSocket, open_socket

_MAX_DATAGRAM_BYTES = 16 * 1024
_MAX_WAITING = 1024
TIMEOUT_S = 100.0


class North:
    """One aiocoap Context towards the server; every outcome goes to one of two callbacks.

    answered(ref, code, payload) or failed(ref, reason), both on the event loop.
    """

    def __init__(
        self,
        server: str,
        clock: Clock,
        answered: Callable[[Any, int, bytes], None],
        failed: Callable[[Any, str], None],
    ) -> None:
        self._uri = f"{server}/{gaps.PATH}"
        self._answered = answered
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()
        params = Params(max_datagram_bytes=_MAX_DATAGRAM_BYTES, max_waiting=_MAX_WAITING)
        self.endpoint = Endpoint(random.SystemRandom().randrange, params, known=RULES)
        self._context, transport = create_context(self.endpoint)
        host = "::" if server.startswith("coap://[") else "0.0.0.0"
        self._udp = UdpSocket(open_socket(host, 0), self.endpoint, clock, transport.on_event)
        transport.attach(self._udp, clock.now)

    def post(self, ref: Any, payload: bytes, timeout_s: float = TIMEOUT_S) -> None:
        """Send a Confirmable POST; a payload over one block goes block by block.

        After `timeout_s` it is taken back: it does not reach the server later.
        """
        task = asyncio.create_task(self._post(ref, payload, timeout_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Give up what is under way and close the socket."""
        for task in self._tasks:
            task.cancel()
        # aiocoap has to see the cancelled requests go before it ends the others.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._context.shutdown()
        self._udp.close()

    async def _post(self, ref: Any, payload: bytes, timeout_s: float) -> None:
        request = Message(
            code=Code.POST, uri=self._uri, payload=payload, content_format=coap.JSON_FORMAT
        )
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._context.request(request).response
        except (error.Error, OSError, TimeoutError) as problem:
            self._failed(ref, str(problem) or type(problem).__name__)
            return
        self._answered(ref, int(answer.code), answer.payload)
