"""The constrained UE as a task: `UeCore` with a link, a clock and a file."""

import asyncio
import os

from msgin5g.exchange import Endpoint, Params
from ue.clock import Clock
from ue.core import BACKOFF, DEREGISTERED, REFUSED, REGISTERED, UeCore
from ue.link_udp import MAX_DATAGRAM_BYTES, UdpLink
from ue.storage import Storage

_REOPEN_MS = 1000
_IDLE_MS = 60000


class RegistrationRefused(Exception):
    """The server or the gateway said no; the text is the cause."""


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
        self._on_event = on_event
        self._storage = Storage(config["state_file"])
        params = Params(
            ack_timeout_ms=config["ack_timeout_ms"],
            max_retransmit=config["max_retransmit"],
            max_datagram_bytes=MAX_DATAGRAM_BYTES,
            max_peers=2,
            max_waiting=2,
            max_held=4,
        )
        endpoint = Endpoint(random_below, params, reuse=True)
        self._core = UeCore(config, endpoint, self._storage.load(), random_below)
        self._link = UdpLink(config["link"])
        self._changed = asyncio.Event()
        self._wake = asyncio.Event()
        self._cause = None

    @property
    def state(self):
        """The state's name, see `ue.core`."""
        return self._core.state

    @property
    def wanted(self):
        """What was asked for last, also before a reboot: "registered", "deregistered" or None."""
        return self._core.wanted

    async def register(self, timeout_s=None):
        """Register and return once registered; the UE then stays registered.

        Raises RegistrationRefused, and asyncio.TimeoutError after `timeout_s`; the UE goes on
        trying in both cases.
        """
        self._core.register(self.clock.now())
        await self._until(REGISTERED, timeout_s)

    async def deregister(self, timeout_s=None):
        """De-register and return once that is done. Raises as `register` does."""
        self._core.deregister(self.clock.now())
        await self._until(DEREGISTERED, timeout_s)

    async def run(self):
        """Carry datagrams between the link and the core; never returns."""
        problem = self._storage.problem
        if problem:
            self._tell("storage", {"reason": problem})
        try:
            self._link.open()
        except OSError:
            pass  # the reader tries again, and says so
        reader = asyncio.create_task(self._read())
        try:
            while True:
                now = self.clock.now()
                for datagram, _ in self._core.poll(now):
                    self._link.send(datagram)
                self._deliver()
                deadline = self._core.next_deadline()
                pause = _IDLE_MS if deadline is None else min(max(deadline - now, 0), _IDLE_MS)
                try:
                    await asyncio.wait_for(self._wake.wait(), pause / 1000)
                except asyncio.TimeoutError:
                    pass
                self._wake.clear()
        finally:
            reader.cancel()
            self._link.close()

    async def _read(self):
        while True:
            try:
                self._link.open()
                self._wake.set()
                while True:
                    datagram = await self._link.receive()
                    self._core.receive(datagram, self.clock.now())
                    self._wake.set()
            except OSError as problem:
                self._link.close()
                self._tell("link-lost", {"reason": str(problem)})
                await asyncio.sleep_ms(_REOPEN_MS)

    async def _until(self, state, timeout_s):
        self._wake.set()
        await asyncio.wait_for(self._reach(state), timeout_s)

    async def _reach(self, state):
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._core.state == state:
                return
            if self._core.state == REFUSED:
                raise RegistrationRefused(self._cause)

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
                    self._cause = info.get("cause") or info.get("reason")
                info["state"] = event[1]
                self._tell("state", info)
                self._changed.set()
            else:
                info = dict(event[3])
                info["direction"] = event[1]
                info["what"] = event[2]
                info["iface"] = "MSGin5G-6"
                self._tell("message", info)

    def _tell(self, name, info):
        if self._on_event is not None:
            self._on_event(name, info)
