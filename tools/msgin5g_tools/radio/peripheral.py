"""The host stack of one virtual peripheral: what `micropython/bluetooth.py` asks of bumble."""

import asyncio
import json
import logging
import os
import struct
from typing import Any

from bumble.att import Attribute
from bumble.core import UUID
from bumble.device import AdvertisingType, Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

_LOG = logging.getLogger(__name__)
_IRQ_CENTRAL_CONNECT = 1
_IRQ_CENTRAL_DISCONNECT = 2
_IRQ_GATTS_WRITE = 3
_IRQ_GATTS_INDICATE_DONE = 20
_IRQ_MTU_EXCHANGED = 21
_IRQ_SENT = -1
_SHORTEST_INTERVAL_MS = 20
_READ, _WRITES = 0x02, 0x0C
_PROPERTIES = 0x3F
_MAX_MESSAGE_BYTES = 1 << 20


class Peripheral:
    """One client of the air. said_goodbye: it closed its connection in order."""

    def __init__(
        self,
        controller: Any,
        address: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.said_goodbye = False
        self._controller = controller
        self._address = address
        self._reader = reader
        self._writer = writer
        self._device: Any = None
        self._characteristics: dict[int, Any] = {}
        self._values: dict[int, bytes] = {}
        self._data = b""
        self._outgoing: asyncio.Queue[tuple[int, int, bytes, bool]] = asyncio.Queue()

    async def run(self) -> None:
        """Serve until the client is gone."""
        sender = asyncio.create_task(self._send_values())
        try:
            while True:
                (size,) = struct.unpack(">I", await self._reader.readexactly(4))
                if size > _MAX_MESSAGE_BYTES:
                    return
                message = json.loads(await self._reader.readexactly(size))
                await self._take(message)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            sender.cancel()

    async def _take(self, message: dict[str, Any]) -> None:
        op = getattr(self, "_op_" + message["op"])
        answer: dict[str, Any] = {"id": message.get("id")}
        try:
            answer["result"] = await op(message)
        except Exception as problem:
            _LOG.exception("%s", message["op"])
            answer["error"] = f"{type(problem).__name__}: {problem}"
        if "id" in message:
            self._write(answer)

    async def _op_active(self, message: dict[str, Any]) -> list[Any]:
        name = bytes.fromhex(message["name"]).decode(errors="replace")
        config = DeviceConfiguration(name=name, address=Address(self._address))
        config.irk = os.urandom(16)
        host = Host(self._controller, AsyncPipeSink(self._controller))
        self._device = Device(config=config, host=host)
        self._device.gatt_server.max_mtu = int(message["mtu"])
        self._device.on(self._device.EVENT_CONNECTION, self._connected)
        await self._device.power_on()
        return [1, _mac(self._device.random_address)]

    async def _op_goodbye(self, message: dict[str, Any]) -> None:
        self.said_goodbye = True

    async def _op_mtu(self, message: dict[str, Any]) -> None:
        self._device.gatt_server.max_mtu = int(message["mtu"])

    async def _op_services(self, message: dict[str, Any]) -> None:
        for uuid, characteristics in message["services"]:
            made = []
            for own, flags, handle in characteristics:
                permissions = Attribute.Permissions(0)
                if flags & _READ:
                    permissions |= Attribute.Permissions.READABLE
                if flags & _WRITES:
                    permissions |= Attribute.Permissions.WRITEABLE
                characteristic = Characteristic(
                    UUID(own),
                    Characteristic.Properties(flags & _PROPERTIES),
                    permissions,
                    self._value_of(handle),
                )
                self._characteristics[handle] = characteristic
                made.append(characteristic)
            self._device.add_service(Service(UUID(uuid), made))

    async def _op_advertise(self, message: dict[str, Any]) -> None:
        if message["data"] is not None:
            self._data = bytes.fromhex(message["data"])
        interval = max(_SHORTEST_INTERVAL_MS, message["us"] / 1000)
        kind = AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE
        if not message["connectable"]:
            kind = AdvertisingType.UNDIRECTED_SCANNABLE
        await self._device.start_advertising(
            advertising_type=kind,
            advertising_data=self._data,
            advertising_interval_min=interval,
            advertising_interval_max=interval,
        )

    async def _op_quiet(self, message: dict[str, Any]) -> None:
        await self._device.stop_advertising()

    async def _op_disconnect(self, message: dict[str, Any]) -> bool:
        connection = self._device.connections.get(message["conn"])
        if connection is None:
            return False
        await connection.disconnect()
        return True

    async def _op_value(self, message: dict[str, Any]) -> None:
        handle = message["handle"]
        self._values[handle] = bytes.fromhex(message["data"])
        if message["update"]:
            for conn in self._device.connections:
                self._outgoing.put_nowait((conn, handle, self._values[handle], False))

    async def _op_notify(self, message: dict[str, Any]) -> None:
        data = bytes.fromhex(message["data"])
        self._outgoing.put_nowait((message["conn"], message["handle"], data, False))

    async def _op_indicate(self, message: dict[str, Any]) -> None:
        data = bytes.fromhex(message["data"])
        self._outgoing.put_nowait((message["conn"], message["handle"], data, True))

    def _connected(self, connection: Any) -> None:
        who = [connection.peer_address.address_type & 1, _mac(connection.peer_address)]
        self._tell(_IRQ_CENTRAL_CONNECT, connection.handle, *who)
        connection.on(
            connection.EVENT_DISCONNECTION,
            lambda reason: self._tell(_IRQ_CENTRAL_DISCONNECT, connection.handle, *who),
        )
        connection.on(
            connection.EVENT_CONNECTION_ATT_MTU_UPDATE,
            lambda: self._tell(_IRQ_MTU_EXCHANGED, connection.handle, connection.att_mtu),
        )

    def _value_of(self, handle: int) -> Any:
        def write(connection: Any, value: bytes) -> None:
            self._values[handle] = bytes(value)
            self._tell(_IRQ_GATTS_WRITE, connection.handle, handle, bytes(value).hex())

        return CharacteristicValue(
            read=lambda connection: self._values.get(handle, b""), write=write
        )

    async def _send_values(self) -> None:
        """One after the other: their order is kept, and the client learns when one is out."""
        while True:
            conn, handle, data, is_indication = await self._outgoing.get()
            status = 0
            try:
                connection = self._device.connections[conn]
                characteristic = self._characteristics[handle]
                if is_indication:
                    await self._device.indicate_subscriber(
                        connection, characteristic, data, force=True
                    )
                else:
                    # A board sends whether the central has subscribed or not.
                    await self._device.notify_subscriber(
                        connection, characteristic, data, force=True
                    )
                    await connection.drain()
            except Exception as problem:
                _LOG.info("value not sent: %r", problem)
                status = 1
            if is_indication:
                self._tell(_IRQ_GATTS_INDICATE_DONE, conn, handle, status)
            else:
                self._tell(_IRQ_SENT)

    def _tell(self, event: int, *data: Any) -> None:
        self._write({"event": event, "data": list(data)})

    def _write(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        self._writer.write(struct.pack(">I", len(data)) + data)


def _mac(address: Any) -> str:
    return bytes(reversed(bytes(address))).hex()
