"""The constrained UE as a task: its state machine with a link, a clock and a file."""

import asyncio
import gc
import os

from ue.clock import Clock
from ue.errors import MessageRefused, RegistrationRefused
from ue.links import open_link
from ue.modes import make_core
from ue.states import BACKOFF, DEREGISTERED, REFUSED, REGISTERED
from ue.storage import Storage

_REOPEN_MIN_MS = 500
_REOPEN_MAX_MS = 30000
_IDLE_MS = 60000


def random_below(limit):
    """Return a random integer in [0, limit)."""
    return int.from_bytes(os.urandom(4), "big") % limit


__all__ = ["ConstrainedUE", "MessageRefused", "RegistrationRefused"]


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
        # Called in every turn of the loop, at least every `turn_ms`; true ends the loop.
        self.on_turn = None
        self.turn_ms = _IDLE_MS
        self._talker = None
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
    def is_quiet(self):
        """Whether it is registered with nothing under way and no message that waits."""
        return self._core.is_quiet()

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
        options = (kind, report, store, priority, application)
        return (await self._talk().send(to, payload, options, False, timeout_s))[0]

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
        """Send messages to one recipient in as few POSTs as possible (6.4.1.1.3), like `send`.

        Returns their Message IDs in order. With an MSGin5G client only.
        """
        options = (kind, report, store, priority, application)
        return await self._talk().send(to, payloads, options, True, timeout_s)

    async def subscribe(self, topic, expires_s=None, timeout_s=None):
        """Subscribe to a topic and return once the server says so; `on_message` gets what comes.

        expires_s: for how long; None: until `unsubscribe`, also across a reboot. Raises
        CallerError, MessageRefused, and asyncio.TimeoutError after `timeout_s`; it is then tried
        on. With an MSGin5G client only.
        """
        await self._talk().topic(topic, False, expires_s, timeout_s)

    async def unsubscribe(self, topic, timeout_s=None):
        """Leave a topic and return once the server says so. Raises as `subscribe` does."""
        await self._talk().topic(topic, True, None, timeout_s)

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
        """Carry datagrams between the link and the core until `on_turn` ends it."""
        if self._storage.problem:
            self.tell("storage", {"reason": self._storage.problem})
        reader = asyncio.create_task(self._read())
        try:
            while not reader.done():
                now = self.clock.now()
                datagrams = self._core.poll(now)
                self._deliver()
                for datagram, _ in datagrams:
                    self._link.send(datagram)
                if self.on_turn is not None and self.on_turn():
                    return
                deadline = self._core.next_deadline()
                pause_ms = self.turn_ms
                if deadline is not None:
                    pause_ms = min(max(deadline - now, 0), pause_ms)
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
                    self.tell("link-lost", {"reason": str(problem), "retry_ms": pause_ms})
                    await asyncio.sleep_ms(pause_ms)
                    pause_ms = min(2 * pause_ms, _REOPEN_MAX_MS)
                except MemoryError:
                    # As good as a lost datagram: the peer sends it again. A heap that has no room
                    # for the link at all gets time, not a busy loop.
                    gc.collect()
                    self.tell("no-memory", {"free": gc.mem_free(), "retry_ms": pause_ms})
                    await asyncio.sleep_ms(pause_ms)
                    pause_ms = min(2 * pause_ms, _REOPEN_MAX_MS)
        finally:
            self._wake.set()

    async def _reach(self, state, timeout_s):
        self._wake.set()
        if await asyncio.wait_for(self.until(state, REFUSED), timeout_s) == REFUSED:
            raise RegistrationRefused(self.cause)

    def _talk(self):
        """Return what knows about messages; it is loaded when the first one comes or goes."""
        if self._talker is None:
            from ue.talk import Talk

            self._talker = Talk(self, self._core, self._wake)
        return self._talker

    def _deliver(self):
        while True:
            event = self._core.next_event()
            if event is None:
                return
            if event[0] == "save":
                if not self._storage.save(event[1]):
                    self.tell("storage", {"reason": self._storage.problem})
            elif event[0] == "state":
                info = dict(event[2])
                if event[1] in (REFUSED, BACKOFF):
                    self.cause = info.get("cause") or info.get("reason")
                info["state"] = event[1]
                self.tell("state", info)
                self._changed.set()
            elif event[0] == "message":
                info = dict(event[3])
                info["direction"] = event[1]
                info["what"] = event[2]
                info["iface"] = self._core.iface
                self.tell("message", info)
            else:
                self._talk().take(event)

    def tell(self, name, info):
        """Give an event to `on_event`."""
        if self._on_event is not None:
            self._on_event(name, info)
