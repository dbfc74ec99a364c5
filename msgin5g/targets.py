"""Target addresses of the L3 format (A.2.2.2): IPv4, IPv6 and names."""

from msgin5g import gaps
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage

_IPV4, _IPV6, _FQDN = 1, 2, 3
_KINDS = {"ipv4": _IPV4, "ipv6": _IPV6, "fqdn": _FQDN}
_WHAT = "Target address"
_HEX = "0123456789abcdefABCDEF"


def encode_target(target):
    """Return the element, length octet first, of ("ipv4" | "ipv6" | "fqdn", text).

    A name is written as TS 23.003 28.3.2 has it, in labels with their lengths; text that has an
    empty label is one label with its dots. Raises CallerError.
    """
    kind, text = target
    if kind == "ipv4":
        data = _ipv4(text)
    elif kind == "ipv6":
        data = _ipv6(text)
    elif kind == "fqdn":
        data = _labels(text)
    else:
        raise CallerError("target: ipv4, ipv6 or fqdn is wanted, not %r" % kind)
    if data is None or len(data) > 254:
        raise CallerError("target: %r cannot be sent as %s" % (text, kind))
    return bytes((len(data) + 1, _KINDS[kind])) + data


def decode_target(frame, at):
    """Return ((kind, text), the place behind it). Raises BadMessage."""
    if at >= len(frame) or at + 1 + frame[at] > len(frame) or not frame[at]:
        raise BadMessage(_WHAT, "cut short")
    end = at + 1 + frame[at]
    kind = frame[at + 1] & 0x7F
    data = frame[at + 2 : end]
    if kind == _IPV4 and len(data) == 4:
        return ("ipv4", "%d.%d.%d.%d" % tuple(data)), end
    if kind == _IPV6 and len(data) == 16:
        return ("ipv6", _ipv6_text(data)), end
    if kind == _FQDN:
        return ("fqdn", _name(data)), end
    raise BadMessage(_WHAT, "unknown type or wrong length")


def _ipv4(text):
    parts = text.split(".")
    out = []
    for part in parts:
        if not part or len(part) > 3 or not _is_number(part) or int(part) > 255:
            return None
        out.append(int(part))
    return bytes(out) if len(out) == 4 else None


def _is_number(text):
    for char in text:
        if not "0" <= char <= "9":
            return False
    return True


def _ipv6(text):
    head, gap, tail = text.partition("::")
    front = _groups(head)
    back = _groups(tail) if gap else []
    if front is None or back is None:
        return None
    missing = 8 - len(front) - len(back)
    if gap and missing < 1 or not gap and missing:
        return None
    out = b""
    for group in front + [0] * missing + back:
        out += bytes((group >> 8, group & 255))
    return out


def _groups(text):
    if not text:
        return []
    out = []
    for part in text.split(":"):
        if not 0 < len(part) <= 4:
            return None
        for char in part:
            if char not in _HEX:
                return None
        out.append(int(part, 16))
    return out


def _ipv6_text(data):
    """Return the text of RFC 5952: lower case, the longest run of zeros as "::"."""
    groups = [data[at] << 8 | data[at + 1] for at in range(0, 16, 2)]
    best, length, start = -1, 1, 0
    while start < 8:
        end = start
        while end < 8 and not groups[end]:
            end += 1
        if end - start > length:
            best, length = start, end - start
        start = max(end, start + 1)
    texts = ["%x" % group for group in groups]
    if best < 0:
        return ":".join(texts)
    return ":".join(texts[:best]) + "::" + ":".join(texts[best + length :])


def _labels(text):
    try:
        data = text.encode()
    except UnicodeError:
        return None
    labels = data.split(b".")
    if b"" in labels:
        # No host name. A reader cannot tell a dot inside of a label from one between two.
        labels = [data]
    out = b""
    for label in labels:
        if not 0 < len(label) <= gaps.L3_MAX_LABEL_BYTES:
            return None
        out += bytes((len(label),)) + label
    return out


def _name(data):
    labels = []
    at = 0
    while at < len(data):
        size = data[at]
        label = data[at + 1 : at + 1 + size]
        at += 1 + size
        if not size:
            if at == len(data) and labels:
                break  # the root label that DNS ends with
            raise BadMessage(_WHAT, "an empty label")
        if len(label) < size:
            raise BadMessage(_WHAT, "a label is cut short")
        try:
            labels.append(label.decode())
        except UnicodeError:
            raise BadMessage(_WHAT, "not UTF-8")
    if not labels:
        raise BadMessage(_WHAT, "an empty name")
    return ".".join(labels)
