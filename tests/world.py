"""UE, gateway and server cores joined in memory, for tests that lose datagrams and pass time."""

import io
import random

from msgin5g import coap, l3
from msgin5g.configuration_requests import is_request
from msgin5g.exchange import ACKED, FAILED, NOTICE, REQUEST, RESPONSE, Endpoint, Params
from msgin5g.notifying import notify
from msgin5g.observing import Observer
from msgin5g_gateway import config as gateway_config
from msgin5g_gateway.core import GatewayCore
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
)
from msgin5g_gateway.shell import observed_options, send_late
from msgin5g_gateway.store import Store
from msgin5g_host.config import load
from msgin5g_host.log import EventLog
from msgin5g_server import config as server_config
from msgin5g_server.core import ServerCore
from msgin5g_server.courier import MAX_AT_A_PEER
from msgin5g_server.registry import Registry
from msgin5g_server.seal import SealRequest
from msgin5g_server.subscribing import is_subscription, send
from tests.wire import Wire
from ue.blank import BlankCore
from ue.config import defaults
from ue.core import PEER, UeCore
from ue.modes import make_core

SERVICE = "urn:msgin5g:service"
GATEWAY = "urn:example:gw:1"
_MESSAGE_EVENTS = ("received", "report", "response", "outcome", "topic")


def ue_id(number):
    return f"urn:example:ue:{number}"


def device_id(number):
    """The MSGin5G UE ID of a UE."""
    return f"urn:example:chip:{number}"


def rng(seed):
    return random.Random(seed).randrange


def silent_log(role="test"):
    return EventLog(role, stream=io.StringIO())


def server_settings(folder, ues=(), groups=(), **values):
    settings = load(server_config.KEYS, server_config.TABLES, None, {}, {"server.data": folder})
    settings.values.update({f"server.{key}": value for key, value in values.items()})
    settings.rows["ue"] = list(ues)
    settings.rows["group"] = [
        {"group_service_id": group, "members": members} for group, members in groups
    ]
    return settings


def gateway_settings(folder, ues=(), bulk=None, devices=(), **values):
    settings = load(gateway_config.KEYS, gateway_config.TABLES, None, {}, {"gateway.data": folder})
    settings.values["gateway.ue_service_id"] = GATEWAY
    settings.values.update({f"gateway.{key}": value for key, value in values.items()})
    settings.values.update({f"bulk.{key}": value for key, value in (bulk or {}).items()})
    settings.rows["ue"] = [{"ue_service_id": one, "ue_id": None} for one in ues]
    settings.rows["device"] = [
        {"application_id": number, "credential": credential, "ue_service_id": ue}
        for number, credential, ue in devices
    ]
    return settings


def seal_request(message, source):
    """Return the SealRequest of a CoAP message for a SEAL service."""

    def texts(number):
        return [bytes(value).decode() for found, value in message.options if found == number]

    path, query = texts(coap.URI_PATH)[1:], texts(coap.URI_QUERY)
    formats = message.uint(coap.CONTENT_FORMAT), message.uint(coap.ACCEPT)
    return SealRequest(message.code, path, source, query, bytes(message.payload), *formats)


