"""The Server's CoAP side (MSGin5G-1): one UDP socket, one endpoint, aiocoap above it.

A POST that fits one datagram goes straight from the exchange layer to `ServerCore`: its answer
leaves on the acknowledgement, after one commit for the whole batch of datagrams. All else, such as
block-wise bulk requests and `/.well-known/core`, takes the way through aiocoap's Site to the same
core. Which way a request takes never changes what it does.
"""

import asyncio
import ipaddress
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from aiocoap import Code, Message, resource

from msgin5g import coap
from msgin5g.configuration import ROOT as CONFIGURATIONS
from msgin5g.exchange import ACKED, REQUEST, RESPONSE, Endpoint, Exchange, Incoming, Params
from msgin5g.topic_requests import is_reserved
from msgin5g_host.aiocoap_transport import RULES, create_context
from msgin5g_host.capture import Capture
from msgin5g_host.clock import Clock
from msgin5g_host.config import show_address
from msgin5g_host.fill import Fill
from msgin5g_host.folder import StoreError
from msgin5g_host.listening import listening
from msgin5g_host.log import EventLog
from msgin5g_host.udp import UdpSocket, address_towards, open_socket
from msgin5g_server.blockwise import AnswerBlocks, RequestBlocks
from msgin5g_server.core import ServerCore
from msgin5g_server.courier import MAX_AT_A_PEER, Attempt
from msgin5g_server.group_api import ROOT as GROUPS
from msgin5g_server.seal import SealAnswer, SealRequest
from msgin5g_server.seal_site import SealSite
from msgin5g_server.subscribing import Answer, is_subscription, send

MAX_DATAGRAM_BYTES = 16 * 1024
_BLOCK_OPTIONS = (coap.BLOCK1, coap.BLOCK2)
_UNAVAILABLE = b"the registry cannot be written, try again later"


def check_formats(message: coap.Message) -> tuple[int, bytes] | None:
    """Return the (code, text) that refuses a request's formats, or None if they are JSON."""
    given = message.uint(coap.CONTENT_FORMAT)
    if given not in (None, coap.JSON_FORMAT):
        return coap.UNSUPPORTED_FORMAT, b"Content-Format: 50 (application/json) is understood"
    accept = message.uint(coap.ACCEPT)
    if accept not in (None, coap.JSON_FORMAT):
        return coap.NOT_ACCEPTABLE, b"Accept: answers are 50 (application/json)"
    return None


