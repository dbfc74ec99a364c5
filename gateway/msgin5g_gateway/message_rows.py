"""What the gateway keeps of messages and GETs on disk: one class for a row of each table.

table: its name; order: the column that says which rows are older; `key` tells the rows apart.
"""

from typing import ClassVar

from msgin5g import coap

MESSAGE_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, ue TEXT NOT NULL, peer TEXT NOT NULL, kind TEXT NOT NULL,
    token BLOB NOT NULL, payload BLOB NOT NULL, message_id TEXT NOT NULL, report INTEGER NOT NULL,
    received_ms INTEGER NOT NULL, cause TEXT
);
CREATE TABLE IF NOT EXISTS sent_set (
    set_id TEXT PRIMARY KEY, ue TEXT NOT NULL, noted_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (
    id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS reportable (
    id INTEGER PRIMARY KEY, application_id INTEGER NOT NULL, message_id BLOB NOT NULL,
    speaker TEXT NOT NULL, kind TEXT NOT NULL, origin TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS observation (
    north BLOB PRIMARY KEY, ue TEXT NOT NULL, topic TEXT NOT NULL, token BLOB NOT NULL,
    until_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS configuration (
    ue_id TEXT PRIMARY KEY, peer TEXT NOT NULL, request BLOB NOT NULL,
    received_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, code INTEGER NOT NULL,
    answer BLOB NOT NULL
) WITHOUT ROWID;
"""


class Kept:
    """A message of a UE that was answered 2.04 while the server was out of reach.

    kind: Message Type; message_id: of MSG and IMDN, the set identifier of SEGREC and SEGCONFIR;
    report: whether its sender wants a delivery report; cause: why the server refused it since, to
    be told to the UE, or None while it waits for the server.
    """

    table: ClassVar = "outbox"
    __slots__ = (
        "id",
        "ue",
        "peer",
        "kind",
        "token",
        "payload",
        "message_id",
        "report",
        "received_ms",
        "cause",
    )

    def __init__(
        self,
        id: int,
        ue: str,
        peer: str,
        kind: str,
        token: bytes,
        payload: bytes,
        message_id: str,
        report: bool,
        received_ms: int,
        cause: str | None = None,
    ) -> None:
        self.id = id
        self.ue = ue
        self.peer = peer
        self.kind = kind
        self.token = token
        self.payload = payload
        self.message_id = message_id
        self.report = bool(report)
        self.received_ms = received_ms
        self.cause = cause

    @property
    def key(self) -> int:
        return self.id

    def row(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


class SentSet:
    """Which UE sent a set of segments: SEGREC and SEGCONFIR carry no address."""

    table: ClassVar = "sent_set"
    __slots__ = ("set_id", "ue", "noted_ms")

    def __init__(self, set_id: str, ue: str, noted_ms: int) -> None:
        self.set_id = set_id
        self.ue = ue
        self.noted_ms = noted_ms

    @property
    def key(self) -> str:
        return self.set_id

    def row(self) -> tuple[object, ...]:
        return self.set_id, self.ue, self.noted_ms


class Part:
    """A segment for a device that was answered 2.04; the others of its set are still to come.

    recipient: the Service ID that it came for; payload: the MSG as it came.
    """

    table: ClassVar = "part"
    __slots__ = ("id", "recipient", "payload")

    def __init__(self, id: int, recipient: str, payload: bytes) -> None:
        self.id = id
        self.recipient = recipient
        self.payload = payload

    @property
    def key(self) -> int:
        return self.id

    def row(self) -> tuple[object, ...]:
        return self.id, self.recipient, self.payload


class Reportable:
    """A message handed to a device whose originator wants a report: a device's has no address.

    message_id: 16 bytes; speaker: the Service ID for which it came, that of the report's origin;
    kind, origin: "UE" or "AS" and its Service ID, or DEVICE and an Application ID.
    """

    DEVICE: ClassVar = "DEVICE"
    table: ClassVar = "reportable"
    __slots__ = ("id", "application_id", "message_id", "speaker", "kind", "origin")

    def __init__(
        self, id: int, application_id: int, message_id: bytes, speaker: str, kind: str, origin: str
    ) -> None:
        self.id = id
        self.application_id = application_id
        self.message_id = message_id
        self.speaker = speaker
        self.kind = kind
        self.origin = origin

    @property
    def key(self) -> tuple[int, bytes]:
        return self.application_id, self.message_id

    def row(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


class Observation:
    """A UE's subscription to a topic, as the server took it.

    north: the Token of our GET to the server; token: that of the UE's GET to us.
    """

    table: ClassVar = "observation"
    __slots__ = ("north", "ue", "topic", "token", "until_ms")

    def __init__(self, north: bytes, ue: str, topic: str, token: bytes, until_ms: int) -> None:
        self.north = north
        self.ue = ue
        self.topic = topic
        self.token = token
        self.until_ms = until_ms

    @property
    def key(self) -> bytes:
        return self.north

    def row(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


class CachedGet:
    """A configuration GET of a UE that got an interim 2.05 (6.2.3.3.1 b1).

    ue_id: MSGin5G UE ID; request: the whole GET as a datagram; due_ms: when its timer ends, once
    it is answered until when that is kept; code, answer: what the UE is told, code 0 while the
    server's answer is awaited. Not kept on disk: in_flight, it is at the server; give_up_ms: when
    it is awaited no longer; attempts of telling the UE.
    """

    table: ClassVar = "configuration"
    __slots__ = (
        "ue_id",
        "peer",
        "request",
        "received_ms",
        "due_ms",
        "code",
        "answer",
        "mid",
        "token",
        "in_flight",
        "give_up_ms",
        "attempts",
    )

    def __init__(
        self,
        ue_id: str,
        peer: str,
        request: bytes,
        received_ms: int,
        due_ms: int,
        code: int = 0,
        answer: bytes = b"",
    ) -> None:
        self.ue_id = ue_id
        self.peer = peer
        self.request = request
        self.received_ms = received_ms
        self.due_ms = due_ms
        self.code = code
        self.answer = answer
        message = coap.decode(request)
        self.mid: int = message.mid
        self.token: bytes = message.token
        self.in_flight = False
        self.give_up_ms = 0
        self.attempts = 0

    @property
    def key(self) -> str:
        return self.ue_id

    def row(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__[:7])


MessageRow = Kept | SentSet | Part | Reportable | Observation | CachedGet
