"""aiocoap's Context on top of our exchange layer.

aiocoap brings resources, block-wise transfer, observation and URIs; the message layer below it
is `msgin5g.exchange`: duplicates, waiting requests and peers are bounded, fan-out is linear, and
the socket is drained in batches. This is the only place where the two meet.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from aiocoap import Context, Message, error, interfaces
from aiocoap.numbers.types import NON
from aiocoap.tokenmanager import TokenManager
from aiocoap.util import hostportjoin, hostportsplit

from msgin5g import coap, options
from msgin5g.exchange import FAILED, REQUEST, RESPONSE, Endpoint, Incoming
from msgin5g_host.udp import SockAddr, UdpSocket

COAP_PORT = 5683
RULES = {
    **options.PLAIN,
    6: options.rule(0, 3),  # Observe
    23: options.rule(0, 3),  # Block2
    27: options.rule(0, 3),  # Block1
    28: options.rule(0, 4),  # Size2
    258: options.rule(0, 1),  # No-Response
    292: options.rule(0, 8, True),  # Request-Tag
}
"""Option rules for an endpoint that carries aiocoap."""


class Remote(interfaces.EndpointAddress):  # type: ignore[misc]
    """A peer's socket address in the form that aiocoap wants."""

    scheme = "coap"
    is_multicast = False
    is_multicast_locally = False

    def __init__(self, sockaddr: SockAddr, transport: "CoreTransport") -> None:
        self.sockaddr = sockaddr
        self._transport = transport

    def __hash__(self) -> int:
        return hash(self.sockaddr)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and other.sockaddr == self.sockaddr

    @property
    def hostinfo(self) -> str:
        host, port = self.sockaddr[:2]
        return str(hostportjoin(host, None if port == COAP_PORT else port))

    @property
    def hostinfo_local(self) -> str:
        return str(hostportjoin(*self._transport.address))

    @property
    def uri_base(self) -> str:
        return "coap://" + self.hostinfo

    @property
    def uri_base_local(self) -> str:
        return "coap://" + self.hostinfo_local

    @property
    def blockwise_key(self) -> SockAddr:
        return self.sockaddr


class CoreTransport(interfaces.TokenInterface):  # type: ignore[misc]
    """An aiocoap token interface whose messages are carried by an `Endpoint`."""

    def __init__(self, manager: Any, endpoint: Endpoint) -> None:
        self._manager = manager
        self._endpoint = endpoint
        self._udp: UdpSocket | None = None
        self._now: Callable[[], int] = lambda: 0

    def attach(self, udp: UdpSocket, now: Callable[[], int]) -> None:
        """Connect with the socket; its events come in through `on_event`."""
        self._udp = udp
        self._now = now

    @property
    def address(self) -> tuple[str, int]:
        """The local (host, port)."""
        assert self._udp is not None
        return self._udp.address

    def on_event(self, event: tuple[Any, ...], now: int) -> None:
        """Take an event of the endpoint that nobody else took."""
        kind = event[0]
        if kind == REQUEST:
            incoming: Incoming = event[1]
            message = self._to_aiocoap(incoming.message, incoming.peer)
            if message is None:
                text = b"malformed option"
                self._endpoint.respond(incoming, coap.BAD_REQUEST, text, now, options=b"")
                return
            message.msgin5g_incoming = incoming
            self._manager.process_request(message)
        elif kind == RESPONSE:
            message = self._to_aiocoap(event[2], event[1].peer)
            if message is None:
                self._fail(event[1], error.NetworkError("malformed response"))
            else:
                self._manager.process_response(message)
        elif kind == FAILED:
            reason = {
                "timeout": error.ConRetransmitsExceeded,
                "reset": error.MessageError,
            }.get(event[2], error.NetworkError)
            self._fail(event[1], reason(event[2]))

    def _fail(self, exchange: Any, problem: Exception) -> None:
        key = (exchange.token, Remote(exchange.peer, self))
        pipe = (self._manager.outgoing_requests or {}).get(key)
        if pipe is not None:
            pipe.add_exception(problem)

    def _to_aiocoap(self, message: coap.Message, peer: SockAddr) -> Any:
        raw = coap.encode(
            message.type,
            message.code,
            message.mid,
            message.token,
            message.options,
            message.payload,
        )
        try:
            return Message.decode(raw, Remote(peer, self))
        except (error.UnparsableMessage, ValueError):
            return None

    # What aiocoap's token manager calls

    def send_message(
        self, message: Any, messageerror_monitor: Callable[[], None]
    ) -> Callable[[], None] | None:
        del messageerror_monitor  # a Reset reaches the request as a failed exchange
        now = self._now()
        listed = [(int(option.number), option.encode()) for option in message.opt.option_list()]
        if message.code.is_response():
            if (message.request.opt.no_response or 0) & (1 << message.code.class_ - 1):
                return None
            incoming = message.request.msgin5g_incoming
            self._endpoint.respond(
                incoming, int(message.code), message.payload, now, options=listed
            )
            self._flush_soon()
            return None
        exchange = self._endpoint.request(
            message.remote.sockaddr,
            int(message.code),
            "",
            message.payload,
            now,
            token=message.token,
            confirmable=message.mtype is not NON,
            options=listed,
        )
        self._flush_soon()

        def cancel() -> None:
            self._endpoint.cancel(exchange)
            self._flush_soon()

        return cancel

    def _flush_soon(self) -> None:
        if self._udp is not None:
            asyncio.get_running_loop().call_soon(self._udp.flush)

    async def fill_or_recognize_remote(self, message: Any) -> bool:
        if isinstance(message.remote, Remote):
            return True
        if message.requested_scheme not in ("coap", None):
            return False
        if message.unresolved_remote is not None:
            host, port = hostportsplit(message.unresolved_remote)
        elif message.opt.uri_host:
            host, port = message.opt.uri_host, message.opt.uri_port
        else:
            raise ValueError("a request needs a coap:// address")
        message.remote = Remote(await self._resolve(host, port or COAP_PORT), self)
        return True

    async def _resolve(self, host: str, port: int) -> SockAddr:
        assert self._udp is not None
        family = socket.AF_INET6 if ":" in self._udp.address[0] else socket.AF_INET
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            if address.version == 4 and family == socket.AF_INET:
                return host, port
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, family=family, type=socket.SOCK_DGRAM
            )
        except socket.gaierror as problem:
            raise error.ResolutionError(f"{host}: {problem.strerror}") from problem
        return found[0][4]

    async def shutdown(self) -> None:
        """Part of the interface; the socket belongs to whoever opened it."""


class _Tokens(TokenManager):  # type: ignore[misc]
    """Let a request have the Token that it was made with, if it was made with one."""

    def request(self, request: Any) -> None:
        self._given = request.request.token
        super().request(request)

    def next_token(self) -> bytes:
        token: bytes = self._given or super().next_token()
        return token


def create_context(endpoint: Endpoint, site: Any = None) -> tuple[Context, CoreTransport]:
    """Return an aiocoap Context that speaks through `endpoint`, and its transport.

    The caller opens a `UdpSocket` for the same endpoint, hands its events to
    `transport.on_event`, and calls `transport.attach`.
    """
    context = Context(loop=asyncio.get_running_loop(), serversite=site)
    manager = _Tokens(context)
    transport = CoreTransport(manager, endpoint)
    manager.token_interface = transport
    context.request_interfaces.append(manager)
    return context, transport
