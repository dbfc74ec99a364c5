"""The demo without a terminal: text lines, or JSON lines for programs."""

import json
import sys
from types import TracebackType
from typing import Any

Event = dict[str, Any]


class View:
    """How the demo is shown: `show` each event, `end` with the summary."""

    def __enter__(self) -> "View":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def show(self, event: Event) -> None:
        """Show one event."""

    def end(self, summary: Event) -> None:
        """Show the closing summary."""


class JsonView(View):
    """One JSON object per line."""

    def show(self, event: Event) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    def end(self, summary: Event) -> None:
        self.show(summary)


class TextView(View):
    """One line per event, for a pipe or a log."""

    def show(self, event: Event) -> None:
        words = [
            f"{key}={value}"
            for key, value in event.items()
            if key not in ("t", "role", "event") and value not in (None, "")
        ]
        role = str(event.get("role", ""))
        sys.stdout.write(f"{role:8} {event.get('event', ''):10} {' '.join(words)}\n")
        sys.stdout.flush()

    def end(self, summary: Event) -> None:
        sys.stdout.write(closing_lines(summary))
        sys.stdout.flush()


def closing_lines(summary: Event) -> str:
    """Return the summary as a few lines for a person."""
    lines = []
    for ue, counts in summary["ues"].items():
        lines.append(
            f"{ue}: registered {counts['registered']} times, refreshed {counts['refreshed']}, "
            f"de-registered {counts['deregistered']}; now {counts['state']}"
        )
    lines.append(f"{sum(summary['messages'].values())} protocol messages")
    return "\n".join(lines) + "\n"
