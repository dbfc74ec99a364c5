"""Devices without an MSGin5G client (MSGin5G-5): registration and de-registration (6.3.2.1).

A device is an Application Client behind a transport identifier. Registering ties the two together
under a Registration ID. A device with a `ue_service_id` is *on behalf*: the gateway registers and
de-registers that UE Service ID at the server, and the device's answer waits for the server's.
Without one it is *local*: nothing goes to the server.
"""

import hmac
import os
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps, l3
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g.payload_errors import BadMessage
from msgin5g.registration import dereg, parse_answer, reg
from msgin5g_gateway.askers import Asker
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.forward import Forward, Forwarder
from msgin5g_gateway.store import Device
from msgin5g_gateway.throttle import Throttle
from msgin5g_host.fill import Fill

MAX_DEVICES = 10_000
MAX_ASKERS = 4
MAX_GONE = 1_000
_GONE_MS = 60_000
_SERVER_REFUSES_FOR_NOW = (gaps.CAUSE_CONGESTION, gaps.CAUSE_SERVER_UNREACHABLE)


class OnBehalf(Forward):
    """What the gateway asks of the server for a device; its `askers` wait for the outcome."""

    def __init__(
        self,
        devices: "Devices",
        kind: str,
        payload: bytes,
        device: Device,
        asker: Asker,
        now: int,
    ) -> None:
        super().__init__(None, kind, device.ue or "", payload, asker.peer, b"", True, now)
        self.device = device
        self.askers = [asker]
        self.trace = asker.trace
        self._devices = devices

    def answer(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        self._devices.server_answered(self, code, payload, now)

    def unanswered(self) -> list[Any]:
        return [one for one in (asker.give_up() for asker in self.askers) if one is not None]


class Devices:
    """The table of devices: who may register, who is registered, what is under way."""

    def __init__(self, shared: Shared, forwarder: Forwarder) -> None:
        settings = shared.settings
        self._shared = shared
        self._store = shared.store
        self._forwarder = forwarder
        self._open: bool = settings["gateway.open"]
        self._hold_ms = int(settings["gateway.device_hold_s"] * 1000)
        self._table: dict[int, tuple[bytes, str | None]] = {
            row["application_id"]: (row["credential"].encode(), row["ue_service_id"])
            for row in settings.rows["device"]
        }
        self._throttle = Throttle()
        self._under_way: dict[int, OnBehalf] = {}
        self._leaving: list[Device] = []
        self._gone: OrderedDict[bytes, tuple[str, int, str | None]] = OrderedDict()
        for device in list(self._store.devices.values()):
            if not self._is_known(device):
                self._end(device, "no longer in the table")
        self._by_peer = {row.peer: row for row in self._store.devices.values()}
        self._by_id = {row.registration_id: row for row in self._store.devices.values()}

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("devices", len(self._store.devices), MAX_DEVICES)
        yield Fill("gone", len(self._gone), MAX_GONE)
        yield from self._throttle.fills()

    def register(self, asker: Asker, application_id: int, credential: bytes, now: int) -> None:
        """REGISTRATION REQUEST (6.3.2.1.1): accept or reject, at once or when the server has."""
        peer = asker.peer
        self._shared.counters["device requests: REG"] += 1
        cause = self._check_credential(peer, application_id, credential, now)
        if cause is None:
            cause = self._conflict(peer, application_id, now)
        if cause is not None:
            self._reject(asker, cause, application=application_id)
            return
        work = self._under_way.get(application_id)
        if work is not None:
            self._join(work, asker)
            return
        ue = self.ue_of(application_id)
        known = self._store.devices.get(application_id)
        if known is not None and known.peer == peer and self._is_complete(known, now):
            known.heard_ms = now
            if known.speaks_l3 != asker.speaks_l3:
                known.speaks_l3 = asker.speaks_l3
                self._store.put_device(known)
            self._shared.counters["devices_repeated"] += 1
            self._accept_alone(asker, known.registration_id, ue)
            return
        if known is None and len(self._store.devices) >= MAX_DEVICES:
            self._reject(asker, l3.CAUSE_LACK_OF_RESOURCES, application=application_id)
            return
        device = Device(application_id, peer, self._new_id(), ue, asker.speaks_l3)
        if ue is None:
            self._accept(device, [asker], now)
            return
        payload = reg(ue, self._shared.service_id)
        self._ask_server(OnBehalf(self, n.REG, payload, device, asker, now), now)

    def deregister(self, asker: Asker, registration_id: bytes, now: int) -> None:
        """DEREGISTRATION REQUEST (6.3.2.1.2): only from where the device registered."""
        peer = asker.peer
        self._shared.counters["device requests: DEREG"] += 1
        device = self._by_id.get(registration_id)
        if device is None or device.peer != peer or device in self._leaving:
            gone = self._gone.get(registration_id)
            if gone is not None and gone[0] == peer and now - gone[1] < _GONE_MS:
                # It has not got our answer, or a copy of its request was late.
                self._shared.counters["devices_repeated"] += 1
                self._accept_alone(asker, registration_id, gone[2])
                return
            if device is not None:
                self._shared.counters["wrong_transport"] += 1
            self._reject(asker, l3.CAUSE_UNKNOWN_DEVICE)
            return
        device.heard_ms = now
        work = self._under_way.get(device.application_id)
        if work is not None:
            self._join(work, asker)
        elif device.ue is None:
            self._remove(device)
            self._note_gone(device, now)
            self._accept_alone(asker, registration_id, None)
        else:
            payload = dereg(device.ue, self._shared.service_id)
            self._ask_server(OnBehalf(self, n.DEREG, payload, device, asker, now), now)

    def server_answered(self, work: OnBehalf, code: int, payload: bytes, now: int) -> None:
        """The server's answer, or the gateway's own 5.xx, to what was asked for a device."""
        device = work.device
        self._under_way.pop(device.application_id, None)
        cause, reason = _verdict(work.kind, code, payload)
        if cause is not None:
            for asker in work.askers:
                self._reject(asker, cause, reason, ue=device.ue)
        elif work.kind == n.REG:
            self._accept(device, work.askers, now)
        else:
            for asker in work.askers:
                asker.accept(device.registration_id)
            # The mapping is there while the answer is being sent, and gone afterwards.
            self._leaving.append(device)
            self._note_gone(device, now)

    def at(self, peer: str, now: int) -> Device | None:
        """Return the device that is registered from a transport identifier and is heard now."""
        device = self._by_peer.get(peer)
        if device is None or device in self._leaving:
            return None
        device.heard_ms = now
        return device

    def ue_at(self, peer: str) -> str | None:
        """Return whom the device at a transport identifier stands for, or None."""
        device = self._by_peer.get(peer)
        return None if device is None else device.ue

    def ue_of(self, application_id: int) -> str | None:
        """Return whom the device with an Application ID stands for, or None."""
        return self._table.get(application_id, (b"", None))[1]

    def link_lost(self, peer: str) -> None:
        """The link to this peer is gone: what it holds may be claimed by another at once."""
        device = self._by_peer.get(peer)
        if device is not None:
            device.heard_ms = 0

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return 0 if self._leaving else None

    def poll(self, now: int) -> None:
        """Remove the mappings of devices whose answer has been sent."""
        leaving, self._leaving = self._leaving, []
        for device in leaving:
            self._remove(device)

    def _check_credential(
        self, peer: str, application_id: int, credential: bytes, now: int
    ) -> int | None:
        """Return the cause that refuses a device, or None."""
        expected = self._table.get(application_id)
        if expected is None:
            return None if self._open else l3.CAUSE_NOT_ALLOWED
        guesser = (_host(peer), application_id)
        if self._throttle.is_closed(guesser, now):
            self._shared.counters["guesses_unseen"] += 1
            return l3.CAUSE_CONGESTION
        if hmac.compare_digest(credential, expected[0]):
            self._throttle.passed(guesser)
            return None
        self._shared.counters["wrong_credentials"] += 1
        pause_ms = self._throttle.failed(guesser, now)
        if pause_ms:
            self._shared.log.event(
                "guessing", application=application_id, peer=peer, pause_s=pause_ms // 1000
            )
        return l3.CAUSE_INVALID_CREDENTIALS

    def _conflict(self, peer: str, application_id: int, now: int) -> int | None:
        """Application ID and transport identifier belong together while their holder is heard."""
        holders = [self._store.devices.get(application_id), self._by_peer.get(peer)]
        for work in self._under_way.values():
            if work.device.application_id == application_id or work.device.peer == peer:
                holders.append(work.device)
        for holder in holders:
            if holder is None:
                continue
            same = holder.peer == peer and holder.application_id == application_id
            busy = holder.application_id in self._under_way
            if not same and (busy or now - holder.heard_ms < self._hold_ms):
                self._shared.counters["conflicts"] += 1
                self._shared.log.event(
                    "conflict", application=application_id, peer=peer, holder=holder.peer
                )
                return l3.CAUSE_CONFLICT
        return None

    def _join(self, work: OnBehalf, asker: Asker) -> None:
        """The device has repeated its request while the server is being asked."""
        same = asker.what == work.kind
        if same:
            # What becomes of the first request becomes of its repetition.
            named = {"ue": work.ue, "trace": work.trace, "traces": [asker.trace]}
            self._shared.log.step("repeated", what=work.kind, **named)
        if same and any(one.stands_for(asker) for one in work.askers):
            # One answer is enough for frames that do not say which request they answer.
            self._shared.counters["devices_repeated"] += 1
        elif not same or len(work.askers) >= MAX_ASKERS:
            self._reject(asker, l3.CAUSE_CONGESTION)
        else:
            work.askers.append(asker)

    def _ask_server(self, work: OnBehalf, now: int) -> None:
        self._under_way[work.device.application_id] = work
        self._forwarder.forward(work, now)

    def _accept_alone(self, asker: Asker, registration_id: bytes, ue: str | None) -> None:
        """Say yes without asking the server."""
        named = {"ue": ue, "trace": asker.trace}
        self._shared.log.step("answered", what=asker.what, result=True, **named)
        asker.accept(registration_id)

    def _accept(self, device: Device, askers: list[Asker], now: int) -> None:
        for older in (
            self._store.devices.get(device.application_id),
            self._by_peer.get(device.peer),
        ):
            if older is not None:
                self._remove(older, device)
        device.heard_ms = now
        self._store.put_device(device)
        self._by_peer[device.peer] = device
        self._by_id[device.registration_id] = device
        self._shared.counters["devices_registered"] += 1
        self._shared.log.event(
            "device-registered",
            application=device.application_id,
            peer=device.peer,
            ue=device.ue,
            what=n.REG,
            trace=askers[0].trace,
        )
        for asker in askers:
            asker.accept(device.registration_id)

    def _remove(self, device: Device, successor: Device | None = None) -> None:
        """Drop a mapping. successor: the one that takes its Application ID or its place."""
        if self._store.devices.get(device.application_id) is device:
            self._end(device, None if successor is None else "replaced", successor)
        if self._by_peer.get(device.peer) is device:
            del self._by_peer[device.peer]
        self._by_id.pop(device.registration_id, None)

    def _end(self, device: Device, reason: str | None, successor: Device | None = None) -> None:
        self._store.drop_device(device)
        if device.ue is not None and (successor is None or successor.ue != device.ue):
            self._store.drop_registered(device.ue)
        self._shared.counters["devices_ended"] += 1
        self._shared.log.event(
            "device-ended",
            application=device.application_id,
            peer=device.peer,
            ue=device.ue,
            reason=reason,
        )

    def _note_gone(self, device: Device, now: int) -> None:
        self._gone[device.registration_id] = device.peer, now, device.ue
        if len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)

    def _reject(
        self, asker: Asker, cause: int, reason: str | None = None, **fields: object
    ) -> None:
        self._shared.counters["device refused: " + l3.CAUSES[cause]] += 1
        text = reason or l3.CAUSES[cause]
        fields = {**asker.named, **fields}
        self._shared.log.event("refused", what=asker.what, cause=text, **fields)
        asker.reject(cause, reason)

    def _is_known(self, device: Device) -> bool:
        entry = self._table.get(device.application_id)
        if entry is None:
            return self._open and device.ue is None
        return entry[1] == device.ue

    def _is_complete(self, device: Device, now: int) -> bool:
        """Tell whether nothing has to be asked of the server for this device."""
        if device in self._leaving:
            return False
        if device.ue is None:
            return True
        row = self._store.registered.get(device.ue)
        return row is not None and row.expires_ms > now

    def _new_id(self) -> bytes:
        """Return a Registration ID (48 bits) that is not in use and cannot be guessed."""
        while True:
            candidate = os.urandom(6)
            if candidate not in self._by_id and candidate not in self._gone:
                return candidate


