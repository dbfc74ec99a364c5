"""What the core asks its shell to do, and what all parts of the core share."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgin5g.codes import code_text
from msgin5g.payload_errors import BadMessage
from msgin5g_gateway.store import Store
from msgin5g_gateway.traffic import Traffic
from msgin5g_host.config import Settings
from msgin5g_host.log import EventLog
from msgin5g_host.words import element

ANSWER = "answer"
NORTH = "north"
POST = "post"
FRAME = "frame"
NORTH_ANSWER = "north answer"
NORTH_GET = "north get"
NORTH_VERDICT = "north verdict"
NORTH_FETCH = "north fetch"
OBSERVED = "observed"
NOTIFY = "notify"
LATE = "late"

_MAX_FRAME_BYTES = 65_507

Effect = tuple[Any, ...]


class Shared:
    """Settings, store, log, counters and the effects of the current batch.

    forwarding: the UEs for which an urgent request is at the server; passed_tokens: the Tokens
    of configuration GETs there; frame_limit: how many bytes an L3 message to a transport
    identifier may have; on_delivered: hear how many milliseconds each delivery took.
    """

    def __init__(
        self, settings: Settings, store: Store, log: EventLog, rng: Callable[[int], int]
    ) -> None:
        self.settings = settings
        self.store = store
        self.log = log
        self.rng = rng
        self.counters: Counter[str] = Counter()
        self.gateway_id: str = settings["gateway.ue_service_id"]
        self.service_id: str = settings["gateway.service_id"]
        self.out: list[Effect] = []
        self.server_down = False
        self.forwarding: set[str] = set()
        self.passed_tokens: set[bytes] = set()
        self.on_delivered: list[Callable[[int], None]] = []
        self.traffic = Traffic()
        self.frame_limit: Callable[[str], int] = lambda peer: _MAX_FRAME_BYTES

    def answer(
        self,
        incoming: Any,
        code: int,
        payload: bytes,
        iface: str = "MSGin5G-6",
        **fields: Any,
    ) -> None:
        """Answer a CoAP request of a constrained UE (MSGin5G-6) or device (MSGin5G-5)."""
        self.out.append((ANSWER, incoming, code, payload))
        self.log.message("tx", iface, code_text(code), **fields)

    def frame(self, peer: str, frame: bytes, what: str, **fields: Any) -> None:
        """Send an L3 message to a device (MSGin5G-5)."""
        self.out.append((FRAME, peer, frame))
        self.log.message("tx", "MSGin5G-5", what, peer=peer, **fields)

    def north(
        self, ref: Any, what: str, payload: bytes, token: bytes = b"", **fields: Any
    ) -> None:
        """POST to the server (MSGin5G-1); its outcome comes back with `ref`.

        token: none for a new one.
        """
        self.out.append((NORTH, ref, payload, token))
        self.log.message("tx", "MSGin5G-1", what, **fields)

    def north_answer(self, incoming: Any, code: int, payload: bytes, **fields: Any) -> None:
        """Answer a request of the server (MSGin5G-1)."""
        self.out.append((NORTH_ANSWER, incoming, code, payload))
        self.log.message("tx", "MSGin5G-1", code_text(code), **fields)

    def post(
        self,
        ref: Any,
        peer: str,
        what: str,
        payload: bytes,
        token: bytes | None,
        mid: int | None,
        ue: str | None,
        iface: str = "MSGin5G-6",
        **fields: Any,
    ) -> None:
        """POST to a constrained UE or device; its outcome comes back with `ref`.

        token, mid: those to use, None for new ones.
        """
        self.out.append((POST, ref, peer, payload, token, mid))
        self.log.message("tx", iface, what, ue=ue, peer=peer, mid=mid, **fields)

    def north_get(
        self, ref: Any, options: list[tuple[int, bytes]], token: bytes, payload: bytes, ue: str
    ) -> None:
        """GET from the server (MSGin5G-1); its outcome comes back with `ref`."""
        self.out.append((NORTH_GET, ref, options, token, payload))
        self.log.message("tx", "MSGin5G-1", "GET", ue=ue)

    def north_fetch(
        self, ref: Any, options: list[tuple[int, bytes]], payload: bytes, **fields: Any
    ) -> None:
        """GET what may take several blocks from the server; its outcome comes as a POST's."""
        self.out.append((NORTH_FETCH, ref, options, payload))
        self.log.message("tx", "MSGin5G-1", "GET", ue=self.gateway_id, **fields)

    def north_verdict(self, notice: Any, verdict: str) -> None:
        """Say what becomes of a notification of the server: see `msgin5g_gateway.topics`."""
        self.out.append((NORTH_VERDICT, notice, verdict))

    def observed(
        self,
        incoming: Any,
        code: int,
        payload: bytes,
        options: list[tuple[int, bytes]],
        **fields: Any,
    ) -> None:
        """Answer a GET of a UE with these options, and Content-Format 50 if none is given."""
        self.out.append((OBSERVED, incoming, code, payload, options))
        self.log.message("tx", "MSGin5G-6", code_text(code), **fields)

    def notify(
        self,
        ref: Any,
        peer: str,
        token: bytes,
        payload: bytes,
        options: list[tuple[int, bytes]],
        ue: str,
        **fields: Any,
    ) -> None:
        """Send a notification to a UE; its outcome comes back with `ref`."""
        self.out.append((NOTIFY, ref, peer, token, payload, options))
        self.log.message("tx", "MSGin5G-6", "NOTICE", ue=ue, peer=peer, **fields)

    def answer_late(
        self,
        ref: Any,
        peer: str,
        token: bytes,
        mid: int | None,
        code: int,
        payload: bytes,
        ue: str,
    ) -> None:
        """Answer a request of a UE for a second time; its outcome comes back with `ref`.

        mid: the Message ID to use, None for a new one.
        """
        self.out.append((LATE, ref, peer, token, mid, code, payload))
        self.log.message("tx", "MSGin5G-6", code_text(code), ue=ue, peer=peer, mid=mid)

    def malformed(self, problem: BadMessage, data: bytes, peer: str) -> None:
        """Count and log what a UE or device has sent that makes no sense."""
        self.counters["malformed: " + element(problem.key)] += 1
        self.log.event("malformed", peer=peer, reason=str(problem), bytes=len(data))

    def new_token(self) -> bytes:
        """Return a Token by which a request to the server is known in logs."""
        return self.rng(1 << 64).to_bytes(8, "big")

    def server_answered(self, up: bool, reason: str = "") -> None:
        """Note whether the server can be reached; logged when it changes."""
        if up == self.server_down:
            self.server_down = not up
            self.log.event(
                "server-back" if up else "server-unreachable",
                server=self.settings["gateway.server"],
                reason=reason or None,
            )

    def back_off_ms(self, failures: int, longest_ms: int) -> int:
        """Return a pause after so many failures, see the function."""
        return back_off_ms(self.rng, failures, longest_ms)


def back_off_ms(rng: Callable[[int], int], failures: int, longest_ms: int) -> int:
    """Return a growing pause with jitter: 1 s, 2 s, 4 s, ... up to `longest_ms`."""
    pause = min(1000 << min(failures, 16), longest_ms)
    return pause * 3 // 4 + rng(pause // 2 + 1)
