"""Bluetooth: adapters as BlueZ tells over D-Bus, their slots, what a BLE link is missing."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgin5g_host.ble_url import BleUrl, parse_ble
from msgin5g_tools.doctor.findings import FAULT, NOTE, OK, Finding

_SYSFS = Path("/sys/class/bluetooth")
_DEADLINE_S = 5.0
_DEFAULT = "ble://"
_NO_ADAPTER = (
    "plug one in; on a Raspberry Pi remove dtoverlay=disable-bt from /boot/firmware/config.txt "
    "and restart it; or take ble:// out of links"
)
_NO_BLUEZ = "type `sudo apt-get install bluez && sudo systemctl enable --now bluetooth`"
_NO_RIGHT = "type `sudo usermod -aG bluetooth $USER`, log out and in again"
_NO_POWER = "type `rfkill unblock bluetooth && bluetoothctl power on`"


@dataclass(frozen=True)
class Adapter:
    """An adapter that BlueZ has. connected: how many devices are connected by it now."""

    name: str
    address: str
    powered: bool
    connected: int


class _NoBlueZ(Exception):
    """BlueZ cannot be asked; the two arguments say why and what to do."""


def examine(links: Sequence[str]) -> Iterator[Finding]:
    """Yield what is to be said for ble:// links; without any, of what is there."""
    bad = FAULT if links else NOTE
    wanted = [parse_ble(one) for one in links or [_DEFAULT]]
    # A backend of its own needs no radio of this machine.
    wanted = [one for one in wanted if not one.backend]
    if not wanted:
        return
    what = "Bluetooth"
    plugged = sorted(one.name for one in _SYSFS.glob("hci*")) if _SYSFS.is_dir() else []
    try:
        adapters = asyncio.run(_adapters())
    except _NoBlueZ as problem:
        why, do = problem.args
        if not plugged:
            yield Finding(what, bad, f"no Bluetooth adapter, and {why}", _NO_ADAPTER)
        else:
            yield Finding(what, bad, f"{', '.join(plugged)} is there, but {why}", do)
        return
    if not adapters:
        yield Finding(what, bad, "BlueZ has no adapter", _NO_ADAPTER)
        return
    for one in wanted:
        yield _judge(what, one, adapters, bad)


def _judge(what: str, wanted: BleUrl, adapters: list[Adapter], bad: str) -> Finding:
    named = {one.name: one for one in adapters}
    adapter = named.get(wanted.adapter) if wanted.adapter else adapters[0]
    if adapter is None:
        return Finding(
            what,
            bad,
            f"there is no {wanted.adapter}, only {', '.join(named)}",
            f"write ble://{adapters[0].name} in links of gateway.toml",
        )
    where = f"{adapter.name} {adapter.address}"
    if not adapter.powered:
        return Finding(what, bad, f"{where} is switched off", _NO_POWER)
    free = wanted.slots - adapter.connected
    slots = f"{where}, {adapter.connected} of {wanted.slots} slots in use"
    if free <= 0:
        do = "disconnect devices that are not UEs, or raise slots in the link"
        return Finding(what, NOTE, slots, do)
    return Finding(what, OK, slots)


async def _adapters() -> list[Adapter]:
    """Ask BlueZ. Raises _NoBlueZ."""
    try:
        from dbus_fast import BusType, DBusError, Message, MessageType
        from dbus_fast.aio import MessageBus
    except ModuleNotFoundError:
        raise _NoBlueZ("bleak is not installed", "pip install 'msgin5g[ble]'") from None
    request = Message(
        destination="org.bluez",
        path="/",
        interface="org.freedesktop.DBus.ObjectManager",
        member="GetManagedObjects",
    )
    bus = None
    try:
        async with asyncio.timeout(_DEADLINE_S):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            answer = await bus.call(request)
    except (OSError, EOFError, TimeoutError, DBusError, ValueError) as problem:
        reason = str(problem) or type(problem).__name__
        raise _NoBlueZ(f"D-Bus does not answer ({reason})", _NO_BLUEZ) from None
    finally:
        if bus is not None:
            bus.disconnect()
    if answer is None or answer.message_type == MessageType.ERROR:
        name = answer.error_name if answer is not None else ""
        if name == "org.freedesktop.DBus.Error.AccessDenied":
            raise _NoBlueZ("BlueZ does not talk to this user", _NO_RIGHT)
        raise _NoBlueZ("BlueZ does not run", _NO_BLUEZ)
    return list(_of_objects(answer.body[0]))


def _of_objects(objects: dict[str, dict[str, dict[str, Any]]]) -> Iterator[Adapter]:
    """Read the answer of GetManagedObjects: values are D-Bus variants."""
    busy = [
        device["Adapter"].value
        for interfaces in objects.values()
        if (device := interfaces.get("org.bluez.Device1")) and device["Connected"].value
    ]
    for path, interfaces in sorted(objects.items()):
        adapter = interfaces.get("org.bluez.Adapter1")
        if adapter:
            name = path.rpartition("/")[2]
            address, powered = adapter["Address"].value, adapter["Powered"].value
            yield Adapter(name, str(address), bool(powered), busy.count(path))
