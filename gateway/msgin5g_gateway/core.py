"""The MSGin5G Gateway Client without sockets: what it does with each request and answer.

Effects come out of `take` after `commit`: nothing is acknowledged before it is on disk.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgin5g import app_client, coap, gaps
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g.jsontext import loads
from msgin5g.payload_errors import BadMessage, UnsupportedType
from msgin5g.registration import Request, dereg_answer, gwreg_answer, parse_request, reg_answer
from msgin5g.topic_requests import parse_request as parse_topic
from msgin5g_gateway.bulk import BulkHandler, BulkRequest
from msgin5g_gateway.bulk_get import BulkGet
from msgin5g_gateway.configuring import Configuring, PassedGet
from msgin5g_gateway.device_requests import DeviceRequests
from msgin5g_gateway.devices import Devices
from msgin5g_gateway.effects import Effect, Shared
from msgin5g_gateway.forward import Forward, Forwarder
from msgin5g_gateway.message_rows import CachedGet
from msgin5g_gateway.messaging import Messaging
from msgin5g_gateway.own import OwnRegistration
from msgin5g_gateway.store import Pending, SignUp, Store
from msgin5g_gateway.topics import Asking
from msgin5g_gateway.traffic import Traffic
from msgin5g_host.config import Settings
from msgin5g_host.fill import Fill
from msgin5g_host.log import EventLog
from msgin5g_host.log_fields import of_token

MAX_SIGNUPS = 100_000
_SWEEP_MS = 60_000


class GatewayCore:
    """Serve constrained UEs on MSGin5G-6 and -5 and speak for them on MSGin5G-1.

    Peers are transport identifiers as text, such as "udp://127.0.0.1:40001". frame_limit: tells
    how many bytes an L3 message to one of them may have. on_delivered: hear how many
    milliseconds each delivery to a UE took.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        log: EventLog,
        rng: Callable[[int], int],
        now: int,
        frame_limit: Callable[[str], int] | None = None,
        on_delivered: list[Callable[[int], None]] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self._shared = Shared(settings, store, log, rng)
        if frame_limit is not None:
            self._shared.frame_limit = frame_limit
        if on_delivered is not None:
            self._shared.on_delivered = on_delivered
        if traffic is not None:
            self._shared.traffic = traffic
        self._settings = settings
        self._store = store
        self._log = log
        self._table = {row["ue_service_id"]: row["ue_id"] for row in settings.rows["ue"]}
        self._sweep_at = now + _SWEEP_MS
        self.counters = self._shared.counters
        self.own = OwnRegistration(self._shared)
        for ue in [one for one in store.signups if not self._may_speak_for(one)]:
            self._sign_off(ue, "no longer in the table")
        self.bulk = BulkHandler(self._shared, now)
        self.forwarder = Forwarder(self._shared, self.bulk, self.own)
        self.devices = Devices(self._shared, self.forwarder)
        self.messaging = Messaging(self._shared, self.own, self.devices, now)
        self._device_requests = DeviceRequests(self._shared, self.devices, self.messaging)
        self.configuring = Configuring(self._shared, self.own, self.messaging.topics, now)

    @property
    def store(self) -> Store:
        return self._store

    @property
    def server_down(self) -> bool:
        """Whether the server has not answered lately."""
        return self._shared.server_down

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("signups", len(self._store.signups), MAX_SIGNUPS)
        for part in (self.bulk, self.forwarder, self.devices, self.messaging, self.configuring):
            yield from part.fills()

    def receive(
        self,
        incoming: Any,
        payload: bytes,
        peer: str,
        mid: int,
        token: bytes,
        now: int,
        devices_only: bool = False,
    ) -> None:
        """Take a POST of a constrained UE or device. `incoming` comes back in the "answer" effect.

        devices_only: it came over a link that is set aside for devices.
        """
        shared = self._shared
        try:
            if app_client.is_app_request(payload) and not _is_message(payload):
                self._device_requests.receive(incoming, payload, peer, mid, token, now)
                return
            if devices_only:
                raise BadMessage(n.ORI_ADDR, "this link is for devices without an MSGin5G client")
            try:
                request = parse_request(payload)
            except UnsupportedType:
                speaks = self._may_speak_for
                ue = self.messaging.receive(incoming, payload, peer, token, speaks, now)
                if ue is not None:
                    self._note_peer(ue, peer)
                return
            if request.service_id != shared.service_id:
                raise BadMessage(n.MSG_IDEN, "not this service")
            if request.entries is not None:
                raise BadMessage(n.MSG_TYPE, "a gateway takes no bulk request")
            if request.msg_type not in (n.REG, n.DEREG, n.GWREG):
                raise UnsupportedType(n.MSG_TYPE, f"a gateway takes no {request.msg_type}")
        except BadMessage as problem:
            shared.malformed(problem, payload, peer)
            shared.answer(incoming, coap.BAD_REQUEST, str(problem).encode(), peer=peer)
            return
        what, ue = request.msg_type, request.ue_service_id
        named = {"ue": ue, "peer": peer, "trace": of_token(token)}
        shared.counters["requests: " + what] += 1
        self._log.message("rx", "MSGin5G-6", what, mid=mid, **named)
        if not self._may_speak_for(ue):
            self._refuse(incoming, request, gaps.CAUSE_NOT_ALLOWED, named)
            return
        if what == n.GWREG:
            self._sign_up(incoming, request, named, now)
            return
        self._note_peer(ue, peer)
        signed_up = self._is_signed_up(ue, now)
        if self._is_urgent(request) or not signed_up:
            forward = Forward(incoming, what, ue, payload, peer, token, signed_up, now)
            self.forwarder.forward(forward, now)
        elif self._is_cache_full() and not self.bulk.would_replace(ue, what):
            shared.counters["cache_full"] += 1
            text = b"too many cached requests, try again later"
            shared.answer(incoming, coap.UNAVAILABLE, text, **named)
        else:
            answer = self.bulk.cache(request, payload, peer, mid, token, now)
            shared.answer(incoming, coap.CHANGED, answer, detail="interim", **named)

    def observe(
        self, incoming: Any, message: coap.Message, peer: str, token: bytes, now: int
    ) -> None:
        """Take a GET with Observe of a constrained UE: a (un)subscription (6.6.2)."""
        try:
            request = parse_topic(message)
        except BadMessage as problem:
            self._shared.malformed(problem, message.payload, peer)
            self._shared.answer(incoming, coap.BAD_REQUEST, str(problem).encode(), peer=peer)
            return
        ue = request.ue_service_id
        self._log.message("rx", "MSGin5G-6", "GET", ue=ue, peer=peer, detail=request.topic)
        if not self._may_speak_for(ue) or ue in self._store.device_of:
            self._shared.counters["refused"] += 1
            self._log.event("refused", ue=ue, what="GET", cause=gaps.CAUSE_NOT_ALLOWED, peer=peer)
            text = gaps.CAUSE_NOT_ALLOWED.encode()
            self._shared.answer(incoming, coap.FORBIDDEN, text, ue=ue, peer=peer)
            return
        self._note_peer(ue, peer)
        payload = bytes(message.payload)
        self.messaging.topics.receive(incoming, request, payload, peer, token, now)

    def observed(
        self,
        ref: Asking | PassedGet,
        code: int,
        payload: bytes,
        options: list[tuple[int, bytes]],
        now: int,
    ) -> None:
        """Take the server's answer to a "north get" effect."""
        if isinstance(ref, PassedGet):
            self.configuring.answered(ref, code, payload, options, now)
            return
        self._log.message("rx", "MSGin5G-1", code_text(code), ue=ref.ue)
        self.messaging.topics.answered(ref, code, payload, options, now)

    def receive_l3(self, frame: bytes, peer: str, now: int) -> None:
        """Take an L3 message of a device (Annex A.2)."""
        self._device_requests.receive_l3(frame, peer, now)

    def receive_north(self, incoming: Any, payload: bytes, now: int) -> None:
        """Take a POST of the server. `incoming` comes back in the "north answer" effect."""
        self.messaging.receive_north(incoming, payload, now)

    def link_lost(self, peer: str, now: int = 0) -> None:
        """The link to this peer is gone."""
        self.devices.link_lost(peer)
        self.messaging.link_lost(peer, now)

    def north_answer(self, ref: Any, code: int, payload: bytes, now: int) -> None:
        """Take the server's answer to a "north" effect."""
        if ref is not None and not isinstance(ref, BulkGet):
            self._log.message("rx", "MSGin5G-1", code_text(code), **self._named(ref))
        if isinstance(ref, BulkRequest):
            self.bulk.answered(ref, code, payload, now)
        elif isinstance(ref, BulkGet):
            self.configuring.bulk.answered(ref, code, payload, now)
        elif isinstance(ref, OwnRegistration):
            ref.answered(code, payload, now)
        elif isinstance(ref, Forward):
            self.forwarder.answered(ref, code, payload, now)
        elif ref is not None:
            self.messaging.north_answer(ref, code, payload, now)

    def north_failed(self, ref: Any, reason: str, now: int) -> None:
        """The server did not answer a "north" effect."""
        if isinstance(ref, BulkRequest):
            self.bulk.failed(ref, reason, now)
        elif isinstance(ref, BulkGet):
            self.configuring.bulk.failed(ref, reason, now)
        elif isinstance(ref, PassedGet):
            self.configuring.failed(ref, reason)
        elif isinstance(ref, OwnRegistration):
            ref.failed(reason, now)
        elif isinstance(ref, Forward):
            self.forwarder.failed(ref, reason, now)
        elif isinstance(ref, Asking):
            self.messaging.topics.failed(ref, reason, now)
        elif ref is not None:
            self.messaging.north_failed(ref, reason, now)

    def south_answer(self, ref: Any, code: int, now: int, payload: bytes = b"") -> None:
        """Take the answer of a UE or device to a "post" effect."""
        text = code_text(code)
        if isinstance(ref, Pending):
            named = {"ue": ref.ue, "peer": ref.peer, "trace": ref.trace}
            self._log.message("rx", "MSGin5G-6", text, **named)
            self.bulk.teller.acknowledged(ref, code, now)
        elif isinstance(ref, CachedGet):
            self.configuring.bulk.acknowledged(ref)
        else:
            self._log.message("rx", "MSGin5G-6", text, ue=ref.ue, **ref.named)
            self.messaging.south_answer(ref, code, payload, now)

    def south_failed(self, ref: Any, reason: str, now: int) -> None:
        """A UE or device did not answer a "post" effect."""
        if isinstance(ref, Pending):
            self.bulk.teller.failed(ref, reason, now)
        elif isinstance(ref, CachedGet):
            self.configuring.bulk.unanswered(ref, reason, now)
        else:
            self.messaging.south_failed(ref, reason, now)

    def poll(self, now: int) -> None:
        """Do what is due: own registration, forwarding, bulk requests, results to tell."""
        self.own.poll(now)
        self.forwarder.poll(now)
        self.devices.poll(now)
        self.bulk.poll(now)
        self.messaging.poll(now)
        self.configuring.poll(now)
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_MS
            self.messaging.topics.sweep(now)
            for signup in [one for one in self._store.signups.values() if one.until_ms <= now]:
                self._sign_off(signup.ue, "its time is over")

    def next_deadline(self) -> int:
        """Return when `poll` is due at the latest."""
        if self._shared.out:
            return 0
        parts = (self.own, self.bulk, self.forwarder, self.devices)
        times = [part.next_deadline() for part in (*parts, self.messaging, self.configuring)]
        return min([self._sweep_at, *(one for one in times if one is not None)])

    def leave(self) -> bool:
        """De-register the gateway before it stops; tells whether an effect came of it."""
        return self.own.leave()

    def commit(self) -> None:
        """Put on disk what the effects promise. Raises StoreError; then call `rollback`."""
        self._store.commit()

    def take(self) -> list[Effect]:
        """Return the effects of this batch; call `commit` first."""
        out, self._shared.out = self._shared.out, []
        return out

    def unanswered(self) -> list[Any]:
        """Return what `receive` got as `incoming` and neither answered nor put on disk."""
        waiting = self.forwarder.unanswered() + self.messaging.unanswered()
        return waiting + self.configuring.unanswered()

    def unanswered_north(self) -> list[Any]:
        """Return what `receive_north` got as `incoming` and did not answer."""
        return self.messaging.unanswered_north()

    def _named(self, ref: Any) -> dict[str, Any]:
        """Return the fields in logs of what the server has answered."""
        if isinstance(ref, Forward):
            return {"ue": ref.ue, "trace": ref.north_trace}
        if isinstance(ref, BulkRequest | OwnRegistration):
            return {"ue": self._shared.gateway_id, "trace": ref.trace}
        return {"ue": ref.ue, **ref.named}

    def _may_speak_for(self, ue: str) -> bool:
        return ue in self._table or bool(self._settings["gateway.open"])

    def _is_cache_full(self) -> bool:
        return len(self._store.pending) >= int(self._settings["bulk.max_pending"])

    def _is_urgent(self, request: Request) -> bool:
        if request.urgent is None:
            return bool(self._settings["gateway.absent_is_urgent"])
        return bool(request.urgent)

    def _is_signed_up(self, ue: str, now: int) -> bool:
        signup = self._store.signups.get(ue)
        return signup is not None and signup.until_ms > now

    def _sign_up(self, incoming: Any, request: Request, named: dict[str, str], now: int) -> None:
        """GWREG (6.3.5.2.1): check, note, answer; never forwarded. named: its fields in logs."""
        ue, peer = request.ue_service_id, named["peer"]
        before = self._store.signups.get(ue)
        wanted_id = self._table.get(ue)
        cause = None
        if wanted_id is not None and request.ue_id not in (None, wanted_id):
            cause = gaps.CAUSE_WRONG_UE_ID
        elif before is None and len(self._store.signups) >= MAX_SIGNUPS:
            cause = gaps.CAUSE_CONGESTION
        if cause:
            self._refuse(incoming, request, cause, named)
            return
        longest: int = self._settings["gateway.gateway_time_s"]
        accepted = longest if request.expires_s is None else min(request.expires_s, longest)
        self._note_peer(ue, peer)
        self._store.put_signup(SignUp(ue, peer, now + accepted * 1000))
        new = before is None or before.until_ms <= now
        self._log.event("signed-up", seconds=accepted, again=not new or None, **named)
        self.bulk.refreshes.wake(ue, now)
        code = coap.CREATED if new else coap.CHANGED
        self._shared.answer(incoming, code, gwreg_answer(ue, True, accepted), **named)

    def _sign_off(self, ue: str, reason: str) -> None:
        self._store.drop_signup(ue)
        self._log.event("signed-off", ue=ue, reason=reason)

    def _note_peer(self, ue: str, peer: str) -> None:
        """Where a UE was heard last counts; its address may change."""
        signup = self._store.signups.get(ue)
        if signup is not None and signup.peer != peer:
            self._shared.counters["moved"] += 1
            self._store.put_signup(SignUp(ue, peer, signup.until_ms))

    def _refuse(self, incoming: Any, request: Request, cause: str, named: dict[str, str]) -> None:
        ue = request.ue_service_id
        self._shared.counters["refused"] += 1
        self._log.event("refused", what=request.msg_type, cause=cause, **named)
        if request.msg_type == n.GWREG:
            payload = gwreg_answer(ue, False, cause=cause)
        elif request.msg_type == n.REG:
            payload = reg_answer(ue, False, cause=cause)
        else:
            payload = dereg_answer(ue, False, cause=cause)
        self._shared.answer(incoming, coap.CHANGED, payload, detail=cause, **named)


def _is_message(payload: bytes) -> bool:
    """Tell whether a payload is a message of a client, whatever the text in it looks like."""
    value = loads(payload)
    return isinstance(value, dict) and value.get(n.MSG_TYPE) in n.OTHER_FAMILIES
