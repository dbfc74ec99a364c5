"""The MSGin5G Client Profile (`cliProfile`, clauses 6.3.1.1.1 d4 and 7.3.3.1)."""

from msgin5g import checks
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.jsontext import array, obj
from msgin5g.limits import MAX_CLIENT_PORTS, MAX_URI_BYTES
from msgin5g.payload_errors import BadMessage

_PROFILE = n.CLI_PROFILE
_TRIGGER = _PROFILE + "." + n.TRI_INFO
_UE_ID = _TRIGGER + "." + n.UE_ID
_PORT = _TRIGGER + "." + n.CLI_PORT
_PORTS = _TRIGGER + "." + n.CLI_PORTS
_AVAILABLE = _PROFILE + "." + n.COM_AVAIL + "."
_OBJECT = "an object is wanted"
_AVAILABILITY_KEYS = (
    n.SCH_TIME,
    n.DUR_TIME,
    n.PERI_INDI,
    n.PERI_INTERVAL,
    n.DATA_SIZE,
    n.STORE_FORWARD,
)


def check_profile(value):
    """Return the profile with its known keys only, normalised. Raises BadMessage.

    Of `cliPort` and `cliPorts` the list counts; a `comAvail` without `schTime` and `durTime` is
    left out; `periIndi` true without an interval becomes false; any `storeForward` is a string.
    """
    if value.__class__ is not dict:
        raise BadMessage(_PROFILE, _OBJECT)
    profile = {}
    if n.TRI_INFO in value:
        profile[n.TRI_INFO] = _trigger(value[n.TRI_INFO])
    if n.COM_AVAIL in value:
        available = _availability(value[n.COM_AVAIL])
        if available:
            profile[n.COM_AVAIL] = available
    return profile


def build_profile(profile):
    """Return `cliProfile` as JSON bytes, keys in the schema's order.

    Raises CallerError for anything that a receiver would refuse, ignore or read otherwise.
    """
    try:
        checked = check_profile(profile)
    except BadMessage as problem:
        raise CallerError(str(problem))
    lost = _difference(profile, checked, _PROFILE)
    if lost:
        raise CallerError("%s: a receiver would ignore or change this" % lost)
    trigger = checked.get(n.TRI_INFO)
    if trigger is not None:
        ports = trigger.get(n.CLI_PORTS)
        if ports is not None:
            keys = (n.PORT_NUM, n.PROTOCOL)
            ports = array([obj([(key, port[key]) for key in keys]) for port in ports])
        port = trigger.get(n.CLI_PORT)
        trigger = obj(((n.UE_ID, trigger[n.UE_ID]), (n.CLI_PORT, port), (n.CLI_PORTS, ports)))
    available = checked.get(n.COM_AVAIL)
    if available is not None:
        available = obj([(key, available.get(key)) for key in _AVAILABILITY_KEYS])
    return obj(((n.TRI_INFO, trigger), (n.COM_AVAIL, available)))


def _difference(given, kept, key):
    """Return the place where two values differ, or None."""
    if given.__class__ is dict and kept.__class__ is dict:
        for name in given:
            where = "%s.%s" % (key, name)
            lost = _difference(given[name], kept[name], where) if name in kept else where
            if lost:
                return lost
        return None
    if given.__class__ is list and kept.__class__ is list:
        for i in range(len(given)):
            lost = _difference(given[i], kept[i], "%s[%d]" % (key, i))
            if lost:
                return lost
        return None
    return None if given == kept else key


def _trigger(value):
    if value.__class__ is not dict:
        raise BadMessage(_TRIGGER, _OBJECT)
    out = {n.UE_ID: checks.text(value.get(n.UE_ID), _UE_ID, MAX_URI_BYTES)}
    if n.CLI_PORTS in value:
        out[n.CLI_PORTS] = _ports(value[n.CLI_PORTS])
    elif n.CLI_PORT in value:
        out[n.CLI_PORT] = checks.text(value[n.CLI_PORT], _PORT)
    else:
        raise BadMessage(_PORTS, "missing")
    return out


def _ports(value):
    if value.__class__ is not list or not value:
        raise BadMessage(_PORTS, "a list of ports is wanted")
    if len(value) > MAX_CLIENT_PORTS:
        raise BadMessage(_PORTS, "more than %d ports" % MAX_CLIENT_PORTS)
    out = []
    for i, entry in enumerate(value):
        if entry.__class__ is not dict:
            raise BadMessage("%s[%d]" % (_PORTS, i), _OBJECT)
        number = entry.get(n.PORT_NUM)
        if number.__class__ is str and 0 < len(number) < 6 and _are_digits(number):
            number = int(number)
        if number.__class__ is not int or not 0 <= number <= 65535:
            raise BadMessage("%s[%d].%s" % (_PORTS, i, n.PORT_NUM), "0 to 65535 is wanted")
        protocol = entry.get(n.PROTOCOL)
        if protocol not in n.PROTOCOLS:
            reason = "SMS, NIDD or OTHER is wanted"
            raise BadMessage("%s[%d].%s" % (_PORTS, i, n.PROTOCOL), reason)
        out.append({n.PORT_NUM: number, n.PROTOCOL: protocol})
    return out


def _availability(value):
    if value.__class__ is not dict:
        raise BadMessage(_AVAILABLE[:-1], _OBJECT)
    if n.SCH_TIME not in value or n.DUR_TIME not in value:
        return None
    scheduled = checks.text(value[n.SCH_TIME], _AVAILABLE + n.SCH_TIME)
    if not _is_date_time(scheduled):
        raise BadMessage(_AVAILABLE + n.SCH_TIME, "a date-time is wanted")
    out = {n.SCH_TIME: scheduled, n.DUR_TIME: _length(value[n.DUR_TIME], n.DUR_TIME)}
    if n.PERI_INDI in value:
        periodic = checks.boolean(value[n.PERI_INDI], _AVAILABLE + n.PERI_INDI)
        out[n.PERI_INDI] = periodic and n.PERI_INTERVAL in value
        if n.PERI_INTERVAL in value:
            out[n.PERI_INTERVAL] = _length(value[n.PERI_INTERVAL], n.PERI_INTERVAL)
    if n.DATA_SIZE in value:
        out[n.DATA_SIZE] = checks.text(value[n.DATA_SIZE], _AVAILABLE + n.DATA_SIZE)
    if n.STORE_FORWARD in value:
        choice = value[n.STORE_FORWARD]
        if choice.__class__ is str and choice:
            checks.text(choice, _AVAILABLE + n.STORE_FORWARD)
        else:  # GAP 6.3.1.1.1: its presence is what counts
            choice = "true"
        out[n.STORE_FORWARD] = choice
    return out


def _length(value, key):
    """A period: the date-time of its end, an ISO 8601 duration, or seconds (GAP 7.3.3.1)."""
    key = _AVAILABLE + key
    if value.__class__ is int:
        return str(checks.seconds(value, key))
    checks.text(value, key)
    if not (_is_date_time(value) or value[0] == "P" and len(value) > 2 or _are_digits(value)):
        raise BadMessage(key, "a date-time, an ISO 8601 duration or seconds are wanted")
    return value


def _is_date_time(value):
    """Tell whether a text looks like 2026-01-31T08:00:00Z, with any zone and fraction."""
    marks = len(value) > 16 and value[4] + value[7] + value[10].upper() + value[13]
    return marks == "--T:" and _are_digits(value[:4] + value[5:7] + value[8:10] + value[11:13])


def _are_digits(value):
    for char in value:
        if not "0" <= char <= "9":
            return False
    return True
