"""What the MSGin5G Server does with messages and reports (6.4.1.2, 6.5.3).

No input or output but the store's: payloads go in, codes come out, POSTs come out of `take`. What
was taken is on disk after `commit`, and is handed on until the next hop has answered.
"""

from collections import Counter

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.limits import MAX_MESSAGE_BYTES
from msgin5g.message import Message, parse_message, segconfir, segrec
from msgin5g.payload_errors import BadMessage
from msgin5g_host.config import Settings
from msgin5g_host.log import EventLog
from msgin5g_server import availability
from msgin5g_server.accounts import Accounts
from msgin5g_server.applications import Applications
from msgin5g_server.collecting import Collector
from msgin5g_server.courier import Attempt, Courier
from msgin5g_server.delivery_rules import DeliveryRules
from msgin5g_server.groups import Groups
from msgin5g_server.message_store import Body, MessageStore
from msgin5g_server.network import Network
from msgin5g_server.origins import Origins
from msgin5g_server.outside import Outside
from msgin5g_server.packing import Packer, apart
from msgin5g_server.registry import Registry
from msgin5g_server.responses import Responses
from msgin5g_server.routes import RouteError, Routes
from msgin5g_server.steps import Steps
from msgin5g_server.topics import Topics

_RANK = {n.HIGH: 0, n.NORMAL: 1, n.LOW: 2}
# Places in what was seen that are no segment's number: of a report, and of a set given up.
_REPORT = -1
_GIVEN_UP = -2

# (attempt or None, "host:port", payload, token or None)
Post = tuple[Attempt | None, str, bytes, bytes | None]


