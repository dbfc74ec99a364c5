"""docs/reference/cli.md: every verb with its options, as --help shows them."""

import argparse
from collections.abc import Iterator

from msgin5g_tools.cli import VERBS, parser_of
from msgin5g_tools.reference.markdown import code, page, table

_INTRODUCTION = """\
`.venv/bin/msgin5g VERB --help` shows the same. `msgin5g --version` names the version and the
release of the standard. Exit codes: 0 well, 1 failed, 2 wrong use or configuration, 130 ended
with Ctrl-C. Every verb that prints has `--json`. The keys behind the options of `server` and
`gateway` are in [config.md](config.md)."""


def page_of_verbs() -> str:
    """Return the page."""
    links = [(f"[`{verb}`](#msgin5g-{verb})", text) for verb, (_, text) in VERBS.items()]
    parts = [_INTRODUCTION, table(("verb", "what it does"), links)]
    for verb in VERBS:
        parts += _section(parser_of(verb), "##")
    return page("The `msgin5g` command", *parts)


def _section(parser: argparse.ArgumentParser, level: str) -> Iterator[str]:
    yield f"{level} {parser.prog}"
    if parser.description:
        yield _joined(parser.description)
    inner = None
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            inner = action
        elif not isinstance(action, argparse._HelpAction):
            rows.append((code(_invocation(action)), _help(parser, action)))
    words = [parser.prog, *_wanted(parser)]
    yield f"```text\n{' '.join(words)}\n```"
    if rows:
        yield table(("argument", "what it is"), rows)
    if parser.epilog:
        yield _joined(parser.epilog)
    if inner is not None:
        for name in inner.choices:
            yield from _section(inner.choices[name], level + "#")


def _wanted(parser: argparse.ArgumentParser) -> Iterator[str]:
    """What must be typed: [options] for all that need not."""
    if any(one.option_strings and not one.required for one in parser._actions):
        yield "[options]"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield f"{_value(action)} …"
        elif not action.option_strings or action.required:
            yield _invocation(action)


def _invocation(action: argparse.Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return {"*": f"[{value} …]", "+": f"{value} …", "?": f"[{value}]"}.get(
            str(action.nargs), value
        )
    names = ", ".join(action.option_strings)
    return f"{names} {value}" if value else names


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest if not action.option_strings else action.dest.upper()


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if not action.help:
        return ""
    return _joined(action.help % {**vars(action), "prog": parser.prog})


def _joined(text: str) -> str:
    return " ".join(text.split())
