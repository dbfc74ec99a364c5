"""Northbound (MSGin5G-1): POST requests to the MSGin5G Server through aiocoap, and its own to us.

The server's POSTs come to the socket from which the gateway registered. One that fits a datagram
goes straight from the exchange layer to the core, as at the server; from anybody else it is 4.03.
"""

import asyncio
import ipaddress
import random
from collections.abc import Callable
from typing import Any

from aiocoap import Code, Message, error

from msgin5g import coap, gaps
from msgin5g.exchange import FAILED, NOTICE, REQUEST, RESPONSE, Endpoint, Incoming, Params
from msgin5g.observing import Notice, Observer
from msgin5g_host.aiocoap_transport import COAP_PORT, RULES, create_context
from msgin5g_host.capture import Capture
from msgin5g_host.clock import Clock
from msgin5g_host.udp import SockAddr, UdpSocket, open_socket

_MAX_DATAGRAM_BYTES = 16 * 1024
_MAX_WAITING = 1024
# So many UEs need not wait for each other's round trips; those of one UE follow each other. The
# server has as many under way to a gateway.
_NSTART = 16
_REMEMBERED_IDS = 64
TIMEOUT_S = 100.0


class North:
    """One aiocoap Context towards the server; every outcome goes to one of two callbacks.

    answered(ref, code, payload) or failed(ref, reason), both on the event loop. Requests of the
    server go to requested(incoming, now), after which settle(now) runs once for a batch; so do
    answers to `get` and notifications, see `watch`.
    """

    def __init__(
        self,
        server: str,
        clock: Clock,
        answered: Callable[[Any, int, bytes], None],
        failed: Callable[[Any, str], None],
        requested: Callable[[Incoming, int], None],
        settle: Callable[[int], None],
    ) -> None:
        self._url = server
        self._uri = f"{server}/{gaps.PATH}"
        self._answered = answered
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()
        self._requested = requested
        self._settle = settle
        self._is_fresh = False
        self._server = _literal(server)
        self._peer: SockAddr | None = None
        if self._server is not None:
            is_v6 = ":" in self._server[0]
            self._peer = (*self._server, 0, 0) if is_v6 else self._server
        params = Params(
            max_datagram_bytes=_MAX_DATAGRAM_BYTES,
            max_waiting=_MAX_WAITING,
            remembered_ids=_REMEMBERED_IDS,
            nstart=_NSTART,
        )
        self.endpoint = Endpoint(random.SystemRandom().randrange, params, known=RULES)
        self._observer: Observer | None = None
        self._observed: Callable[[Any, coap.Message, int], None] | None = None
        self._noticed: Callable[[Notice, int], None] | None = None
        self._context, self._transport = create_context(self.endpoint)
        host = "::" if server.startswith("coap://[") else "0.0.0.0"
        self._udp = UdpSocket(
            open_socket(host, 0), self.endpoint, clock, self._on_event, self._before_send
        )
        self._transport.attach(self._udp, clock.now)

    def post(
        self, ref: Any, payload: bytes, timeout_s: float = TIMEOUT_S, token: bytes = b""
    ) -> None:
        """Send a Confirmable POST; a payload over one block goes block by block.

        token: none for a new one. After `timeout_s` it is taken back: it does not reach the
        server later.
        """
        message = self._message(Code.POST, payload)
        message.token = token
        self._request(ref, message, timeout_s)

    def fetch(
        self, ref: Any, options: list[tuple[int, bytes]], payload: bytes, timeout_s: float
    ) -> None:
        """Send a Confirmable GET as `post` does: request and answer may go block by block.

        options: path and query.
        """
        message = self._message(Code.GET, payload)
        for name, number in (("uri_path", coap.URI_PATH), ("uri_query", coap.URI_QUERY)):
            texts = tuple(value.decode() for one, value in options if one == number)
            setattr(message.opt, name, texts)
        self._request(ref, message, timeout_s)

    def watch(
        self,
        find: Callable[[bytes], Any],
        observed: Callable[[Any, coap.Message, int], None],
        noticed: Callable[[Notice, int], None],
    ) -> None:
        """Take the answers to `get` and the notifications whose Token `find` knows."""
        self._observed = observed
        self._noticed = noticed
        self._observer = Observer(
            self.endpoint, lambda peer, token: find(token) if peer[:2] == self._server else None
        )

    @property
    def send_errors(self) -> int:
        """How many datagrams could not be sent."""
        return self._udp.send_errors

    def capture(self, capture: Capture) -> None:
        """Let a capture see what passes."""
        capture.watch(self._udp, self._url, "MSGin5G-1", self._udp.address)

    def get(
        self, ref: Any, options: list[tuple[int, bytes]], token: bytes, payload: bytes, now: int
    ) -> None:
        """Send a Confirmable GET; its answer goes to the `observed` of `watch`."""
        if self._peer is None:
            reason = "the server's address is not known yet"
            asyncio.get_running_loop().call_soon(self._failed, ref, reason)
            return
        self.endpoint.request(
            *(self._peer, coap.GET, "", payload, now),
            **{"token": token, "options": options, "context": _Got(ref)},
        )
        asyncio.get_running_loop().call_soon(self._udp.flush)

    def judge(self, notice: Notice, verdict: str) -> None:
        """Acknowledge, reject or postpone a notification: the name of an `Observer`'s method."""
        getattr(self._observer, verdict)(notice)
        asyncio.get_running_loop().call_soon(self._udp.flush)

    def respond(self, incoming: Incoming, code: int, payload: bytes, now: int) -> None:
        """Answer a request of the server."""
        options = b"" if code >= coap.BAD_REQUEST else None
        self.endpoint.respond(incoming, code, payload, now, options=options)
        asyncio.get_running_loop().call_soon(self._udp.flush)

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

    def _message(self, code: Code, payload: bytes) -> Message:
        form = coap.JSON_FORMAT if payload else None
        return Message(code=code, uri=self._uri, payload=payload, content_format=form)

    def _request(self, ref: Any, request: Message, timeout_s: float) -> None:
        task = asyncio.create_task(self._ask(ref, request, timeout_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, ref: Any, request: Message, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._context.request(request).response
        except (error.Error, OSError, TimeoutError) as problem:
            self._failed(ref, str(problem) or type(problem).__name__)
            return
        self._answered(ref, int(answer.code), answer.payload)

    def _on_event(self, event: tuple[Any, ...], now: int) -> None:
        if event[0] == NOTICE:
            assert self._noticed is not None
            self._is_fresh = True
            self._noticed(event[1], now)
            return
        if event[0] == RESPONSE:
            # A name may stand for another address by now: it is the one that answers us.
            self._peer = event[1].peer
            self._server = event[1].peer[:2]
        if event[0] in (RESPONSE, FAILED) and isinstance(event[1].context, _Got):
            self._got(event, event[1].context.ref, now)
            return
        if event[0] == REQUEST:
            incoming: Incoming = event[1]
            refusal = self._refuse(incoming)
            if refusal is None:
                self._is_fresh = True
                self._requested(incoming, now)
            else:
                self.endpoint.respond(incoming, *refusal, now, options=b"")
            return
        self._transport.on_event(event, now)

    def _got(self, event: tuple[Any, ...], ref: Any, now: int) -> None:
        self._is_fresh = True
        if event[0] == FAILED:
            self._failed(ref, event[2])
        else:
            assert self._observed is not None
            self._observed(ref, event[2], now)

    def _refuse(self, incoming: Incoming) -> tuple[int, bytes] | None:
        """Return the (code, text) that refuses a request, or None for a message of the server."""
        message = incoming.message
        if incoming.peer[:2] != self._server:
            return coap.FORBIDDEN, b"not the MSGin5G Server of this gateway"
        if message.uri_path() != gaps.PATH:
            return coap.NOT_FOUND, b""
        if message.code != coap.POST:
            return coap.METHOD_NOT_ALLOWED, b"POST is understood"
        if any(number in (coap.BLOCK1, coap.BLOCK2) for number, _ in message.options):
            return coap.TOO_LARGE, b"a message comes in one datagram"
        if message.uint(coap.CONTENT_FORMAT) not in (None, coap.JSON_FORMAT):
            return coap.UNSUPPORTED_FORMAT, b"Content-Format: 50 (application/json) is understood"
        if message.uint(coap.ACCEPT) not in (None, coap.JSON_FORMAT):
            return coap.NOT_ACCEPTABLE, b"Accept: answers are 50 (application/json)"
        return None

    def _before_send(self, now: int) -> None:
        if self._is_fresh:
            self._is_fresh = False
            self._settle(now)


class _Got:
    """What a GET carries along."""

    __slots__ = ("ref",)

    def __init__(self, ref: Any) -> None:
        self.ref = ref


def _literal(server: str) -> tuple[str, int] | None:
    """Return (address, port) of coap://address:port, or None for a name."""
    rest = server.removeprefix("coap://")
    host, _, port = rest.rpartition(":") if ":" in rest.rpartition("]")[2] else (rest, "", "")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port or COAP_PORT)
    except ValueError:
        return None
