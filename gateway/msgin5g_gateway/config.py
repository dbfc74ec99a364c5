"""The keys of gateway.toml."""

from msgin5g import gaps
from msgin5g.limits import MAX_PAYLOAD_BYTES
from msgin5g_host.config import (
    Key,
    Settings,
    Table,
    check_segment_bytes,
    check_ue_id,
    check_uri,
    parse_address,
    parse_link,
)
from msgin5g_host.http_access import (
    check_address_or_none,
    check_token_or_none,
    check_url_or_none,
    http_keys,
)


def _positive(value: float) -> None:
    if value <= 0:
        raise ValueError(f"a number above 0 is wanted, not {value!r}")


def _not_negative(value: float) -> None:
    if value < 0:
        raise ValueError(f"a number of 0 or more is wanted, not {value!r}")


def check_server(value: str) -> None:
    """Raise ValueError unless the text is coap://host or coap://host:port."""
    rest = value.removeprefix("coap://")
    if rest == value or not rest or "/" in rest:
        raise ValueError(f"coap://host:port is wanted, not {value!r}")
    if ":" in rest:
        parse_address(rest)


def _ue_id_or_none(value: str) -> None:
    if value:
        check_ue_id(value)


def _application_id(value: int) -> None:
    if not 0 <= value <= 0xFFFF:
        raise ValueError(f"an Application ID is a number from 0 to 65535, not {value!r}")


def _address(value: str) -> None:
    if not value or any(char.isspace() for char in value):
        raise ValueError(f"an IPv4 or IPv6 address or a name is wanted, not {value!r}")


KEYS = (
    Key(
        "gateway.ue_service_id",
        str,
        "urn:example:gw:1",
        "the gateway's own UE Service ID, a URI",
        check_uri,
    ),
    Key(
        "gateway.ue_id",
        str,
        "",
        "its MSGin5G UE ID: without ue_service_id it asks the server by it who it is (6.2)",
        _ue_id_or_none,
    ),
    Key(
        "gateway.server",
        str,
        "coap://127.0.0.1:65401",
        "the MSGin5G Server, coap://host:port",
        check_server,
    ),
    Key("gateway.data", str, "msgin5g-gateway-data", "folder of cached requests and sign-ups"),
    Key(
        "gateway.links",
        list,
        ["udp://127.0.0.1:65402"],
        "links towards the constrained UEs, udp://host:port",
        parse_link,
    ),
    Key("gateway.service_id", str, gaps.SERVICE_ID, "MSGin5G service identifier", check_uri),
    Key("gateway.open", bool, False, "let any constrained UE use the gateway (lab mode)"),
    Key(
        "gateway.copy_message_id",
        bool,
        True,
        "REGRESP and DEREGRESP copy the Message ID of the request too, not only its Token",
    ),
    Key(
        "gateway.absent_is_urgent",
        bool,
        gaps.ABSENT_IS_URGENT,
        "take a request without urgentTag as urgent",
    ),
    Key(
        "gateway.gateway_time_s",
        int,
        3600,
        "longest sign-up to the gateway service in seconds",
        _positive,
    ),
    Key(
        "gateway.segment_bytes",
        int,
        MAX_PAYLOAD_BYTES,
        "a longer payload of a device without a client leaves in segments of so many bytes",
        check_segment_bytes,
    ),
    Key(
        "gateway.device_hold_s",
        float,
        60.0,
        "a device heard within so many seconds keeps its Application ID against another device",
        _not_negative,
    ),
    Key(
        "gateway.device_links",
        list,
        [],
        "links set aside for devices without an MSGin5G client; a UE with one is refused there",
        parse_link,
    ),
    Key(
        "gateway.local_delivery",
        bool,
        True,
        "hand messages of and to devices without a UE Service ID on to each other here",
    ),
    Key(
        "gateway.relay",
        bool,
        False,
        "be a Relay UE instead: forward MSGin5G-1 traffic of constrained UEs, unchanged",
    ),
    Key("gateway.register", bool, True, "register the gateway itself at the server"),
    Key("gateway.log_messages", bool, False, "log every protocol message"),
    Key("gateway.capture", str, "", "file for a capture of all links (pcapng); empty for none"),
    Key(
        "gateway.http",
        str,
        "",
        "HTTP address of the gateway's own page; empty for none",
        check_address_or_none,
    ),
    *http_keys("the bearer token of who looks at the page"),
    Key(
        "view.report_to",
        str,
        "",
        "the server's page, such as http://127.0.0.1:8080, to tell it what passes here",
        check_url_or_none,
    ),
    Key(
        "view.report_token",
        str,
        "",
        "bearer token that it is shown, the report_token of this gateway there",
        check_token_or_none,
        secret=True,
    ),
    Key(
        "bulk.configuration",
        bool,
        True,
        "fetch the configurations of constrained UEs in bulk; false: pass each request on",
    ),
    Key("bulk.max_requests", int, 50, "more cached requests than this leave at once", _positive),
    Key(
        "bulk.interval_s",
        float,
        5.0,
        "cached requests leave at the latest after so many seconds",
        _positive,
    ),
    Key(
        "bulk.default_wait_s",
        float,
        2.0,
        "per-UE timer for a request that names no longest wait",
        _positive,
    ),
    Key(
        "bulk.pending_lifetime_s",
        float,
        3600.0,
        "a cached request that the server never answered is refused after so many seconds",
        _positive,
    ),
    Key(
        "bulk.answer_margin_s",
        float,
        0.5,
        "leave so long before a UE's timer ends, but at most a tenth of it",
        _not_negative,
    ),
    Key("bulk.max_pending", int, 10_000, "most cached requests; further ones get 5.03", _positive),
    Key(
        "outbox.max_messages",
        int,
        10_000,
        "most messages kept while the server is out of reach; further ones get 5.03",
        _positive,
    ),
    Key(
        "outbox.max_age_s",
        float,
        86_400.0,
        "a message kept for so many seconds is dropped, the oldest first",
        _positive,
    ),
    Key(
        "outbox.per_second",
        float,
        20.0,
        "so many kept messages leave in a second when the server is back",
        _positive,
    ),
)

TABLES = (
    Table(
        "ue",
        (
            Key("ue.ue_service_id", str, "", "who may use the gateway", check_uri, required=True),
            Key(
                "ue.ue_id",
                str,
                None,
                "its MSGin5G UE ID: shown at sign-up, asks for configuration",
            ),
        ),
        "ue_service_id",
        "MSGin5G-6: a constrained UE with an MSGin5G client",
    ),
    Table(
        "device",
        (
            Key("device.application_id", int, 0, "0 to 65535", _application_id, required=True),
            Key("device.credential", str, "", "what the device shows", required=True, secret=True),
            Key("device.ue_service_id", str, None, "registered at the server on its behalf"),
        ),
        "application_id",
        "MSGin5G-5: a device without an MSGin5G client",
    ),
    Table(
        "address",
        (
            Key("address.address", str, "", "IPv4, IPv6 or name", _address, required=True),
            Key("address.service_id", str, "", "whose address it is", check_uri, required=True),
        ),
        "address",
        "MSGin5G-5: the Service ID behind an address that a device sends to",
    ),
)


def leave_to_server(settings: Settings) -> None:
    """Leave the UE Service ID open, None, if the gateway is to ask the server for it."""
    name = "gateway.ue_service_id"
    if settings["gateway.ue_id"] and settings.source(name) == "default":
        settings.values[name], settings.sources[name] = None, "server"
