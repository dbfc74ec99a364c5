"""The keys of server.toml."""

from msgin5g import gaps
from msgin5g.limits import MAX_PAYLOAD_BYTES, MAX_SECONDS
from msgin5g_host.config import Key, Table, check_uri, parse_address
from msgin5g_server.registry import MAX_REGISTRATIONS


def _positive(value: int) -> None:
    if not 0 < value <= MAX_SECONDS:
        raise ValueError(f"a number from 1 to {MAX_SECONDS} is wanted, not {value!r}")


def _above_zero(value: float) -> None:
    if value <= 0:
        raise ValueError(f"a number above 0 is wanted, not {value!r}")


def _segment_bytes(value: int) -> None:
    if not MIN_SEGMENT_BYTES <= value <= MAX_PAYLOAD_BYTES:
        wanted = f"a number from {MIN_SEGMENT_BYTES} to {MAX_PAYLOAD_BYTES}"
        raise ValueError(f"{wanted} is wanted, not {value!r}")


def _address_or_empty(value: str) -> None:
    if value:
        parse_address(value)


# The longest message is then well below the most segments that a message may have.
MIN_SEGMENT_BYTES = 128

KEYS = (
    Key("server.bind", str, "127.0.0.1:65401", "CoAP address, host:port over UDP", parse_address),
    Key(
        "server.http",
        str,
        "127.0.0.1:8080",
        "HTTP address of /ues, /health and /metrics; empty for none",
        _address_or_empty,
    ),
    Key("server.data", str, "msgin5g-server-data", "folder of the registry"),
    Key("server.service_id", str, gaps.SERVICE_ID, "MSGin5G service identifier", check_uri),
    Key(
        "server.registration_lifetime_s",
        int,
        3600,
        "seconds until a registration ends unless it is refreshed",
        _positive,
    ),
    Key(
        "server.max_registrations",
        int,
        MAX_REGISTRATIONS,
        "most UEs registered at once",
        _positive,
    ),
    Key(
        "server.message_retention_s",
        int,
        86_400,
        "longest that a message or report is kept for its recipient, in seconds",
        _positive,
    ),
    Key(
        "server.segment_wait_s",
        float,
        5.0,
        "seconds without a new segment until the missing ones are asked for",
        _above_zero,
    ),
    Key("server.keep_priority", bool, False, "deliver messages with their priority"),
    Key("server.aggregate", bool, True, "send several waiting messages of one sender as one"),
    Key("server.open", bool, False, "let any UE Service ID register (lab mode)"),
    Key("server.log_messages", bool, False, "log every protocol message"),
)

TABLES = (
    Table(
        "ue",
        (
            Key("ue.ue_service_id", str, "", "who may register, a URI", check_uri, required=True),
            Key("ue.gateway", str, None, "the gateway that alone may speak for it", check_uri),
            Key(
                "ue.segment_bytes",
                int,
                None,
                "largest payload that it takes in one piece",
                _segment_bytes,
            ),
        ),
        "ue_service_id",
        "an account: who may register, and through which gateway",
    ),
    Table(
        "group",
        (
            Key("group.group_service_id", str, "", "the group, a URI", check_uri, required=True),
            Key("group.members", list, [], "its members' UE Service IDs", check_uri),
        ),
        "group_service_id",
        "a group: a message to it goes to every member but its sender",
    ),
    Table(
        "topic",
        (
            Key("topic.topic", str, "", "the Messaging Topic", required=True),
            Key("topic.subscribers", list, [], "UEs and applications that get it", check_uri),
        ),
        "topic",
        "a topic: a message to it goes to every subscriber but its sender",
    ),
    Table(
        "application",
        (
            Key(
                "application.as_service_id", str, "", "its AS Service ID", check_uri, required=True
            ),
        ),
        "as_service_id",
        "an application that reads its messages over HTTP",
    ),
)
