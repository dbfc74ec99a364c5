"""Topic subscription (6.6.2, 7.3.5): a GET with Observe whose path is the topic, and its answer.

What a Server and a gateway need besides is in `msgin5g.topic_requests`.
"""

from msgin5g import checks, gaps
from msgin5g import names as n
from msgin5g.coap import (
    CONTENT_FORMAT,
    JSON_FORMAT,
    OBSERVE,
    URI_HOST,
    URI_PATH,
)
from msgin5g.errors import CallerError
from msgin5g.jsontext import loads, obj
from msgin5g.limits import MAX_URI_BYTES
from msgin5g.payload_errors import BadMessage

SUBSCRIBE = 0
UNSUBSCRIBE = 1
TOPIC = "topic"


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


def request_options(topic, observe, host=""):
    """Return the options of the GET that subscribes (observe 0) or unsubscribes (1).

    host: the Server's name, if it is to be told. Raises CallerError.
    """
    try:
        check_topic(topic)
    except (BadMessage, UnicodeError) as problem:
        raise CallerError(str(problem))
    options = [(URI_HOST, host.encode())] if host else []
    options.append((OBSERVE, b"\x01" if observe else b""))
    for segment in topic.split("/"):
        options.append((URI_PATH, segment.encode()))
    options.append((CONTENT_FORMAT, bytes((JSON_FORMAT,))))
    return options


def subscribe(ue_service_id, expires_ms=None):
    """Build a subscription's payload (7.3.5.1). expires_ms: since 1970. Raises CallerError."""
    return obj(((n.ORI_ADDR, _ue(ue_service_id)), (n.EXPIRE_TIME, moment(expires_ms))))


def unsubscribe(ue_service_id):
    """Build an unsubscription's payload (7.3.5.2). Raises CallerError."""
    return obj(((n.ORI_ADDR, _ue(ue_service_id)),))


def parse_answer(payload):
    """Return the TopicAnswer in a 2.05; one of another server may say nothing at all.

    Raises BadMessage.
    """
    if not len(payload):
        return TopicAnswer(None)
    value = read_object(payload)
    status = value.get(gaps.SUB_STAT)
    if status is not None:
        checks.text(status, gaps.SUB_STAT)
    cause = None
    for key in gaps.CAUSE_KEYS:
        if value.get(key).__class__ is str:
            cause = checks.cut_cause(value[key])
            break
    return TopicAnswer(status, read_end(value), cause)


def is_message(payload):
    """Tell whether a 2.05 brings a message rather than the status of a subscription."""
    return b'"msgType"' in bytes(payload)


def read_object(payload):
    """Return the JSON object of a payload. Raises BadMessage."""
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


def moment(moment_ms):
    """Return the text of a moment since 1970, None for None."""
    if moment_ms is None:
        return None
    # Few UEs know the time.
    from msgin5g.moments import format_date_time

    return format_date_time(moment_ms)


def read_end(value):
    """Return the moment at which a subscription ends, since 1970, or None. Raises BadMessage."""
    if n.EXPIRE_TIME not in value:
        return None
    from msgin5g.moments import parse_date_time

    return parse_date_time(value[n.EXPIRE_TIME], n.EXPIRE_TIME)