class MessageCore:
    """Take messages of UEs and bring them to their recipients."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        accounts: Accounts,
        store: MessageStore,
        log: EventLog,
        counters: Counter[str],
    ) -> None:
        self._registry = registry
        self._accounts = accounts
        self._store = store
        self._log = log
        self._counters = counters
        self._service_id: str = settings["server.service_id"]
        self.retention_ms: int = settings["server.message_retention_s"] * 1000
        self.outside = Outside(settings, store)
        self.topics = Topics(settings, store, counters, log)
        self.groups = Groups(settings, store)
        self.routes = Routes(settings, registry, self.outside, self.topics, self.groups)
        self.origins = Origins(registry, accounts, self.routes, store)
        self._packer = Packer(settings, self.routes)
        self.steps = Steps(self.routes, log)
        self.applications = Applications(
            *(self, self.routes, store, self._packer, counters, self.steps)
        )
        wait_ms = int(settings["server.segment_wait_s"] * 1000)
        self._collector = Collector(store, wait_ms, self.retention_ms)
        self.responses = Responses(
            *(self, self.routes, store, self._packer, self.applications),
            *(self._service_id, counters, self.steps),
        )
        self.network = Network(settings, store, counters, log)
        rules = DeliveryRules(
            *(self.routes, self._packer, self.responses, self.network, log, self.steps)
        )
        self.courier = Courier(store, rules, counters)
        self.topics.left = self.courier.withdraw
        self.network.reachable = self.courier.wake
        self.network.look_at = self.courier.look_at
        self._out: list[Post] = []
        self._calls: list[Attempt] = []
        self._rules = rules
        # All parts with bounded tables.
        others = self.topics, self.groups, self.outside, self.network
        self.bounded = store, self.courier, self._collector, self._packer, self.responses, *others
        self.courier.start()

    def handle(self, payload: bytes, source: str, token: bytes, now: int) -> tuple[int, bytes]:
        """Return the (code, text) that answers a POST; what it changes is staged.

        Raises BadMessage, which answers 4.00, and UnsupportedType for what is no message.
        """
        self.responses.now = now
        message = parse_message(payload)
        if message.service_id != self._service_id:
            raise BadMessage(n.MSG_IDEN, "not this service")
        kind = message.msg_type
        self._counters["messages: " + kind] += 1
        self.steps.received(message, source)
        try:
            if kind == n.MSG or kind == n.IMDN:
                cause = self.origins.refuse(message, source, now)
                answer = self._on_any(message, payload, source, token, cause, now)
            elif kind == n.SEGREC or kind == n.SEGCONFIR:
                answer = self._on_control(message, payload, source, token, now)
            else:
                raise BadMessage(n.MSG_TYPE, f"a server takes no {kind}")
        except BadMessage as problem:
            self.steps.refused(message, source, str(problem))
            raise
        self.steps.replied(message, source, answer[0])
        return answer

    def submit(self, message: Message, source: str, cause: str | None, now: int) -> bool:
        """Take MSG or IMDN that came over HTTP; False if there is no room for it.

        cause: why its originator is refused, or None. `responses.told` says what became of it.
        Raises BadMessage.
        """
        self.responses.now = now
        self._counters["messages: http"] += 1
        self.steps.received(message, source)
        payload = self._packer.whole(message)
        code, _ = self._on_any(message, payload, source, b"", cause, now)
        self.steps.took(message, code)
        return code != coap.UNAVAILABLE

    def registered(self, ue: str, now: int) -> None:
        """A UE, or a gateway with all behind it, can be reached (again)."""
        self.responses.now = now
        self.network.registered(ue, self.routes.profile(ue))
        self.courier.wake(ue, now)
        if not self._accounts.is_gateway(ue):
            return
        for recipient in self.courier.recipients():
            row = self._registry.get(recipient)
            if row is not None and row.via == ue:
                self.courier.wake(recipient, now)

    def deregistered(self, ue: str) -> None:
        """A UE left."""
        self.network.deregistered(ue)

    def answered(self, attempt: Attempt, code: int, text: str, now: int) -> None:
        """A recipient answered a POST of `take`."""
        self.responses.now = now
        self.steps.answered(attempt, code, text, now)
        self.courier.answered(attempt, code, text, now)

    def stored_there(self, attempt: Attempt, now: int) -> None:
        """Another Server has taken a message that waits there."""
        self.responses.now = now
        self._rules.deferred(attempt.batch[0])

    def failed(self, attempt: Attempt, reason: str, now: int) -> None:
        """Nobody answered a POST of `take`."""
        self.responses.now = now
        self.steps.unanswered(attempt, reason)
        self.courier.failed(attempt, reason, now)
        self.topics.unheard(attempt, reason, now)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        parts = (self.courier, self._collector, self.topics)
        times = [part.next_deadline() for part in parts]
        return min((one for one in times if one is not None), default=None)

    def poll(self, now: int) -> None:
        """Do what is due."""
        self.responses.now = now
        for what, found, ranges, parts in self._collector.poll(now):
            origin, set_id = found.key
            if what == "missing":
                self._counters["segment_recoveries"] += 1
                self.steps.control(n.SEGREC, origin, set_id)
                self._post(origin, segrec(self._service_id, set_id, ranges))
                continue
            self._counters["sets_given_up"] += 1
            self.steps.control(n.SEGCONFIR, origin, set_id)
            self._post(origin, segconfir(self._service_id, set_id, False))
            for part in parts[:1]:
                body = self._store.new_body(origin, *part)
                self.responses.tell(body, origin, n.FAILURE, gaps.CAUSE_SEGMENTS_MISSING)
                self._store.note_seen(origin, body.message.message_id, _GIVEN_UP, False)
        self.topics.poll(now)
        self.courier.poll(now)

    def commit(self) -> None:
        """Make what was staged durable. Raises StoreError; then call `rollback`."""
        self._store.commit()
        self.steps.commit()

    def rollback(self) -> None:
        """Start again from the disk. Raises StoreError if it cannot be read."""
        self.steps.rollback()
        self._store.rollback()
        self.outside.start()
        self.topics.start()
        self.groups.start()
        self._out.clear()
        self._collector.start(self.responses.now)
        self.courier.start()

    def is_idle(self) -> bool:
        """Tell whether there is nothing to commit and nothing to take."""
        out = self._out or self.courier.out or self.network.out
        return not (out or self._store.is_changed())

    def take(self) -> list[Post]:
        """Return the POSTs and notifications of this batch; call `commit` first."""
        out, self._out = self._out, []
        for attempt, payload in self.courier.out:
            self.steps.sent(attempt)
            if "://" in attempt.peer:
                self._calls.append(attempt)
            else:
                token = self.topics.mark(attempt, self.responses.now)
                out.append((attempt, attempt.peer, payload, token))
        self.courier.out.clear()
        return out

    def take_calls(self) -> list[Attempt]:
        """Return what goes over HTTP, after `take`."""
        calls, self._calls = self._calls, []
        return calls

    # What arrives

    def _on_any(
        self,
        message: Message,
        payload: bytes,
        source: str,
        token: bytes,
        cause: str | None,
        now: int,
    ) -> tuple[int, bytes]:
        """Take MSG or IMDN. cause: why its originator is refused, or None."""
        if message.msg_type == n.IMDN:
            if cause is not None:
                raise BadMessage(n.ORI_ADDR, cause)
            return self._on_imdn(message, payload, source, now)
        origin = message.origin[1]
        number = message.segment.number if message.segment else 0
        body = self._store.new_body(origin, source, token, payload, message)
        if cause is None:
            if self._store.has_seen(origin, message.message_id, number):
                self.steps.repeated()
                return coap.CHANGED, b""
            if self._store.has_seen(origin, message.message_id, _GIVEN_UP):
                raise BadMessage(n.SEG_PARAMS, gaps.CAUSE_SEGMENTS_MISSING)
            try:
                recipients = self.routes.recipients(message.destination, origin)
            except RouteError as problem:
                cause = str(problem)
        if cause is not None:
            self._counters["rejected: " + cause] += 1
            self.steps.rejected(message, source, cause)
            there = message.destination[1]
            self.responses.respond(source, token, message, there, n.FAILURE, cause)
            return coap.CHANGED, b""
        if not self.courier.has_room(len(recipients)):
            self._counters["messages_full"] += 1
            return coap.UNAVAILABLE, b"too many messages are stored, try again later"
        if message.segment is not None:
            self._on_segment(message, body, recipients, now)
        else:
            self.deliver(body, recipients, now)
        self._store.note_message(message, number)
        return coap.CHANGED, b""

    def _on_segment(self, message: Message, body: Body, recipients: list[str], now: int) -> None:
        """Keep a segment until its set is whole, then hand the set on (6.5.3.2)."""
        collected = self._collector.add(message, body, now)
        if collected is None:
            return
        whole, parts = collected
        set_id = message.segment.set_id
        if whole.size_bytes > MAX_MESSAGE_BYTES:
            raise BadMessage(n.PAYLOAD, f"more than {MAX_MESSAGE_BYTES} bytes in all")
        longest = max(len(part.encode()) for part in whole.parts.values())
        apart = []
        for recipient in recipients:
            fits = longest <= self.routes.segment_bytes(recipient)
            if fits and not self.routes.is_application(recipient):
                self._store.put_set_route(set_id, body.origin, recipient)
                apart.append(recipient)
            else:
                joined = self._packer.joined(whole)
                self.deliver(self._body_of(body, joined), [recipient], now)
        for source, token, payload in parts:
            self.deliver(self._store.new_body(body.origin, source, token, payload), apart, now)

    def _on_imdn(
        self, message: Message, payload: bytes, source: str, now: int
    ) -> tuple[int, bytes]:
        """Pass a report on (6.4.1.2.4, .5, .8, .9)."""
        origin, destination = message.origin[1], message.destination[1]
        ids = [one.message_id for one in message.entries or [message]]
        if all(self._store.has_seen(origin, one, _REPORT) for one in ids):
            self.steps.repeated()
            return coap.CHANGED, b""
        for one in ids:
            if self._store.wants_report(destination, one) is None:
                raise BadMessage(n.MSG_ID, "a report on a message that nobody sent")
        body = self._store.new_body(origin, source, b"", payload, message)
        if self.routes.has_inbox(destination):
            self.applications.hand_over(message, destination, now)
        elif self.routes.link(destination) is None:
            self.enqueue(body, destination, 1, True, now + self.retention_ms, now)
        else:
            for one in apart(message):
                piece = body if one is message else self._body_of(body, one)
                self.enqueue(piece, destination, 1, True, now + self.retention_ms, now)
        for one in ids:
            self._store.note_seen(origin, one, _REPORT, False)
        return coap.CHANGED, b""

    def _on_control(
        self, message: Message, payload: bytes, source: str, token: bytes, now: int
    ) -> tuple[int, bytes]:
        """Pass SEGREC or SEGCONFIR on to who sent the segments (6.5.3.4, 6.5.3.5)."""
        route = self._store.set_route(message.set_id)
        if route is None or not self.origins.speaks_from(route[1], source, now):
            self._log.event("unknown-set", what=message.msg_type, set=message.set_id, peer=source)
            self._counters["unknown_sets"] += 1
            return coap.CHANGED, b""
        made = self._packer.made(message, now)
        if made is None:
            address = self.routes.address(route[0], now)
            if address is not None:
                self._out.append((None, address, payload, token))
        for piece in made or ():
            body = self._store.new_body(route[0], source, token, piece)
            self.enqueue(body, route[1], 1, True, now + self.retention_ms, now)
        return coap.CHANGED, b""

    # What follows

    def deliver(self, body: Body, recipients: list[str], now: int) -> None:
        """Give a message, whole or one segment, to each of its recipients."""
        message = body.message
        expires = now + self.retention_ms
        if message.expires_ms is not None:
            expires = min(message.expires_ms, expires)
        rank = _RANK[message.priority]
        made: dict[tuple[int, bool], list[Body]] = {}
        for recipient in recipients:
            if self.routes.has_inbox(recipient):
                self.applications.hand_over(message, recipient, now)
                continue
            size = self.routes.segment_bytes(recipient)
            # TS 29.538 has no aggregates.
            alone = self.routes.link(recipient) is not None
            if (size, alone) not in made:
                made[size, alone] = [
                    body if piece is message else self._body_of(body, piece)
                    for one in (apart(message) if alone else [message])
                    for piece in self._packer.pieces(one, size, now)
                ]
            for piece in made[size, alone]:
                if piece.message.segment is not None:
                    self._store.put_set_route(piece.message.segment.set_id, body.origin, recipient)
                self.enqueue(piece, recipient, rank, message.store, expires, now)

    def enqueue(
        self, body: Body, recipient: str, rank: int, store: bool, expires: int, now: int
    ) -> None:
        """Stage one delivery, unless too much waits for its recipient."""
        if store and availability.opts_out(self.routes.profile(recipient)):
            store = False
        delivery = self._store.put_delivery(body, recipient, rank, store, expires)
        delivery.since_ms = now
        if self.courier.is_full(recipient):
            self._store.drop_delivery(delivery)
            self._counters["discarded: " + gaps.CAUSE_CONGESTION] += 1
            self._rules.discarded(delivery, gaps.CAUSE_CONGESTION)
            return
        self.steps.stored(delivery)
        self.courier.take(delivery, now)

    def post(self, where: str, payload: bytes, token: bytes) -> None:
        """Stage a POST to a client that nobody waits for."""
        self._out.append((None, where, payload, token))

    def _post(self, ue: str, payload: bytes) -> None:
        where = self.routes.address(ue, self.responses.now)
        if where is not None:
            self._out.append((None, where, payload, None))

    def _body_of(self, body: Body, message: Message) -> Body:
        """Return a body of its own for what was made out of a message."""
        payload = self._packer.whole(message)
        return self._store.new_body(body.origin, body.source, body.token, payload, message)
