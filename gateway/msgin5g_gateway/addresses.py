"""Where a device's message goes: Target Address to Service ID or to a device here (6.4.2.2.2)."""

import ipaddress

from msgin5g import checks
from msgin5g import names as n
from msgin5g.payload_errors import BadMessage
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.store import Device


class Addresses:
    """The table of the configuration, and the devices of the gateway by what they are called.

    A target is (kind, text) of `l3.L3Message`; the CoAP form has texts only, so a "fqdn" may also
    be an IP address, a Service ID, or the number of an Application ID.
    """

    def __init__(self, shared: Shared) -> None:
        self._store = shared.store
        self._gateway_id = shared.gateway_id
        self._table: dict[str, str] = {
            _plain(row["address"]): row["service_id"] for row in shared.settings.rows["address"]
        }

    def service_id(self, text: str) -> str | None:
        """Return the Service ID behind a target, or None if it cannot be resolved."""
        found = self._table.get(_plain(text))
        if found is not None:
            return found
        device = self._by_host(text, None)
        if device is not None and device.ue is not None:
            return device.ue
        try:
            return str(checks.uri(text, n.DEST_ADDR)) if _ip(text) is None else None
        except BadMessage:
            return None

    def device(self, text: str, application_id: int | None) -> Device | None:
        """Return the device of this gateway that a target means, or None.

        It is meant by its Application ID, its Service ID or its address. Where the target is this
        gateway, or nothing that is known, `application_id` decides.
        """
        devices = self._store.devices
        named = None if application_id is None else devices.get(application_id)
        if text.isascii() and text.isdigit() and len(text) <= 5:
            return devices.get(int(text))
        found = self._by_host(text, named) if _plain(text) not in self._table else None
        if found is not None:
            return found
        service_id = self.service_id(text)
        if service_id is None or service_id == self._gateway_id:
            return named
        return self._store.device_of.get(service_id)

    def _by_host(self, text: str, named: Device | None) -> Device | None:
        """Return the device on UDP at an IP address; of several there the one that is named."""
        address = _ip(text)
        if address is None:
            return None
        here = [one for one in self._store.devices.values() if _host(one.peer) == address]
        if named is not None and named in here:
            return named
        return here[0] if len(here) == 1 else None


def _plain(text: str) -> str:
    """Return one spelling of an address or name."""
    return _ip(text) or text.casefold().rstrip(".")


def _ip(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _host(peer: str) -> str | None:
    """Return the address in a UDP transport identifier; the socket spells it as `_ip` does."""
    scheme, _, address = peer.partition("://")
    return address.rpartition(":")[0] if scheme.startswith("udp") else None
