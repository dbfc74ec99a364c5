"""What the MSGin5G Server does with a (un)subscription (6.6.3), and how notifications leave."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.exchange import Endpoint
from msgin5g.limits import MAX_SECONDS
from msgin5g.message import Message
from msgin5g.notifying import notify
from msgin5g.payload_errors import BadMessage
from msgin5g.topic_requests import (
    TopicRequest,
    answer,
    answer_options,
    is_reserved,
    parse_request,
)
from msgin5g.topics import SUBSCRIBE
from msgin5g_host.config import Settings
from msgin5g_host.log import EventLog
from msgin5g_host.words import element
from msgin5g_server.courier import Attempt
from msgin5g_server.topics import Subscription, Topics

_LONGEST_MS = MAX_SECONDS * 1000

# (code, payload, options); options None: those of any answer with that code
Answer = tuple[int, bytes, list[tuple[int, bytes]] | None]


class Subscribing:
    """Answer GET with Observe. refuse(message, source, now): why its originator is refused."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        refuse: Callable[[Message, str, int], str | None],
        counters: Counter[str],
        log: EventLog,
    ) -> None:
        self._default_ms: int = settings["server.subscription_lifetime_s"] * 1000
        self._topics = topics
        self._refuse = refuse
        self._counters = counters
        self._log = log

    def handle(self, message: coap.Message, source: str, token: bytes, now: int) -> Answer:
        """Return the answer to a GET with Observe; what it changes is staged.

        A malformed one gets 4.00 with a text; a refused one 2.05 with a status and a cause, and
        without Observe.
        """
        try:
            request = parse_request(message)
        except BadMessage as problem:
            self._counters["malformed: " + element(problem.key)] += 1
            self._log.event("malformed", reason=str(problem), peer=source)
            return coap.BAD_REQUEST, str(problem).encode(), None
        who = Message()
        who.origin = (n.UE, request.ue_service_id)
        cause = self._refuse(who, source, now)
        known = self._topics.find(request.topic, request.ue_service_id, now)
        if request.observe == SUBSCRIBE:
            cause = cause or self._refuse_subscription(request, known, now)
            if cause is None:
                return self._subscribe(request, token, known, now)
        elif cause is None:
            cause = gaps.CAUSE_NO_SUCH_SUBSCRIPTION
            if known is not None:
                self._topics.remove(known, "asked for")
                return coap.CONTENT, answer(gaps.UNSUBSCRIBED), None
        self._counters["subscriptions refused: " + cause] += 1
        ue = request.ue_service_id
        self._log.event("refused", ue=ue, topic=request.topic, cause=cause, peer=source)
        return coap.CONTENT, answer(gaps.NOT_SUBSCRIBED, cause=cause), None

    def _refuse_subscription(
        self, request: TopicRequest, known: Subscription | None, now: int
    ) -> str | None:
        expires_ms = request.expires_ms
        if expires_ms is not None and expires_ms <= now:
            return gaps.CAUSE_PAST
        if known is not None:
            return None
        if self._topics.has_enough(request.ue_service_id):
            return gaps.CAUSE_TOO_MANY_TOPICS
        return gaps.CAUSE_CONGESTION if self._topics.is_full() else None

    def _subscribe(
        self, request: TopicRequest, token: bytes, known: Subscription | None, now: int
    ) -> Answer:
        expires_ms = request.expires_ms
        if expires_ms is None:
            expires_ms = now + self._default_ms
        expires_ms = min(expires_ms, now + _LONGEST_MS)
        ue = request.ue_service_id
        self._topics.put(Subscription(request.topic, ue, token, expires_ms))
        self._counters["subscribed" if known is None else "subscriptions renewed"] += 1
        if known is None:
            self._log.event("subscribed", ue=ue, topic=request.topic)
        options = answer_options(self._topics.next_observe(now), expires_ms - now)
        return coap.CONTENT, answer(gaps.SUBSCRIBED, expires_ms), options


def is_subscription(message: coap.Message) -> bool:
    """Tell whether a request is for `Subscribing`: a GET with Observe, and no other resource's."""
    if message.code != coap.GET or message.uint(coap.OBSERVE) is None:
        return False
    return not is_reserved(message)


def send(
    endpoint: Endpoint,
    peer: Any,
    attempt: Attempt | None,
    payload: bytes,
    token: bytes | None,
    now: int,
    context: Any,
) -> None:
    """Send what the core has for a client: a POST, or a notification of its observation."""
    if attempt is not None and attempt.observe is not None:
        options = answer_options(attempt.observe, attempt.left_ms)
        notify(endpoint, peer, token, payload, options, now, context)
    else:
        endpoint.request(peer, coap.POST, gaps.PATH, payload, now, token=token, context=context)
