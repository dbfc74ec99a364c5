"""The keys of server.toml."""

from msgin5g import gaps
from msgin5g.limits import MAX_SECONDS
from msgin5g_host.config import Key, Table, check_uri, parse_address
from msgin5g_server.registry import MAX_REGISTRATIONS


def _positive(value: int) -> None:
    if not 0 < value <= MAX_SECONDS:
        raise ValueError(f"a number from 1 to {MAX_SECONDS} is wanted, not {value!r}")


def _address_or_empty(value: str) -> None:
    if value:
        parse_address(value)


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
    Key("server.open", bool, False, "let any UE Service ID register (lab mode)"),
    Key("server.log_messages", bool, False, "log every protocol message"),
)

TABLES = (
    Table(
        "ue",
        (
            Key("ue.ue_service_id", str, "", "who may register, a URI", check_uri, required=True),
            Key("ue.gateway", str, None, "the gateway that alone may speak for it", check_uri),
        ),
        "ue_service_id",
        "an account: who may register, and through which gateway",
    ),
)
