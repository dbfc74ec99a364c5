"""Configuration (6.2): the GET with which a UE or a gateway asks, and what it is answered.

Who serves it needs `msgin5g.configuration_requests`; the CBOR document of TS 24.546 is in
`msgin5g.configuration_document`.
"""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.coap import ACCEPT, CONTENT_FORMAT, JSON_FORMAT, URI_HOST, URI_PATH, URI_QUERY, uint
from msgin5g.errors import CallerError
from msgin5g.jsontext import array, loads, obj, quote
from msgin5g.limits import MAX_BULK_ENTRIES, MAX_PAYLOAD_BYTES
from msgin5g.payload_errors import BadMessage

ROOT = "su-uc"
SERVICES = "val-services"
DOCUMENTS = "ue-configurations"
UE_URI = "ue-uri"
UE_VENDOR = "ue-vendor"
UE_TYPE = "ue-type"
UE_SERIAL = "ue-snr"
# An option's value has 255 bytes at most, and Uri-Query has the key in it as well.
MAX_UE_ID_BYTES = 255 - len(UE_URI) - 1


class Configuration:
    """What a UE is given. server: the Server's URI; segment_bytes: None if it is not told.

    ue_id: the MSGin5G UE ID, in an entry of a bulk answer only.
    """

    def __init__(self, ue_service_id, server, segment_bytes=None, ue_id=None):
        self.ue_service_id = ue_service_id
        self.server = server
        self.segment_bytes = segment_bytes
        self.ue_id = ue_id


class ConfigurationAnswer:
    """What a 2.05 brings. configuration: None in an interim answer; wait_s: until the real one,
    None if that is not told; entries: a list of Configuration in a bulk answer, else None."""

    def __init__(self, configuration=None, wait_s=None, entries=None):
        self.configuration = configuration
        self.wait_s = wait_s
        self.entries = entries


def request_options(
    service_id,
    ue_id=None,
    vendor=None,
    type=None,
    serial=None,
    document_id=None,
    has_payload=False,
    accept=None,
    host="",
):
    """Return the options of a configuration GET. Raises CallerError.

    type: 8 digits (TAC); serial: 1 to 6 digits; document_id: of one document, which needs no
    ue_id; accept: a Content-Format, JSON if not given; host: the Server's name, if to be told.
    """
    if type is not None and not is_digits(type, 8, 8):
        raise CallerError("%s: 8 digits are wanted" % UE_TYPE)
    if serial is not None and not is_digits(serial, 1, 6):
        raise CallerError("%s: 1 to 6 digits are wanted" % UE_SERIAL)
    path = [ROOT, "v1", SERVICES, service_id, DOCUMENTS]
    if document_id is not None:
        path.append(document_id)
    queries = ((UE_URI, ue_id), (UE_VENDOR, vendor), (UE_TYPE, type), (UE_SERIAL, serial))
    options = [(URI_HOST, host.encode())] if host else []
    try:
        for segment in path:
            options.append((URI_PATH, checks.text(segment, "Uri-Path").encode()))
        if has_payload:
            options.append((CONTENT_FORMAT, uint(JSON_FORMAT)))
        for key, value in queries:
            if value is not None:
                checks.text(value, key, 254 - len(key))
                options.append((URI_QUERY, (key + "=" + value).encode()))
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))
    if accept is not None:
        options.append((ACCEPT, uint(accept)))
    return options


def request(ue_id, infos=()):
    """Build the payload that a configuration GET may have (7.3.2.1). Raises CallerError.

    infos: (name, value) of other information, such as ("vendor", "Example").
    """
    listed = [
        obj(((n.INFO_NAME, _given(name, n.INFO_NAME)), (n.INFO_VALUE, _given(value, name))))
        for name, value in infos
    ]
    _given(ue_id, n.UE_ID, MAX_UE_ID_BYTES)
    return obj(((n.UE_ID, ue_id), (n.ADD_INFOS, array(listed) if listed else None)))


def bulk_request(ue_ids):
    """Build the payload of a gateway's bulk GET (6.2.3.3.2 e). Raises CallerError.

    ue_ids: 1 to MAX_BULK_ENTRIES MSGin5G UE IDs.
    """
    if not 0 < len(ue_ids) <= MAX_BULK_ENTRIES:
        raise CallerError("1 to %d UE IDs are wanted, got %d" % (MAX_BULK_ENTRIES, len(ue_ids)))
    listed = [quote(_given(one, n.UE_ID, MAX_UE_ID_BYTES)).encode() for one in ue_ids]
    return obj(((gaps.BULK_CONF_FLAG, True), (gaps.UE_ID_LIST, array(listed))))


def parse_answer(payload):
    """Return the ConfigurationAnswer in the JSON of a 2.05. Raises BadMessage."""
    value = loads(payload)
    if value.__class__ is not dict:
        raise BadMessage("", "an object is wanted")
    entries = value.get(gaps.CONF_INFO_LIST)
    if entries is not None:
        entries = _read_entries(entries)
    found = wait_s = None
    if gaps.UE_SERVICE_ID in value or gaps.SERVER_ADDR in value:
        found = _read(value, "")
    elif gaps.MAX_CONF_TIME in value:
        wait_s = checks.seconds(value[gaps.MAX_CONF_TIME], gaps.MAX_CONF_TIME)
    return ConfigurationAnswer(found, wait_s, entries)


def check_segment_bytes(value, key):
    """Return a segment's largest payload, or raise BadMessage."""
    if value.__class__ is not int or not 0 < value <= MAX_PAYLOAD_BYTES:
        raise BadMessage(key, "1 to %d bytes are wanted" % MAX_PAYLOAD_BYTES)
    return value


def is_digits(text, shortest, longest):
    """Tell whether a text has that many decimal digits and nothing else."""
    if not shortest <= len(text) <= longest:
        return False
    for char in text:
        if not "0" <= char <= "9":
            return False
    return True


def _read_entries(entries):
    key = gaps.CONF_INFO_LIST
    if entries.__class__ is not list or len(entries) > MAX_BULK_ENTRIES:
        raise BadMessage(key, "a list of at most %d is wanted" % MAX_BULK_ENTRIES)
    out = []
    for at, one in enumerate(entries):
        where = "%s[%d]" % (key, at)
        if one.__class__ is not dict:
            raise BadMessage(where, "an object is wanted")
        out.append(_read(one, where + "."))
    return out


def _read(value, where):
    """Return the Configuration in an object whose keys stand behind `where`."""
    ue = checks.uri(value.get(gaps.UE_SERVICE_ID), where + gaps.UE_SERVICE_ID)
    server = checks.uri(value.get(gaps.SERVER_ADDR), where + gaps.SERVER_ADDR)
    size = value.get(gaps.SEG_SIZE)
    if size is not None:
        check_segment_bytes(size, where + gaps.SEG_SIZE)
    ue_id = value.get(n.UE_ID)
    if ue_id is not None:
        checks.text(ue_id, where + n.UE_ID, MAX_UE_ID_BYTES)
    return Configuration(ue, server, size, ue_id)


def _given(value, key, limit=255):
    try:
        return checks.text(value, key, limit)
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))
