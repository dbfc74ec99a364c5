"""Many UEs in one process: the firmware's state machine, one socket each, paced starts."""

import argparse
import asyncio
import json
import random
import resource
import socket
import sys
from collections import Counter
from typing import Any

from msgin5g.exchange import Endpoint, Params
from msgin5g_host.clock import Clock
from msgin5g_host.config import parse_link
from ue.config import defaults
from ue.core import UeCore

_REPORT_S = 1.0
_MAX_DATAGRAM_BYTES = 1280
_SPARE_FILES = 64


class FleetError(Exception):
    """The fleet cannot start; the text says why and what to do."""


class FleetUe:
    """One UE of the fleet: a connected socket and a `UeCore`, driven by the event loop."""

    def __init__(
        self, settings: dict[str, Any], address: tuple[str, int], clock: Clock, fleet: "Fleet"
    ) -> None:
        params = Params(max_datagram_bytes=_MAX_DATAGRAM_BYTES, max_peers=2)
        self.core = UeCore(settings, Endpoint(random.randrange, params), {}, random.randrange)
        self._clock = clock
        self._fleet = fleet
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._socket = socket.socket(
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM
        )
        self._socket.setblocking(False)
        self._socket.connect(address)
        self._loop.add_reader(self._socket, self._readable)

    def start(self) -> None:
        """Register."""
        self.core.register(self._clock.now())
        self._flush()

    def leave(self) -> None:
        """De-register."""
        self.core.deregister(self._clock.now())
        self._flush()

    def close(self) -> None:
        """Stop without a word."""
        self._loop.remove_reader(self._socket)
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()

    def _readable(self) -> None:
        now = self._clock.now()
        try:
            while True:
                self.core.receive(self._socket.recv(_MAX_DATAGRAM_BYTES + 1), now)
        except BlockingIOError:
            pass
        except OSError:
            self._fleet.counts["refused datagrams"] += 1
        self._flush()

    def _flush(self) -> None:
        now = self._clock.now()
        for datagram, _ in self.core.poll(now):
            try:
                self._socket.send(datagram)
            except OSError:
                self._fleet.counts["refused datagrams"] += 1
        while event := self.core.next_event():
            if event[0] == "state":
                self._fleet.changed(self, event[1], event[2])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.core.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_later(max(deadline - now, 1) / 1000, self._flush)


class Fleet:
    """The UEs with their states and what became of them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.states: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self._state_of: dict[FleetUe, str] = {}
        self.settled = asyncio.Event()
        self.goal: tuple[str, ...] = ("registered", "refused")

    def changed(self, ue: FleetUe, state: str, info: dict[str, Any]) -> None:
        """Note that a UE is in another state."""
        before = self._state_of.get(ue)
        if before is not None:
            self.states[before] -= 1
        self._state_of[ue] = state
        self.states[state] += 1
        self.counts[state] += 1
        if state == "refused":
            self.causes[str(info.get("cause", ""))] += 1
        self.check()

    def check(self) -> None:
        """Tell the waiter when all UEs are where they should be."""
        if sum(self.states[state] for state in self.goal) == self.count:
            self.settled.set()

    def report(self, event: str, **more: Any) -> dict[str, Any]:
        """Return the figures as one event."""
        return {
            "role": "fleet",
            "event": event,
            "count": self.count,
            "states": {state: n for state, n in sorted(self.states.items()) if n},
            "totals": dict(sorted(self.counts.items())),
            "causes": dict(self.causes.most_common(5)),
            **more,
        }


async def run_fleet(args: argparse.Namespace, link: str) -> int:
    """Run `msgin5g ue --count N`; returns the exit code: 1 if not all ended registered."""
    if args.rate <= 0 or not 0 <= args.jitter <= 1 or args.ramp < 0:
        raise FleetError("--rate must be above 0, --jitter between 0 and 1, --ramp not below 0")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = args.count + _SPARE_FILES
    if wanted > soft:
        if wanted > hard:
            raise FleetError(f"{args.count} UEs need {wanted} open files, the limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        address = _address(link)
    except (ValueError, OSError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise FleetError(f"--link {link}: {reason}") from None
    clock = Clock()
    fleet = Fleet(args.count)
    ues: list[FleetUe] = []
    began = clock.now()
    reporter = asyncio.create_task(_reporter(fleet, clock, args.json))
    try:
        async with asyncio.timeout(args.seconds or None):
            for number in range(1, args.count + 1):
                ues.append(FleetUe(_settings(args, number, link), address, clock, fleet))
                ues[-1].start()
                await asyncio.sleep(_pause_s(args, (clock.now() - began) / 1000))
            await fleet.settled.wait()
            _print(args.json, fleet.report("all-settled", seconds=(clock.now() - began) / 1000))
            if args.once:
                began = clock.now()
                fleet.goal = ("deregistered", "refused")
                fleet.settled.clear()
                for one in ues:
                    one.leave()
                await fleet.settled.wait()
            else:
                await asyncio.Event().wait()
    except TimeoutError:
        pass
    finally:
        reporter.cancel()
        for one in ues:
            one.close()
    _print(args.json, fleet.report("end", seconds=(clock.now() - began) / 1000))
    wanted_state = "deregistered" if args.once else "registered"
    return 0 if fleet.states[wanted_state] == args.count else 1


def _address(link: str) -> tuple[str, int]:
    scheme, host, port = parse_link(link)
    if scheme != "udp":
        raise FleetError(f"a fleet needs a udp:// link, not {link}")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][4]
    return str(found[0]), int(found[1])


def _settings(args: argparse.Namespace, number: int, link: str) -> dict[str, Any]:
    settings: dict[str, Any] = defaults()
    settings["ue_service_id"] = f"{args.id_prefix}{number}"
    settings["link"] = link
    settings["urgent"] = args.urgent
    if args.wait_s is not None:
        settings["wait_s"] = args.wait_s
    if args.refresh_s is not None:
        settings["refresh_s"] = args.refresh_s
    return settings


def _pause_s(args: argparse.Namespace, elapsed_s: float) -> float:
    """Seconds until the next UE starts: 1/rate, longer during the ramp, with jitter."""
    rate = args.rate
    if args.ramp and elapsed_s < args.ramp:
        rate *= max(elapsed_s / args.ramp, 0.05)
    return float(1 / rate * (1 + args.jitter * random.uniform(-1, 1)))


async def _reporter(fleet: Fleet, clock: Clock, as_json: bool) -> None:
    began = clock.now()
    while True:
        await asyncio.sleep(_REPORT_S)
        _print(as_json, fleet.report("progress", seconds=(clock.now() - began) / 1000))


def _print(as_json: bool, event: dict[str, Any]) -> None:
    if as_json:
        sys.stdout.write(json.dumps(event) + "\n")
    else:
        states = "  ".join(f"{state} {n}" for state, n in event["states"].items())
        line = f"{event['seconds']:7.1f} s  {event['event']:11}  {states}"
        if event["causes"]:
            line += "  causes: " + "; ".join(f"{n}x {c}" for c, n in event["causes"].items())
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
