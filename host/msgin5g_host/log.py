"""One line per event, for people or for programs, and an entry for who looks at the page."""

import json
import math
import os
import sys
from typing import Any, TextIO

from msgin5g_host.clock import Clock, iso
from msgin5g_host.journal import Journal

_MAX_TEXT = 400
# What steps of messages cost at most while nothing is written: about a hundredth of a core.
MAX_STEPS_PER_S = 500


class EventLog:
    """Write events of one role.

    json: one object per line instead of text. messages: also print every protocol message, which
    is for demos and debugging and slow at high rates. at: whose log it is, a Service ID or "".
    journal: takes all events, printed or not. A reader that goes away is no error.
    """

    def __init__(
        self,
        role: str,
        json: bool = False,
        stream: TextIO | None = None,
        messages: bool = False,
        clock: Clock | None = None,
        at: str = "",
        journal: Journal | None = None,
    ) -> None:
        self.messages = messages
        self.journal = journal
        self._at = {"at": at} if at else {}
        self._role = role
        self._json = json
        self._stream = stream or sys.stdout
        self._clock = clock or Clock()
        self._open = True
        self._second = 0
        self._steps_left = 0
        self._steps_suppressed = 0

    @property
    def traces(self) -> bool:
        """Tell whether anybody hears of the next step of a message.

        While nothing is written, MAX_STEPS_PER_S are heard of in a second.
        """
        if self.messages:
            return True
        if self.journal is None:
            return False
        second = self._clock.now() // 1000
        if second != self._second:
            self._second, self._steps_left = second, MAX_STEPS_PER_S
            suppressed, self._steps_suppressed = self._steps_suppressed, 0
            if suppressed:
                self._take("suppressed", {"steps": suppressed}, False)
        if not self._steps_left:
            self._steps_suppressed += 1
        return self._steps_left > 0

    def event(self, name: str, /, **fields: Any) -> None:
        """Write one event; fields that are None are left out."""
        self._take(name, fields, True)

    def step(self, name: str, /, **fields: Any) -> None:
        """Note what became of a message; written only if messages are."""
        if self.traces:
            self._steps_left -= 1
            self._take(name, fields, self.messages)

    def message(self, direction: str, iface: str, what: str, **fields: Any) -> None:
        """Note a protocol message that passed: direction "rx" or "tx", iface "MSGin5G-6", …"""
        self.step("message", direction=direction, iface=iface, what=what, **fields)

    def _take(self, name: str, given: dict[str, Any], written: bool) -> None:
        now = self._clock.now()
        fields = {key: value for key, value in given.items() if value is not None}
        written = written and self._open
        moment = iso(now)
        if self.journal is not None or written and self._json:
            head = {"t": moment, "role": self._role, **self._at, "event": name}
            entry = {**head, **{key: _plain(one) for key, one in fields.items()}, **head}
            if self.journal is not None:
                self.journal.add(entry, now)
            if written and self._json:
                self._write(json.dumps(entry) + "\n")
        if written and not self._json:
            words = " ".join(f"{key}={_text(value)}" for key, value in fields.items())
            line = f"{moment[11:23]} {self._role:8} {name:15} {words}".rstrip()
            self._write(line + "\n")

    def _write(self, line: str) -> None:
        try:
            try:
                self._stream.write(line)
            except UnicodeEncodeError:
                self._stream.write(line.encode("ascii", "backslashreplace").decode("ascii"))
            self._stream.flush()
        except BrokenPipeError:
            self._open = False
            if self._stream is sys.stdout:
                # The interpreter flushes standard output once more at its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError:
            pass  # a full disk costs lines, not the service
        except ValueError:
            self._open = False  # the stream was closed


def _plain(value: Any) -> Any:
    """A value that JSON can carry: bytes as hex, sets as lists, the rest as text."""
    if value.__class__ is str or value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return str(value)


def _text(value: Any) -> str:
    """A field for a person: control characters escaped, quoted if it has spaces, cut if long."""
    if isinstance(value, list | tuple):
        return ",".join(_text(one) for one in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    text = value.hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + "…"
    if not text.isprintable():
        return json.dumps(text)
    if not text or " " in text or '"' in text:
        return json.dumps(text, ensure_ascii=False)
    return text
