"""The BLE link: devices that advertise the service, each on a connection of its own, on bleak.

The gateway scans, connects to one device at a time and keeps up to `slots` connections. When all
are taken, a newcomer waits until one ends, or takes the place of the device that was silent
longest, if that was for `idle_s`; one that could not be connected to before takes nobody's.
"""

import asyncio
import importlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgin5g.ble_framing import MAX_FRAME_BYTES, SERVICE_UUID
from msgin5g.errors import PeerError
from msgin5g_gateway.ble_peer import BlePeer
from msgin5g_gateway.carriers import LinkUnavailable
from msgin5g_host.ble_url import parse_ble

MAX_REMEMBERED = 200
PAUSE_MIN_S = 0.5
PAUSE_MAX_S = 30.0
_CONNECT_S = 15.0
# A scan does not say when its adapter has gone; the next one does.
_SCAN_S = 5.0
_START_BLUETOOTHD = "is bluetoothd running? (apt-get install bluez)"
_SWITCH_ON = "is the adapter there and switched on? (bluetoothctl power on)"
_LET_IN = "let the gateway's user in: sudo adduser USER bluetooth, and the group bluetooth"
# What an error says, and what to do; all but the last mean that every connection is gone too.
_HINTS = (
    ("ServiceUnknown", _START_BLUETOOTHD),
    ("No such file", _START_BLUETOOTHD),
    ("org.bluez.Error.NotReady", _SWITCH_ON),
    ("NO_BLUETOOTH", _SWITCH_ON),
    ("NO_BLE_CENTRAL_ROLE", _SWITCH_ON),
    ("POWERED_OFF", _SWITCH_ON),
    ("adapter '", _SWITCH_ON),
    ("DENIED_BY", _LET_IN),
)


@dataclass
class _Away:
    """A device that is left alone until then (loop time). failures: connections that did not come
    about, or brought nothing, in a row; told: what was said of the last that did not."""

    until_s: float = 0.0
    failures: int = 0
    told: str = ""


