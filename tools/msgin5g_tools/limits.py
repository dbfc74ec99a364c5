"""All limits of the product; docs/reference/limits.md shows them."""

from msgin5g.gaps import MAX_HOPS
from msgin5g.limits import LIMITS
from msgin5g_gateway.app_up import MAX_DEVICE_SETS, MAX_REPORTABLE, MAX_SENDINGS, MAX_SENT
from msgin5g_gateway.configuring import MAX_PASSED
from msgin5g_gateway.core import MAX_SIGNUPS
from msgin5g_gateway.device_sets import MAX_JOINING, MAX_JOINING_BYTES, MAX_WHOLE
from msgin5g_gateway.devices import MAX_ASKERS, MAX_DEVICES, MAX_GONE
from msgin5g_gateway.downlink import MAX_DELIVERIES, MAX_DELIVERIES_OF_ONE
from msgin5g_gateway.forward import MAX_FORWARDS
from msgin5g_gateway.handover import MAX_HANDOVERS, MAX_HANDOVERS_OF_ONE
from msgin5g_gateway.messaging import MAX_TOKENS
from msgin5g_gateway.refresh import MAX_REGISTERED
from msgin5g_gateway.relay import MAX_CONTACTS
from msgin5g_gateway.sets import MAX_RECEIVED_SETS, MAX_SENT_SETS
from msgin5g_gateway.throttle import MAX_GUESSERS
from msgin5g_gateway.topics import MAX_ASKING, MAX_OBSERVATIONS
from msgin5g_gateway.uplink import MAX_RELAYS, MAX_RELAYS_OF_ONE
from msgin5g_host.capture import MAX_CAPTURE_FOLLOWERS
from msgin5g_host.capture_file import MAX_CAPTURE_BYTES
from msgin5g_host.capture_queue import MAX_CAPTURE_QUEUE_BYTES
from msgin5g_host.follower import MAX_FOLLOWED
from msgin5g_host.journal import (
    MAX_ENTRIES,
    MAX_FOLLOWERS,
    MAX_GONE_UES,
    MAX_JOINED,
    MAX_SEEN_UES,
    MAX_TRACED_SETS,
    MAX_TRACES,
)
from msgin5g_host.log import MAX_STEPS_PER_S
from msgin5g_host.rates import MAX_SAMPLES
from msgin5g_host.reporting import MAX_REPORT_BYTES, MAX_REPORT_ENTRIES, MAX_REPORTS
from msgin5g_server.blockwise import MAX_TRANSFER_BYTES, MAX_TRANSFERS
from msgin5g_server.calls import MAX_ANSWER_BYTES
from msgin5g_server.coap import MAX_DATAGRAM_BYTES
from msgin5g_server.collecting import MAX_SET_BYTES, MAX_SETS
from msgin5g_server.config import KEYS as SERVER_KEYS
from msgin5g_server.courier import MAX_AT_A_PEER, MAX_STORED, MAX_STORED_OF_ONE
from msgin5g_server.group_api import MAX_GM_CLIENTS
from msgin5g_server.groups import MAX_GROUP_MEMBERS, MAX_GROUPS
from msgin5g_server.message_store import MAX_INBOX, MAX_SEEN, MAX_SET_ROUTES
from msgin5g_server.network import MAX_MONITORED, MAX_TRIGGERABLE, MAX_TRIGGERS
from msgin5g_server.outside import MAX_AS_REGISTRATIONS
from msgin5g_server.packing import MAX_MADE_SETS
from msgin5g_server.problems import MAX_BODY_BYTES
from msgin5g_server.responses import MAX_TOLD
from msgin5g_server.ue_ids import MAX_ASSIGNED
from ue.config import defaults
from ue.inbox import REASSEMBLY_SETS
from ue.link_udp import MAX_DATAGRAM_BYTES as MAX_UE_DATAGRAM_BYTES
from ue.messaging import MAX_CONTROLS
from ue.messaging import SENT_SETS as UE_SENT_SETS
from ue.postman import MAX_SEEN as UE_MAX_SEEN

