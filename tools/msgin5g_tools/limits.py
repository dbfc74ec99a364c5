"""All limits of the product in one table, as the README shows it.

python -m msgin5g_tools.limits
"""

from msgin5g.limits import LIMITS
from msgin5g_gateway.core import MAX_SIGNUPS
from msgin5g_gateway.devices import MAX_ASKERS, MAX_DEVICES, MAX_GONE
from msgin5g_gateway.forward import MAX_FORWARDS
from msgin5g_gateway.refresh import MAX_REGISTERED
from msgin5g_gateway.throttle import MAX_GUESSERS
from msgin5g_server.blockwise import MAX_TRANSFER_BYTES, MAX_TRANSFERS
from msgin5g_server.coap import MAX_DATAGRAM_BYTES
from msgin5g_server.config import KEYS as SERVER_KEYS
from ue.link_udp import MAX_DATAGRAM_BYTES as MAX_UE_DATAGRAM_BYTES


def rows() -> list[tuple[str, int, str, str]]:
    """Return (name, value, unit, what happens at the limit)."""
    registrations = next(
        key.default for key in SERVER_KEYS if key.name == "server.max_registrations"
    )
    return [
        *LIMITS,
        ("UE datagram", MAX_UE_DATAGRAM_BYTES, "bytes", "answered 4.13, nothing kept"),
        ("gateway MAX_SIGNUPS", MAX_SIGNUPS, "UEs signed up", "refused: congestion"),
        ("gateway MAX_FORWARDS", MAX_FORWARDS, "urgent requests at once", "answered 5.03"),
        ("gateway MAX_REGISTERED", MAX_REGISTERED, "UEs it refreshes", "refreshed by the UE only"),
        ("gateway MAX_DEVICES", MAX_DEVICES, "devices registered", "refused: lack of resources"),
        ("gateway MAX_ASKERS", MAX_ASKERS, "requests of a device at once", "refused: congestion"),
        ("gateway MAX_GONE", MAX_GONE, "devices that left", "a repeated request is refused"),
        ("gateway MAX_GUESSERS", MAX_GUESSERS, "wrong credentials' senders", "the oldest goes"),
        ("gateway bulk.max_pending", 10_000, "cached requests", "answered 5.03, not kept"),
        ("server datagram", MAX_DATAGRAM_BYTES, "bytes", "answered 4.13; larger ones in blocks"),
        ("server MAX_TRANSFERS", MAX_TRANSFERS, "block-wise transfers", "the idlest is dropped"),
        ("server MAX_TRANSFER_BYTES", MAX_TRANSFER_BYTES, "bytes in blocks", "answered 4.13"),
        ("server.max_registrations", registrations, "UEs registered", "refused: congestion"),
    ]


def table() -> str:
    """Return the limits as a Markdown table."""
    lines = ["| limit | value | of | at the limit |", "|---|--:|---|---|"]
    lines += [f"| {name} | {value:,} | {unit} | {then} |" for name, value, unit, then in rows()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
