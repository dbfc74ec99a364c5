"""What serves topic subscriptions (6.6.3): their requests read, their answers built."""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.coap import CONTENT_FORMAT, JSON_FORMAT, MAX_AGE, OBSERVE, URI_PATH, uint
from msgin5g.jsontext import obj
from msgin5g.payload_errors import BadMessage
from msgin5g.topics import (
    SUBSCRIBE,
    TOPIC,
    UNSUBSCRIBE,
    check_topic,
    moment,
    read_end,
    read_object,
)

_OBSERVE_MASK = 0xFFFFFF
_RESERVED = [one.encode() for one in gaps.RESERVED_PATHS]
_LONGEST_AGE_S = 0xFFFFFFFF


class TopicRequest:
    """What a (un)subscription asks. observe: 0 or 1; expires_ms: since 1970, or None."""

    def __init__(self, observe, topic, ue_service_id, expires_ms=None):
        self.observe = observe
        self.topic = topic
        self.ue_service_id = ue_service_id
        self.expires_ms = expires_ms


def topic_of(message):
    """Return the topic in the Uri-Path of a CoAP message. Raises BadMessage."""
    path = message.uri_path()
    if path is None:
        raise BadMessage(TOPIC, "not UTF-8")
    if path[:1] in ("/", "\\"):
        path = path[1:]
    if not path:
        raise BadMessage(TOPIC, "missing")
    return check_topic(path)


def is_reserved(message):
    """Tell whether the path of a CoAP message is for something else than topics."""
    for number, value in message.options:
        if number == URI_PATH:
            return bytes(value) in _RESERVED
    return False


def parse_request(message):
    """Return the TopicRequest of a CoAP GET with Observe. Raises BadMessage."""
    observe = message.uint(OBSERVE)
    if observe not in (SUBSCRIBE, UNSUBSCRIBE):
        raise BadMessage("Observe", "0 or 1 is wanted")
    topic = topic_of(message)
    value = read_object(message.payload)
    found = value.get(n.ORI_ADDR)
    if found.__class__ is not dict:
        raise BadMessage(n.ORI_ADDR, "missing" if found is None else "an object is wanted")
    if found.get(n.ORI_ADDR_TYPE) != n.UE:
        raise BadMessage(n.ORI_ADDR + "." + n.ORI_ADDR_TYPE, "UE is wanted")
    ue = checks.uri(found.get(n.ADDR), n.ORI_ADDR + "." + n.ADDR)
    expires_ms = read_end(value) if observe == SUBSCRIBE else None
    return TopicRequest(observe, topic, ue, expires_ms)


def answer_options(observe, left_ms):
    """Return the options of a notification. observe: its number; left_ms: of the subscription."""
    age_s = min(max(left_ms // 1000, 1), _LONGEST_AGE_S)
    return [
        (OBSERVE, uint(observe & _OBSERVE_MASK)),
        (CONTENT_FORMAT, uint(JSON_FORMAT)),
        (MAX_AGE, uint(age_s)),
    ]


def answer(status, expires_ms=None, cause=None):
    """Build the payload of the 2.05 that answers either (6.6.3.1 d, 6.6.3.2 b)."""
    return obj(
        (
            (gaps.SUB_STAT, status),
            (n.EXPIRE_TIME, moment(expires_ms)),
            (n.CAUSE, None if cause is None else checks.cut_cause(cause)),
        )
    )