# What the page shows, at server and gateway.
_VIEW = [
    ("view MAX_ENTRIES", MAX_ENTRIES, "entries for the page", "the oldest goes"),
    ("view MAX_TRACES", MAX_TRACES, "traces they make up", "the oldest goes"),
    ("view MAX_JOINED", MAX_JOINED, "bulk requests of a trace", "no more are shown"),
    ("view MAX_TRACED_SETS", MAX_TRACED_SETS, "segment sets known", "the oldest goes"),
    ("view MAX_SEEN_UES", MAX_SEEN_UES, "UEs with a last message", "the longest silent goes"),
    ("view MAX_GONE_UES", MAX_GONE_UES, "UEs that left lately", "the oldest goes"),
    ("view MAX_FOLLOWERS", MAX_FOLLOWERS, "pages open at once", "answered 503"),
    ("view MAX_FOLLOWED", MAX_FOLLOWED, "entries a page has not read", "the oldest goes, told"),
    ("view MAX_STEPS_PER_S", MAX_STEPS_PER_S, "steps of messages a second", "told how many more"),
    ("view MAX_SAMPLES", MAX_SAMPLES, "samples of the rates", "the oldest goes"),
    ("view MAX_REPORTS", MAX_REPORTS, "entries to report", "the oldest goes, counted"),
    ("view MAX_REPORT_ENTRIES", MAX_REPORT_ENTRIES, "entries of a report", "answered 413"),
    ("view MAX_REPORT_BYTES", MAX_REPORT_BYTES, "bytes of a report", "answered 413"),
]


