"""A bleak backend on the virtual radio: the central's side of BLE without hardware.

    BleakScanner(backend=bleak_backend.scanner), BleakClient(device, backend=bleak_backend.client)

MSGIN5G_AIR is the path of the radio's socket. All scanners and clients of a process share one
adapter; if the radio goes away they fail as on BlueZ, and work again when it is back.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError
from bleak.uuids import normalize_uuid_str
from bumble.core import AdvertisingData
from bumble.device import Device, DeviceConfiguration, Peer
from bumble.hci import Address
from bumble.transport import open_transport

# Its warnings are about radios that come and go, which is what this one is for.
logging.getLogger("bumble").setLevel(logging.CRITICAL)

_ADDRESS = "AA:00:00:00:00:01"
_ANSWER_S = 5.0
_PROPERTIES = (
    (0x02, "read"),
    (0x04, "write-without-response"),
    (0x08, "write"),
    (0x10, "notify"),
    (0x20, "indicate"),
)
_UUID_LISTS = (
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
)


class _Adapter:
    """The one adapter of this process, opened when it is needed."""

    def __init__(self) -> None:
        self._device: Any = None
        self._transport: Any = None
        self._lock = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None
        self.clients: set[VirtualClient] = set()

    async def device(self) -> Any:
        """Return the powered-on device. Raises BleakError while there is no radio."""
        async with self._lock:
            if self._device is None:
                self._device = await self._open()
            return self._device

    def is_current(self, device: Any) -> bool:
        """Tell whether this is the device of the radio that is there now."""
        return device is self._device

    async def close(self) -> None:
        """Let the radio go."""
        if self._watcher is not None:
            self._watcher.cancel()
        if self._device is not None:
            self._device = None
            await self._transport.close()

    async def _open(self) -> Any:
        path = os.environ.get("MSGIN5G_AIR")
        if not path:
            raise BleakError("MSGIN5G_AIR names no virtual radio")
        try:
            self._transport = await open_transport(f"unix-client:{path}.hci")
        except OSError as problem:
            raise BleakError(f"no virtual radio at {path}: {problem}") from None
        config = DeviceConfiguration(name="central", address=Address(_ADDRESS))
        config.irk = os.urandom(16)
        device = Device.from_config_with_hci(config, self._transport.source, self._transport.sink)
        try:
            await asyncio.wait_for(device.power_on(), _ANSWER_S)
        except TimeoutError:
            await self._transport.close()
            raise BleakError(f"the virtual radio at {path} does not answer") from None
        self._watcher = asyncio.create_task(self._watch())
        return device

    async def _watch(self) -> None:
        """Notice when the radio goes away: everything on it is disconnected then."""
        await self._transport.source.wait_for_termination()
        self._device = None
        for one in list(self.clients):
            one.lost()


_adapters: dict[asyncio.AbstractEventLoop, _Adapter] = {}


def _adapter() -> _Adapter:
    loop = asyncio.get_running_loop()
    if loop not in _adapters:
        _adapters.clear()
        _adapters[loop] = _Adapter()
    return _adapters[loop]


class VirtualScanner(BaseBleakScanner):
    """Scans the virtual radio."""

    def __init__(
        self,
        detection_callback: Any = None,
        service_uuids: list[str] | None = None,
        scanning_mode: str = "active",
        **_: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._is_active_scan = scanning_mode != "passive"
        self._device: Any = None

    async def start(self) -> None:
        """Begin to scan. Raises BleakError."""
        self.seen_devices = {}
        self._device = await _adapter().device()
        self._device.on(self._device.EVENT_ADVERTISEMENT, self._on_advertisement)
        await _in_time(
            self._device.start_scanning(active=self._is_active_scan, filter_duplicates=False)
        )

    async def stop(self) -> None:
        """Stop scanning."""
        device, self._device = self._device, None
        if device is None:
            return
        device.remove_listener(device.EVENT_ADVERTISEMENT, self._on_advertisement)
        if _adapter().is_current(device):
            await _in_time(device.stop_scanning())

    def _on_advertisement(self, heard: Any) -> None:
        data = heard.data
        uuids = [
            _uuid(one) for kind in _UUID_LISTS for found in data.get_all(kind) for one in found
        ]
        if not self.is_allowed_uuid(uuids):
            return
        name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        advertisement = AdvertisementData(
            local_name=name,
            manufacturer_data={},
            service_data={},
            service_uuids=uuids,
            tx_power=None,
            rssi=heard.rssi,
            platform_data=(heard,),
        )
        address = heard.address.to_string(False)
        device = self.create_or_update_device(address, address, name, heard.address, advertisement)
        self.call_detection_callbacks(device, advertisement)


class VirtualClient(BaseBleakClient):
    """A connection on the virtual radio."""

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None = None,
        timeout: float = 10.0,
        **_: Any,
    ) -> None:
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        if isinstance(address_or_ble_device, BLEDevice):
            self._target = address_or_ble_device.details
            self._name = address_or_ble_device.name or self.address
        else:
            self._target = Address(address_or_ble_device)
            self._name = self.address
        self._connection: Any = None
        self._callbacks: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """The device's name."""
        return self._name

    @property
    def mtu_size(self) -> int:
        """The ATT MTU of the connection."""
        return int(self._connection.att_mtu) if self._connection else 23

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a connection."""
        return self._connection is not None

    async def connect(self, pair: bool = False, **_: Any) -> None:
        """Connect, exchange the MTU and discover services. Raises BleakError."""
        device = await _adapter().device()
        try:
            async with asyncio.timeout(self._timeout):
                self._connection = await device.connect(self._target)
                self._connection.on(
                    self._connection.EVENT_DISCONNECTION, lambda reason: self.lost()
                )
                _adapter().clients.add(self)
                peer = Peer(self._connection)
                await peer.request_mtu(247)
                await peer.discover_services()
                await peer.discover_characteristics()
        except Exception as problem:
            self._connection = None
            text = f"connection failed: {problem!r}"
            raise BleakDeviceNotFoundError(self.address, text) from problem
        services = BleakGATTServiceCollection()
        for service in peer.services:
            own = BleakGATTService(service, service.handle, _uuid(service.uuid))
            services.add_service(own)
            for one in service.characteristics:
                names: Any = [name for bit, name in _PROPERTIES if int(one.properties) & bit]
                services.add_characteristic(
                    BleakGATTCharacteristic(
                        one, one.handle, _uuid(one.uuid), names, lambda: self.mtu_size - 3, own
                    )
                )
        self.services = services

    async def disconnect(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await _in_time(self._connection.disconnect())

    def lost(self) -> None:
        """The connection has ended."""
        if self._connection is None:
            return
        self._connection = None
        self.services = None
        _adapter().clients.discard(self)
        if self._disconnected_callback:
            self._disconnected_callback()

    async def pair(self, *_: Any, **__: Any) -> None:
        """Not modelled."""
        raise BleakError("the virtual radio does not pair")

    async def unpair(self) -> None:
        """Not modelled."""
        raise BleakError("the virtual radio does not pair")

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_: Any) -> bytearray:
        """Read a value."""
        return bytearray(await self._ask(characteristic.obj.read_value()))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        """Write a value."""
        await self._ask(characteristic.obj.write_value(bytes(data), with_response=response))

    async def read_gatt_descriptor(self, descriptor: Any, **_: Any) -> bytearray:
        """Read a descriptor."""
        return bytearray(await self._ask(descriptor.obj.read_value()))

    async def write_gatt_descriptor(self, descriptor: Any, data: Any) -> None:
        """Write a descriptor."""
        await self._ask(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Any, **_: Any
    ) -> None:
        """Subscribe to notifications."""

        def heard(value: bytes) -> None:
            callback(bytearray(value))

        self._callbacks[characteristic.handle] = heard
        await self._ask(characteristic.obj.subscribe(heard, prefer_notify=True))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """End a subscription."""
        heard = self._callbacks.pop(characteristic.handle, None)
        await self._ask(characteristic.obj.unsubscribe(heard))

    async def _ask(self, work: Any) -> Any:
        if self._connection is None:
            work.close()
            raise BleakError("Not connected")
        try:
            return await work
        except BleakError:
            raise
        except Exception as problem:
            raise BleakError(f"{type(problem).__name__}: {problem}") from problem


async def close() -> None:
    """Let the adapter of this event loop go."""
    adapter = _adapters.pop(asyncio.get_running_loop(), None)
    if adapter is not None:
        await adapter.close()


async def _in_time(work: Any) -> None:
    """Wait for the radio's answer; one that has gone gives none. Raises BleakError."""
    try:
        await asyncio.wait_for(work, _ANSWER_S)
    except TimeoutError:
        raise BleakError("the virtual radio does not answer") from None


def _uuid(uuid: Any) -> str:
    return str(normalize_uuid_str(uuid.to_hex_str("-")))


scanner = VirtualScanner
client = VirtualClient
