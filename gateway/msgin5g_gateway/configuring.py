"""Configuration GETs of constrained UEs (6.2.3.3.1): cached for a bulk GET, or passed on as is.

`bulk.configuration` decides. Who asks is a UE of the table, by its MSGin5G UE ID.
"""

from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps
from msgin5g.codes import code_text
from msgin5g.configuration import UE_URI
from msgin5g.configuration_requests import parse_message
from msgin5g.payload_errors import BadMessage
from msgin5g_gateway.bulk_get import BulkGets
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.own import OwnRegistration
from msgin5g_gateway.topics import TopicRelay
from msgin5g_host.fill import Fill
from msgin5g_host.words import element

MAX_PASSED = 1_000
PASS_TIMEOUT_MS = 20_000
# What is this gateway's address, and what the answer's receiver needs to know.
_NOT_PASSED = (coap.URI_HOST, coap.URI_PORT)
_UNKNOWN_SERVICE = "not this service"
_TOO_LONG = b"the server's answer does not fit one datagram"
_MORE = 0x08  # of a Block option: another one follows
_ANSWERED = (coap.ETAG, coap.CONTENT_FORMAT, coap.MAX_AGE)


class PassedGet:
    """A configuration GET that is at the server until `until_ms`, under the Token `north`."""

    def __init__(self, incoming: Any, ue_id: str, peer: str, north: bytes, now: int) -> None:
        self.incoming = incoming
        self.ue_id = ue_id
        self.peer = peer
        self.north = north
        self.until_ms = now + PASS_TIMEOUT_MS