class CoapServer:
    """Serve MSGin5G-1 on one address; `address` is the bound one."""

    def __init__(
        self, host: str, port: int, core: ServerCore, clock: Clock, log: EventLog
    ) -> None:
        self._core = core
        self._clock = clock
        self._log = log
        # Make the calls that go over HTTP, and the requests to the network.
        self.on_calls: Callable[[list[Attempt]], None] = lambda attempts: None
        self.on_asks: Callable[[], None] = lambda: None
        self._answers: list[tuple[Incoming, Answer]] = []
        self._after_commit: list[Callable[[bool], None]] = []
        self._is_flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        # A gateway is one CoAP peer with many UEs behind it.
        params = Params(max_datagram_bytes=MAX_DATAGRAM_BYTES, nstart=MAX_AT_A_PEER)
        self.endpoint = Endpoint(random.SystemRandom().randrange, params, known=RULES)
        site = resource.Site()
        entry = self._entry = _Entry(self)
        site.add_resource([".well-known", "core"], _links(site))
        site.add_resource(["msgin5g"], entry)
        site.add_resource([], entry)
        for root, handle in (
            (GROUPS, core.groups.handle),
            (CONFIGURATIONS, core.configurations.handle),
        ):
            site.add_resource([root], SealSite(self._durable(handle), _text))
        self._context, self._transport = create_context(self.endpoint, site)
        with listening(f"CoAP address {show_address((host, port))}", "--bind"):
            sock = open_socket(host, port)
        self._udp = UdpSocket(sock, self.endpoint, clock, self._on_event, self._before_send)
        self._transport.attach(self._udp, clock.now)
        if not core.settings["server.address"]:
            core.configurations.address_for = self._address_for

    @property
    def address(self) -> tuple[str, int]:
        return self._udp.address

    @property
    def send_errors(self) -> int:
        """How many datagrams could not be sent."""
        return self._udp.send_errors

    def fills(self) -> Iterator[Fill]:
        """Tell how full the table of block-wise requests is."""
        yield from self._entry.fills()

    def capture(self, capture: Capture) -> None:
        """Let a capture see what passes."""
        url = "coap://" + _text(self.address)
        capture.watch(self._udp, url, "MSGin5G-1", self.address)

    async def close(self) -> None:
        """Stop serving; what was answered is on disk."""
        if self._timer is not None:
            self._timer.cancel()
        await self._context.shutdown()
        self._udp.close()

    def expire(self, now: int) -> bool:
        """End registrations whose time is over; tells whether there are more at once."""
        self._core.expire(now)
        outcome: list[bool] = []
        # With the others of the batch, so that a failing commit takes nobody's answer with it.
        self._after_commit.append(outcome.append)
        self._udp.flush()
        due = self._core.registry.next_deadline()
        return outcome == [True] and due is not None and due <= now

    def durably(self, work: Callable[[int], Any]) -> "asyncio.Future[Any]":
        """Run work(now) on the core; its result is there once what it changed is on disk.

        Raises what `work` raises, and StoreError.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            result = work(self._clock.now())
        except Exception as problem:
            done.set_exception(problem)
            return done

        def finish(stored: bool) -> None:
            if done.done():
                return
            if stored:
                done.set_result(result)
            else:
                done.set_exception(StoreError(_UNAVAILABLE.decode()))

        self._after_commit.append(finish)
        self._flush_soon()
        return done

    async def handle_later(
        self, payload: bytes, peer: Any, token: bytes = b""
    ) -> tuple[int, bytes]:
        """Handle a request that came through aiocoap; the result is durable."""
        try:
            answer: tuple[int, bytes] = await self.durably(
                lambda now: self._handle(payload, peer, now, token)
            )
        except StoreError:
            return coap.UNAVAILABLE, _UNAVAILABLE
        return answer

    def _durable(
        self, handle: Callable[[SealRequest, int], SealAnswer]
    ) -> Callable[[SealRequest], Awaitable[SealAnswer]]:
        """Return a SEAL service's `handle` with results that are durable."""

        async def later(request: SealRequest) -> SealAnswer:
            try:
                answer: SealAnswer = await self.durably(lambda now: handle(request, now))
            except StoreError:
                return SealAnswer(coap.UNAVAILABLE, _UNAVAILABLE)
            return answer

        return later

    def _address_for(self, source: str) -> str:
        """Return this Server's URI as the one at "host:port" reaches it."""
        host, port = self.address
        if ipaddress.ip_address(host).is_unspecified:
            host = address_towards(_peer(source))
        return "coap://" + _text((host, port))

    def _on_event(self, event: tuple[Any, ...], now: int) -> None:
        if event[0] == REQUEST:
            incoming: Incoming = event[1]
            message = incoming.message
            is_whole = not any(number in _BLOCK_OPTIONS for number, _ in message.options)
            observes = is_subscription(message)
            if is_whole and (observes or message.code == coap.POST and not is_reserved(message)):
                answer = check_formats(message)
                if answer is not None:
                    self._answers.append((incoming, (*answer, None)))
                elif observes:
                    where, token = _text(incoming.peer), incoming.token
                    answered = self._core.subscribing.handle(message, where, token, now)
                    self._answers.append((incoming, answered))
                else:
                    answer = self._handle(message.payload, incoming.peer, now, incoming.token)
                    self._answers.append((incoming, (*answer, None)))
                return
        elif isinstance(event[1].context, _Posted):
            self._posted(event, event[1], now)
            return
        self._transport.on_event(event, now)

    def _handle(
        self, payload: bytes, peer: Any, now: int, token: bytes = b""
    ) -> tuple[int, bytes]:
        return self._core.handle(payload, _text(peer), now, token)

    def _posted(self, event: tuple[Any, ...], exchange: Exchange, now: int) -> None:
        """A UE or gateway answered a POST or notification of ours, or did not."""
        attempt = exchange.context.attempt
        if attempt is None:
            return
        if event[0] == RESPONSE:
            text = bytes(event[2].payload[:80]).decode(errors="replace")
            self._core.messages.answered(attempt, event[2].code, text, now)
        elif event[0] == ACKED:
            self._core.messages.answered(attempt, coap.CONTENT, "", now)
        else:
            self._core.messages.failed(attempt, event[2], now)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        self._udp.flush()

    def _post(self, now: int) -> None:
        """Send what the core has for UEs, now that it is on disk."""
        for attempt, where, payload, token in self._core.messages.take():
            posted = _Posted(attempt)
            send(self.endpoint, _peer(where), attempt, payload, token, now, posted)
        calls = self._core.messages.take_calls()
        if calls:
            self.on_calls(calls)
        self.on_asks()

    def _wake_at(self, now: int) -> None:
        due = self._core.messages.next_deadline()
        if due is None:
            return
        if self._timer is not None:
            if self._timer_at <= due and self._timer_at > now:
                return
            self._timer.cancel()
        self._timer_at = max(due, now + 1)
        delay_s = (self._timer_at - now) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._udp.flush()

    def _before_send(self, now: int) -> None:
        answers = self._answers
        messages = self._core.messages
        due = messages.next_deadline()
        if due is not None and due <= now:
            messages.poll(now)
        if not answers and not self._after_commit and messages.is_idle():
            self._wake_at(now)
            return
        stored = True
        try:
            self._core.commit()
        except StoreError as problem:
            stored = False
            self._core.rollback()
            self._log.event("store-failed", reason=str(problem))
        respond = self.endpoint.respond
        for incoming, (code, payload, options) in answers:
            if not stored:
                respond(incoming, coap.UNAVAILABLE, _UNAVAILABLE, now, options=b"")
            elif code < coap.BAD_REQUEST:
                respond(incoming, code, payload, now, options=options)
            else:
                # A diagnostic payload is plain text without Content-Format (RFC 7252 5.5.2).
                respond(incoming, code, payload, now, options=b"")
        answers.clear()
        waiting, self._after_commit = self._after_commit, []
        for finish in waiting:
            finish(stored)
        if stored:
            self._post(now)
        self._wake_at(now)


