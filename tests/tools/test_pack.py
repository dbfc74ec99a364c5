"""Modules joined for a board, with short names: which, and that they do what they did."""

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest

from msgin5g_tools.flash.compile import KEPT, PRUNED, PUBLIC
from msgin5g_tools.flash.files import sources
from msgin5g_tools.micropython import micropython_path
from msgin5g_tools.shrink import pack
from msgin5g_tools.shrink.foreign import FOREIGN, MODULES
from tests.media import SerialMedium
from tests.processes import Process, Stack
from tests.tools.test_shrink import KEPT as LOOKED_UP
from tests.tools.test_shrink import micropython, modules, write
from ue.config import merge

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(one.stem for one in (ROOT / "tests" / "mpy").glob("check_*.py"))
UE = "urn:example:ue:1"
MODES = {
    "client": {"ue_service_id": UE},
    "coap": {"mode": "coap", "application_id": 1, "credential": "s3cret"},
    "l3": {"mode": "l3", "application_id": 1, "credential": "s3cret"},
}
DEVICE = f'[[device]]\napplication_id = 1\ncredential = "s3cret"\nue_service_id = "{UE}"\n'
TIMEOUT_S = 20


def run(packed, start, folder):
    """What a module prints on MicroPython."""
    write(folder, packed.sources)
    done = subprocess.run(
        [micropython_path(), "-c", f"import {start}"],
        env={"MICROPYPATH": f"{folder}:.frozen"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def names_in(packed):
    """Every name in the packed sources."""
    trees = [ast.parse(source) for source in packed.sources.values()]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    out = {node.id for node in nodes if isinstance(node, ast.Name)}
    out |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    out |= {node.arg for node in nodes if isinstance(node, ast.arg | ast.keyword)}
    return out | {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_what_is_always_loaded_together_is_one_module(tmp_path):
    packed = pack(
        {
            "p": "",
            "p.main": "from p.a import one\nfrom p import b\nprint(one(), b.two(3))\nb.later()\n",
            "p.a": "print('a')\ndef one():\n    return 1\n",
            "p.b": "from p.a import one\nprint('b')\ndef two(x):\n    return one() + x\n"
            "def later():\n    from p.c import three\n    print(three())\n",
            "p.c": "from p.a import one\nprint('c')\ndef three():\n    return 3 * one()\n",
        }
    )
    assert packed.members == {
        "p": ["p"],
        "p.a": ["p.a"],
        "p.c": ["p.c"],
        "p.main": ["p.b", "p.main"],
    }
    assert run(packed, "p.main", tmp_path).split() == ["a", "b", "1", "4", "c", "3"]


def test_a_module_that_is_named_by_a_text_or_kept_can_be_imported(tmp_path):
    parts = {
        "p": "",
        "p.main": "import p\nfrom p.a import X\n__import__('p.b')\nprint(X.value())\n",
        "p.a": "class X:\n    @staticmethod\n    def value():\n        return 1\n",
        "p.b": "def f():\n    return 2\nprint(f())\n",
        "p.api": "from p.a import X\nfrom p.low import Low\n"
        "def give(amount=1):\n    return Low(amount)\n",
        "p.low": "class Low:\n    def __init__(self, amount):\n        self.amount = amount\n",
    }
    packed = pack(parts, public=["p.api"])
    assert "p.b" in packed.members and "p.api" in packed.members
    assert run(packed, "p.main", tmp_path).split() == ["2", "1"]
    assert "def give(amount=1)" in packed.sources["p.api"]
    assert "amount" not in packed.sources["p.api"].replace("amount=1", "").replace("(amount)", "")


def test_two_modules_may_use_one_name_for_two_things(tmp_path):
    packed = pack(
        {
            "a": "_X = [1]\ndef f():\n    return _X\n",
            "b": "_X = [2]\ndef f():\n    return _X\n",
            "c": "import gc\nfrom a import f\nfrom b import f as g\nimport_ = gc\n"
            "def h(f=5):\n    return f\nprint(f(), g(), h())\n",
        }
    )
    assert packed.members == {"c": ["a", "b", "c"]}
    assert run(packed, "c", tmp_path) == "[1] [2] 5\n"


def test_a_module_that_is_handed_on_stays_as_it_is(tmp_path):
    packed = pack(
        {
            "p": "",
            "p.tool": "def act(what):\n    return what.deed()\n",
            "p.deeds": "def deed():\n    return 'done'\n",
            "p.main": "from p import deeds\nfrom p.tool import act\nprint(act(deeds))\n",
        }
    )
    assert "p.deeds" in packed.members and "def deed(" in packed.sources["p.deeds"]
    assert run(packed, "p.main", tmp_path) == "done\n"


PROGRAM = """
import json
class Thing:
    def __init__(self, size, weight):
        self.size = size
        self.said = "said"
        self._weight = weight
        self.hidden = {"hidden": 1}
        self.tag = None
    def grow(self, factor=2, other=3):
        self._weight = self._weight * factor + other
        return self._weight
    def items(self):
        return list(self.hidden.items())
    @property
    def twice(self):
        return 2 * self._weight
    @twice.setter
    def twice(self, value):
        self._weight = value // 2
class Child(Thing):
    tall = 4
    def __init__(self, size):
        super().__init__(size, weight=7)
        self.extra = self.tall
def main(name):
    child = Child(1)
    child.twice = 10
    child.tag = 5
    print(child.grow(other=1), child.twice, getattr(child, "said"), child.items(), child.extra)
    print([size for size in range(3)], sorted([3, 1], key=lambda one: -one), child.size, child.tag)
    try:
        raise Problem(name)
    except Problem as problem:
        print(repr(problem), json.dumps({"size": child.size}))
class Problem(Exception):
    pass
main("x")
"""


def test_short_names_change_nothing_and_some_names_stay(tmp_path):
    packed = pack({"m": PROGRAM})
    names = names_in(packed)
    # A text, a method of dict, built-in, an exception, what sorted() is told by keyword.
    assert {"said", "hidden", "items", "Problem", "key", "range", "dumps"} <= names
    gone = {
        "Thing",
        "Child",
        "grow",
        "_weight",
        "twice",
        "factor",
        "other",
        "extra",
        "main",
        "tag",
    }
    assert not gone & names
    assert run(packed, "m", tmp_path) == run(
        type(packed)({"m": PROGRAM}, {}, packed.names), "m", tmp_path
    )


def test_attributes_of_objects_that_have_nothing_in_common_share_names():
    source = (
        "class A:\n    def __init__(self):\n        self.one = []\n"
        "class B:\n    def __init__(self):\n        self.two = []\n"
        "class C(B):\n    def __init__(self):\n        B.__init__(self)\n        self.three = []\n"
        "def f(x):\n    x.four = []\n    return x.one, x.two, x.three, x.four\n"
        "print(f, A, B, C)\n"
    )
    meant = {
        name: short
        for short, names in pack({"m": source}).names.attributes.items()
        for name in names
    }
    assert meant["two"] != meant["three"] and meant["one"] in (meant["two"], meant["three"])
    assert meant["four"] not in (meant["one"], meant["two"], meant["three"])


def test_of_a_library_that_is_not_known_every_name_stays():
    source = (
        "from strange import Box\nclass A:\n    def hook(self):\n        self.inner = Box()\n"
        "        return self.inner\nprint(A, A().hook())\n"
    )
    assert {"inner", "hook"} <= names_in(pack({"m": source}))
    assert not {"inner", "hook"} & names_in(pack({"m": source.replace("strange", "machine")}))


def test_names_are_told_for_people():
    source = (
        "class A:\n    def act(self):\n        return f(1), f(2)\n"
        "def f(x):\n    x += 1\n    return x\n"
        "print(A().act(), A().act())\n"
    )
    told = pack({"p": "", "p.m": source}).names.functions["p.m"]
    assert {name for names in told.values() for name in names} == {"A", "A.act", "f"}


def ours():
    """The attributes and methods that the firmware makes."""
    out = set()
    for path in sources(None).values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                out.add(node.attr)
            elif isinstance(node, ast.ClassDef):
                out |= {one.name for one in node.body if hasattr(one, "name")}
    return {name for name in out if not name.startswith("_")}


# What the stubs have from CPython, and MicroPython has not.
CPYTHON_ONLY = {"build", "code", "context", "debug", "message", "rounds", "serial", "total"}
CPYTHON_ONLY |= {"uint", "group", "reason"}


@pytest.mark.parametrize("port", ["rp2", "esp32"])
def test_names_of_the_boards_libraries_are_never_changed(port):
    folder = ROOT / ".venv" / "stubs" / port
    if not folder.is_dir():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no stubs at {folder}")
    theirs = set()
    for path in folder.rglob("*.pyi"):
        parts = path.relative_to(folder).with_suffix("").parts
        if not {*parts} & {*MODULES, "builtins", "_mpy_shed"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                theirs.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                theirs.add(node.target.id)
    assert len(theirs) > 500
    assert ours() & theirs - CPYTHON_ONLY <= FOREIGN


def test_names_of_micropython_itself_are_never_changed():
    code = (
        "import builtins, sys, asyncio, binascii, io, json, os, select, socket, struct, time\n"
        "seen = set()\n"
        "def look(thing, depth):\n"
        "    for name in dir(thing):\n"
        "        seen.add(name)\n"
        "        if depth and name[:2] != '__': look(getattr(thing, name, 0), depth - 1)\n"
        "modules = builtins, sys, asyncio, binascii, io, json, os, select, socket, struct, time\n"
        "for one in modules: look(one, 2)\n"
        "values = ('', b'', {}, [], (), 1, set(), bytearray(), memoryview(b''))\n"
        "for one in values: look(one, 0)\n"
        "print(' '.join(seen))\n"
    )
    done = subprocess.run(
        [micropython_path(), "-c", code],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    theirs = set(done.stdout.split())
    assert {"append", "sleep_ms", "recvfrom", "create_task"} <= theirs
    assert ours() & theirs <= FOREIGN


@pytest.mark.parametrize("mode", MODES)
def test_a_packed_ue_registers_writes_and_leaves(tmp_path, mode):
    tree = tmp_path / "tree"
    medium = SerialMedium(tmp_path)
    config = {**MODES[mode], "link": medium.ue_link, "json": True, "wait_s": 1, "stay_s": 3}
    config |= {"say_to": UE, "say_report": True}
    parts = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path.read_text()
        for name, path in sources(merge(config)).items()
    }
    packed = pack(parts, keep=KEPT, prune=PRUNED, public=PUBLIC)
    assert "ue.link_udp" not in parts and len(packed.sources) < len(parts)
    write(tree, packed.sources)
    (tree / "ue.json").write_text(json.dumps(config))
    stack = Stack(tmp_path, server=["--open"], gateway=["--open"])
    with (tmp_path / "gateway.toml").open("a") as file:
        file.write(DEVICE)
    stack.link = medium.gateway_link
    try:
        stack.start_server()
        stack.start_gateway()
        argv = [micropython_path(), "-X", "heapsize=400k", "-m", "ue.main", str(tree / "ue.json")]
        one = Process(argv, os.environ | {"MICROPYPATH": f"{tree}:.frozen"}, tree)
        stack.ues.append(one)
        one.wait_for("state", state="registered")
        assert one.wait_for("received")["payload"] == "reading 1"
        assert one.wait_for("report")["success"] is True
        stack.server.wait_for("deregistered", ue=UE)
    finally:
        stack.stop()
        medium.close()


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    """A folder with the packed protocol and the scripts that check it."""
    folder = tmp_path_factory.mktemp("protocol")
    parts = modules((ROOT / "msgin5g", "msgin5g"), (ROOT / "firmware" / "ue", "ue"))
    scripts = modules((ROOT / "tests" / "mpy", ""))
    packed = pack({**parts, **scripts}, keep=LOOKED_UP, prune=PRUNED, public=scripts)
    write(folder, packed.sources)
    return folder


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_packed_protocol_does_on_micropython_what_it_did(protocol, script):
    done = micropython(protocol, f"{script}.py", ROOT / "tests" / "vectors")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")
