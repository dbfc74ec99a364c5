"""Network capabilities through the exposure function (T8, TS 29.122; TS 29.538 clause 12).

A UE that is not registered, or does not answer, gets a device trigger if it told how in its Client
Triggering Information; one that is registered and does not answer is monitored for reachability.
No input or output but the store's: `take` gives requests, `answered` and `notified` take what the
network says.
"""

import base64
import re
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from msgin5g import names as n
from msgin5g_host.config import Settings
from msgin5g_host.fill import Fill
from msgin5g_host.log import EventLog
from msgin5g_server.message_store import MessageStore

MAX_TRIGGERABLE = 100_000
MAX_TRIGGERS = 10_000
MAX_MONITORED = 10_000
TRIGGER, MONITOR = "triggers", "monitoring"
_NOTE = "trigger"
_LAST_PORT = 65_535
# Longer than an attempt that nobody answers (RFC 7252 4.8.2).
_PAUSE_MS = 100_000
_MSISDN = re.compile(r"(?:tel:)?\+?([0-9]{5,15})\Z")
_ENDED = ("FAILURE", "EXPIRED", "TERMINATE")
_REACHABLE = "UE_REACHABILITY"


class Known(NamedTuple):
    """How a UE is triggered: MSGin5G UE ID and port."""

    ue_id: str
    port: int


class Asked(NamedTuple):
    """A request to the network. ref: which notification URI is its own, or "" for none."""

    method: str
    url: str
    body: bytes | None
    kind: str
    ue: str
    ref: str


class Trigger:
    """A trigger on its way. until_ms: when it is too late; ref: of its notifications."""

    __slots__ = ("ref", "until_ms", "forget_ms")

    def __init__(self, ref: str, until_ms: int, forget_ms: int) -> None:
        self.ref = ref
        self.until_ms = until_ms
        self.forget_ms = forget_ms


class Watch:
    """A subscription to reachability. link: its resource, once that is known."""

    __slots__ = ("ref", "link")

    def __init__(self, ref: str) -> None:
        self.ref = ref
        self.link = ""


