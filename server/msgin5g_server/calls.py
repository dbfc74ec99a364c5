"""Calls to Application Servers, message gateways and other Servers over HTTP.

Each call is a task of its own with a deadline, so that one who hangs holds up nobody else; how
many there are is bounded by the courier. What an answer says is taken with care: a redirection, a
page of a proxy or an endless body is no delivery.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec

from msgin5g import coap
from msgin5g_host.folder import StoreError
from msgin5g_host.log import EventLog
from msgin5g_server.courier import Attempt
from msgin5g_server.message_store import Body
from msgin5g_server.messages import MessageCore
from msgin5g_server.northbound_types import MessageDeliveryAck
from msgin5g_server.outside import SERVER, Link, hops_of
from msgin5g_server.translate import FAILED, STORED, outgoing

MAX_ANSWER_BYTES = 64 * 1024
MAX_CALLS = 4_096
_REFUSED = (400, 405, 406, 409, 410, 411, 413, 414, 415, 422)
_USER_AGENT = "msgin5g-server"

Durably = Callable[[Callable[[int], Any]], Awaitable[Any]]


class Answer:
    """What became of a call. text: why it failed; is_cause: it is another Server's."""

    def __init__(
        self, code: int, text: str = "", is_stored: bool = False, is_cause: bool = False
    ) -> None:
        self.code = code
        self.text = text
        self.is_stored = is_stored
        self.is_cause = is_cause


_DELIVERED = Answer(coap.CHANGED)


class Calls:
    """Carry out the calls of a MessageCore."""

    def __init__(
        self,
        messages: MessageCore,
        durably: Durably,
        tls: ssl.SSLContext,
        deadline_s: float,
        log: EventLog,
    ) -> None:
        self._messages = messages
        self._durably = durably
        self._log = log
        self._deadline_s = deadline_s
        connector = aiohttp.TCPConnector(limit=MAX_CALLS, ssl=tls)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": _USER_AGENT, "Accept": "application/json"},
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, attempts: list[Attempt]) -> None:
        """Make the calls of `take_calls`."""
        for attempt in attempts:
            self.spawn(self._deliver(attempt))

    def spawn(self, work: Any) -> None:
        """Run a call in the background until `close`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up the calls under way; what they brought is brought again after a restart."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()

    async def request(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        """Return (status, body, headers) of an answer. Raises CallError within the deadline."""
        sent = {"Content-Type": "application/json", **headers} if body is not None else headers
        try:
            async with asyncio.timeout(self._deadline_s):
                async with self._session.request(
                    *(method, url), data=body, headers=sent, allow_redirects=False
                ) as answer:
                    content = await _read(answer)
                    return answer.status, content, dict(answer.headers)
        except TimeoutError:
            raise CallError(f"no answer within {self._deadline_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise CallError(" ".join(str(problem).split())[:200] or "cut off") from None

    async def _deliver(self, attempt: Attempt) -> None:
        delivery = attempt.batch[0]
        link = self._messages.routes.link(attempt.recipient)
        if link is None or link.url != attempt.peer:
            answer = Answer(coap.UNAVAILABLE, "it moved")
        else:
            answer = await self._ask(link, attempt.recipient, delivery.body)
        if answer.code != coap.CHANGED:
            self._log.event("call-failed", to=attempt.recipient, reason=answer.text)

        def heard(now: int) -> None:
            if answer.is_stored:
                self._messages.stored_there(attempt, now)
            attempt.is_cause = answer.is_cause
            self._messages.answered(attempt, answer.code, answer.text, now)

        # The disk said no: the delivery is still there, and is tried again after `rollback`.
        with contextlib.suppress(StoreError):
            await self._durably(heard)

    def _headers(self, link: Link, source: str) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {link.token}"} if link.token else {}
        if link.kind == SERVER:
            hops = [*hops_of(source), self._messages.outside.own_id]
            headers["Via"] = ", ".join(f"1.1 {one}" for one in hops)
        return headers

    async def _ask(self, link: Link, recipient: str, body: Body) -> Answer:
        message_id = body.message.message_id
        try:
            path, payload = outgoing(body.message, recipient, link)
        except UnicodeError:
            return Answer(coap.BAD_REQUEST, "half of a surrogate pair in it")
        headers = self._headers(link, body.source)
        try:
            status, content, _ = await self.request("POST", link.url + path, payload, headers)
        except CallError as problem:
            return Answer(coap.UNAVAILABLE, str(problem))
        if 200 <= status < 300:
            return _acknowledged(content, message_id) if link.kind == SERVER else _DELIVERED
        if status in _REFUSED:
            return Answer(coap.BAD_REQUEST, f"HTTP {status}")
        # Among them redirections, which are not followed, and tokens that are to be set right.
        return Answer(coap.UNAVAILABLE, f"HTTP {status}")


class CallError(Exception):
    """Nobody answered, or not in a way that can be used; the text says what happened."""


def _acknowledged(content: bytes, message_id: str) -> Answer:
    """A Server says what it did with the message; anything else may be a page of a proxy."""
    if not content:
        return Answer(coap.CHANGED)
    try:
        ack = msgspec.json.decode(content, type=MessageDeliveryAck)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Answer(coap.UNAVAILABLE, "the answer is no MessageDeliveryAck")
    if ack.msgId.lower() != message_id:
        return Answer(coap.UNAVAILABLE, "the answer is to another message")
    if ack.status == FAILED:
        cause = ack.failureCause if isinstance(ack.failureCause, str) else ""
        return Answer(coap.BAD_REQUEST, cause or FAILED, is_cause=bool(cause))
    return Answer(coap.CHANGED, is_stored=ack.status == STORED)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in answer.content.iter_chunked(16 * 1024):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise CallError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)
