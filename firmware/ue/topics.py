"""The topics of a UE with an MSGin5G client (6.6.2): subscribed while they are wanted.

Loaded with the first one. A subscription is renewed before it ends and after each registration;
its notifications are messages like all others.
"""

from binascii import hexlify, unhexlify

from msgin5g import coap, gaps
from msgin5g.codes import code_text
from msgin5g.errors import CallerError
from msgin5g.limits import MAX_TOPICS
from msgin5g.observing import Observer
from msgin5g.payload_errors import BadMessage
from msgin5g.topics import (
    SUBSCRIBE,
    UNSUBSCRIBE,
    check_topic,
    is_message,
    parse_answer,
    request_options,
    subscribe,
    unsubscribe,
)

_FORGOTTEN = (gaps.CAUSE_NOT_REGISTERED, gaps.CAUSE_NOT_THE_SENDER)
_NEVER = 1 << 62
_PEER = 0  # the only one


class Topic:
    """A topic that is wanted, or is to be left.

    token: of the observation, None before the first GET; until: when it ends here, or None;
    expires_ms: the same since 1970, None for a UE that does not know the time; due: when the next
    GET goes; asked: Observe of the last one. `what` makes it a job of `ue.messaging`.
    """

    what = "GET"

    def __init__(self, name, token=None):
        self.name = name
        self.token = token
        self.asked = SUBSCRIBE
        self.exchange = None
        self.failures = 0
        self.until = None
        self.expires_ms = None
        self.due = 0
        self.leaves = False
        self.is_subscribed = False
        self.is_awaited = False


