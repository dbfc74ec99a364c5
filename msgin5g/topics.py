"""Topic subscription (6.6, 7.3.5): a GET with Observe whose path is the topic, and its answer."""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.coap import (
    CONTENT_FORMAT,
    JSON_FORMAT,
    MAX_AGE,
    OBSERVE,
    URI_HOST,
    URI_PATH,
    uint,
)
from msgin5g.errors import BadMessage, CallerError
from msgin5g.jsontext import loads, obj
from msgin5g.limits import MAX_URI_BYTES

SUBSCRIBE = 0
UNSUBSCRIBE = 1
TOPIC = "topic"
_OBSERVE_MASK = 0xFFFFFF
_LONGEST_AGE_S = 0xFFFFFFFF


class TopicRequest:
    """What a (un)subscription asks. observe: 0 or 1; expires_ms: since 1970, or None."""

    def __init__(self, observe, topic, ue_service_id, expires_ms=None):
        self.observe = observe
        self.topic = topic
        self.ue_service_id = ue_service_id
        self.expires_ms = expires_ms


class TopicAnswer:
    """What a server said. status: None if it is not told; expires_ms: since 1970, or None."""

    def __init__(self, status, expires_ms=None, cause=None):
        self.status = status
        self.expires_ms = expires_ms
        self.cause = cause


def check_topic(topic):
    """Return a topic that can be a path, or raise BadMessage."""
    checks.text(topic, TOPIC)
    if topic[0] in "/\\":
        raise BadMessage(TOPIC, "a slash or backslash at the start")
    segments = topic.split("/")
    if "." in segments or ".." in segments:
        raise BadMessage(TOPIC, "a segment of dots only")
    if segments[0] in gaps.RESERVED_PATHS:
        raise BadMessage(TOPIC, "this path is no topic")
    return topic


def topic_of(message):
    """Return the topic in the Uri-Path of a CoAP message. Raises BadMessage."""
    path = message.path()
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
            return bytes(value) in [one.encode() for one in gaps.RESERVED_PATHS]
    return False


def request_options(topic, observe, host=""):
    """Return the options of the GET that subscribes (observe 0) or unsubscribes (1).

    host: the Server's name, if it is to be told. Raises CallerError.
    """
    try:
        check_topic(topic)
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))
    options = [(URI_HOST, host.encode())] if host else []
    options.append((OBSERVE, uint(observe)))
    for segment in topic.split("/"):
        options.append((URI_PATH, segment.encode()))
    options.append((CONTENT_FORMAT, uint(JSON_FORMAT)))
    return options


def answer_options(observe, left_ms):
    """Return the options of a notification. observe: its number; left_ms: of the subscription."""
    age_s = min(max(left_ms // 1000, 1), _LONGEST_AGE_S)
    return [
        (OBSERVE, uint(observe & _OBSERVE_MASK)),
        (CONTENT_FORMAT, uint(JSON_FORMAT)),
        (MAX_AGE, uint(age_s)),
    ]


def subscribe(ue_service_id, expires_ms=None):
    """Build a subscription's payload (7.3.5.1). expires_ms: since 1970. Raises CallerError."""
    return obj(((n.ORI_ADDR, _ue(ue_service_id)), (n.EXPIRE_TIME, _moment(expires_ms))))


def unsubscribe(ue_service_id):
    """Build an unsubscription's payload (7.3.5.2). Raises CallerError."""
    return obj(((n.ORI_ADDR, _ue(ue_service_id)),))


def answer(status, expires_ms=None, cause=None):
    """Build the payload of the 2.05 that answers either (6.6.3.1 d, 6.6.3.2 b)."""
    return obj(
        (
            (gaps.SUB_STAT, status),
            (n.EXPIRE_TIME, _moment(expires_ms)),
            (n.CAUSE, None if cause is None else checks.cut_cause(cause)),
        )
    )


def parse_request(message):
    """Return the TopicRequest of a CoAP GET with Observe. Raises BadMessage."""
    observe = message.uint(OBSERVE)
    if observe not in (SUBSCRIBE, UNSUBSCRIBE):
        raise BadMessage("Observe", "0 or 1 is wanted")
    topic = topic_of(message)
    value = _object(message.payload)
    found = value.get(n.ORI_ADDR)
    if found.__class__ is not dict:
        raise BadMessage(n.ORI_ADDR, "missing" if found is None else "an object is wanted")
    if found.get(n.ORI_ADDR_TYPE) != n.UE:
        raise BadMessage(n.ORI_ADDR + "." + n.ORI_ADDR_TYPE, "UE is wanted")
    ue = checks.uri(found.get(n.ADDR), n.ORI_ADDR + "." + n.ADDR)
    expires_ms = _expires(value) if observe == SUBSCRIBE else None
    return TopicRequest(observe, topic, ue, expires_ms)


def parse_answer(payload):
    """Return the TopicAnswer in a 2.05; one of another server may say nothing at all.

    Raises BadMessage.
    """
    if not len(payload):
        return TopicAnswer(None)
    value = _object(payload)
    status = value.get(gaps.SUB_STAT)
    if status is not None:
        checks.text(status, gaps.SUB_STAT)
    cause = None
    for key in gaps.CAUSE_KEYS:
        if value.get(key).__class__ is str:
            cause = checks.cut_cause(value[key])
            break
    return TopicAnswer(status, _expires(value), cause)


def is_message(payload):
    """Tell whether a 2.05 brings a message rather than the status of a subscription."""
    return b'"msgType"' in bytes(payload)


def _object(payload):
    value = loads(payload)
    if value.__class__ is not dict:
        raise BadMessage("", "an object is wanted")
    return value


def _ue(ue_service_id):
    try:
        checks.text(ue_service_id, n.ORI_ADDR, MAX_URI_BYTES)
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))
    return obj(((n.ORI_ADDR_TYPE, n.UE), (n.ADDR, ue_service_id)))


def _moment(moment_ms):
    if moment_ms is None:
        return None
    # Few UEs know the time.
    from msgin5g.moments import format_date_time

    return format_date_time(moment_ms)


def _expires(value):
    if n.EXPIRE_TIME not in value:
        return None
    from msgin5g.moments import parse_date_time

    return parse_date_time(value[n.EXPIRE_TIME], n.EXPIRE_TIME)
