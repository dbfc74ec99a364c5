"""An OpenAPI document as a page to read; it needs nothing from another host."""

import html
import json
from typing import Any

_JSON = "application/json"
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
 body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto }}
 body {{ padding: 0 1rem }} td {{ padding: 0 1rem 0 0; vertical-align: top }}
 h2 {{ border-top: 1px solid; padding-top: 1rem }}
 pre {{ overflow-x: auto; padding: .5rem; border: 1px solid }}
 @media (prefers-color-scheme: dark) {{
  body {{ background: #111; color: #ddd }} a {{ color: #8bf }}
 }}
</style>
<body>
{body}
</body></html>
"""


def page(made: dict[str, Any]) -> str:
    """Return an OpenAPI document as a page to read."""
    info = made["info"]
    parts = [f"<h1>{_h(info['title'])}</h1><p>{_h(info['summary'])}. {_h(info['description'])}"]
    parts.append('<p>The document itself: <a href="openapi.json">openapi.json</a>')
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    parts.append("<h2>Types</h2>")
    for name, schema in made["components"]["schemas"].items():
        parts.append(f'<h3 id="{_h(name)}">{_h(name)}</h3><p>{_h(schema.get("description", ""))}')
        parts.append(_members(schema))
    return _PAGE.format(title=_h(info["title"]), body="\n".join(parts))


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f"<h2><code>{method.upper()} {_h(path)}</code></h2><p>{_h(operation['summary'])}"]
    parts.append(_h(operation.get("description", "")))
    body = operation.get("requestBody")
    if body:
        content = body["content"][_JSON]
        example = json.dumps(content["example"])
        parts.append(f"<p>Takes {_link(content['schema'])}:")
        parts.append(
            f"<pre>curl -H 'Content-Type: {_JSON}' -d '{_h(example)}' \\\n  URL{path}</pre>"
        )
    rows = []
    for status, answer in operation["responses"].items():
        content = next(iter(answer.get("content", {}).values()), None)
        shown = _link(content["schema"]) if content else ""
        rows.append(f"<tr><td>{status}<td>{shown}<td>{_h(answer['description'])}")
    return "\n".join([*parts, "<table>", *rows, "</table>"])


def _members(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        f"<tr><td><code>{_h(name)}</code>{' *' if name in required else ''}"
        f"<td>{_kind(one)}<td>{_h(one.get('description', ''))}"
        for name, one in schema.get("properties", {}).items()
    ]
    return "\n".join(["<table>", *rows, "</table>"])


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _link(schema)
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return _h(" | ".join(map(str, schema["enum"])))
    if schema.get("type") == "array":
        return _kind(schema["items"]) + "[]"
    return _h(str(schema.get("format") or schema.get("type", "")))


def _link(schema: dict[str, Any]) -> str:
    name = _h(schema["$ref"].rpartition("/")[2])
    return f'<a href="#{name}">{name}</a>'


def _h(text: str) -> str:
    return html.escape(text)