class Configuring:
    """What becomes of a configuration GET."""

    def __init__(self, shared: Shared, own: OwnRegistration, topics: TopicRelay, now: int) -> None:
        self._shared = shared
        self._topics = topics
        self._own = own
        self._is_bulk: bool = shared.settings["bulk.configuration"]
        self._open: bool = shared.settings["gateway.open"]
        self._table = {row["ue_id"] for row in shared.settings.rows["ue"]}
        self._passed: dict[PassedGet, None] = {}
        self.bulk = BulkGets(shared, own, now)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("passed", len(self._passed), MAX_PASSED)
        yield from self.bulk.fills()

    def receive(
        self,
        incoming: Any,
        message: coap.Message,
        peer: str,
        now: int,
        devices_only: bool = False,
    ) -> None:
        """Take a configuration GET of a UE. devices_only: as for `GatewayCore.receive`."""
        try:
            if devices_only:
                raise BadMessage(UE_URI, "this link is for devices without an MSGin5G client")
            self._receive(incoming, message, peer, now)
        except BadMessage as problem:
            text = str(problem)
            self._shared.counters["malformed: " + element(problem.key)] += 1
            size = len(message.payload)
            self._shared.log.event("malformed", peer=peer, reason=text, bytes=size)
            self._shared.answer(incoming, coap.BAD_REQUEST, text.encode(), peer=peer)

    def _receive(self, incoming: Any, message: coap.Message, peer: str, now: int) -> None:
        shared = self._shared
        if message.payload and message.uint(coap.CONTENT_FORMAT) not in (None, coap.JSON_FORMAT):
            text = b"Content-Format: 50 (application/json) is understood"
            shared.answer(incoming, coap.UNSUPPORTED_FORMAT, text, peer=peer)
            return
        asked = parse_message(message)
        if asked is None:
            shared.answer(incoming, coap.NOT_FOUND, b"", peer=peer)
            return
        if asked.ue_ids is not None:
            raise BadMessage(gaps.UE_ID_LIST, "a gateway takes no bulk request")
        if asked.ue_id is None:
            raise BadMessage(UE_URI, "the MSGin5G UE ID is wanted")
        ue_id: str = asked.ue_id
        shared.counters["requests: configuration"] += 1
        shared.log.message("rx", "MSGin5G-6", "GET", ue=ue_id, peer=peer, mid=message.mid)
        if asked.service_id != shared.service_id:
            self._refuse(incoming, coap.NOT_FOUND, _UNKNOWN_SERVICE, ue_id, peer)
        elif not self._open and ue_id not in self._table:
            self._refuse(incoming, coap.FORBIDDEN, gaps.CAUSE_NOT_ALLOWED, ue_id, peer)
        elif not self._is_bulk:
            north = self._topics.north_token(bytes(message.token))
            self._pass(PassedGet(incoming, ue_id, peer, north, now), message)
        elif message.uint(coap.ACCEPT) not in (None, coap.JSON_FORMAT):
            text = b"Accept: bulk answers are 50 (application/json)"
            shared.answer(incoming, coap.NOT_ACCEPTABLE, text, ue=ue_id, peer=peer)
        else:
            self.bulk.ask(incoming, ue_id, message, peer, now)

    def answered(
        self,
        get: PassedGet,
        code: int,
        payload: bytes,
        options: list[tuple[int, bytes]],
        now: int,
    ) -> None:
        """Pass the server's answer back as it is."""
        shared = self._shared
        if not self._close(get):
            shared.counters["late_answers"] += 1
            return
        shared.log.message("rx", "MSGin5G-1", code_text(code), ue=get.ue_id)
        shared.server_answered(True)
        if code == coap.FORBIDDEN:
            # The server may not know any more from where the gateway speaks.
            self._own.renew(now)
        if any(number == coap.BLOCK2 and value and value[-1] & _MORE for number, value in options):
            # Half a document would look like all of it.
            shared.answer(get.incoming, coap.BAD_GATEWAY, _TOO_LONG, ue=get.ue_id, peer=get.peer)
            return
        passed = [one for one in options if one[0] in _ANSWERED]
        shared.observed(get.incoming, code, payload, passed, ue=get.ue_id, peer=get.peer)

    def failed(self, get: PassedGet, reason: str) -> None:
        """The server did not answer."""
        if not self._close(get):
            return
        shared = self._shared
        shared.server_answered(False, reason)
        text = gaps.CAUSE_SERVER_UNREACHABLE.encode()
        shared.answer(get.incoming, coap.GATEWAY_TIMEOUT, text, ue=get.ue_id, peer=get.peer)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        times = [self.bulk.next_deadline()]
        times += [one.until_ms for one in list(self._passed)[:1]]
        return min((one for one in times if one is not None), default=None)

    def poll(self, now: int) -> None:
        """Send the bulk GET that is due, and do not wait for the server too long."""
        self.bulk.poll(now)
        while self._passed:
            oldest = next(iter(self._passed))
            if now < oldest.until_ms:
                break
            self.failed(oldest, "no answer in time")

    def unanswered(self) -> list[Any]:
        """Return every CoAP request that waits for the server."""
        return [one.incoming for one in self._passed]

    def _pass(self, get: PassedGet, message: coap.Message) -> None:
        shared = self._shared
        text = None
        if not self._own.is_settled:
            text = gaps.CAUSE_UNKNOWN_GATEWAY
        elif len(self._passed) >= MAX_PASSED:
            shared.counters["forwards_full"] += 1
            text = "too many requests at once, try again later"
        if text is not None:
            answer = shared.answer
            answer(get.incoming, coap.UNAVAILABLE, text.encode(), ue=get.ue_id, peer=get.peer)
            return
        self._passed[get] = None
        shared.passed_tokens.add(get.north)
        shared.counters["forwarded"] += 1
        options = [
            (number, bytes(value))
            for number, value in message.options
            if number not in _NOT_PASSED
        ]
        shared.north_get(get, options, get.north, bytes(message.payload), get.ue_id)

    def _close(self, get: PassedGet) -> bool:
        if get not in self._passed:
            return False
        del self._passed[get]
        self._shared.passed_tokens.discard(get.north)
        return True

    def _refuse(self, incoming: Any, code: int, cause: str, ue_id: str, peer: str) -> None:
        self._shared.counters["refused"] += 1
        self._shared.log.event("refused", ue=ue_id, what="GET", cause=cause, peer=peer)
        self._shared.answer(incoming, code, cause.encode(), ue=ue_id, peer=peer)
