"""The demo in a terminal: a live table of the UEs above the messages as they pass."""

import sys
from types import TracebackType

from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from msgin5g_tools.demo.plain import Event, View, closing_lines
from msgin5g_tools.demo.story import Story

_STYLES = {
    "registered": "bold green",
    "waiting": "yellow",
    "registering": "yellow",
    "signing-up": "cyan",
    "signed-up": "cyan",
    "deregistering": "magenta",
    "leaving": "magenta",
    "deregistered": "dim",
    "refused": "bold red",
    "backoff": "red",
}
_MEANING = {
    "signing-up": "asks for the gateway service (GWREG)",
    "signed-up": "may use the gateway",
    "registering": "sends its registration (REG)",
    "waiting": "interim answer; the gateway bulks",
    "registered": "the server said yes (REGRESP)",
    "deregistering": "sends its de-registration (DEREG)",
    "leaving": "interim answer; the gateway bulks",
    "deregistered": "gone; comes back soon",
    "refused": "refused",
    "backoff": "nobody answers; tries again",
}


class ScreenView(View):
    """A live screen that is redrawn four times a second."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._live = Live(get_renderable=self._draw, refresh_per_second=4, screen=False)

    def __enter__(self) -> "ScreenView":
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def end(self, summary: Event) -> None:
        sys.stdout.write(closing_lines(summary))

    def _draw(self) -> Group:
        story = self._story
        table = Table(expand=True)
        for name, justify in (
            ("constrained UE", "left"),
            ("link", "left"),
            ("state", "left"),
            ("what that means", "left"),
            ("registered", "right"),
            ("refreshed", "right"),
            ("de-registered", "right"),
        ):
            table.add_column(name, justify="right" if justify == "right" else "left")
        for line in story.ues.values():
            table.add_row(
                line.ue,
                line.link,
                Text(line.state, style=_STYLES.get(line.state, "")),
                line.note or _MEANING.get(line.state, ""),
                str(line.registered),
                str(line.refreshed),
                str(line.deregistered),
            )
        passed = Text()
        for event in story.messages:
            arrow = "→" if event.get("direction") == "tx" else "←"
            passed.append(f"{str(event.get('t', ''))[11:23]:12} ", style="dim")
            passed.append(f"{event.get('role', ''):8}", style="cyan")
            passed.append(f"{event.get('iface', ''):11} {arrow} ", style="dim")
            passed.append(f"{event.get('what', ''):9}", style="bold")
            passed.append(f" {event.get('ue') or event.get('peer') or ''}")
            if event.get("detail"):
                passed.append(f"  {event['detail']}", style="dim")
            passed.append("\n")
        where = Text(f"server {story.server}   gateway {story.gateway}")
        if story.page:
            where.append("\nlook at it live: ")
            where.append(story.page, style=f"bold link {story.page}")
        parts: list[RenderableType] = [
            Panel(where, title="MSGin5G demo"),
            table,
            Panel(passed, title="messages"),
        ]
        if story.problems:
            parts.append(Panel("\n".join(story.problems), title="problems", style="red"))
        parts.append(Text("Ctrl-C ends it", style="dim"))
        return Group(*parts)
