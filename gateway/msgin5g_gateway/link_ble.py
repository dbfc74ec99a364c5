"""The BLE link: devices that advertise the service, each on a connection of its own, on bleak.

The gateway scans, connects to one device at a time and keeps up to `slots` connections. When all
are taken, a newcomer waits until one ends, or takes the place of the device that was silent
longest, if that was for `idle_s`.
"""

import asyncio
import importlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from msgin5g.ble_framing import MAX_FRAME_BYTES, SERVICE_UUID
from msgin5g_gateway.ble_peer import BlePeer
from msgin5g_gateway.carriers import LinkUnavailable
from msgin5g_host.ble_url import parse_ble

MAX_REMEMBERED = 200
PAUSE_MIN_S = 0.5
PAUSE_MAX_S = 30.0
_CONNECT_S = 15.0
# A scan does not say when its adapter has gone; the next one does.
_SCAN_S = 5.0


class BleCarrier:
    """Carries frames to and from BLE devices; see `Carrier`. Peers are "ble://ADDRESS".

    counters: those of `Reassembler`; connections, connect_failures, lost, evicted, scan_failures,
    write_failures; sent; `dropped_down` and `dropped_full`: frames for a device that is not
    connected, and whose queue was full.
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
        # Address: (connect again from then on, failures in a row).
        self._pauses: dict[str, tuple[float, int]] = {}
        self._changed = asyncio.Event()

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
                    failures, told = 0, ""
                    if found is not None:
                        await self._connect(found)
                except (self._bleak.exc.BleakError, OSError, EOFError) as problem:
                    self.counters["scan_failures"] += 1
                    reason = _hint(problem)
                    if reason != told:
                        self._on_event("link-lost", {"reason": reason})
                        told = reason
                    await asyncio.sleep(_pause_s(failures))
                    failures += 1
        finally:
            for peer in list(self._peers.values()):
                peer.stop()
                await peer.disconnect()

    def send(self, peer: str, frame: bytes) -> bool:
        """Send a frame, or queue it; False when it was dropped, which `counters` tells."""
        connected = self._peers.get(peer)
        if connected is None:
            self.counters["dropped_down"] += 1
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
        while len(self._peers) >= self._settings.slots:
            now = asyncio.get_running_loop().time()
            idle = min(self._peers.values(), key=lambda one: one.heard_at)
            wait_s = idle.heard_at + self._settings.idle_s - now
            if wait_s <= 0:
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _scan(self) -> Any:
        """Return a device that may be connected to, or None after a while."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Any] = loop.create_future()

        def heard(device: Any, _: object) -> None:
            address = device.address.upper()
            allowed = not self._settings.allow or address in self._settings.allow
            waits = loop.time() < self._pauses.get(address, (0.0, 0))[0]
            known = f"ble://{address}" in self._peers
            if allowed and not waits and not known and not found.done():
                found.set_result(device)

        scanner = self._bleak.BleakScanner(
            heard, service_uuids=[SERVICE_UUID], **self._adapter(), **self._backed("scanner")
        )
        await scanner.start()
        try:
            return await asyncio.wait_for(found, _SCAN_S)
        except TimeoutError:
            return None
        finally:
            async with asyncio.timeout(_CONNECT_S):
                await scanner.stop()

    async def _connect(self, device: Any) -> None:
        if len(self._peers) >= self._settings.slots:
            idle = min(self._peers.values(), key=lambda one: one.heard_at)
            self.counters["evicted"] += 1
            self._gone(idle.identifier, "gave way to another device")
            idle.stop()
            await idle.disconnect()
        address = device.address.upper()
        identifier = f"ble://{address}"
        client = self._bleak.BleakClient(
            device,
            disconnected_callback=lambda _: self._gone(identifier, "disconnected"),
            timeout=_CONNECT_S,
            **self._adapter(),
            **self._backed("client"),
        )
        peer = BlePeer(
            client, identifier, lambda frame: self._on_frame(identifier, frame), self.counters
        )
        try:
            async with asyncio.timeout(_CONNECT_S):
                await client.connect()
                self._peers[identifier] = peer
                await peer.start()
        except (self._bleak.exc.BleakError, OSError, EOFError, TimeoutError) as problem:
            self._peers.pop(identifier, None)
            self.counters["connect_failures"] += 1
            self._put_off(address)
            self._on_event("link-lost", {"peer": identifier, "reason": _hint(problem)})
            await peer.disconnect()
            return
        self._pauses.pop(address, None)
        self.counters["connections"] += 1
        self._on_event("link-up", {"peer": identifier})

    def _gone(self, identifier: str, reason: str) -> None:
        peer = self._peers.pop(identifier, None)
        if peer is None:
            return
        peer.stop()
        self.counters["lost"] += 1
        self._put_off(identifier.partition("://")[2])
        self._changed.set()
        self._on_event("link-lost", {"peer": identifier, "reason": reason})

    def _put_off(self, address: str) -> None:
        """Leave a device alone for a growing pause."""
        failures = self._pauses.pop(address, (0.0, -1))[1] + 1
        until = asyncio.get_running_loop().time() + _pause_s(failures)
        self._pauses[address] = until, failures
        if len(self._pauses) > MAX_REMEMBERED:
            del self._pauses[next(iter(self._pauses))]

    def _adapter(self) -> dict[str, Any]:
        return {"adapter": self._settings.adapter} if self._settings.adapter else {}

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
        return bleak, importlib.import_module(backend)
    except ImportError as problem:
        raise LinkUnavailable(f"link {url}: backend {backend}: {problem}") from None


def _pause_s(failures: int) -> float:
    pause = min(PAUSE_MIN_S * 2 ** min(failures, 10), PAUSE_MAX_S / 1.5)
    return random.uniform(pause, 1.5 * pause)


def _hint(problem: BaseException) -> str:
    text = " ".join(str(problem).split()) or type(problem).__name__
    if isinstance(problem, FileNotFoundError) or "ServiceUnknown" in text:
        return f"{text}; is bluetoothd running? (apt-get install bluez)"
    if "No Bluetooth adapters" in text or "org.bluez.Error.NotReady" in text:
        return f"{text}; is the adapter there and switched on? (bluetoothctl power on)"
    return text