def rows() -> list[tuple[str, int, str, str]]:
    """Return (name, value, unit, what happens at the limit)."""
    registrations = next(
        key.default for key in SERVER_KEYS if key.name == "server.max_registrations"
    )
    ue = defaults()
    return [
        *LIMITS,
        ("UE datagram", MAX_UE_DATAGRAM_BYTES, "bytes", "answered 4.13, nothing kept"),
        ("UE outbox_messages", ue["outbox_messages"], "messages to send", "the oldest goes, told"),
        ("UE outbox_bytes", ue["outbox_bytes"], "bytes in them", "the oldest goes, told"),
        ("UE reassembly_bytes", ue["reassembly_bytes"], "bytes of segments", "a set goes, told"),
        (
            "UE REASSEMBLY_SETS",
            REASSEMBLY_SETS,
            "incomplete segment sets",
            "the idlest is given up",
        ),
        ("UE SENT_SETS", UE_SENT_SETS, "sets sent, for recovery", "the oldest goes"),
        ("UE MAX_CONTROLS", MAX_CONTROLS, "SEGREC, SEGCONFIR to send", "the oldest goes"),
        ("UE MAX_SEEN", UE_MAX_SEEN, "messages remembered", "a repeated one is handed on again"),
        ("gateway MAX_SIGNUPS", MAX_SIGNUPS, "UEs signed up", "refused: congestion"),
        ("gateway MAX_FORWARDS", MAX_FORWARDS, "urgent requests at once", "answered 5.03"),
        ("gateway MAX_REGISTERED", MAX_REGISTERED, "UEs it refreshes", "refreshed by the UE only"),
        ("gateway MAX_DEVICES", MAX_DEVICES, "devices registered", "refused: lack of resources"),
        ("gateway MAX_ASKERS", MAX_ASKERS, "requests of a device at once", "refused: congestion"),
        ("gateway MAX_GONE", MAX_GONE, "devices that left", "a repeated request is refused"),
        ("gateway MAX_GUESSERS", MAX_GUESSERS, "wrong credentials' senders", "the oldest goes"),
        (
            "gateway bulk.max_pending",
            10_000,
            "cached requests, cached GETs",
            "answered 5.03, not kept",
        ),
        ("gateway MAX_RELAYS", MAX_RELAYS, "messages at the server", "answered 5.03"),
        ("gateway MAX_RELAYS_OF_ONE", MAX_RELAYS_OF_ONE, "messages a UE", "answered 5.03"),
        ("gateway MAX_DELIVERIES", MAX_DELIVERIES, "messages to all UEs", "answered 5.03"),
        (
            "gateway MAX_DELIVERIES_OF_ONE",
            MAX_DELIVERIES_OF_ONE,
            "messages to a UE",
            "answered 5.03",
        ),
        ("gateway MAX_SENT_SETS", MAX_SENT_SETS, "senders of segments", "the oldest is forgotten"),
        (
            "gateway MAX_RECEIVED_SETS",
            MAX_RECEIVED_SETS,
            "receivers of segments",
            "the oldest is forgotten",
        ),
        ("gateway MAX_TOKENS", MAX_TOKENS, "Tokens for MSGRESP", "the oldest is forgotten"),
        ("gateway MAX_SENDINGS", MAX_SENDINGS, "messages of devices", "refused: congestion"),
        (
            "gateway MAX_SENT",
            MAX_SENT,
            "messages that devices sent",
            "a repeated one is sent again",
        ),
        ("gateway MAX_HANDOVERS", MAX_HANDOVERS, "messages to all devices", "answered 5.03"),
        ("gateway MAX_HANDOVERS_OF_ONE", MAX_HANDOVERS_OF_ONE, "to a device", "answered 5.03"),
        ("gateway MAX_REPORTABLE", MAX_REPORTABLE, "messages to report on", "the oldest goes"),
        ("gateway MAX_DEVICE_SETS", MAX_DEVICE_SETS, "sets a device sent", "not sent again"),
        ("gateway MAX_JOINING", MAX_JOINING, "sets for devices", "the longest silent is given up"),
        ("gateway MAX_JOINING_BYTES", MAX_JOINING_BYTES, "bytes of these", "the same"),
        ("gateway MAX_WHOLE", MAX_WHOLE, "of these, whole", "the oldest is forgotten"),
        ("gateway MAX_ASKING", MAX_ASKING, "subscriptions at the server", "answered 5.03"),
        ("gateway MAX_PASSED", MAX_PASSED, "configuration GETs passed on", "answered 5.03"),
        ("gateway MAX_OBSERVATIONS", MAX_OBSERVATIONS, "subscriptions kept", "answered 5.03"),
        ("relay MAX_CONTACTS", MAX_CONTACTS, "clients", "the longest silent is cut off"),
        ("gateway outbox.max_messages", 10_000, "kept messages", "answered 5.03, not kept"),
        (
            "MAX_CAPTURE_BYTES",
            MAX_CAPTURE_BYTES,
            "bytes of a capture's file",
            "the older file goes",
        ),
        ("MAX_CAPTURE_FOLLOWERS", MAX_CAPTURE_FOLLOWERS, "captures at once", "answered 503"),
        (
            "MAX_CAPTURE_QUEUE_BYTES",
            MAX_CAPTURE_QUEUE_BYTES,
            "bytes that wait for a reader of a capture",
            "frames are missed, told",
        ),
        ("server datagram", MAX_DATAGRAM_BYTES, "bytes", "answered 4.13; larger ones in blocks"),
        ("server MAX_TRANSFERS", MAX_TRANSFERS, "block-wise transfers", "the idlest is dropped"),
        ("server MAX_TRANSFER_BYTES", MAX_TRANSFER_BYTES, "bytes in blocks", "answered 4.13"),
        ("server MAX_STORED", MAX_STORED, "messages stored", "answered 5.03"),
        ("server MAX_STORED_OF_ONE", MAX_STORED_OF_ONE, "messages for one UE", "discarded, told"),
        ("server MAX_AT_A_PEER", MAX_AT_A_PEER, "deliveries at one address at once", "they wait"),
        ("server MAX_SEEN", MAX_SEEN, "Message IDs remembered", "the oldest is forgotten"),
        ("server MAX_SETS", MAX_SETS, "incomplete segment sets", "the idlest is given up, told"),
        ("server MAX_SET_BYTES", MAX_SET_BYTES, "bytes in them", "the idlest is given up, told"),
        ("server MAX_SET_ROUTES", MAX_SET_ROUTES, "segment sets handed on", "the oldest goes"),
        ("server MAX_MADE_SETS", MAX_MADE_SETS, "sets cut here, for recovery", "the oldest goes"),
        ("server MAX_INBOX", MAX_INBOX, "messages of an application", "the oldest goes"),
        (
            "server MAX_AS_REGISTRATIONS",
            MAX_AS_REGISTRATIONS,
            "Application Servers registered",
            "answered 503",
        ),
        ("server MAX_BODY_BYTES", MAX_BODY_BYTES, "bytes of an HTTP request", "answered 413"),
        ("server MAX_ANSWER_BYTES", MAX_ANSWER_BYTES, "bytes of an HTTP answer", "tried again"),
        ("server MAX_HOPS", MAX_HOPS, "servers that a message passes", "refused: a loop"),
        ("server MAX_TRIGGERABLE", MAX_TRIGGERABLE, "UEs to trigger", "the oldest is forgotten"),
        ("server MAX_TRIGGERS", MAX_TRIGGERS, "triggers at once", "not triggered"),
        ("server MAX_MONITORED", MAX_MONITORED, "UEs monitored", "the oldest is cancelled"),
        ("server MAX_GROUPS", MAX_GROUPS, "groups", "answered 5.03"),
        (
            "server MAX_GROUP_MEMBERS",
            MAX_GROUP_MEMBERS,
            "members of a group",
            "answered 4.00, 4.22",
        ),
        ("server MAX_GM_CLIENTS", MAX_GM_CLIENTS, "UEs that ask for groups", "the oldest is told"),
        ("server MAX_ASSIGNED", MAX_ASSIGNED, "UE Service IDs assigned", "answered 5.03"),
        ("server MAX_TOLD", MAX_TOLD, "messages told of", "the sender may be told twice"),
        ("server.max_registrations", registrations, "UEs registered", "refused: congestion"),
        *_VIEW,
    ]
