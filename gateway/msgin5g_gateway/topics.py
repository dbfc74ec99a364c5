"""Topics through the gateway (6.6): subscriptions up, notifications down, both unchanged.

A subscription that the server took is on disk, so that its notifications find the UE after a
restart. Towards the server each has a Token of its own, the UE's if nobody else has it. The server
gets the acknowledgement of a notification when the UE has given it.
"""

from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps
from msgin5g.topic_requests import TopicRequest
from msgin5g.topics import SUBSCRIBE, UNSUBSCRIBE, is_message, request_options
from msgin5g_gateway.downlink import NOTICE, Delivery, Downlink
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.message_rows import Observation
from msgin5g_gateway.own import OwnRegistration
from msgin5g_host.fill import Fill
from msgin5g_host.log_fields import named_in

MAX_ASKING = 1_000
MAX_OBSERVATIONS = 10_000
ASK_TIMEOUT_MS = 20_000
ACKNOWLEDGE = "acknowledge"
REJECT = "reject"
POSTPONE = "postpone"
_TOKEN_BYTES = 8
_FOREVER = 1 << 62

Options = list[tuple[int, bytes]]


class Asking:
    """A (un)subscription at the server until `until_ms`. token: the UE's own, north: ours."""

    def __init__(
        self, incoming: Any, request: TopicRequest, peer: str, token: bytes, north: bytes, now: int
    ) -> None:
        self.incoming = incoming
        self.request = request
        self.ue: str = request.ue_service_id
        self.peer = peer
        self.token = token
        self.north = north
        self.until_ms = now + ASK_TIMEOUT_MS


