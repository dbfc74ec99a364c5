"""The keys of server.toml."""

import ipaddress
import re
from urllib.parse import urlsplit

from msgin5g import gaps
from msgin5g.limits import MAX_SECONDS
from msgin5g.payload_errors import BadMessage
from msgin5g.topics import check_topic
from msgin5g_host.config import (
    ConfigError,
    Key,
    Settings,
    Table,
    check_segment_bytes,
    check_ue_id,
    check_uri,
    parse_address,
)
from msgin5g_host.http_access import (
    check_address_or_none,
    check_token,
    check_token_or_none,
    check_url,
    check_url_or_none,
    http_keys,
)
from msgin5g_server.outside import BMG, L3G, N3G
from msgin5g_server.registry import MAX_REGISTRATIONS
from msgin5g_server.ue_ids import RANDOM


def _positive(value: int) -> None:
    if not 0 < value <= MAX_SECONDS:
        raise ValueError(f"a number from 1 to {MAX_SECONDS} is wanted, not {value!r}")


def _above_zero(value: float) -> None:
    if value <= 0:
        raise ValueError(f"a number above 0 is wanted, not {value!r}")


def _host(value: str) -> None:
    ipaddress.ip_address(value)


def _coap_uri_or_empty(value: str) -> None:
    """The Server's address: coap(s)://host[:port]."""
    if not value:
        return
    check_uri(value)
    parts = urlsplit(value)
    if parts.scheme not in ("coap", "coaps") or not parts.hostname or parts.port == 0:
        raise ValueError(f"a URI such as coap://192.0.2.1:65401 is wanted, not {value!r}")
    if parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError(f"nothing follows the port in an address, not {value!r}")


def _template(value: str) -> None:
    check_uri(value)
    if value.count(RANDOM) != 1 or len(value.encode()) > 200:
        raise ValueError(f"a URI of at most 200 bytes with one {RANDOM} is wanted, not {value!r}")


def _path_segment(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._~@-]{1,64}", value):
        raise ValueError(f"1 to 64 letters, digits or ._~@- are wanted, not {value!r}")


def _seconds(value: int) -> None:
    if not 0 <= value <= MAX_SECONDS:
        raise ValueError(f"a number from 0 to {MAX_SECONDS} is wanted, not {value!r}")


def _topic(value: str) -> None:
    try:
        check_topic(value)
    except BadMessage as problem:
        raise ValueError(f"no UE could name it in a path, not {value!r}: {problem}") from None


def _gateway_kind(value: str) -> None:
    if value not in (L3G, N3G, BMG):
        raise ValueError(f"{L3G}, {N3G} or {BMG} is wanted, not {value!r}")


def _tokens(table: str) -> tuple[Key, Key]:
    return (
        Key(f"{table}.token", str, None, "bearer token that it shows", check_token, secret=True),
        Key(f"{table}.our_token", str, None, "bearer token it is shown", check_token, secret=True),
    )


