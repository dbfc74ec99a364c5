"""The MSGin5G Client Profile (`cliProfile`, clause 7.3.3.1): validated and normalised."""

from msgin5g import names as n
from msgin5g.errors import BadMessage
from msgin5g.limits import MAX_CLIENT_PORTS, MAX_TEXT_BYTES, MAX_URI_BYTES


def check_profile(value, key):
    """Return the profile with the known keys only, in the schema's order.

    Of `cliPort` and `cliPorts` the list wins; a `comAvail` without both times is left out; an
    interval without `periIndi` is left out (6.3.1.1.1 d4). Raises BadMessage.
    """
    if value.__class__ is not dict:
        raise BadMessage(key, "an object is wanted")
    profile = {}
    if n.TRI_INFO in value:
        profile[n.TRI_INFO] = _triggering(value[n.TRI_INFO], key + "." + n.TRI_INFO)
    if n.COM_AVAIL in value:
        available = _availability(value[n.COM_AVAIL], key + "." + n.COM_AVAIL)
        if available:
            profile[n.COM_AVAIL] = available
    return profile


def _text(value, key, limit=MAX_TEXT_BYTES):
    if value.__class__ is not str:
        raise BadMessage(key, "a string is wanted")
    if not value or len(value.encode()) > limit:
        raise BadMessage(key, "1 to %d bytes are wanted" % limit)
    return value


def _triggering(value, key):
    if value.__class__ is not dict:
        raise BadMessage(key, "an object is wanted")
    if n.UE_ID not in value:
        raise BadMessage(key + "." + n.UE_ID, "missing")
    out = {n.UE_ID: _text(value[n.UE_ID], key + "." + n.UE_ID, MAX_URI_BYTES)}
    if n.CLI_PORTS in value:
        out[n.CLI_PORTS] = _ports(value[n.CLI_PORTS], key + "." + n.CLI_PORTS)
    elif n.CLI_PORT in value:
        out[n.CLI_PORT] = _text(value[n.CLI_PORT], key + "." + n.CLI_PORT)
    else:
        raise BadMessage(key + "." + n.CLI_PORTS, "missing")
    return out


def _ports(value, key):
    if value.__class__ is not list or not value:
        raise BadMessage(key, "a list of ports is wanted")
    if len(value) > MAX_CLIENT_PORTS:
        raise BadMessage(key, "more than %d ports" % MAX_CLIENT_PORTS)
    out = []
    for i, entry in enumerate(value):
        where = "%s[%d]" % (key, i)
        if entry.__class__ is not dict:
            raise BadMessage(where, "an object is wanted")
        number = entry.get(n.PORT_NUM)
        if number.__class__ is str and number.isdigit() and len(number) < 6:
            number = int(number)
        if number.__class__ is not int or not 0 <= number <= 65535:
            raise BadMessage(where + "." + n.PORT_NUM, "0 to 65535 is wanted")
        if entry.get(n.PROTOCOL) not in n.PROTOCOLS:
            raise BadMessage(where + "." + n.PROTOCOL, "SMS, NIDD or OTHER is wanted")
        out.append({n.PORT_NUM: number, n.PROTOCOL: entry[n.PROTOCOL]})
    return out


def _availability(value, key):
    if value.__class__ is not dict:
        raise BadMessage(key, "an object is wanted")
    out = {}
    for name in (n.SCH_TIME, n.DUR_TIME):
        if name not in value:
            return None
        out[name] = _time(value[name], key + "." + name)
    periodic = value.get(n.PERI_INDI)
    if periodic is not None:
        if periodic.__class__ is not bool:
            raise BadMessage(key + "." + n.PERI_INDI, "true or false is wanted")
        interval = value.get(n.PERI_INTERVAL)
        out[n.PERI_INDI] = periodic and interval is not None
        if out[n.PERI_INDI]:
            out[n.PERI_INTERVAL] = _time(interval, key + "." + n.PERI_INTERVAL)
    for name in (n.DATA_SIZE, n.STORE_FORWARD):
        if name in value:
            out[name] = _text(value[name], key + "." + name)
    return out


def _time(value, key):
    """A date-time; for durations also ISO 8601 durations or seconds, as text or number."""
    if value.__class__ is int and value >= 0:
        value = str(value)
    return _text(value, key, 64)