class BleCarrier:
    """Carries frames to and from BLE devices; see `Carrier`. Peers are "ble://ADDRESS".

    counters: those of `Reassembler`; connections, connect_failures, lost, evicted, scan_failures,
    write_failures; sent; `dropped_down` and `dropped_full`: frames for a device that is not
    connected, and whose queue was full; `dropped_too_long`.
    """

    scheme = "ble"
    max_frame_bytes = MAX_FRAME_BYTES

    def __init__(
        self,
        url: str,
        on_frame: Callable[[str, bytes], None],
        on_event: Callable[[str, dict[str, object]], None],
    ) -> None:
        self._url = url
        self._settings = parse_ble(url)
        self._bleak, self._backend = _load(url, self._settings.backend)
        self._on_frame = on_frame
        self._on_event = on_event
        self.counters: Counter[str] = Counter()
        self._peers: dict[str, BlePeer] = {}
        self._away: dict[str, _Away] = {}
        self._changed = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return self._url

    def reaches(self, identifier: str) -> bool:
        """Tell whether the identifier is a BLE address."""
        return identifier.startswith("ble://")

    async def run(self) -> None:
        """Scan and connect until cancelled; tells "link-up" and "link-lost"."""
        told = ""
        failures = 0
        try:
            while True:
                try:
                    await self._wait_for_slot()
                    found = await self._scan()
                # bleak and the D-Bus library below it raise more than they declare.
                except Exception as problem:
                    self.counters["scan_failures"] += 1
                    reason, is_gone = _why(problem)
                    self._drop_ended(reason, is_gone)
                    if reason != told:
                        self._on_event("link-lost", {"reason": reason})
                        told = reason
                    await asyncio.sleep(_pause_s(failures))
                    failures += 1
                    continue
                failures, told = 0, ""
                if found is not None:
                    await self._connect(found)
        finally:
            self.close()
            for peer in list(self._peers.values()):
                await peer.disconnect()
            self._peers.clear()
            await asyncio.gather(*self._ending, return_exceptions=True)

    def send(self, peer: str, frame: bytes) -> bool:
        """Send a frame, or queue it; False when it was dropped, which `counters` tells."""
        connected = self._peers.get(peer)
        if connected is None:
            self.counters["dropped_down"] += 1
            return False
        if not 0 < len(frame) <= MAX_FRAME_BYTES:
            self.counters["dropped_too_long"] += 1
            return False
        if not connected.send(frame):
            self.counters["dropped_full"] += 1
            return False
        self.counters["sent"] += 1
        return True

    def close(self) -> None:
        """Stop; `run` ends the connections when it is cancelled."""
        for peer in self._peers.values():
            peer.stop()

    async def _wait_for_slot(self) -> None:
        """Return once there is a free slot, or a device so silent that it may give way."""
        while len(self._peers) >= self._settings.slots and self._idlest() is None:
            self._changed.clear()
            try:
                async with asyncio.timeout(_SCAN_S):
                    await self._changed.wait()
            except TimeoutError:
                self._drop_ended("disconnected", False)

    def _idlest(self) -> BlePeer | None:
        """Return the device that was silent longest, if long enough to give way."""
        now = asyncio.get_running_loop().time()
        idle = min(self._peers.values(), key=lambda one: one.heard_at)
        return idle if now - idle.heard_at >= self._settings.idle_s else None

    async def _scan(self) -> Any:
        """Return a device that may be connected to, or None after a while."""
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def heard(device: Any, advertisement: Any) -> None:
            if not found.done() and self._is_wanted(device, advertisement):
                found.set_result(device)

        scanner = self._bleak.BleakScanner(
            heard, service_uuids=[SERVICE_UUID], **self._adapter(), **self._backed("scanner")
        )
        async with asyncio.timeout(_CONNECT_S):
            await scanner.start()
        try:
            # Not wait_for, which may swallow a cancellation before Python 3.12.
            async with asyncio.timeout(_SCAN_S):
                return await found
        except TimeoutError:
            return None
        finally:
            async with asyncio.timeout(_CONNECT_S):
                await scanner.stop()

    def _is_wanted(self, device: Any, advertisement: Any) -> bool:
        address = device.address.upper()
        away = self._away.get(address, _Away())
        is_full = len(self._peers) >= self._settings.slots
        name = self._settings.name
        return (
            (not self._settings.allow or address in self._settings.allow)
            and (not name or name in (device.name, advertisement.local_name))
            and f"ble://{address}" not in self._peers
            and asyncio.get_running_loop().time() >= away.until_s
            and not (is_full and away.told)
        )

    async def _connect(self, device: Any) -> None:
        if len(self._peers) >= self._settings.slots:
            idle = self._idlest()
            if idle is None:
                return
            self.counters["evicted"] += 1
            self._gone(idle, "gave way to another device")
            await idle.disconnect()
        address = device.address.upper()
        identifier = f"ble://{address}"
        client = self._bleak.BleakClient(
            device,
            disconnected_callback=lambda _: self._gone(peer, "disconnected"),
            timeout=_CONNECT_S,
            **self._adapter(),
            **self._backed("client"),
        )
        peer: BlePeer = BlePeer(
            client,
            identifier,
            lambda frame: self._on_frame(identifier, frame),
            lambda reason: self._broken(peer, reason),
            self.counters,
        )
        try:
            async with asyncio.timeout(_CONNECT_S):
                await client.connect()
                self._peers[identifier] = peer
                await peer.start()
            if self._peers.get(identifier) is not peer:
                raise PeerError("it left at once")
            peer.is_up = True
        except Exception as problem:  # As above, and what a device may offer.
            self.counters["connect_failures"] += 1
            reason = _why(problem)[0]
            if self._put_off(address, reason):
                self._on_event("link-lost", {"peer": identifier, "reason": reason})
        finally:
            if not peer.is_up:
                if self._peers.get(identifier) is peer:
                    del self._peers[identifier]
                peer.stop()
                await peer.disconnect()
        if peer.is_up:
            self.counters["connections"] += 1
            if address in self._away:
                self._away[address].told = ""
            self._on_event("link-up", {"peer": identifier})

    def _broken(self, peer: BlePeer, reason: str) -> None:
        """Nothing can be written to a device any more."""
        self._gone(peer, reason)
        task = asyncio.create_task(peer.disconnect())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _gone(self, peer: BlePeer, reason: str) -> None:
        """A connection has ended; an older one to the same device is no news."""
        if self._peers.get(peer.identifier) is not peer:
            return
        del self._peers[peer.identifier]
        peer.stop()
        self._changed.set()
        if not peer.is_up:
            return
        self.counters["lost"] += 1
        address = peer.identifier.partition("://")[2]
        if peer.has_heard:
            self._away.pop(address, None)
        self._put_off(address)
        self._on_event("link-lost", {"peer": peer.identifier, "reason": reason})

    def _drop_ended(self, reason: str, every: bool) -> None:
        """Drop the connections that have ended; bleak does not tell when bluetoothd has."""
        for peer in list(self._peers.values()):
            if every or not peer.is_connected:
                self._broken(peer, reason)

    def _put_off(self, address: str, told: str = "") -> bool:
        """Leave a device alone for a growing pause; tells whether `told` is news."""
        away = self._away.pop(address, _Away())
        is_news = told != away.told
        until_s = asyncio.get_running_loop().time() + _pause_s(away.failures)
        self._away[address] = _Away(until_s, away.failures + 1, told)
        if len(self._away) > MAX_REMEMBERED:
            del self._away[next(iter(self._away))]
        return is_news

    def _adapter(self) -> dict[str, Any]:
        adapter = self._settings.adapter
        return {"bluez": {"adapter": adapter}} if adapter else {}

    def _backed(self, what: str) -> dict[str, Any]:
        return {"backend": getattr(self._backend, what)} if self._backend is not None else {}


def _load(url: str, backend: str) -> tuple[Any, Any]:
    """Return bleak and the backend's module, or None for bleak's own. Raises LinkUnavailable."""
    try:
        bleak: Any = importlib.import_module("bleak")
        importlib.import_module("bleak.exc")
    except ImportError:
        raise LinkUnavailable(
            f"link {url}: the package bleak is missing; pip install 'msgin5g[ble]'"
        ) from None
    if not backend:
        return bleak, None
    try:
        module = importlib.import_module(backend)
    except ImportError as problem:
        raise LinkUnavailable(f"link {url}: backend {backend}: {problem}") from None
    for name in ("scanner", "client"):
        if not hasattr(module, name):
            raise LinkUnavailable(f"link {url}: backend {backend} has no {name}")
    return bleak, module


def _pause_s(failures: int) -> float:
    pause = min(PAUSE_MIN_S * 2 ** min(failures, 10), PAUSE_MAX_S / 1.5)
    return random.uniform(pause, 1.5 * pause)


def _why(problem: Exception) -> tuple[str, bool]:
    """Return (reason with a hint, whether the adapter is gone with all connections)."""
    why = getattr(problem, "reason", None)
    text = str(problem.args[0]) if why is not None else str(problem)
    text = " ".join(text.split()) or type(problem).__name__
    for word, hint in _HINTS:
        if word in f"{text} {getattr(why, 'name', '')}":
            return f"{text}; {hint}", hint is not _LET_IN
    return text, False
