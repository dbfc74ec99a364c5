"""Every size and number that is bounded, in one table; docs/reference/limits.md has it."""

MAX_DATAGRAM_BYTES = 2048
MAX_OPTIONS = 64
MAX_PEERS = 16384
MAX_REMEMBERED_IDS = 8
MAX_WAITING_REQUESTS = 64
MAX_HELD_REQUESTS = 1024
MAX_JSON_DEPTH = 8
MAX_BULK_JSON_DEPTH = MAX_JSON_DEPTH + 2
MAX_URI_BYTES = 255
MAX_TEXT_BYTES = 255
MAX_CAUSE_BYTES = 255
MAX_BULK_ENTRIES = 500
MAX_CLIENT_PORTS = 16
MAX_ADD_INFOS = 16
MAX_SECONDS = 0x7FFFFFFF
MAX_PAYLOAD_BYTES = 2048
MAX_MESSAGE_BYTES = 65536
MAX_SEGMENTS = 1000
MAX_RANGES = 100
MAX_AGGREGATED = 100
MAX_APPLICATIONS = 16
MAX_TOPICS = 16
MAX_SUBSCRIPTIONS = 100000
MAX_SUBSCRIPTIONS_OF_ONE = 64

LIMITS = (
    ("MAX_DATAGRAM_BYTES", MAX_DATAGRAM_BYTES, "bytes", "answered 4.13 with Size1, nothing kept"),
    ("MAX_OPTIONS", MAX_OPTIONS, "CoAP options in a message", "message format error: Reset"),
    ("MAX_PEERS", MAX_PEERS, "CoAP peers of one endpoint", "the longest silent half is forgotten"),
    ("MAX_REMEMBERED_IDS", MAX_REMEMBERED_IDS, "Message IDs a peer", "the oldest is forgotten"),
    ("MAX_WAITING_REQUESTS", MAX_WAITING_REQUESTS, "requests queued a peer", "refused: no room"),
    ("MAX_HELD_REQUESTS", MAX_HELD_REQUESTS, "requests being answered", "answered 5.03"),
    ("MAX_JSON_DEPTH", MAX_JSON_DEPTH, "levels of JSON", "answered 4.00"),
    ("MAX_BULK_JSON_DEPTH", MAX_BULK_JSON_DEPTH, "levels of a bulk request", "answered 4.00"),
    ("MAX_URI_BYTES", MAX_URI_BYTES, "bytes of an identifier", "answered 4.00"),
    ("MAX_TEXT_BYTES", MAX_TEXT_BYTES, "bytes of any other string", "answered 4.00"),
    ("MAX_CAUSE_BYTES", MAX_CAUSE_BYTES, "bytes of a cause", "cut"),
    ("MAX_BULK_ENTRIES", MAX_BULK_ENTRIES, "entries of a bulk request", "answered 4.00"),
    ("MAX_CLIENT_PORTS", MAX_CLIENT_PORTS, "ports of a client profile", "answered 4.00"),
    ("MAX_ADD_INFOS", MAX_ADD_INFOS, "other information of a new UE", "answered 4.00"),
    ("MAX_SECONDS", MAX_SECONDS, "seconds in any duration", "answered 4.00"),
    ("MAX_PAYLOAD_BYTES", MAX_PAYLOAD_BYTES, "bytes of a payload or segment", "answered 4.00"),
    ("MAX_MESSAGE_BYTES", MAX_MESSAGE_BYTES, "bytes of a segmented message", "refused"),
    ("MAX_SEGMENTS", MAX_SEGMENTS, "segments of a message", "answered 4.00"),
    ("MAX_RANGES", MAX_RANGES, "ranges of a segment recovery", "answered 4.00"),
    ("MAX_AGGREGATED", MAX_AGGREGATED, "messages of an aggregate", "answered 4.00"),
    ("MAX_TOPICS", MAX_TOPICS, "topics of a UE with this firmware", "refused at the UE"),
    ("MAX_SUBSCRIPTIONS", MAX_SUBSCRIPTIONS, "subscriptions at a server", "refused: congestion"),
    ("MAX_SUBSCRIPTIONS_OF_ONE", MAX_SUBSCRIPTIONS_OF_ONE, "of these of a UE", "refused, told"),
    ("MAX_APPLICATIONS", MAX_APPLICATIONS, "Application IDs of a message", "answered 4.00"),
)
