"""The gateway's core with its links, its way to the server, and its clock."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from msgin5g import coap, gaps
from msgin5g.configuration_requests import is_request as is_configuration
from msgin5g.errors import CallerError
from msgin5g.exchange import ACKED, FAILED, REQUEST, RESPONSE, Endpoint, Incoming
from msgin5g.notifying import notify
from msgin5g.observing import Notice
from msgin5g_gateway.core import GatewayCore
from msgin5g_gateway.downlink import TOO_LARGE
from msgin5g_gateway.effects import (
    ANSWER,
    FRAME,
    LATE,
    NORTH,
    NORTH_ANSWER,
    NORTH_FETCH,
    NORTH_GET,
    NORTH_VERDICT,
    NOTIFY,
    OBSERVED,
    Effect,
)
from msgin5g_gateway.north import TIMEOUT_S, North
from msgin5g_gateway.south import MAX_L3_BYTES, Link, UdpLink, open_links
from msgin5g_gateway.store import Store
from msgin5g_gateway.traffic import Traffic
from msgin5g_host.capture import Capture
from msgin5g_host.clock import Clock
from msgin5g_host.config import Settings
from msgin5g_host.folder import StoreError
from msgin5g_host.log import EventLog

_GOODBYE_S = 2.0
_LONGEST_SLEEP_S = 60.0
_AFTER_STORE_FAILURE_S = 1.0


class Gateway:
    """Run a GatewayCore: datagrams in, commit, datagrams out. Raises OSError, StoreError.

    `capture` is of its links and of its way to the server.
    """

    def __init__(self, settings: Settings, store: Store, log: EventLog, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._log = log
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self.on_delivered: list[Callable[[int], None]] = []
        self.traffic = Traffic()
        self.core = self._new_core()
        self.north = North(
            *(settings["gateway.server"], clock, self._north_answered, self._north_failed),
            *(self._on_north_request, self.settle),
        )
        self.north.watch(self._find, self._observed, self._noticed)
        urls, for_devices = settings["gateway.links"], settings["gateway.device_links"]
        self.links = open_links([*urls, *for_devices], clock, self)
        self._for_devices = self.links[len(urls) :]
        self.capture = Capture(settings["gateway.ue_service_id"], clock)
        for link in self.links:
            own = link.address if isinstance(link, UdpLink) else None
            self.capture.watch(link, link.url, "MSGin5G-6", own, has_l3=True)
        self.north.capture(self.capture)

    def start(self) -> None:
        """Begin to register and to send what was left over."""
        self.settle(self._clock.now())

    async def close(self) -> None:
        """De-register the gateway if the server can be reached, and close everything."""
        if self.core.leave():
            self.settle(self._clock.now())
            try:
                await asyncio.wait_for(self.north.idle(), _GOODBYE_S)
            except TimeoutError:
                self._log.event("dropped", reason="the server did not take our de-registration")
        if self._timer is not None:
            self._timer.cancel()
        for link in self.links:
            link.close()
        await self.north.close()

    def _new_core(self) -> GatewayCore:
        rng = random.SystemRandom().randrange
        now = self._clock.now()
        return GatewayCore(
            *(self._settings, self._store, self._log, rng, now, self._max_frame_bytes),
            on_delivered=self.on_delivered,
            traffic=self.traffic,
        )

    def _max_frame_bytes(self, identifier: str) -> int:
        """Return how large an L3 frame to a transport identifier may be."""
        links = (link for link in self.links if link.peer(identifier) is not None)
        return next((link.max_frame_bytes for link in links), MAX_L3_BYTES)

    def on_event(self, link: Link, event: tuple[Any, ...], now: int) -> None:
        """Take an event of a link's CoAP endpoint."""
        if event[0] == REQUEST:
            self._on_request(link, event[1], now)
        elif event[0] == RESPONSE:
            payload = bytes(event[2].payload)
            self.core.south_answer(event[1].context, event[2].code, now, payload)
        elif event[0] == ACKED:
            self.core.south_answer(event[1].context, coap.CONTENT, now)
        elif event[0] == FAILED:
            self.core.south_failed(event[1].context, event[2], now)
            # It may have come after this batch was settled.
            self._flush_soon(link)

    def _on_request(self, link: Link, incoming: Incoming, now: int) -> None:
        message = incoming.message
        respond = link.endpoint.respond
        if is_configuration(message):
            peer, aside = link.identifier(incoming.peer), link in self._for_devices
            self.core.configuring.receive((link, incoming), message, peer, now, aside)
            return
        observes = message.code == coap.GET and message.uint(coap.OBSERVE) is not None
        if message.code != coap.POST and not observes:
            respond(incoming, coap.METHOD_NOT_ALLOWED, b"POST is understood", now, options=b"")
        elif message.uint(coap.CONTENT_FORMAT) not in (None, coap.JSON_FORMAT):
            text = b"Content-Format: 50 (application/json) is understood"
            respond(incoming, coap.UNSUPPORTED_FORMAT, text, now, options=b"")
        elif message.uint(coap.ACCEPT) not in (None, coap.JSON_FORMAT):
            text = b"Accept: answers are 50 (application/json)"
            respond(incoming, coap.NOT_ACCEPTABLE, text, now, options=b"")
        elif observes:
            peer = link.identifier(incoming.peer)
            self.core.observe((link, incoming), message, peer, incoming.token, now)
        else:
            peer = link.identifier(incoming.peer)
            ref = (link, incoming)
            self.core.receive(
                *(ref, message.payload, peer, incoming.mid, incoming.token, now),
                devices_only=link in self._for_devices,
            )

    def on_l3(self, link: Link, peer: Any, frame: bytes, now: int) -> None:
        """Take an L3 frame of a link."""
        self.core.receive_l3(frame, link.identifier(peer), now)

    def on_link(self, link: Link, name: str, fields: dict[str, object]) -> None:
        """Log what happened to a link."""
        self._log.event(name, **{"link": link.url, **fields})
        if name == "link-lost" and "peer" in fields:
            self.core.link_lost(str(fields["peer"]), self._clock.now())
            asyncio.get_running_loop().call_soon(lambda: self.settle(self._clock.now()))

    def _on_north_request(self, incoming: Incoming, now: int) -> None:
        self.core.receive_north(incoming, bytes(incoming.message.payload), now)

    def _north_answered(self, ref: Any, code: int, payload: bytes) -> None:
        now = self._clock.now()
        self.core.north_answer(ref, code, payload, now)
        self.settle(now)

    def _north_failed(self, ref: Any, reason: str) -> None:
        now = self._clock.now()
        self.core.north_failed(ref, reason, now)
        self.settle(now)

    def _find(self, token: bytes) -> Any:
        return self.core.messaging.topics.find(token)

    def _observed(self, ref: Any, message: coap.Message, now: int) -> None:
        payload = bytes(message.payload)
        self.core.observed(ref, message.code, payload, _bytes(message.options), now)

    def _noticed(self, notice: Notice, now: int) -> None:
        message = notice.message
        token, payload = bytes(message.token), bytes(message.payload)
        options = _bytes(message.options)
        self.core.messaging.topics.notice(notice, token, message.code, payload, options, now)

    def settle(self, now: int) -> None:
        """Commit what happened, then let its effects out; the order is the promise."""
        core = self.core
        core.poll(now)
        try:
            core.commit()
        except StoreError as problem:
            self._refuse_batch(core, str(problem), now)
            return
        touched = set()
        for effect in core.take():
            if effect[0] == ANSWER:
                (link, incoming), code, payload = effect[1:]
                options = b"" if code >= coap.BAD_REQUEST else None
                link.endpoint.respond(incoming, code, payload, now, options=options)
                touched.add(link)
            elif effect[0] == OBSERVED:
                (link, incoming), code, payload, options = effect[1:]
                listed = observed_options(code, payload, options)
                link.endpoint.respond(incoming, code, payload, now, options=listed)
                touched.add(link)
            elif effect[0] == NORTH_GET:
                ref, options, token, payload = effect[1:]
                self.north.get(ref, options, token, payload, now)
            elif effect[0] == NORTH_FETCH:
                ref, options, payload = effect[1:]
                self.north.fetch(ref, options, payload, max(ref.until_ms - now, 0) / 1000)
            elif effect[0] == NORTH_VERDICT:
                self.north.judge(effect[1], effect[2])
            elif effect[0] == NORTH:
                ref, payload, token = effect[1:]
                until_ms = getattr(ref, "until_ms", None)
                wait_s = TIMEOUT_S if until_ms is None else max(until_ms - now, 0) / 1000
                self.north.post(ref, payload, wait_s, token)
            elif effect[0] == NORTH_ANSWER:
                incoming, code, payload = effect[1:]
                self.north.respond(incoming, code, payload, now)
            elif effect[0] == FRAME:
                self._send_frame(effect[1], effect[2])
            else:
                touched.add(self._post(effect, now))
        for link in touched - {None}:
            self._flush_soon(link)
        self._schedule(now)

    def _post(self, effect: Effect, now: int) -> Link | None:
        """POST to a UE, notify it or answer it late; returns the link that has to send it."""
        ref, identifier = effect[1:3]
        for link in self.links:
            peer = link.peer(identifier)
            if peer is not None:
                try:
                    if effect[0] == NOTIFY:
                        notify(link.endpoint, peer, *effect[3:], now, ref)
                        return link
                    if effect[0] == LATE:
                        send_late(link.endpoint, peer, effect, now, ref)
                        return link
                    payload, token, mid = effect[3:]
                    link.endpoint.request(
                        *(peer, coap.POST, gaps.PATH, payload, now),
                        **{"token": token, "mid": mid, "context": ref},
                    )
                except CallerError:
                    self.core.south_failed(ref, TOO_LARGE, now)
                    return None
                return link
        self.core.south_failed(ref, f"no link to {identifier}", now)
        return None

    def _send_frame(self, identifier: str, frame: bytes) -> None:
        for link in self.links:
            peer = link.peer(identifier)
            if peer is not None:
                link.send(frame, peer)
                return

    def _flush_soon(self, link: Link) -> None:
        asyncio.get_running_loop().call_soon(link.flush)

    def _refuse_batch(self, core: GatewayCore, reason: str, now: int) -> None:
        """The disk refused: nobody gets a promise, and memory starts again from the disk."""
        self._log.event("store-failed", reason=reason)
        effects = core.take()
        unanswered = [effect[1] for effect in effects if effect[0] in (ANSWER, OBSERVED)]
        from_server = [effect[1] for effect in effects if effect[0] == NORTH_ANSWER]
        text = b"the gateway cannot write to its disk, try again later"
        for incoming in from_server + core.unanswered_north():
            self.north.respond(incoming, coap.UNAVAILABLE, text, now)
        for link, incoming in unanswered + core.unanswered():
            link.endpoint.respond(incoming, coap.UNAVAILABLE, text, now, options=b"")
            self._flush_soon(link)
        try:
            self._store.rollback()
        except StoreError as problem:
            self._log.event("store-failed", reason=str(problem))
        self.core = self._new_core()
        self.core.counters.update(core.counters)
        self.core.counters["store_failures"] += 1
        self._schedule(now, _AFTER_STORE_FAILURE_S)

    def _schedule(self, now: int, shortest_s: float = 0.001) -> None:
        if self._timer is not None:
            self._timer.cancel()
        pause_s = max((self.core.next_deadline() - now) / 1000, shortest_s)
        self._timer = asyncio.get_running_loop().call_later(
            min(pause_s, _LONGEST_SLEEP_S), lambda: self.settle(self._clock.now())
        )


def observed_options(
    code: int, payload: bytes, options: list[tuple[int, bytes]]
) -> list[tuple[int, bytes]]:
    """Return the options of an answer to a GET, Content-Format among them."""
    given = any(number == coap.CONTENT_FORMAT for number, _ in options)
    if payload and code < coap.BAD_REQUEST and not given:
        options = [*options, (coap.CONTENT_FORMAT, coap.uint(coap.JSON_FORMAT))]
    return sorted(options)


def send_late(endpoint: Endpoint, peer: Any, effect: Effect, now: int, context: Any) -> None:
    """Send what a LATE effect says. Raises CallerError."""
    token, mid, code, payload = effect[3:]
    options = observed_options(code, payload, [])
    notify(endpoint, peer, token, payload, options, now, context, code, mid)


def _bytes(options: list[tuple[int, Any]]) -> list[tuple[int, bytes]]:
    return [(number, bytes(value)) for number, value in options]