class ServerNode:
    """A ServerCore behind an Endpoint; what was taken is answered and sent after the commit.

    `crash` is called with the place around each commit.
    """

    def __init__(self, settings, seed=0):
        params = Params(max_datagram_bytes=65535, nstart=MAX_AT_A_PEER)
        self.endpoint = Endpoint(rng(seed), params)
        self.registry = Registry(settings["server.data"], settings["server.max_registrations"])
        self.core = ServerCore(settings, self.registry, silent_log("server"))
        _no_sync(self.registry, self.core._store)
        self.requests = []
        self.crash = lambda where: None
        self._answers = []

    def receive(self, data, peer, now):
        self.endpoint.receive(data, peer, now)
        self._drain(now)

    def has_work(self):
        """Tell whether something has to be written, answered or sent."""
        return bool(self._answers or self.registry._changed) or not self.core.messages.is_idle()

    def poll(self, now):
        self.core.expire(now)
        due = self.core.messages.next_deadline()
        if due is not None and due <= now:
            self.core.messages.poll(now)
        self.crash("before the commit")
        self.core.commit()
        self.crash("after the commit")
        for incoming, (code, payload, options) in self._answers:
            self.endpoint.respond(incoming, code, payload, now, options=options)
        self._answers.clear()
        for attempt, where, payload, token in self.core.messages.take():
            peer = where.rpartition(":")[0]
            send(self.endpoint, peer, attempt, payload, token, now, attempt)
        out = [(bytes(data), peer) for data, peer in self.endpoint.poll(now)]
        self._drain(now)
        return out

    def next_deadline(self):
        messages = self.core.messages
        if self._answers or not messages.is_idle():
            return 0
        return _soonest(
            self.endpoint.next_deadline(), self.registry.next_deadline(), messages.next_deadline()
        )

    def close(self):
        self.core.close()
        self.registry.close()

    def _drain(self, now):
        while event := self.endpoint.next_event():
            if event[0] == REQUEST:
                incoming = event[1]
                payload = bytes(incoming.message.payload)
                self.requests.append(payload)
                source = f"{incoming.peer}:1"
                token = bytes(incoming.token)
                if is_subscription(incoming.message):
                    found = self.core.subscribing.handle(incoming.message, source, token, now)
                elif is_request(incoming.message):
                    answer = self.core.configurations.handle(
                        seal_request(incoming.message, source), now
                    )
                    form = [(coap.CONTENT_FORMAT, coap.uint(answer.content_format))]
                    found = (answer.code, answer.payload, form)
                else:
                    found = (*self.core.handle(payload, source, now, token), None)
                self._answers.append((incoming, found))
                continue
            attempt = event[1].context
            if attempt is None:
                continue
            if event[0] == RESPONSE:
                text = bytes(event[2].payload[:80]).decode(errors="replace")
                self.core.messages.answered(attempt, event[2].code, text, now)
            elif event[0] == ACKED:
                self.core.messages.answered(attempt, coap.CONTENT, "", now)
            else:
                self.core.messages.failed(attempt, event[2], now)


