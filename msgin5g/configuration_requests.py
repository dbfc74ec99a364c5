"""What serves configuration (6.2): its requests read, their answers built."""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.coap import GET, URI_PATH, URI_QUERY
from msgin5g.configuration import (
    DOCUMENTS,
    MAX_UE_ID_BYTES,
    ROOT,
    SERVICES,
    UE_SERIAL,
    UE_TYPE,
    UE_URI,
    UE_VENDOR,
    is_digits,
)
from msgin5g.jsontext import array, loads, obj
from msgin5g.limits import MAX_ADD_INFOS, MAX_BULK_ENTRIES
from msgin5g.payload_errors import BadMessage

QUERY = "Uri-Query"
_QUERIES = (UE_URI, UE_VENDOR, UE_TYPE, UE_SERIAL)


class ConfigurationRequest:
    """What a GET asks for. ue_id: of the UE, or in a bulk request of the gateway itself.

    service_id: whatever the path has; document_id: of one document; ue_ids: in a bulk request;
    infos: (name, value) of 7.3.2.1. What is not there is None.
    """

    def __init__(self, service_id, document_id=None):
        self.service_id = service_id
        self.document_id = document_id
        self.ue_id = None
        self.vendor = None
        self.type = None
        self.serial = None
        self.infos = None
        self.ue_ids = None


def is_request(message):
    """Tell whether a CoAP message is a GET for something below /su-uc."""
    if message.code == GET:
        for number, value in message.options:
            if number == URI_PATH:
                return bytes(value) == ROOT.encode()
    return False


def parse_message(message):
    """Return the ConfigurationRequest of a CoAP GET, None if its path is no such resource.

    Raises BadMessage.
    """
    try:
        path = [bytes(value).decode() for number, value in message.options if number == URI_PATH]
        query = [bytes(value).decode() for number, value in message.options if number == URI_QUERY]
    except UnicodeError:
        raise BadMessage(QUERY, "not UTF-8")
    return parse_request(path, query, message.payload)


def parse_request(path, query, payload):
    """Return the ConfigurationRequest of a GET, None if its path is no such resource.

    path, query: the segments and arguments, text; payload: JSON, may be empty. Raises BadMessage.
    """
    if path[:3] != [ROOT, "v1", SERVICES] or path[4:5] != [DOCUMENTS] or len(path) > 6:
        return None
    found = ConfigurationRequest(path[3], path[5] if len(path) == 6 else None)
    values = {}
    for one in query:
        key, _, value = one.partition("=")
        if key not in _QUERIES or key in values:
            raise BadMessage(QUERY, "each of %s once is wanted" % ", ".join(_QUERIES))
        values[key] = checks.text(value, key)
    found.ue_id = values.get(UE_URI)
    found.vendor = values.get(UE_VENDOR)
    found.type = values.get(UE_TYPE)
    found.serial = values.get(UE_SERIAL)
    if found.type is not None and not is_digits(found.type, 8, 8):
        raise BadMessage(UE_TYPE, "8 digits are wanted")
    if found.serial is not None and not is_digits(found.serial, 1, 6):
        raise BadMessage(UE_SERIAL, "1 to 6 digits are wanted")
    if len(payload):
        _read_payload(found, payload)
    return found


def interim(wait_s):
    """Build the payload of the 2.05 with which a gateway answers at once (6.2.3.3.1 b2)."""
    return obj(((gaps.MAX_CONF_TIME, wait_s),))


def answer(configuration):
    """Build the payload of the 2.05 that brings a UE its Configuration (6.2.3.4.1 a1 to a3)."""
    return obj(_pairs(configuration))


def bulk_answer(entries, configuration=None):
    """Build the payload of the 2.05 to a bulk GET (6.2.3.4.1 a).

    entries: a Configuration with ue_id for each UE; configuration: the gateway's own, if asked.
    """
    listed = [obj(((n.UE_ID, one.ue_id),) + _pairs(one)) for one in entries]
    own = () if configuration is None else _pairs(configuration)
    return obj(own + ((gaps.CONF_INFO_LIST, array(listed)),))


def _pairs(one):
    return (
        (gaps.UE_SERVICE_ID, one.ue_service_id),
        (gaps.SERVER_ADDR, one.server),
        (gaps.SEG_SIZE, one.segment_bytes),
    )


def _read_payload(found, payload):
    value = loads(payload)
    if value.__class__ is not dict:
        raise BadMessage("", "an object is wanted")
    flag = value.get(gaps.BULK_CONF_FLAG)
    if flag is not None:
        checks.boolean(flag, gaps.BULK_CONF_FLAG)
    if flag or gaps.UE_ID_LIST in value:
        found.ue_ids = _read_ue_ids(value.get(gaps.UE_ID_LIST))
        if flag is False:
            raise BadMessage(gaps.BULK_CONF_FLAG, "false, with a list")
    if n.UE_ID in value or found.ue_ids is None:
        ue_id = checks.text(value.get(n.UE_ID), n.UE_ID, MAX_UE_ID_BYTES)
        found.ue_id = found.ue_id or ue_id
    if n.ADD_INFOS in value:
        found.infos = _read_infos(value[n.ADD_INFOS])


def _read_ue_ids(listed):
    """Return the UE IDs of a bulk request in their order, each once."""
    if listed.__class__ is not list or not 0 < len(listed) <= MAX_BULK_ENTRIES:
        raise BadMessage(gaps.UE_ID_LIST, "a list of 1 to %d is wanted" % MAX_BULK_ENTRIES)
    out = []
    seen = set()
    for at, one in enumerate(listed):
        checks.text(one, "%s[%d]" % (gaps.UE_ID_LIST, at), MAX_UE_ID_BYTES)
        if one not in seen:
            seen.add(one)
            out.append(one)
    return out


def _read_infos(listed):
    if listed.__class__ is not list or len(listed) > MAX_ADD_INFOS:
        raise BadMessage(n.ADD_INFOS, "a list of at most %d is wanted" % MAX_ADD_INFOS)
    out = []
    for at, one in enumerate(listed):
        where = "%s[%d]" % (n.ADD_INFOS, at)
        if one.__class__ is not dict:
            raise BadMessage(where, "an object is wanted")
        name = checks.text(one.get(n.INFO_NAME), where + "." + n.INFO_NAME)
        out.append((name, checks.text(one.get(n.INFO_VALUE), where + "." + n.INFO_VALUE)))
    return out
