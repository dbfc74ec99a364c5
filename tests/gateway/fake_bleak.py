"""A bleak backend without a radio: devices do exactly what a test tells them.

`ble://?backend=tests.gateway.fake_bleak`. `around` is what the one adapter finds.
"""

import asyncio

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError

from msgin5g.ble_framing import NOTIFY_UUID, SERVICE_UUID, WRITE_UUID, Reassembler, fragments

CHARACTERISTICS = ((WRITE_UUID, ("write", "write-without-response")), (NOTIFY_UUID, ("notify",)))


class Around:
    """The devices, and what is wrong with the adapter."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.devices = {}
        self.problem = None
        self.given = []
        self.scans = 0
        self.scanner = None

    def device(self, number, **settings):
        device = Device(f"C0:00:00:00:00:{number:02X}", **settings)
        self.devices[device.address] = device
        self.advertise()
        return device

    def advertise(self):
        """Let the scanner hear whoever is not connected."""
        if self.scanner is not None:
            self.scanner.hear()


around = Around()


class Device:
    """A device. connecting: what connect() does first, an exception or a coroutine function;
    writing: likewise for each write; said: frames that were written to it."""

    def __init__(self, address, name="", mtu=247, characteristics=CHARACTERISTICS):
        self.address, self.name, self.mtu = address, name, mtu
        self.characteristics = characteristics
        self.connecting = self.starting = self.writing = self.leaving = None
        self.clients = []
        self.written = []
        self.is_advertising = True
        self._number = 0
        self._joined = Reassembler()
        self.said = []

    @property
    def peer(self):
        return f"ble://{self.address}"

    @property
    def client(self):
        """The connection that is there, or None."""
        return next((one for one in self.clients if one.is_connected), None)

    def say(self, frame, client=None):
        for value in fragments(frame, self.mtu - 3, self._number):
            self._number += 1
            self.notify(value, client)

    def notify(self, value, client=None):
        (client or self.client).heard(bytearray(value))

    def leave(self):
        self.client.ended()

    def take(self, value, response):
        self.written.append((bytes(value), response))
        frame = self._joined.receive(bytes(value))
        if frame is not None:
            self.said.append(frame)

    def begin(self):
        self._joined.reset()


class Scanner(BaseBleakScanner):
    def __init__(self, detection_callback=None, service_uuids=None, _mode="active", **given):
        super().__init__(detection_callback, service_uuids)
        around.given.append(given)

    async def start(self):
        around.scans += 1
        await asyncio.sleep(0)
        if around.problem is not None:
            raise around.problem
        around.scanner = self
        asyncio.get_running_loop().call_soon(self.hear)

    async def stop(self):
        around.scanner = None

    def hear(self):
        for one in list(around.devices.values()):
            if around.scanner is not self or one.client is not None or not one.is_advertising:
                continue
            heard = AdvertisementData(one.name or None, {}, {}, [SERVICE_UUID], None, -50, ())
            found = self.create_or_update_device(one.address, one.address, one.name, one, heard)
            self.call_detection_callbacks(found, heard)


class Client(BaseBleakClient):
    def __init__(self, found, **given):
        super().__init__(
            found,
            disconnected_callback=given.pop("disconnected_callback"),
            timeout=given.pop("timeout"),
        )
        around.given.append(given)
        self.device = found.details
        self.is_up = False
        self.heard = None

    mtu_size = property(lambda self: self.device.mtu)
    is_connected = property(lambda self: self.is_up)
    name = property(lambda self: self.device.name)

    async def connect(self, pair=False, **_):
        await happen(self.device.connecting)
        self.device.begin()
        self.device.clients.append(self)
        self.is_up = True
        service = BleakGATTService(self, 1, SERVICE_UUID)
        self.services = BleakGATTServiceCollection()
        self.services.add_service(service)
        for number, (uuid, properties) in enumerate(self.device.characteristics):
            self.services.add_characteristic(
                BleakGATTCharacteristic(
                    *(self, number + 2, uuid, list(properties)),
                    *(lambda: self.device.mtu - 3, service),
                )
            )

    def ended(self):
        if self.is_up:
            self.is_up = False
            self._disconnected_callback()
            around.advertise()

    async def disconnect(self):
        await happen(self.device.leaving)
        await asyncio.sleep(0)
        self.ended()

    async def write_gatt_char(self, characteristic, data, response):
        await happen(self.device.writing)
        if not self.is_up:
            raise BleakError("Not connected")
        if ("write" if response else "write-without-response") not in characteristic.properties:
            raise BleakError("Write not permitted")
        self.device.take(data, response)

    async def start_notify(self, characteristic, callback, **_):
        await happen(self.device.starting)
        self.heard = callback

    async def stop_notify(self, characteristic):
        self.heard = None

    async def _not_modelled(self, *_, **__):
        raise BleakError("not modelled")

    pair = unpair = read_gatt_char = read_gatt_descriptor = write_gatt_descriptor = _not_modelled


async def happen(what):
    """Do what a test planned for this moment."""
    if isinstance(what, BaseException):
        raise what
    if what is not None:
        await what()


scanner = Scanner
client = Client