class GatewayNode:
    """A GatewayCore with an Endpoint to each side; peers are node names.

    `crash` is called with the place around each commit.
    """

    def __init__(self, settings, server="server", seed=0, now=0):
        self.settings = settings
        self.endpoint = Endpoint(rng(seed), Params(max_datagram_bytes=65535, max_waiting=2000))
        params = Params(max_datagram_bytes=65535, max_waiting=2000, nstart=MAX_AT_A_PEER)
        self.north = Endpoint(rng(seed + 2), params)
        self.observer = Observer(
            self.north, lambda peer, token: self.core.messaging.topics.find(token)
        )
        self.store = Store(settings["gateway.data"])
        _no_sync(self.store)
        self.core = GatewayCore(settings, self.store, silent_log("gateway"), rng(seed + 1), now)
        self.server = server
        self.crash = lambda where: None
        self._frames = []
        self._at_server = []

    def receive(self, data, peer, now):
        if data and l3.is_l3(data[0]):
            self.core.receive_l3(data, f"udp://{peer}", now)
            return
        self._side(peer).receive(data, peer, now)
        self._drain(now)

    def has_work(self):
        """Tell whether something has to be written or sent."""
        return bool(self.store._staged or self.core._shared.out)

    def poll(self, now):
        self._drain(now)
        for one in [one for one in self._at_server if now >= one.context[1].until_ms]:
            self.north.cancel(one)
            self._at_server.remove(one)
        self.core.poll(now)
        self.crash("before the commit")
        self.core.commit()
        self.crash("after the commit")
        for effect in self.core.take():
            if effect[0] in (ANSWER, NORTH_ANSWER):
                side = self.endpoint if effect[0] == ANSWER else self.north
                side.respond(effect[1], effect[2], effect[3], now)
            elif effect[0] == OBSERVED:
                _, incoming, code, payload, options = effect
                listed = observed_options(code, payload, options)
                self.endpoint.respond(incoming, code, payload, now, options=listed)
            elif effect[0] == NORTH_GET:
                _, ref, options, token, payload = effect
                self.north.request(
                    *(self.server, coap.GET, "", payload, now),
                    **{"token": token, "options": options, "context": ("observed", ref)},
                )
            elif effect[0] == NORTH_FETCH:
                _, ref, options, payload = effect
                exchange = self.north.request(
                    *(self.server, coap.GET, "", payload, now),
                    **{"options": options, "context": ("north", ref)},
                )
                self._at_server.append(exchange)
            elif effect[0] == LATE:
                peer = effect[2].partition("://")[2]
                send_late(self.endpoint, peer, effect, now, ("south", effect[1]))
            elif effect[0] == NORTH_VERDICT:
                getattr(self.observer, effect[2])(effect[1])
            elif effect[0] == NOTIFY:
                _, ref, peer, token, payload, options = effect
                peer = peer.partition("://")[2]
                notify(self.endpoint, peer, token, payload, options, now, ("south", ref))
            elif effect[0] == NORTH:
                exchange = self._request(self.server, effect[2], now, ("north", effect[1]))
                if hasattr(effect[1], "until_ms"):
                    # It does not reach the server later.
                    self._at_server.append(exchange)
            elif effect[0] == FRAME:
                self._frames.append((effect[2], effect[1].partition("://")[2]))
            else:
                _, ref, peer, payload, token, mid = effect
                peer = peer.partition("://")[2]
                self._request(peer, payload, now, ("south", ref), token=token, mid=mid)
        out = [*self.endpoint.poll(now), *self.north.poll(now), *self._frames]
        self._frames = []
        self._drain(now)
        return out

    def next_deadline(self):
        return _soonest(
            self.endpoint.next_deadline(), self.north.next_deadline(), self.core.next_deadline()
        )

    def _side(self, peer):
        return self.north if peer == self.server else self.endpoint

    def _request(self, peer, payload, now, context, **more):
        side = self._side(peer)
        return side.request(peer, coap.POST, "msgin5g", payload, now, context=context, **more)

    def _drain(self, now):
        while event := self.endpoint.next_event() or self.north.next_event():
            if event[0] == REQUEST:
                incoming = event[1]
                payload = bytes(incoming.message.payload)
                if incoming.peer == self.server:
                    self.core.receive_north(incoming, payload, now)
                    continue
                peer = f"udp://{incoming.peer}"
                if is_request(incoming.message):
                    self.core.configuring.receive(incoming, incoming.message, peer, now)
                    continue
                if incoming.message.code == coap.GET:
                    self.core.observe(incoming, incoming.message, peer, incoming.token, now)
                    continue
                self.core.receive(incoming, payload, peer, incoming.mid, incoming.token, now)
                continue
            if event[0] == NOTICE:
                found = event[1].message
                self.core.messaging.topics.notice(
                    *(event[1], found.token, found.code, found.payload, found.options, now)
                )
                continue
            side, ref = event[1].context
            if event[1] in self._at_server:
                self._at_server.remove(event[1])
            if event[0] == RESPONSE and side == "observed":
                answer = event[2]
                self.core.observed(ref, answer.code, answer.payload, answer.options, now)
            elif event[0] == RESPONSE and side == "north":
                self.core.north_answer(ref, event[2].code, bytes(event[2].payload), now)
            elif event[0] == RESPONSE:
                payload = bytes(event[2].payload)
                self.core.south_answer(ref, event[2].code, now, payload)
            elif event[0] == ACKED:
                self.core.south_answer(ref, coap.CONTENT, now)
            elif event[0] == FAILED and side != "south":
                self.core.north_failed(ref, event[2], now)
            else:
                self.core.south_failed(ref, event[2], now)


class UeNode:
    """A UeCore whose gateway is a node name. blank: it has its MSGin5G UE ID only."""

    def __init__(self, number, gateway="gateway", seed=0, saved=None, blank=False, **settings):
        self.id = ue_id(number)
        name = {"ue_id": device_id(number)} if blank else {"ue_service_id": self.id}
        self.config = {**defaults(), **name, **settings}
        self.endpoint = Endpoint(rng(seed))
        kind = BlankCore if blank else UeCore
        self.core = kind(self.config, self.endpoint, saved or {}, rng(seed + 1))
        self.gateway = gateway
        self.states = []
        self.infos = []
        self.saved = saved or {}
        self.events = []

    @property
    def state(self):
        return self.core.state

    def receive(self, data, peer, now):
        if peer == self.gateway:
            self.core.receive(data, now)

    def poll(self, now):
        out = [(data, self.gateway) for data, peer in self.core.poll(now) if peer == PEER]
        while event := self.core.next_event():
            if event[0] == "state":
                self.states.append(event[1])
                self.infos.append(event[2])
            elif event[0] == "save":
                self.saved = event[1]
            elif event[0] in _MESSAGE_EVENTS:
                self.events.append((now, *event))
        return out

    def send(self, to, payload, now, kind="UE", report=True, store=True, priority="NORMAL"):
        """Give the UE a message to send; returns its Message ID."""
        return self.core.messages().send(to, payload, (kind, report, store, priority, None), now)

    def received(self):
        """What was handed to the application, oldest first: `Received`."""
        return [event[2] for event in self.events if event[1] == "received"]

    def named(self, name):
        """The message events of a name, oldest first, without time and name."""
        return [event[2:] for event in self.events if event[1] == name]

    @property
    def topic_events(self):
        """What became of topics, oldest first: ("topic", name, what, cause)."""
        return [event[1:] for event in self.events if event[1] == "topic"]

    def next_deadline(self):
        return self.core.next_deadline()