class Network:
    """Trigger and monitor UEs.

    reachable(ue, now), look_at(ue): what to do when a UE can be reached, or its trigger is over.
    `out` holds the requests to make, see `take`.
    """

    def __init__(
        self, settings: Settings, store: MessageStore, counters: Counter[str], log: EventLog
    ) -> None:
        self._store = store
        self._counters = counters
        self._log = log
        self._root: str = settings["network.exposure"].rstrip("/")
        self._scs_as_id: str = settings["network.scs_as_id"]
        self._notify_at: str = settings["network.notify_at"].rstrip("/")
        self._trigger_ms: int = settings["network.trigger_s"] * 1000
        self._monitors: bool = settings["network.monitor"]
        payload = settings["server.service_id"].encode()
        self._payload = base64.b64encode(payload).decode()
        # Accounts know the MSGin5G UE ID of who did not tell it.
        self._ue_ids = {row["ue_service_id"]: row.get("ue_id") for row in settings.rows["ue"]}
        self.reachable: Callable[[str, int], None] = lambda ue, now: None
        self.look_at: Callable[[str], None] = lambda ue: None
        self._triggers: OrderedDict[str, Trigger] = OrderedDict()
        self._watches: OrderedDict[str, Watch] = OrderedDict()
        self._refs: dict[str, str] = {}
        self.out: list[Asked] = []

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("triggerable", len(self._store.notes(_NOTE)), MAX_TRIGGERABLE)
        yield Fill("triggers", len(self._triggers), MAX_TRIGGERS)
        yield Fill("monitored", len(self._watches), MAX_MONITORED)

    def registered(self, ue: str, profile: dict[str, Any] | None) -> None:
        """A UE registered: it needs no wake-up, and may have told how it is triggered."""
        if not self._root:
            return
        found = _known(profile)
        before = self._store.notes(_NOTE).get(ue)
        if found is None:
            self._store.drop_note(_NOTE, ue)
        elif (value := msgspec.json.encode(found)) != before:
            if before is None and len(self._store.notes(_NOTE)) >= MAX_TRIGGERABLE:
                self._store.drop_note(_NOTE, next(iter(self._store.notes(_NOTE))))
                self._counters["triggerable_forgotten"] += 1
            self._store.put_note(_NOTE, ue, value)
        self._end_trigger(ue)
        self._end_watch(ue)

    def deregistered(self, ue: str) -> None:
        """A UE left: what it told is deleted (6.3.1.2.2), and nobody waits for it any more."""
        self._store.drop_note(_NOTE, ue)
        self._end_watch(ue)

    def wake(self, ue: str, is_registered: bool, now: int) -> int:
        """Have a UE woken up that cannot be reached; return until when that may take, or 0."""
        if not self._root:
            return 0
        known = self._store.notes(_NOTE).get(ue)
        how = None if known is None else msgspec.json.decode(known, type=Known)
        ue_id = self._ue_ids.get(ue) if how is None else how.ue_id
        if ue_id and is_registered and self._monitors:
            self._watch(ue, ue_id)
        return self._trigger(ue, how, now) if how is not None and self._trigger_ms else 0

    def take(self) -> list[Asked]:
        """Return the requests to make."""
        out, self.out = self.out, []
        return out

    def answered(self, asked: Asked, status: int, body: bytes, location: str, now: int) -> None:
        """The network answered a request; status 0: it did not."""
        if asked.method != "POST" or self._refs.get(asked.ref) != asked.ue:
            if asked.method == "POST" and asked.kind == MONITOR and status == 201 and location:
                # Nobody waits for it any more.
                self._delete(location, asked.ue)
            return
        if asked.kind == TRIGGER:
            if not 200 <= status < 300:
                self._over(asked.ue, f"HTTP {status}" if status else "no answer", now)
            return
        watch = self._watches[asked.ue]
        if status == 201 and location:
            watch.link = location
        elif status == 200 and _reports(b'{"monitoringEventReports":[%s]}' % body):
            self._is_reachable(asked.ue, now)
        else:
            self._counters["monitoring_refused"] += 1
            self._drop_watch(asked.ue)

    def notified(self, kind: str, ref: str, body: bytes, now: int) -> bool:
        """Take a notification; False if nothing is known of it. Raises ValueError."""
        given = msgspec.json.decode(body)
        if not isinstance(given, dict):
            raise ValueError("an object is wanted")
        ue = self._refs.get(ref)
        if kind == TRIGGER:
            result = given.get("result")
            if not isinstance(result, str) or not isinstance(given.get("transaction"), str):
                raise ValueError("transaction and result are wanted")
            trigger = self._triggers.get(ue) if ue else None
            if ue is None or trigger is None or trigger.ref != ref:
                return False
            self._counters["trigger result: " + (result if result in _RESULTS else "other")] += 1
            if result in _ENDED:
                self._over(ue, result, now)
            return True
        if not isinstance(given.get("subscription"), str):
            raise ValueError("subscription is wanted")
        watch = self._watches.get(ue) if ue else None
        if ue is None or watch is None or watch.ref != ref:
            return False
        if _reports(body):
            self._is_reachable(ue, now)
        elif given.get("cancelInd") is True:
            self._drop_watch(ue)
        return True

    # Triggers

    def _trigger(self, ue: str, how: Known, now: int) -> int:
        self._purge(now)
        before = self._triggers.get(ue)
        if before is not None:
            # After one that came to nothing there is a pause as long as it took, and long enough
            # to find out that the UE still does not answer.
            return before.until_ms if now < before.until_ms else 0
        if len(self._triggers) >= MAX_TRIGGERS:
            self._counters["triggers_full"] += 1
            return 0
        ref = uuid.uuid4().hex
        until = now + self._trigger_ms
        self._triggers[ue] = Trigger(ref, until, until + max(self._trigger_ms, _PAUSE_MS))
        self._refs[ref] = ue
        body = {
            **_identity(how.ue_id),
            "validityPeriod": self._trigger_ms // 1000,
            "priority": "NO_PRIORITY",
            "applicationPortId": how.port,
            "triggerPayload": self._payload,
            "notificationDestination": f"{self._notify_at}/network/v1/{TRIGGER}/{ref}",
        }
        url = f"{self._root}/3gpp-device-triggering/v1/{self._scs_as_id}/transactions"
        self.out.append(Asked("POST", url, msgspec.json.encode(body), TRIGGER, ue, ref))
        self._counters["triggers"] += 1
        self._log.event("triggering", ue=ue)
        return until

    def _over(self, ue: str, reason: str, now: int) -> None:
        """A trigger came to nothing."""
        self._triggers[ue].until_ms = now
        self._counters["triggers_failed"] += 1
        self._log.event("trigger-failed", ue=ue, reason=reason)
        self.look_at(ue)

    def _end_trigger(self, ue: str) -> None:
        trigger = self._triggers.pop(ue, None)
        if trigger is not None:
            self._refs.pop(trigger.ref, None)

    def _purge(self, now: int) -> None:
        while self._triggers:
            ue, oldest = next(iter(self._triggers.items()))
            if oldest.forget_ms > now:
                break
            self._end_trigger(ue)

    # Monitoring

    def _watch(self, ue: str, ue_id: str) -> None:
        if ue in self._watches:
            return
        if len(self._watches) >= MAX_MONITORED:
            self._end_watch(next(iter(self._watches)))
            self._counters["monitoring_forgotten"] += 1
        ref = uuid.uuid4().hex
        self._watches[ue] = Watch(ref)
        self._refs[ref] = ue
        body = {
            **_identity(ue_id),
            "monitoringType": _REACHABLE,
            "reachabilityType": "DATA",
            "maximumNumberOfReports": 1,
            "notificationDestination": f"{self._notify_at}/network/v1/{MONITOR}/{ref}",
        }
        url = f"{self._root}/3gpp-monitoring-event/v1/{self._scs_as_id}/subscriptions"
        self.out.append(Asked("POST", url, msgspec.json.encode(body), MONITOR, ue, ref))
        self._counters["monitoring"] += 1
        self._log.event("monitoring", ue=ue)

    def _is_reachable(self, ue: str, now: int) -> None:
        # One report was asked for: the network ends the subscription itself.
        self._drop_watch(ue)
        self._counters["reachable"] += 1
        self._log.event("reachable", ue=ue)
        self.reachable(ue, now)

    def _end_watch(self, ue: str) -> None:
        """Cancel a subscription that is not needed any more."""
        watch = self._watches.get(ue)
        self._drop_watch(ue)
        if watch is not None and watch.link:
            self._delete(watch.link, ue)

    def _drop_watch(self, ue: str) -> None:
        watch = self._watches.pop(ue, None)
        if watch is not None:
            self._refs.pop(watch.ref, None)

    def _delete(self, link: str, ue: str) -> None:
        # A link elsewhere would be shown our token.
        if link.startswith(self._root + "/"):
            self.out.append(Asked("DELETE", link, None, MONITOR, ue, ""))