KEYS = (
    Key("server.bind", str, "127.0.0.1:65401", "CoAP address, host:port over UDP", parse_address),
    Key(
        "server.http",
        str,
        "127.0.0.1:8080",
        "HTTP address of the page, TS 29.538, /ues and /metrics; empty for none",
        check_address_or_none,
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
        "server.subscription_lifetime_s",
        int,
        86_400,
        "seconds that a subscription to a topic lasts if its UE names no end",
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
    Key(
        "server.group_managers",
        list,
        ["127.0.0.1", "::1"],
        "hosts from which groups are created and changed, and all configurations read",
        _host,
    ),
    Key(
        "server.address",
        str,
        "",
        "CoAP URI that UEs are given as the Server's; empty for the bound address",
        _coap_uri_or_empty,
    ),
    Key(
        "server.new_ue_service_id",
        str,
        f"urn:msgin5g:ue:{RANDOM}",
        "UE Service ID for a new MSGin5G UE ID in lab mode",
        _template,
    ),
    Key("server.open", bool, False, "let any UE Service ID register (lab mode)"),
    Key("server.log_messages", bool, False, "log every protocol message"),
    Key("server.capture", str, "", "file for a capture of MSGin5G-1 (pcapng); empty for none"),
    *http_keys("the operator's bearer token"),
    Key("http.deadline_s", float, 10.0, "longest that a callback or peer may take", _above_zero),
    Key(
        "network.exposure",
        str,
        "",
        "apiRoot of SCEF or NEF (T8); empty for none",
        check_url_or_none,
    ),
    Key("network.scs_as_id", str, "msgin5g", "what this server is called there", _path_segment),
    Key(
        "network.token", str, "", "bearer token that it is shown", check_token_or_none, secret=True
    ),
    Key(
        "network.notify_at",
        str,
        "http://127.0.0.1:8080",
        "where it reaches this server",
        check_url,
    ),
    Key("network.trigger_s", int, 300, "seconds that a trigger is valid; 0 for none", _seconds),
    Key("network.monitor", bool, True, "have UEs monitored that do not answer"),
)

TABLES = (
    Table(
        "ue",
        (
            Key("ue.ue_service_id", str, "", "who may register, a URI", check_uri, required=True),
            Key(
                "ue.ue_id",
                str,
                None,
                "its MSGin5G UE ID, for configuration and monitoring",
                check_ue_id,
            ),
            Key("ue.gateway", str, None, "the gateway that alone may speak for it", check_uri),
            Key(
                "ue.segment_bytes",
                int,
                None,
                "largest payload that it takes in one piece, 640 if not given",
                check_segment_bytes,
            ),
            Key(
                "ue.report_token",
                str,
                None,
                "bearer token by which a gateway reports what it sees",
                check_token,
                secret=True,
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
            Key("topic.topic", str, "", "the Messaging Topic", _topic, required=True),
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
            *_tokens("application"),
        ),
        "as_service_id",
        "an application: it registers over HTTP (TS 29.538), or fetches its messages",
    ),
    Table(
        "message_gateway",
        (
            Key(
                *("message_gateway.mgw_service_id", str, "", "its MGW Service ID", check_uri),
                required=True,
            ),
            Key(
                *("message_gateway.kind", str, "", "L3G, N3G or BMG", _gateway_kind),
                required=True,
            ),
            Key("message_gateway.url", str, "", "its apiRoot", check_url, required=True),
            Key("message_gateway.ues", list, [], "the UEs that it speaks for", check_uri),
            Key("message_gateway.areas", list, [], "areas of a BMG; none: all of them"),
            *_tokens("message_gateway"),
        ),
        "mgw_service_id",
        "a message gateway: Legacy 3GPP, Non-3GPP or Broadcast",
    ),
    Table(
        "peer",
        (
            Key("peer.server_id", str, "", "its name here, a URI", check_uri, required=True),
            Key("peer.url", str, "", "its apiRoot", check_url, required=True),
            Key("peer.prefixes", list, [], "how its Service IDs begin", check_uri),
            *_tokens("peer"),
        ),
        "server_id",
        "another MSGin5G Server (MSGin5G-8)",
    ),
)


def check_roles(settings: Settings) -> None:
    """Refuse a Service ID that stands for two, and a peer whose Service IDs nobody can tell.

    Raises ConfigError.
    """
    rows = settings.rows
    gateways = rows["message_gateway"]
    named = [("[[ue]]", row["ue_service_id"]) for row in rows["ue"]]
    named += [("[[application]]", row["as_service_id"]) for row in rows["application"]]
    named += [("[[message_gateway]]", row["mgw_service_id"]) for row in gateways]
    named += [(f"ues of {row['mgw_service_id']}", ue) for row in gateways for ue in row["ues"]]
    named += [("[[peer]]", row["server_id"]) for row in rows["peer"]]
    found: dict[str, str] = {}
    for where, name in named:
        if found.setdefault(name, where) != where:
            raise ConfigError(
                f"{name!r} is in {found[name]} and in {where}: a Service ID has one owner; remove "
                "one of the two"
            )
    for row in rows["peer"]:
        if not row["prefixes"]:
            raise ConfigError(
                f"[[peer]] {row['server_id']} has no prefixes: nothing would go there or be taken "
                'from it; give how its Service IDs begin, such as prefixes = ["urn:org:b:"]'
            )
