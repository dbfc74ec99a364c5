"""README, docs and samples say what the code does.

tests/system/test_documents_run.py runs the commands.
"""

import argparse
import json
import re
import shlex
import tomllib
from urllib.parse import urlsplit

import pytest

from msgin5g import gaps, l3
from msgin5g_gateway import config as gateway_config
from msgin5g_host.config import load, parse_link
from msgin5g_server import config as server_config
from msgin5g_tools.cli import VERBS, parser_of
from msgin5g_tools.reference import PAGES
from msgin5g_tools.reference.config import ue_meanings
from tests.markdown import DOCUMENTS, ROOT, anchors, blocks, commands, links, prose
from ue.config import defaults, merge
from ue.links import open_link

MAKEFILE = (ROOT / "Makefile").read_text()
SHELL = [
    pytest.param(block, id=f"{name}:{block.line}")
    for name in DOCUMENTS
    for block in blocks(name)
    if block.kind == "sh"
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name):
    made, committed = PAGES[name](), ROOT / "docs" / "reference" / name
    assert committed.exists() and committed.read_text() == made, (
        f"docs/reference/{name} is not what the code says now; type: make docs, "
        "look at what changed, and commit it"
    )


def test_the_reference_has_no_page_that_nobody_makes():
    assert {one.name for one in (ROOT / "docs" / "reference").iterdir()} == set(PAGES)


def test_the_readme_prints_limits_as_they_are():
    made = PAGES["limits.md"]().splitlines()
    text = (ROOT / "README.md").read_text().partition("\n## Limits\n")[2]
    shown = re.findall(r"^\| .*", text.partition("\n## ")[0], re.M)
    assert len(shown) > 5
    for row in shown:
        assert row in made, "docs/reference/limits.md has the rows for the README"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name):
    for target in links(name):
        if urlsplit(target).scheme:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name}: {target}: there is no such file"
        if anchor:
            there = file.resolve().relative_to(ROOT).as_posix()
            assert anchor in anchors(there), f"{name}: {target}: there is no such heading"


@pytest.mark.parametrize("block", SHELL)
def test_every_command_is_understood(block):
    """Verbs and options are known to the real parser, targets of make and files are there."""
    for words in commands(block):
        if words[0].endswith(".venv/bin/msgin5g"):
            understood(words[1:])
        elif words[0] == "make":
            for target in (word for word in words[1:] if "=" not in word):
                assert re.search(rf"^{target}:.*##", MAKEFILE, re.M), words
        for word in words:
            if re.match(r"(\./)?(docs|firmware|gateway|server|tests|tools)/", word):
                assert (ROOT / word).exists(), f"{words}: there is no {word}"


def understood(words):
    """Fail unless the parser of `msgin5g` takes these arguments."""
    if words[0] in ("--help", "--version"):
        return
    assert words[0] in VERBS, words
    try:
        parser_of(words[0]).parse_args(words[1:])
    except SystemExit as end:
        assert end.code == 0, f"msgin5g {shlex.join(words)}: see above"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_of_a_gateway_or_ue_can_be_opened(name):
    text = (ROOT / name).read_text()
    for url in re.findall(r"\b(?:serial|ble)://[^\s\"'`)|,…]*[^\s\"'`)|,…:]", text):
        is_form = re.search(r"[A-Z]{4}|uartN", url) or url + "…" in text
        is_peer = re.match(r"ble://[0-9A-F]{2}:", url)
        if is_form or is_peer:
            continue
        try:
            parse_link(url)
        except ValueError:
            assert open_link(url), f"{name}: {url}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_keys_of_configuration_examples_exist(name):
    known = {
        key.name
        for module in (server_config, gateway_config)
        for key in [*module.KEYS, *(key for table in module.TABLES for key in table.keys)]
    }
    for block in blocks(name):
        if block.kind != "toml":
            continue
        for piece in re.split(r"^# \w+\.toml$", block.text, flags=re.M):
            for table, content in tomllib.loads(piece).items():
                for row in content if isinstance(content, list) else [content]:
                    assert {f"{table}.{key}" for key in row} <= known, f"{name}:{block.line}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_quoted_stands_there(name):
    for block in blocks(name):
        if block.remark.startswith("from: "):
            assert block.text in (ROOT / block.remark.removeprefix("from: ")).read_text()


def test_the_index_leads_to_every_page():
    found = {(ROOT / "docs" / target).resolve() for target in links("docs/index.md")}
    pages = {path.resolve() for path in (ROOT / "docs").glob("**/*.md")}
    assert pages - found == {(ROOT / "docs/index.md").resolve()}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_cause_that_is_explained_exists(name):
    texts = [value for key, value in vars(gaps).items() if key.startswith("CAUSE_")]
    for cause in re.findall(r"`cause=([^`]+)`", (ROOT / name).read_text()):
        assert cause in texts or cause in l3.CAUSES.values(), cause


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_the_text_names_exists(name):
    """Commands, targets and files between backticks; words in capitals stand for others."""
    for code in re.findall(r"`([^`\n]+)`", prose(name)):
        first, *rest = code.replace("…", "").split() or [""]
        if first.removeprefix(".venv/bin/") == "msgin5g" and rest and not rest[0].isupper():
            if rest[0].startswith("-"):
                assert rest[0] in ("--help", "--version"), code
                continue
            assert rest[0] in VERBS, f"{name}: {code}"
            known = options(parser_of(rest[0]))
            assert {one for one in rest if one.startswith("--")} <= known, f"{name}: {code}"
        elif first == "make" and rest and "=" not in rest[0]:
            assert re.search(rf"^{rest[0]}:.*##", MAKEFILE, re.M), f"{name}: {code}"
        elif re.fullmatch(
            r"(docs|firmware|gateway|host|msgin5g|server|tests|tools)/[\w./-]+", code
        ):
            assert (ROOT / code).exists(), f"{name}: {code}"


def options(parser):
    """Return all option strings of a parser and of those inside it."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= set().union(*map(options, action.choices.values()))
    return found


@pytest.mark.parametrize(
    ("module", "name"),
    [(server_config, "server/server.toml"), (gateway_config, "gateway/gateway.toml")],
)
def test_the_sample_files_load_and_comment_every_key(module, name):
    settings = load(module.KEYS, module.TABLES, str(ROOT / name), {}, {})
    text = (ROOT / name).read_text()
    for key in module.KEYS:
        assert settings.source(key.name) == "file", key.name
        assert settings[key.name] == key.default, key.name
        before = text[: re.search(rf"^{key.key} =", text, re.M).start()]
        assert before.rstrip("\n").rpartition("\n")[2].startswith("#"), key.name
    for array in module.TABLES:
        assert settings.rows[array.name]
        for key in array.keys:
            assert re.search(rf"^(# )?{key.key} =", text, re.M), key.name


def test_every_key_of_the_ue_has_its_meaning_in_a_comment_above_it():
    assert list(ue_meanings()) == list(defaults()), (
        "one comment line above each key in ue/config.py"
    )
    merge(json.loads((ROOT / "firmware/config.example.json").read_text()))
