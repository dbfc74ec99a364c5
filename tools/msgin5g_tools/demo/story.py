"""What the demo tells: who is in which state, and the messages that passed."""

from collections import Counter, deque
from typing import Any

Event = dict[str, Any]

_SHOWN_MESSAGES = 14


class UeLine:
    """One UE as the table shows it."""

    def __init__(self, ue: str, link: str) -> None:
        self.ue = ue
        self.link = link
        self.state = "starting"
        self.note = ""
        self.registered = 0
        self.refreshed = 0
        self.deregistered = 0


class Story:
    """Everything that the events said so far, bounded. links: {name of a UE: its link}."""

    def __init__(self, links: dict[str, str]) -> None:
        self.ues = {ue: UeLine(ue, link) for ue, link in links.items()}
        self.messages: deque[Event] = deque(maxlen=_SHOWN_MESSAGES)
        self.counts: Counter[str] = Counter()
        self.server = "starting"
        self.gateway = "starting"
        self.page = ""
        self.problems: deque[str] = deque(maxlen=3)

    def take(self, event: Event) -> None:
        """Take one event of any process."""
        kind, role = event.get("event"), event.get("role")
        if kind == "output":
            self.problems.append(str(event["text"]))
        elif kind == "ready" and role == "server":
            self.server = str(event.get("coap"))
        elif kind == "page":
            self.page = str(event.get("url"))
        elif kind == "ready" and role == "gateway":
            self.gateway = ", ".join(event.get("links", []))
        elif kind == "message" and role == "gateway":
            # Every message of both interfaces passes the gateway; the others log copies.
            self.messages.append(event)
            self.counts[f"{event.get('iface')} {event.get('what')}"] += 1
        elif kind == "state" and role == "ue":
            self._state(event)

    def everyone_registered(self) -> bool:
        """Tell whether all UEs were registered at least once."""
        return all(line.registered for line in self.ues.values())

    def summary(self) -> Event:
        """Return the closing event."""
        return {
            "event": "summary",
            "role": "demo",
            "ues": {
                line.ue: {
                    "link": line.link,
                    "registered": line.registered,
                    "refreshed": line.refreshed,
                    "deregistered": line.deregistered,
                    "state": line.state,
                }
                for line in self.ues.values()
            },
            "messages": dict(sorted(self.counts.items())),
        }

    def _state(self, event: Event) -> None:
        line = self.ues.get(str(event["ue"]))
        if line is None:
            return
        line.state = str(event["state"])
        line.note = str(event.get("cause") or event.get("reason") or "")
        if line.state == "registered":
            if event.get("refresh"):
                line.refreshed += 1
            else:
                line.registered += 1
        elif line.state == "deregistered":
            line.deregistered += 1