class _Posted:
    """What a POST of ours carries along: the attempt that hears of its outcome, or None."""

    __slots__ = ("attempt",)

    def __init__(self, attempt: Attempt | None) -> None:
        self.attempt = attempt


def _text(peer: Any) -> str:
    """Return "host:port" of a socket address."""
    host = f"[{peer[0]}]" if ":" in peer[0] else peer[0]
    return f"{host}:{peer[1]}"


def _peer(where: str) -> tuple[Any, ...]:
    """Return the socket address of "host:port"."""
    host, _, port = where.rpartition(":")
    if host.startswith("["):
        return host[1:-1], int(port), 0, 0
    return host, int(port)


class _Entry(resource.Resource):  # type: ignore[misc]
    """The POST resource of the Server for requests that need aiocoap."""

    ct = coap.JSON_FORMAT
    rt = "msgin5g"

    def __init__(self, server: CoapServer) -> None:
        super().__init__()
        self._block1 = RequestBlocks()
        self._block2 = AnswerBlocks()
        self._server = server

    def fills(self) -> Iterator[Fill]:
        """Tell how full the tables of transfers are."""
        yield from self._block1.fills()

    async def render_post(self, request: Any) -> Any:
        code, payload = await self._server.handle_later(
            request.payload, request.remote.sockaddr, request.token
        )
        answer = Message(code=Code(code), payload=payload)
        if code < coap.BAD_REQUEST:
            answer.opt.content_format = coap.JSON_FORMAT
        return answer


def _links(site: Any) -> Any:
    return resource.WKCResource(site.get_resources_as_linkheader, impl_info=None)
