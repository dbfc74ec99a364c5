"""What happened lately, for those who look: entries, the traces that they make up, followers.

An entry is the object that `--json` logging prints, with a number. A trace is all entries with
the same `trace`: one message, or one request of the registration family, wherever it was seen. All
that is kept here is gone with the process. No input or output; time is an argument.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from msgin5g_host.clock import iso
from msgin5g_host.fill import Fill
from msgin5g_host.follower import MAX_FOLLOWED, Entry, Follower
from msgin5g_host.hops import in_order
from msgin5g_host.trace_state import MESSAGE_KINDS, UNDER_WAY, advanced, kind_of

MAX_ENTRIES = 10_000
MAX_TRACES = 2_000
MAX_SEEN_UES = 20_000
MAX_GONE_UES = 1_000
MAX_FOLLOWERS = 32
MAX_TRACED_SETS = 2_000
MAX_JOINED = 8
MAX_TEXT = 200
# An entry that names many traces takes the room of one more for each so many.
_NAMES_PER_ENTRY = 8

# What a list of traces may be asked for: messages with their reports, or all others.
MESSAGES, REQUESTS = "messages", "requests"
_LEFT = ("deregistered", "expired", "signed-off", "device-ended")
_CAME = ("registered", "refreshed", "signed-up", "device-registered")


class Trace:
    """One message or request. origin, target: Service IDs or ""; began_ms, last_ms: since 1970.

    joined: traces whose entries belong to this one too, such as the bulk request that carried it;
    inside: the other way round.
    """

    __slots__ = (
        *("id", "kind", "origin", "target", "text", "state", "began_ms", "last_ms"),
        *("entries", "joined", "inside"),
    )

    def __init__(self, id: str) -> None:
        self.id = id
        self.kind = self.origin = self.target = self.text = ""
        self.state = UNDER_WAY
        self.began_ms = self.last_ms = 0
        self.entries: deque[Entry] = deque()
        self.joined: list[Trace] = []
        self.inside: list[Trace] = []

    def names(self, ue: str) -> bool:
        """Tell whether a UE has to do with it."""
        if ue in (self.origin, self.target):
            return True
        return any(entry.get("ue") == ue for entry in self.entries)

    def shares(self, entry: Entry, other: "Trace") -> bool:
        """Tell whether an entry of this one belongs to the other, which is inside."""
        if not self.id.startswith("r-"):
            return True
        return entry.get("ue") in (None, self.origin, other.origin)


class Seen:
    """What is known of a UE. last: its last message; link: "udp", "serial", "ble" or "".

    is_silent: the last attempt to reach it failed.
    """

    __slots__ = ("last", "link", "is_silent")

    def __init__(self) -> None:
        self.last: Entry | None = None
        self.link = ""
        self.is_silent = False


class Journal:
    """Keep entries; the oldest goes when there are too many, and a trace with its last entry."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_traces: int = MAX_TRACES) -> None:
        self._max_entries = max_entries
        self._max_traces = max_traces
        self._entries: deque[Entry] = deque()
        self._room = 0
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._sets: OrderedDict[str, str] = OrderedDict()
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._followers: list[Follower] = []
        # UEs that left or whose registration ended, with the time.
        self.gone: OrderedDict[str, str] = OrderedDict()
        self.last = 0

    def add(self, fields: Entry, now: int) -> None:
        """Take an entry: "t", "role", "event" and what it is about, values that JSON can carry.

        An entry of a segment set without a `trace` gets that of the message.
        """
        self._name(fields)
        self.last += 1
        entry = {"n": self.last, **fields}
        self._entries.append(entry)
        self._room += _room(entry)
        while self._room > self._max_entries and len(self._entries) > 1:
            self._forget(self._entries.popleft())
        moment = _ms(entry["t"], now)
        self._note_ue(entry)
        if "trace" in entry:
            self._note_trace(entry, moment)
        for follower in self._followers:
            follower.put(entry)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("view_entries", self._room, self._max_entries)
        yield Fill("view_traces", len(self._traces), self._max_traces)
        yield Fill("view_traced_sets", len(self._sets), MAX_TRACED_SETS)
        yield Fill("view_seen_ues", len(self._seen), MAX_SEEN_UES)
        yield Fill("view_gone_ues", len(self.gone), MAX_GONE_UES)
        yield Fill("view_followers", len(self._followers), MAX_FOLLOWERS)

    def entries(self, limit: int, before: int | None = None) -> list[Entry]:
        """Return the newest entries with a number below `before`, oldest first."""
        newest = self.last if before is None else min(before - 1, self.last)
        first = self.last - len(self._entries) + 1
        end = max(newest - first + 1, 0)
        return list(islice(self._entries, max(end - limit, 0), end))

    def trace(self, id: str) -> Trace | None:
        """Return a trace, or None."""
        return self._traces.get(id)

    def traces(self, ue: str = "", kind: str = "") -> Iterator[Trace]:
        """Iterate over the traces, newest first; ue: only those that it has to do with.

        kind: MESSAGES or REQUESTS, only these. What nothing tells the kind of is in no list, such
        as the last answer to what is forgotten.
        """
        for trace in reversed(self._traces.values()):
            if not trace.kind:
                continue
            if kind and (trace.kind in MESSAGE_KINDS) != (kind == MESSAGES):
                continue
            if not ue or trace.names(ue):
                yield trace

    def seen(self, ue: str) -> Seen | None:
        """Return what is known of a UE, or None."""
        return self._seen.get(ue)

    def follow(self, after: int | None = None) -> Follower | None:
        """Return a new follower, None if there are too many.

        after: it is also given what came after the entry of that number, as far as it is here.
        """
        if len(self._followers) >= MAX_FOLLOWERS:
            return None
        follower = Follower()
        if after is not None:
            # A number that is not reached yet is from before a restart.
            came = self.last - after if after <= self.last else self.last
            here = self.entries(min(came, MAX_FOLLOWED))
            follower.missed = came - len(here)
            for entry in here:
                follower.put(entry)
        self._followers.append(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """A follower goes."""
        if follower in self._followers:
            self._followers.remove(follower)

    def _name(self, fields: Entry) -> None:
        """Segment sets have a name of their own: it is known by the message that they carry."""
        set_id = fields.get("set")
        if not isinstance(set_id, str):
            return
        if "trace" not in fields:
            fields["trace"] = self._sets.get(set_id, set_id)
        elif fields["trace"] != set_id:
            self._sets[set_id] = fields["trace"]
            if len(self._sets) > MAX_TRACED_SETS:
                self._sets.popitem(last=False)

    def _note_ue(self, entry: Entry) -> None:
        ue, event = entry.get("ue"), entry["event"]
        if not isinstance(ue, str):
            return
        seen = self._touch(ue)
        peer = entry.get("peer")
        if entry["role"] == "gateway" and isinstance(peer, str) and "://" in peer:
            seen.link = peer.partition("://")[0]
        if event == "undelivered":
            seen.is_silent = True
        elif entry.get("direction") == "rx" and entry["role"] == "gateway" and peer:
            seen.is_silent = False
        if event in _LEFT:
            self.gone[ue] = entry["t"]
            self.gone.move_to_end(ue)
            if len(self.gone) > MAX_GONE_UES:
                self.gone.popitem(last=False)
        elif event in _CAME:
            self.gone.pop(ue, None)

    def _note_trace(self, entry: Entry, moment: int) -> None:
        trace = self._trace(entry["trace"], moment)
        trace.entries.append(entry)
        trace.began_ms = min(trace.began_ms, moment)
        trace.last_ms = max(trace.last_ms, moment)
        self._describe(trace, entry)
        for outer in trace.joined:
            # A gateway hears of what it carried, not of the bulk request itself.
            if outer.state == UNDER_WAY and outer.shares(entry, trace):
                outer.state = trace.state
        for inside in trace.inside:
            if trace.shares(entry, inside):
                inside.state = advanced(inside.state, entry)
                inside.last_ms = max(inside.last_ms, moment)
        for id in entry.get("traces", ()):
            if id not in self._traces and trace.kind not in MESSAGE_KINDS:
                continue
            inner = self._trace(id, moment)
            if trace.id not in self._traces:
                break  # those inside have taken its room
            self._join(trace, inner)
        kind = kind_of(entry)
        if kind:
            last = {"t": entry["t"], "what": kind, "trace": trace.id}
            last["text"] = trace.text or None
            for ue in {trace.origin, trace.target, entry.get("ue") or ""} - {""}:
                self._touch(ue).last = last

    def _describe(self, trace: Trace, entry: Entry) -> None:
        what = kind_of(entry)
        if "traces" in entry and what and what not in MESSAGE_KINDS:
            # The server may have told of those inside before the gateway told what it was.
            trace.kind, trace.origin = what, _text(entry.get("ue"))
        if what and trace.kind in ("", *MESSAGE_KINDS[1:]):
            # What was heard of first may have been its report.
            trace.kind = what if trace.kind == "" or what == "MSG" else trace.kind
        if what == "MSG" or trace.kind != "MSG":
            trace.origin = trace.origin or _text(entry.get("from"))
            trace.target = trace.target or _text(entry.get("to"))
        if not trace.origin and trace.kind not in MESSAGE_KINDS:
            trace.origin = _text(entry.get("ue"))
        if what == "MSG":
            trace.text = trace.text or _text(entry.get("text"))
        trace.state = advanced(trace.state, entry)

    def _join(self, outer: Trace, inner: Trace) -> None:
        """What happens to `outer` happens to `inner`, too."""
        if outer is inner or outer in inner.joined or len(inner.joined) >= MAX_JOINED:
            return
        inner.joined.append(outer)
        outer.inside.append(inner)
        if not inner.kind:
            inner.kind, inner.text = outer.kind, outer.text
            inner.origin, inner.target = outer.origin, outer.target
        for entry in outer.entries:
            if outer.shares(entry, inner):
                inner.state = advanced(inner.state, entry)

    def _trace(self, id: str, moment: int) -> Trace:
        trace = self._traces.get(id)
        if trace is None:
            trace = self._traces[id] = Trace(id)
            trace.began_ms = trace.last_ms = moment
            if len(self._traces) > self._max_traces:
                self._drop(next(iter(self._traces.values())))
        return trace

    def _drop(self, trace: Trace) -> None:
        del self._traces[trace.id]
        for outer in trace.joined:
            outer.inside.remove(trace)
        for inner in trace.inside:
            inner.joined.remove(trace)
            if not inner.entries and not inner.joined:
                self._traces.pop(inner.id, None)

    def _forget(self, entry: Entry) -> None:
        self._room -= _room(entry)
        trace = self._traces.get(entry.get("trace", ""))
        if trace is not None and trace.entries and trace.entries[0] is entry:
            trace.entries.popleft()
            if not trace.entries:
                self._drop(trace)

    def _touch(self, ue: str) -> Seen:
        seen = self._seen.get(ue)
        if seen is None:
            seen = self._seen[ue] = Seen()
            if len(self._seen) > MAX_SEEN_UES:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(ue)
        return seen


def summary(trace: Trace) -> Entry:
    """Return what a list shows of a trace."""
    return {
        "trace": trace.id,
        "kind": trace.kind,
        "from": trace.origin or None,
        "to": trace.target or None,
        "began": iso(trace.began_ms),
        "last": iso(trace.last_ms),
        "ms": trace.last_ms - trace.began_ms,
        "state": trace.state,
        "hops": len(trace.entries),
        "text": trace.text or None,
    }


def whole(trace: Trace) -> list[Entry]:
    """Return all entries of a trace, those of the traces that carried it among them, in order."""
    found = list(trace.entries)
    for outer in trace.joined:
        found += (entry for entry in outer.entries if outer.shares(entry, trace))
    return in_order(found)


def printable(text: str) -> str:
    """Return a text of others as a line of at most MAX_TEXT characters."""
    shown = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in shown)


def _room(entry: Entry) -> int:
    return 1 + len(entry.get("traces", ())) // _NAMES_PER_ENTRY


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _ms(moment: str, now: int) -> int:
    """Return a time of an entry in milliseconds; one that is none of a clock counts as now."""
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return now