class NoticeDelivery(Delivery):
    """A notification on its way to a UE; `notice` is what the server waits for."""

    def __init__(
        self, topics: "TopicRelay", notice: Any, row: Observation, payload: bytes, options: Options
    ) -> None:
        super().__init__(row.ue, NOTICE, payload, row.token, named_in(payload))
        self._topics = topics
        self._notice = notice
        self.row = row
        self._options = options

    def send(self, shared: Shared, peer: str) -> None:
        assert self.token is not None
        how = (self.token, self.payload, self._options, self.ue)
        shared.notify(self, peer, *how, **self.named)

    def done(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        if code < coap.BAD_REQUEST:
            shared.north_verdict(self._notice, ACKNOWLEDGE)
        elif self.is_reset:
            self._topics.forget(self.row, "reset by the UE")
            shared.north_verdict(self._notice, REJECT)
        else:
            # The server repeats it, and decides what becomes of the message.
            shared.north_verdict(self._notice, POSTPONE)


class TopicRelay:
    """What UEs ask of topics, and which UE a notification is for."""

    def __init__(self, shared: Shared, own: OwnRegistration, downlink: Downlink) -> None:
        self._shared = shared
        self._store = shared.store
        self._own = own
        self._downlink = downlink
        self._asking: dict[Asking, None] = {}
        self._by_name = {(row.ue, row.topic): row for row in self._store.observations.values()}

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("asking", len(self._asking), MAX_ASKING)
        yield Fill("observations", len(self._store.observations), MAX_OBSERVATIONS)

    def receive(
        self,
        incoming: Any,
        request: TopicRequest,
        payload: bytes,
        peer: str,
        token: bytes,
        now: int,
    ) -> None:
        """Take a GET with Observe of a UE that may use the gateway."""
        shared = self._shared
        row = self._by_name.get((request.ue_service_id, request.topic))
        text = None
        if not self._own.is_settled:
            text = gaps.CAUSE_UNKNOWN_GATEWAY.encode()
        elif len(self._asking) >= MAX_ASKING:
            text = b"too many subscriptions at once, try again later"
        elif request.observe == SUBSCRIBE and row is None and self._is_full():
            text = b"too many subscriptions at this gateway"
        if text is not None:
            shared.counters["subscriptions_full"] += 1
            ue = request.ue_service_id
            shared.answer(incoming, coap.UNAVAILABLE, text, ue=ue, peer=peer)
            return
        shared.counters["topic requests"] += 1
        north = self.north_token(token) if row is None else row.north
        asking = Asking(incoming, request, peer, token, north, now)
        self._asking[asking] = None
        options = request_options(request.topic, request.observe)
        shared.north_get(asking, options, north, payload, asking.ue)

    def answered(
        self, asking: Asking, code: int, payload: bytes, options: Options, now: int
    ) -> None:
        """Pass the server's answer back as it is, once what it means is on disk."""
        shared = self._shared
        if asking not in self._asking:
            shared.counters["late_answers"] += 1
            return
        del self._asking[asking]
        shared.server_answered(True)
        if gaps.CAUSE_NOT_THE_SENDER.encode() in payload:
            # The server may not know any more from where the gateway speaks.
            self._own.renew(now)
        row = self._by_name.get((asking.ue, asking.request.topic))
        observes = any(number == coap.OBSERVE for number, _ in options)
        if code == coap.CONTENT and asking.request.observe == UNSUBSCRIBE:
            if row is not None:
                self.forget(row, "asked for")
        elif code == coap.CONTENT and observes:
            until_ms = _until(options, now)
            made = Observation(
                *(asking.north, asking.ue, asking.request.topic, asking.token, until_ms)
            )
            self._by_name[made.ue, made.topic] = made
            self._store.put(made)
        passed = [one for one in options if one[0] in (coap.OBSERVE, coap.MAX_AGE)]
        shared.observed(asking.incoming, code, payload, passed, ue=asking.ue, peer=asking.peer)

    def failed(self, asking: Asking, reason: str, now: int) -> None:
        """The server did not answer."""
        if asking not in self._asking:
            return
        del self._asking[asking]
        self._shared.server_answered(False, reason)
        text = gaps.CAUSE_SERVER_UNREACHABLE.encode()
        answer = self._shared.answer
        answer(asking.incoming, coap.GATEWAY_TIMEOUT, text, ue=asking.ue, peer=asking.peer)

    def find(self, token: bytes) -> "Observation | Asking | None":
        """Return what a Token of the server's notifications belongs to, or None."""
        row = self._store.observations.get(token)
        if row is not None:
            return row
        return next((one for one in self._asking if one.north == token), None)

    def notice(
        self, notice: Any, token: bytes, code: int, payload: bytes, options: Options, now: int
    ) -> None:
        """Take a notification of the server whose Token `find` knows."""
        shared = self._shared
        row = self._store.observations.get(token)
        if not is_message(payload):
            # An answer that did not come on the acknowledgement.
            asking = next((one for one in self._asking if one.north == token), None)
            shared.north_verdict(notice, ACKNOWLEDGE)
            if asking is not None:
                self.answered(asking, code, payload, options, now)
            elif row is not None and code >= coap.BAD_REQUEST:
                self.forget(row, "ended by the server")
        elif row is None:
            # It has overtaken the answer to the subscription.
            shared.north_verdict(notice, POSTPONE)
        else:
            passed = [one for one in options if one[0] != coap.BLOCK2]
            delivery = NoticeDelivery(self, notice, row, payload, passed)
            shared.log.message("rx", "MSGin5G-1", NOTICE, ue=row.ue, **delivery.named)
            self._downlink.take(delivery, now)

    def forget(self, row: Observation, reason: str) -> None:
        """Stage the end of an observation."""
        if self._by_name.get((row.ue, row.topic)) is row:
            del self._by_name[row.ue, row.topic]
        self._store.drop(row)
        self._shared.log.event("unsubscribed", ue=row.ue, topic=row.topic, reason=reason)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return next(iter(self._asking)).until_ms if self._asking else None

    def poll(self, now: int) -> None:
        """Do not wait for the server any longer than `until_ms`."""
        while self._asking:
            oldest = next(iter(self._asking))
            if now < oldest.until_ms:
                break
            self.failed(oldest, "no answer in time", now)

    def sweep(self, now: int) -> None:
        """Let go of observations that are over."""
        for row in [one for one in self._store.observations.values() if one.until_ms <= now]:
            self.forget(row, "expired")

    def unanswered(self) -> list[Any]:
        """Return every CoAP request that waits for the server."""
        return [one.incoming for one in self._asking]

    def north_token(self, token: bytes) -> bytes:
        """Return a Token for the server: the UE's own, if nothing of ours there has it."""
        while not token or self.find(token) is not None or token in self._shared.passed_tokens:
            token = bytes(self._shared.rng(256) for _ in range(_TOKEN_BYTES))
        return token

    def _is_full(self) -> bool:
        return len(self._store.observations) >= MAX_OBSERVATIONS


def _until(options: Options, now: int) -> int:
    """Return when a subscription ends that was answered with these options."""
    age = next((value for number, value in options if number == coap.MAX_AGE), None)
    return _FOREVER if age is None else now + int.from_bytes(age, "big") * 1000