def _verdict(kind: str, code: int, payload: bytes) -> tuple[int | None, str | None]:
    """Return (cause, reason) for a device from the server's answer, (None, None) for a yes."""
    if code >= coap.BAD_REQUEST:
        text = bytes(payload[:80]).decode(errors="replace") or code_text(code)
        later = code >= coap.INTERNAL_ERROR
        return (l3.CAUSE_CONGESTION if later else l3.CAUSE_PROTOCOL_ERROR), text
    try:
        answer = parse_answer(payload)
    except BadMessage as problem:
        return l3.CAUSE_PROTOCOL_ERROR, f"the server's answer: {problem}"
    if answer.result:
        return None, None
    reason = answer.cause or gaps.CAUSE_UNSPECIFIED
    if kind == n.DEREG and reason == gaps.CAUSE_NOT_REGISTERED:
        return None, None
    later = answer.result is None or reason in _SERVER_REFUSES_FOR_NOW
    return (l3.CAUSE_CONGESTION if later else l3.CAUSE_NOT_ALLOWED), reason


def _host(peer: str) -> str:
    """Return a transport identifier without its port: whoever guesses may change the port."""
    scheme, _, address = peer.partition("://")
    return f"{scheme}://{address.rpartition(':')[0]}" if scheme.startswith("udp") else peer
