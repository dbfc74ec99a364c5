"""docs/reference/messages.md: every message with its keys or octets and an example."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgin5g import l3
from msgin5g_tools.reference.configuration_forms import CONFIGURATION
from msgin5g_tools.reference.forms import Form
from msgin5g_tools.reference.l3_octets import HALF, LAYOUTS, Element, Layout, cut
from msgin5g_tools.reference.markdown import code, page, table
from msgin5g_tools.reference.message_forms import DEVICES, MESSAGES, TOPICS
from msgin5g_tools.reference.registration_forms import REGISTRATION

FAMILIES = (REGISTRATION, CONFIGURATION, MESSAGES, TOPICS, DEVICES)
VECTORS = Path(__file__).parents[3] / "tests" / "vectors"
_INTRODUCTION = """\
JSON over CoAP: POST to `/msgin5g`, Content-Format 50, port 65401. Needed means: who receives
the message without that key refuses it (a request with 4.00), as it does a value of another
type; unknown keys are ignored. A key below another, `segParams.segId`, is needed only if that
one is there. What the standard leaves open is chosen in
[`msgin5g/gaps.py`](../../msgin5g/gaps.py). The examples are golden messages of
[`tests/vectors`](../../tests/vectors), which the tests of all roles use; lines are broken here
only."""
_L3 = """\
MSGin5G-5, Annex A.2, over any link. The first octet is the Message Type; optional elements may
come in any order, unknown ones are skipped. There is no transaction identifier: one request of
a kind is under way at a time, and a repeated one is answered alike."""


def page_of_messages() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for family in FAMILIES:
        parts += [f"## {family.title}", family.text]
        for form in family.forms:
            parts += _form(form)
    parts += ["## Devices without an MSGin5G Client, L3 form", _L3]
    for layout in LAYOUTS:
        parts += _layout(layout)
    causes = [(str(number), text) for number, text in l3.CAUSES.items()]
    parts += ["### Causes", "Any other value is read as 111 (A.2.2.17)."]
    parts.append(table((">value", "cause"), causes))
    return page("Messages", *parts)


def vector(name: str) -> Any:
    """Return a golden message."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def _form(form: Form) -> Iterator[str]:
    yield f"### {form.name}"
    yield f"{form.way}; clause {form.clause}. {form.note}".strip()
    rows = [(code(key), kind, needed, what) for key, kind, needed, what in form.rows()]
    yield table(("key", "type", "needed", "what it is"), rows)
    yield _example(
        form.examples[0], "json", _lines(json.loads(vector(form.examples[0])["payload"]))
    )


def _lines(message: dict[str, Any]) -> str:
    """A message with a line for each key, and for each entry of a list of objects."""
    rows = []
    for key, value in message.items():
        if isinstance(value, list) and isinstance(value[0], dict):
            shown = "[" + ",".join(f"\n    {_json(entry)}" for entry in value) + "\n  ]"
        else:
            shown = _json(value)
        rows.append(f"  {_json(key)}: {shown}")
    return "{\n" + ",\n".join(rows) + "\n}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _layout(layout: Layout) -> Iterator[str]:
    yield f"### 0x{layout.kind:02X} {l3.NAMES[layout.kind]}"
    yield f"{layout.way}; clause {layout.clause}."
    rows = [("Message Type", "A.2.2.1", "V", "1", f"0x{layout.kind:02X}")]
    rows += [
        (one.name, one.clause, one.form + _identifier(one), one.size, one.content)
        for one in layout.elements
    ]
    yield table(("element", "clause", "format", "octets", "content"), rows)
    frame = bytes.fromhex(vector(f"l3/{layout.example}")["frame"])
    pieces = [(octets.hex(" "), name) for name, octets in cut(layout, frame)]
    wide = max(len(octets) for octets, _ in pieces)
    lines = "\n".join(f"{octets:{wide}}  {name}" for octets, name in pieces)
    yield _example(f"l3/{layout.example}", "text", lines)


def _identifier(element: Element) -> str:
    if not element.iei:
        return ""
    return f", 0x{element.iei:X}…" if element.form == HALF else f", 0x{element.iei:02X}"


def _example(name: str, kind: str, text: str) -> str:
    return f"[`{name}`](../../tests/vectors/{name}.json):\n\n```{kind}\n{text}\n```"
