"""The UE configuration document of TS 24.546 C.3 (CBOR), with what TS 24.538 7.2 puts into it.

A UeConfigDoc holds `configData`, a text: the <on-network> element of the document of 7.2.
"""

from msgin5g import cbor, checks
from msgin5g.configuration import (
    MAX_UE_ID_BYTES,
    Configuration,
    ConfigurationAnswer,
    check_segment_bytes,
    is_digits,
)
from msgin5g.limits import MAX_BULK_ENTRIES
from msgin5g.payload_errors import BadMessage

SEAL_NAMESPACE = "urn:3gpp:ns:seal:sealUEConfig:1.0"
NAMESPACE = "urn:3gpp:ns:seal:MSGin5GUEConfig:1.0"
SERVER = "MSGin5G-Server-address"
UE_SERVICE_ID = "MSGin5G-UE-Service-id"
SEGMENT_SIZE = "Segment-size"
ON_NETWORK = "ON_NETWORK"
DOCUMENT_ID = "ueConfigDocId"
_CONFIGS = "ueConfigs"
_DATA = "configData"
_UE_IDS = "valUeIds"
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;"))


def document(configuration, ue_id, service_id, domain, document_id=None):
    """Return the UeConfigDoc of a UE, for `cbor.dumps` alone or in a list."""
    out = {
        "valServiceDomain": domain,
        "valServiceId": service_id,
        _UE_IDS: {"uris": [ue_id]},
        _CONFIGS: [{"configType": ON_NETWORK, _DATA: on_network(configuration)}],
    }
    if document_id is not None:
        out[DOCUMENT_ID] = document_id
    return out


def on_network(configuration):
    """Return the <on-network> element of a Configuration (7.2.3, 7.2.4.2)."""
    parts = [
        '<on-network xmlns="%s" xmlns:m="%s">' % (SEAL_NAMESPACE, NAMESPACE),
        _element(SERVER, configuration.server),
        _element(UE_SERVICE_ID, configuration.ue_service_id),
    ]
    if configuration.segment_bytes is not None:
        parts.append(_element(SEGMENT_SIZE, str(configuration.segment_bytes)))
    parts.append("</on-network>")
    return "".join(parts)


def parse_documents(payload):
    """Return the ConfigurationAnswer in a CBOR document or a list of them. Raises BadMessage.

    entries: a Configuration for each document that has one, with its ue_id if it is given;
    configuration: the first of them.
    """
    value = cbor.loads(payload)
    documents = value if value.__class__ is list else [value]
    if len(documents) > MAX_BULK_ENTRIES:
        raise BadMessage("", "at most %d documents are wanted" % MAX_BULK_ENTRIES)
    entries = []
    for at, one in enumerate(documents):
        where = "[%d]" % at
        if one.__class__ is not dict:
            raise BadMessage(where, "a map is wanted")
        found = _read_document(one, where)
        if found is not None:
            entries.append(found)
    return ConfigurationAnswer(entries[0] if entries else None, None, entries)


def parse_on_network(text, where=_DATA):
    """Return the Configuration in the XML of `configData`, None if it has none of the elements.

    Any prefix is taken, and so the namespace with the space that is printed. Raises BadMessage.
    """
    ue, server = _find(text, UE_SERVICE_ID), _find(text, SERVER)
    if ue is None and server is None:
        return None
    size = _find(text, SEGMENT_SIZE)
    if size is not None:
        if not is_digits(size, 1, 10):
            raise BadMessage(where + "." + SEGMENT_SIZE, "a whole number is wanted")
        size = check_segment_bytes(int(size), where + "." + SEGMENT_SIZE)
    checks.uri(ue, where + "." + UE_SERVICE_ID)
    checks.uri(server, where + "." + SERVER)
    return Configuration(ue, server, size)


def _read_document(one, where):
    configs = one.get(_CONFIGS, [])
    if configs.__class__ is not list:
        raise BadMessage(where + "." + _CONFIGS, "a list is wanted")
    for config in configs:
        text = config.get(_DATA) if config.__class__ is dict else None
        if text.__class__ is not str:
            raise BadMessage(where + "." + _CONFIGS, "%s is missing" % _DATA)
        found = parse_on_network(text, where + "." + _DATA)
        if found is not None:
            found.ue_id = _ue_id(one, where)
            return found
    return None


def _ue_id(one, where):
    """Return the only URI in `valUeIds`; a document for several UEs names none of them."""
    ids = one.get(_UE_IDS)
    uris = ids.get("uris") if ids.__class__ is dict else None
    if uris.__class__ is not list or len(uris) != 1:
        return None
    return checks.text(uris[0], where + "." + _UE_IDS, MAX_UE_ID_BYTES)


def _element(name, text):
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return "<m:%s>%s</m:%s>" % (name, text, name)


def _find(text, name):
    """Return the text of the first element of that name, whatever its prefix, or None."""
    at = 0
    while True:
        at = text.find(name, at)
        if at < 0:
            return None
        before = text.rfind("<", 0, at)
        end = text.find(">", at)
        prefix = text[before + 1 : at] if before >= 0 else "?"
        at += len(name)
        if end < 0 or (prefix and (prefix[-1] != ":" or not _is_name(prefix[:-1]))):
            continue
        if text[at] not in " \t\r\n>":
            continue
        stop = text.find("<", end)
        if stop < 0 or text[end - 1] == "/":
            return None
        found = text[end + 1 : stop].strip()
        for plain, escaped in _ESCAPES[1:] + _ESCAPES[:1]:
            found = found.replace(escaped, plain)
        return found


def _is_name(text):
    for char in text:
        if char in " \t\r\n</>\"'":
            return False
    return bool(text)