class Topics:
    """The topics of a UE. Emits ("topic", name, "subscribed", "unsubscribed" or "refused", cause).

    postman: the `Messaging` that sends for it.
    """

    def __init__(self, postman, core, config, kept):
        self._postman = postman
        self._core = core
        self._config = config
        self._kept = kept
        self._now = 0
        self._all = []
        for row in kept.topics[:MAX_TOPICS]:
            try:
                name, token = row
                self._all.append(Topic(check_topic(name), unhexlify(token)))
            except (BadMessage, ValueError, TypeError):
                pass  # a damaged row is as good as none
        self._observer = Observer(core.endpoint, self._find)

    def subscribe(self, name, now, lasts_s=None, expires_ms=None):
        """Subscribe, or change when a subscription ends. Raises CallerError.

        lasts_s: seconds, None for until `unsubscribe`; expires_ms: that moment since 1970.
        """
        request_options(name, SUBSCRIBE)
        if lasts_s is not None and lasts_s <= 0:
            raise CallerError("expires_s: a number above 0 is wanted")
        found = self._named(name)
        if found is None:
            if len(self._all) >= MAX_TOPICS:
                raise CallerError("at most %d topics; unsubscribe from one first" % MAX_TOPICS)
            found = Topic(name)
            self._all.append(found)
        found.until = None if lasts_s is None else now + int(lasts_s * 1000)
        found.expires_ms = expires_ms
        found.leaves = False
        found.is_awaited = True
        found.due = now

    def unsubscribe(self, name, now):
        """Leave a topic. Raises CallerError."""
        found = self._named(name)
        if found is None:
            raise CallerError("not subscribed to %s" % name)
        found.leaves = True
        found.due = now

    def registered(self, now):
        """The UE has registered anew: who took its subscriptions may have forgotten them."""
        for one in self._all:
            if one.is_subscribed:
                one.due = now

    def tick(self, now):
        """End what is over."""
        self._now = now
        for one in self._all:
            if one.until is not None and now >= one.until and not one.leaves:
                if one.expires_ms is None:
                    # The server was not told when: it does not know the end by itself.
                    one.leaves = True
                    one.due = now
                elif one is not self._postman.current:
                    self._end(one, "expired")
                    return

    def next(self):
        """Return the topic whose GET was due at the last `tick`, or None."""
        for one in self._all:
            if one.due <= self._now:
                return one
        return None

    def next_deadline(self, may_send):
        """Return when something is due, or None."""
        due = _NEVER
        for one in self._all:
            if may_send:
                due = min(due, one.due)
            if one.until is not None and not one.leaves and one is not self._postman.current:
                due = min(due, one.until)
        return None if due == _NEVER else due

    def ask(self, topic, now):
        """Send the GET of a topic; returns the exchange."""
        observe = UNSUBSCRIBE if topic.leaves else SUBSCRIBE
        ue = self._config["ue_service_id"]
        payload = unsubscribe(ue) if topic.leaves else subscribe(ue, topic.expires_ms)
        options = request_options(topic.name, observe, self._config["server_host"])
        topic.asked = observe
        if self._kept.spend():
            self._core.save()
        exchange = self._core.endpoint.send_request(
            _PEER, coap.GET, options, payload, now, token=topic.token
        )
        topic.exchange = exchange
        topic.token = exchange.token
        info = {"topic": topic.name, "observe": observe, "mid": exchange.mid}
        self._core.emit(("message", "tx", topic.what, info))
        return exchange

    def answered(self, topic, message, now):
        """Take the answer to a GET."""
        cause = self._cause(topic, message, now)
        info = {"topic": topic.name, "cause": cause}
        self._core.note(code_text(message.code), info)
        if cause is None:
            topic.failures = 0
        elif cause in _FORGOTTEN:
            # The server has forgotten this UE, which does not know that.
            self._core.renew(now)
            self._pause(topic, now)
        elif message.code >= coap.INTERNAL_ERROR or cause == gaps.CAUSE_CONGESTION:
            self._pause(topic, now)
        elif topic.leaves == (topic.asked == UNSUBSCRIBE):
            self._end(topic, "refused", cause)

    def _cause(self, topic, message, now):
        """Return the cause of a refusal, or None."""
        if message.code >= coap.BAD_REQUEST:
            return self._core.answer_text(message)
        if is_message(message.payload):
            # A notification that has overtaken the answer.
            self._take(message, now)
            return self._done(topic, None, now)
        try:
            answer = parse_answer(message.payload)
        except BadMessage as problem:
            return "malformed answer: %s" % problem
        if topic.asked == SUBSCRIBE:
            if message.uint(coap.OBSERVE) is None or answer.status == gaps.NOT_SUBSCRIBED:
                return answer.cause or gaps.NOT_SUBSCRIBED
        return self._done(topic, message.uint(coap.MAX_AGE), now)

    def noticed(self, notice, now):
        """Take a notification; the server hears that it has come once it was dealt with."""
        topic, message = notice.context, notice.message
        try:
            if message.code >= coap.BAD_REQUEST:
                # The server has ended it, and says why.
                self._pause(topic, now)
            elif is_message(message.payload):
                self._take(message, now)
            elif topic is self._postman.current:
                # An answer that did not come on the acknowledgement.
                self._core.endpoint.cancel(topic.exchange)
                self._postman.answered(message, now)
        except MemoryError:
            self._core.counters["no_memory"] += 1
            self._observer.postpone(notice)
            return
        self._observer.acknowledge(notice)

    def _pause(self, topic, now):
        config = self._config
        delay_s = config["backoff_min_s"] << min(topic.failures, 16)
        topic.failures += 1
        topic.due = now + self._core.spread(min(delay_s, config["backoff_max_s"]) * 1000)

    def _take(self, message, now):
        try:
            self._postman.inbox().take(message.payload, now)
        except BadMessage:
            self._core.counters["messages_malformed"] += 1

    def _done(self, topic, age_s, now):
        """A GET was taken."""
        if topic.asked == UNSUBSCRIBE:
            if topic.leaves:
                self._end(topic, "unsubscribed")
            else:
                topic.is_subscribed = False
            return None
        if topic.leaves:
            return None
        topic.is_subscribed = True
        topic.due = _NEVER
        if age_s:
            if topic.until is None or now + age_s * 1000 < topic.until - 1000:
                topic.due = now + self._core.spread(age_s * 600)
        self._save()
        if topic.is_awaited:
            topic.is_awaited = False
            self._core.emit(("topic", topic.name, "subscribed", None))
        return None

    def _end(self, topic, what, cause=None):
        self._all.remove(topic)
        self._save()
        self._core.emit(("topic", topic.name, what, cause))

    def _save(self):
        """Keep those without an end across a reboot: how much of others is left nobody knows."""
        rows = [
            [one.name, hexlify(one.token).decode()]
            for one in self._all
            if one.until is None and one.is_subscribed and not one.leaves
        ]
        if rows != self._kept.topics:
            self._kept.topics = rows
            self._core.save()

    def _named(self, name):
        for one in self._all:
            if one.name == name:
                return one
        return None

    def _find(self, peer, token):
        for one in self._all:
            if one.token == token:
                return one
        return None