class DeviceNode(UeNode):
    """A device without an MSGin5G client, in the L3 or the CoAP form."""

    def __init__(self, number, mode, gateway="gateway", seed=0, saved=None, **settings):
        config = {**defaults(), "mode": mode, "application_id": number, "credential": "s3cret"}
        self.id = f"application {number}"
        self.core = make_core({**config, **settings}, saved or {}, rng(seed), 1280)
        self.gateway = gateway
        self.states = []
        self.infos = []
        self.saved = saved or {}
        self.events = []


class World:
    """A server, a gateway, `count` UEs and `devices`, {Application ID: mode}, on one Wire.

    blank: the UEs have their MSGin5G UE IDs only; groups: [(Group Service ID, numbers of its
    members)]; outbox: settings of the gateway's.
    """

    def __init__(
        self,
        folder,
        count,
        seed=0,
        bulk=None,
        ue=None,
        server=None,
        devices=None,
        groups=(),
        outbox=None,
        blank=False,
        make_wire=Wire,
        **wire,
    ):
        self.folder = folder
        self.wire = make_wire(seed=seed, **wire)
        self.count = count
        self.seed = seed
        self._restarts = 0
        ues = [ue_id(number) for number in range(1, count + 1)]
        accounts = [{"ue_service_id": GATEWAY, "gateway": None}]
        accounts += [
            {"ue_service_id": ue_id(one), "ue_id": device_id(one), "gateway": GATEWAY}
            for one in range(1, count + 1)
        ]
        devices = devices or {}
        # Odd Application IDs are registered at the server on their behalf, even ones are local.
        table = [
            (one, "s3cret", f"urn:example:device:{one}" if one % 2 else None) for one in devices
        ]
        accounts += [{"ue_service_id": ue, "gateway": GATEWAY} for _, _, ue in table if ue]
        groups = [(group, [ue_id(one) for one in members]) for group, members in groups]
        self.server_settings = server_settings(
            str(folder / "server"), accounts, groups, **(server or {})
        )
        self.gateway_settings = gateway_settings(str(folder / "gateway"), ues, bulk, table)
        for number, row in enumerate(self.gateway_settings.rows["ue"], 1):
            row["ue_id"] = device_id(number)
        self.gateway_settings.values.update(
            {f"outbox.{key}": value for key, value in (outbox or {}).items()}
        )
        self.server = self.wire.attach("server", ServerNode(self.server_settings, seed))
        self.gateway = self.wire.attach("gateway", GatewayNode(self.gateway_settings, seed=seed))
        self.ues = []
        for number in range(1, count + 1):
            node = UeNode(number, seed=seed * 1000 + number, blank=blank, **(ue or {}))
            self.ues.append(self.wire.attach(f"ue{number}", node))
        for number, mode in devices.items():
            node = DeviceNode(number, mode, seed=seed * 1000 + 500 + number, **(ue or {}))
            self.ues.append(self.wire.attach(f"device{number}", node))

    def register(self):
        for one in self.ues:
            one.core.register(self.wire.now)

    def deregister(self):
        for one in self.ues:
            one.core.deregister(self.wire.now)

    def all_in(self, state):
        return lambda: all(one.state == state for one in self.ues)

    def restart_gateway(self):
        """What is left of the gateway after kill -9: its data folder."""
        self.wire.detach("gateway").store.close()
        # Message IDs start anywhere after a restart, and not where they did before.
        self._restarts += 1
        seed = self.seed + 99 * self._restarts
        node = GatewayNode(self.gateway_settings, seed=seed, now=self.wire.now)
        self.gateway = self.wire.attach("gateway", node)

    def restart_server(self):
        """What is left of the server after kill -9: its data folder."""
        self.wire.detach("server").close()
        self._restarts += 1
        node = ServerNode(self.server_settings, self.seed + 97 + self._restarts)
        self.server = self.wire.attach("server", node)

    def close(self):
        self.gateway.store.close()
        self.server.close()


def _no_sync(*stores):
    """A crash here is one of the process, not of the machine: no need to wait for the disk."""
    for one in stores:
        one._db.execute("PRAGMA synchronous=OFF")


def _soonest(*times):
    return min((one for one in times if one is not None), default=None)
