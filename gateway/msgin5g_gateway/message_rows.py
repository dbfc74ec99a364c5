"""What the gateway keeps of messages on disk: one class for a row of each table in the store."""


class Kept:
    """A message of a UE that was answered 2.04 while the server was out of reach.

    kind: Message Type; message_id: of MSG and IMDN, the set identifier of SEGREC and SEGCONFIR;
    report: whether its sender wants a delivery report; cause: why the server refused it since, to
    be told to the UE, or None while it waits for the server.
    """

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

    def row(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


class SentSet:
    """Which UE sent a set of segments: SEGREC and SEGCONFIR carry no address."""

    __slots__ = ("set_id", "ue", "noted_ms")

    def __init__(self, set_id: str, ue: str, noted_ms: int) -> None:
        self.set_id = set_id
        self.ue = ue
        self.noted_ms = noted_ms

    def row(self) -> tuple[object, ...]:
        return self.set_id, self.ue, self.noted_ms