_RESULTS = (
    *("SUCCESS", "UNKNOWN", "FAILURE", "TRIGGERED", "EXPIRED", "UNCONFIRMED", "REPLACED"),
    "TERMINATE",
)


def _known(profile: dict[str, Any] | None) -> Known | None:
    """Return the Client Triggering Information of a profile that `check_profile` let pass."""
    given = (profile or {}).get(n.TRI_INFO)
    if not given:
        return None
    ports = given.get(n.CLI_PORTS)
    port = ports[0][n.PORT_NUM] if ports else given.get(n.CLI_PORT, "")
    text = str(port)
    if not text.isascii() or not text.isdigit() or int(text) > _LAST_PORT:
        return None
    return Known(given[n.UE_ID], int(text))


def _identity(ue_id: str) -> dict[str, str]:
    """Return the member that names a device (GAP 6.3.1.1.1)."""
    found = _MSISDN.match(ue_id)
    return {"msisdn": found.group(1)} if found else {"externalId": ue_id}


def _reports(body: bytes) -> bool:
    """Tell whether a MonitoringNotification reports that a UE can be reached."""
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    reports = given.get("monitoringEventReports")
    return isinstance(reports, list) and any(
        isinstance(one, dict) and one.get("monitoringType") == _REACHABLE for one in reports
    )
