"""The link that a URL names; only its own module is loaded, a board has no room for the others."""


def open_link(url):
    """Return the link: udp://HOST:PORT, serial://..., ble://... Raises ValueError."""
    scheme, separator, _ = url.partition("://")
    if separator and scheme == "udp":
        from ue.link_udp import UdpLink

        return UdpLink(url)
    if separator and scheme == "serial":
        from ue.link_serial import SerialLink

        return SerialLink(url)
    if separator and scheme == "ble":
        from ue.link_ble import BleLink

        return BleLink(url)
    raise ValueError(
        "%s: udp://HOST:PORT, serial:///dev/NAME, serial://uartN or ble:// is wanted" % url
    )
