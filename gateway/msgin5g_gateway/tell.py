"""Bring each UE its final result: REGRESP and DEREGRESP (6.3.4.3.3 b, 6.3.4.3.6 b)."""

from msgin5g import names as n
from msgin5g.registration import deregresp, regresp
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.repeats import Repeats
from msgin5g_gateway.store import Pending


class Teller:
    """POST every answered request to its UE until it acknowledges, then forget it.

    The POST carries the Token of the UE's own request and, by policy, its Message ID.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._copy_mid: bool = shared.settings["gateway.copy_message_id"]
        self._repeats = Repeats(self.tell)
        self._latest: dict[tuple[str, str], Pending] = {}

    def tell(self, row: Pending, now: int) -> None:
        """Send the result of an answered request; `row` is staged as ANSWERED.

        It goes to where the request came from; if nobody answers there, to where the UE was heard
        last.
        """
        del now
        shared = self._shared
        older = self._latest.get((row.ue, row.kind))
        if older is not None and older is not row:
            self.forget(row.ue, row.kind)
        signup = shared.store.signups.get(row.ue)
        if row.attempts and signup is not None and signup.peer != row.peer:
            shared.counters["results_moved"] += 1
            row.peer = signup.peer
            shared.store.put_pending(row)
        registration = row.kind == n.REG
        build = regresp if registration else deregresp
        cause = None if row.result else row.cause or "no cause given"
        payload = build(row.ue, shared.service_id, bool(row.result), cause)
        self._latest[row.ue, row.kind] = row
        row.attempts += 1
        mid = row.mid if self._copy_mid and row.mid >= 0 else None
        what = n.REGRESP if registration else n.DEREGRESP
        shared.post(row, row.peer, what, payload, row.token, mid, row.ue, trace=row.trace)

    def forget(self, ue: str, kind: str) -> None:
        """The UE has asked anew: an older result that it has not taken is of no use."""
        row = self._latest.pop((ue, kind), None)
        if row is not None:
            self._repeats.forget(row)
            self._shared.store.drop_pending(row)

    def acknowledged(self, row: Pending, code: int, now: int) -> None:
        """The UE answered."""
        del now
        shared = self._shared
        if code >= 0x80:
            shared.counters["results_refused"] += 1
            reason = f"the UE answered {code >> 5}.{code & 31:02d}"
            named = {"ue": row.ue, "trace": row.trace}
            shared.log.event("dropped", what=row.kind, reason=reason, **named)
        else:
            shared.counters["results_delivered"] += 1
        self._end(row)

    def failed(self, row: Pending, reason: str, now: int) -> None:
        """The UE did not answer: again after a growing pause, a bounded number of times."""
        if self._latest.get((row.ue, row.kind)) is not row:
            return
        if not self._repeats.failed(row, reason, now):
            self._shared.counters["ue_gone"] += 1
            named = {"ue": row.ue, "peer": row.peer, "trace": row.trace}
            self._shared.log.event("dropped", what=row.kind, reason=f"UE gone: {reason}", **named)
            self._end(row)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return self._repeats.next_deadline()

    def poll(self, now: int) -> None:
        """Send again what is due."""
        self._repeats.poll(now)

    def _end(self, row: Pending) -> None:
        if self._latest.get((row.ue, row.kind)) is row:
            del self._latest[row.ue, row.kind]
        self._shared.store.drop_pending(row)
