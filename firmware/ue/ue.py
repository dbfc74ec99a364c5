"""The constrained UE as a task: its state machine with a link, a clock and a file."""

import asyncio
import gc
import os

from ue.clock import Clock
from ue.links import open_link
from ue.modes import make_core
from ue.states import BACKOFF, DEREGISTERED, REFUSED, REGISTERED
from ue.storage import Storage

_REOPEN_MIN_MS = 500
_REOPEN_MAX_MS = 30000
_IDLE_MS = 60000
_SHOWN_BYTES = 80


class RegistrationRefused(Exception):
    """The server or the gateway said no; the text is the cause."""


class MessageRefused(Exception):
    """The next hop did not take a message; the text is the cause."""


def random_below(limit):
    """Return a random integer in [0, limit)."""
    return int.from_bytes(os.urandom(4), "big") % limit


class ConstrainedUE:
    """A constrained UE. config: see `ue.config`; on_event(name, info) sees every event.

    ue = ConstrainedUE(config, print)
    asyncio.create_task(ue.run())
    await ue.register()
    """

    def __init__(self, config, on_event=None, clock=None):
        self.clock = clock or Clock()
        self.cause = None
        self.on_message = None
        self.on_report = None
        self.on_response = None
        self._awaited = {}
        self._on_event = on_event
        self._storage = Storage(config["state_file"])
        self._link = open_link(config["link"])
        self._core = make_core(
            config, self._storage.load(), random_below, self._link.max_frame_bytes
        )
        self._changed = asyncio.Event()
        self._wake = asyncio.Event()

    @property
    def state(self):
        """The state's name, see `ue.states`; `cause` says why the last refusal or outage was."""
        return self._core.state

    @property
    def wanted(self):
        """What was asked for last, also before a reboot: "registered", "deregistered" or None."""
        return self._core.wanted

    @property
    def counters(self):
        """How often what happened: a dict of the names in `ue.states.COUNTERS`."""
        return self._core.counters

    async def register(self, timeout_s=None):
        """Register and return once registered; the UE then stays registered.

        Raises RegistrationRefused, and asyncio.TimeoutError after `timeout_s`; the UE goes on
        trying in both cases.
        """
        self._core.register(self.clock.now())
        await self._reach(REGISTERED, timeout_s)

    async def deregister(self, timeout_s=None):
        """De-register and return once that is done. Raises as `register` does."""
        self._core.deregister(self.clock.now())
        await self._reach(DEREGISTERED, timeout_s)

    async def send(
        self,
        to,
        payload,
        kind="UE",
        report=False,
        store=True,
        priority="NORMAL",
        application=None,
        timeout_s=None,
    ):
        """Send a message and return its Message ID once the next hop has taken it.

        to: a Service ID; kind: "UE", "AS", "GROUP", and with an MSGin5G client also "BC" (an area)
        and "TOPIC"; payload: bytes or str; report: ask for a delivery report (`on_report`); store:
        the server may keep it for a recipient that is away; application: Application ID.

        It waits while the UE is not registered or the gateway is away. Raises CallerError for what
        cannot be sent, MessageRefused, and asyncio.TimeoutError after `timeout_s`; the message is
        then tried on.
        """
        message_id = self._core.messages().send(
            *(to, payload, kind, report, store, priority, application, self.clock.now())
        )
        await self._taken((message_id,), timeout_s)
        return message_id

    async def send_several(
        self,
        to,
        payloads,
        kind="UE",
        report=False,
        store=True,
        priority="NORMAL",
        application=None,
        timeout_s=None,
    ):
        """Send messages to one recipient, as few POSTs as possible (6.4.1.1.3), as `send` does.

        Returns their Message IDs in order. With an MSGin5G client only.
        """
        ids = self._core.messages().send_several(
            *(to, payloads, kind, report, store, priority, application, self.clock.now())
        )
        await self._taken(ids, timeout_s)
        return ids

    @property
    def reports_itself(self):
        """Set it to true to send the delivery reports with `report` instead of at once."""
        return self._core.reports_itself

    @reports_itself.setter
    def reports_itself(self, value):
        self._core.reports_itself = bool(value)

    def report(self, message, success=True, cause=None):
        """Report on a message of `on_message` whose sender wants that (`message.report`)."""
        self._core.messages().report(message, success, cause, self.clock.now())
        self._wake.set()

    async def until(self, *states):
        """Wait until the state is one of these and return it."""
        while self._core.state not in states:
            await self._changed.wait()
            self._changed.clear()
        return self._core.state

    async def run(self):
        """Carry datagrams between the link and the core; never returns."""
        if self._storage.problem:
            self._tell("storage", {"reason": self._storage.problem})
        reader = asyncio.create_task(self._read())
        try:
            while not reader.done():
                now = self.clock.now()
                datagrams = self._core.poll(now)
                self._deliver()
                for datagram, _ in datagrams:
                    self._link.send(datagram)
                deadline = self._core.next_deadline()
                pause_ms = _IDLE_MS if deadline is None else min(max(deadline - now, 0), _IDLE_MS)
                try:
                    await asyncio.wait_for_ms(self._wake.wait(), pause_ms)
                except asyncio.TimeoutError:
                    pass
                self._wake.clear()
            await reader
        finally:
            reader.cancel()
            self._link.close()

    async def _read(self):
        pause_ms = _REOPEN_MIN_MS
        try:
            while True:
                try:
                    self._link.open()
                    self._wake.set()
                    while True:
                        datagram = await self._link.receive()
                        pause_ms = _REOPEN_MIN_MS
                        self._core.receive(datagram, self.clock.now())
                        self._wake.set()
                except OSError as problem:
                    self._link.close()
                    self._tell("link-lost", {"reason": str(problem), "retry_ms": pause_ms})
                    await asyncio.sleep_ms(pause_ms)
                    pause_ms = min(2 * pause_ms, _REOPEN_MAX_MS)
                except MemoryError:
                    # As good as a lost datagram: the peer sends it again. A heap that has no room
                    # for the link at all gets time, not a busy loop.
                    gc.collect()
                    self._tell("no-memory", {"free": gc.mem_free(), "retry_ms": pause_ms})
                    await asyncio.sleep_ms(pause_ms)
                    pause_ms = min(2 * pause_ms, _REOPEN_MAX_MS)
        finally:
            self._wake.set()

    async def _reach(self, state, timeout_s):
        self._wake.set()
        if await asyncio.wait_for(self.until(state, REFUSED), timeout_s) == REFUSED:
            raise RegistrationRefused(self.cause)

    async def _taken(self, ids, timeout_s):
        """Wait for the outcome of messages. Raises MessageRefused, asyncio.TimeoutError."""
        self._wake.set()
        done = asyncio.Event()
        for one in ids:
            self._awaited[one] = done
        try:
            await asyncio.wait_for(self._outcomes(ids, done), timeout_s)
        finally:
            for one in ids:
                del self._awaited[one]

    async def _outcomes(self, ids, done):
        for one in ids:
            while self._awaited[one] is done:
                await done.wait()
                done.clear()
            if self._awaited[one]:
                raise MessageRefused(self._awaited[one])

    def _deliver(self):
        while True:
            event = self._core.next_event()
            if event is None:
                return
            if event[0] == "save":
                if not self._storage.save(event[1]):
                    self._tell("storage", {"reason": self._storage.problem})
            elif event[0] == "state":
                info = dict(event[2])
                if event[1] in (REFUSED, BACKOFF):
                    self.cause = info.get("cause") or info.get("reason")
                info["state"] = event[1]
                self._tell("state", info)
                self._changed.set()
            elif event[0] == "message":
                info = dict(event[3])
                info["direction"] = event[1]
                info["what"] = event[2]
                info["iface"] = self._core.iface
                self._tell("message", info)
            elif event[0] == "received":
                self._on_received(event[1])
            elif event[0] == "report":
                info = {"message_id": event[1], "success": event[2], "cause": event[3]}
                self._tell("report", info)
                if self.on_report is not None:
                    self.on_report(event[1], event[2], event[3])
            elif event[0] == "response":
                info = {"message_id": event[1], "status": event[2], "cause": event[3]}
                self._tell("response", info)
                if self.on_response is not None:
                    self.on_response(event[1], event[2], event[3])
            elif event[0] == "outcome":
                self._on_outcome(event[1], event[2])
            else:
                self._tell(event[0], event[1])

    def _on_received(self, message):
        info = {"message_id": message.message_id, "bytes": len(message.payload)}
        if message.origin is not None:
            info["origin"] = message.origin[1]
        from msgin5g.octets import to_text

        info["group"] = message.group
        info["payload"] = to_text(message.payload[:_SHOWN_BYTES])
        self._tell("received", info)
        if self.on_message is not None:
            self.on_message(message)

    def _on_outcome(self, message_id, cause):
        self._tell("refused" if cause else "sent", {"message_id": message_id, "cause": cause})
        done = self._awaited.get(message_id)
        if done:
            self._awaited[message_id] = cause
            done.set()

    def _tell(self, name, info):
        if self._on_event is not None:
            self._on_event(name, info)
