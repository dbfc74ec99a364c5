"""Modules made smaller for a board: what changes in them, and that they do what they did."""

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest

from msgin5g_tools.micropython import micropython_path
from msgin5g_tools.shrink import shrink
from tests.processes import Process, Stack

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
TIMEOUT_S = 120
KEPT = [
    f"msgin5g.{name}"
    for name in (
        *("message", "registration", "l3", "app_client"),
        *("configuration", "configuration_document", "configuration_requests"),
    )
]
CONST = """
try:
    from micropython import const
except ImportError:

    def const(value):
        return value

"""


def modules(*folders):
    """{module name: source} of folders of packages and of scripts."""
    out = {}
    for folder, package in folders:
        for path in sorted(folder.glob("*.py")):
            name = "" if path.stem == "__init__" else path.stem
            out[".".join(one for one in (package, name) if one)] = path.read_text()
    return out


def write(folder, sources):
    packages = {name.partition(".")[0] for name in sources if "." in name}
    for name, source in sources.items():
        path = folder / Path(*name.split("."))
        path = path / "__init__.py" if name in packages else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    for package in packages:
        (folder / package / "__init__.py").touch()


def test_values_of_constants_go_where_they_are_used():
    shrunk = shrink(
        {
            "p": "",
            "p.a": CONST + 'LIMIT = const(1 << 4)\n_HALF = LIMIT // 2\nKEY = "k"\nOTHER = 5\n',
            "p.b": "from p import a\nfrom p.a import LIMIT, KEY\nprint(LIMIT, a._HALF, KEY)\n",
        }
    )
    assert set(shrunk) == {"p", "p.b"}
    assert shrunk["p.b"] == "\n\nprint(16, 8, 'k')\n"


def test_a_name_is_followed_through_the_modules_that_pass_it_on():
    shrunk = shrink(
        {
            "a": "X = 3\n",
            "b": "from a import X\n__all__ = ['X']\n",
            "c": "from b import X as Y\n\ndef f():\n    return Y\n",
        }
    )
    assert set(shrunk) == {"c"} and "return 3" in shrunk["c"]


@pytest.mark.parametrize(
    "source",
    [
        "from a import X\n\ndef f(X):\n    return X\n",
        "from a import X\n\ndef f():\n    for X in (1, 2):\n        pass\n    return X\n",
        "from a import X\n\ntry:\n    g()\nexcept E as X:\n    pass\n\ndef f():\n    return X\n",
    ],
)
def test_a_name_that_means_something_else_somewhere_stays(source):
    assert "return X" in shrink({"a": "X = 3\n", "b": source})["b"]


@pytest.mark.parametrize(
    "writer",
    [
        "import_ = 0\n\ndef f():\n    global X\n    X = 4\n",
        "X = 4\n",
        "for X in (1, 2):\n    pass\n",
    ],
)
def test_what_is_bound_twice_is_no_constant(writer):
    shrunk = shrink({"a": "X = 3\n" + writer, "b": "from a import X\nprint(X)\n"})
    assert "print(X)" in shrunk["b"] and "X = 3" in shrunk["a"]


def test_what_another_module_sets_is_no_constant():
    shrunk = shrink(
        {
            "p": "",
            "p.a": "X = 3\n",
            "p.b": "from p import a\na.X = 4\n",
            "p.c": "from p.a import X\nprint(X)\n",
        }
    )
    assert "print(X)" in shrunk["p.c"] and "X = 3" in shrunk["p.a"]


def test_what_is_no_plain_value_stays_and_so_does_what_others_use():
    source = "T = (1, 2)\nF = f()\nD = {}\nX = 1\n"
    assert shrink({"a": source}) == {"a": "\nF = f()\nD = {}\n"}
    assert shrink({"a": source, "b": "from a import T\nprint(T)\n"})["a"].startswith("T = ")
    assert shrink({"a": source}, keep=["a"])["a"] == source


def test_an_int_that_is_an_object_on_a_board_keeps_its_name():
    source = "BIG = 1 << 30\n\ndef f():\n    return BIG\n"
    assert shrink({"a": source})["a"] == source


def test_every_statement_stays_on_its_line():
    source = (
        CONST
        + 'X = const(2)\nY = (\n    X,\n    X,\n)\n\n\ndef f(ä="ä"):\n    a, b = X, ä\n'
        + "    if a: return (\n        b\n    )\n    return X\n"
    )
    shrunk = shrink({"a": source, "b": "from a import Y, f\nprint(Y, f())\n"})
    before, after = source.splitlines(), shrunk["a"].splitlines()
    assert [one for one in after if one] == [
        *("Y = (2, 2)", "def f(ä='ä'):", "    a, b = 2, ä", "    if a:", "        return b"),
        "    return 2",
    ]
    for text in ("Y = (", "def f(", "    a, b =", "    if a:", "    return "):
        places = [
            [i for i, one in enumerate(lines) if one.startswith(text)] for lines in (before, after)
        ]
        assert places[0] == places[1], text


def test_a_function_that_only_imports_a_constant_stays_valid():
    shrunk = shrink({"a": "X = 1\n", "b": "def f():\n    from a import X\n\nf()\n"})
    assert shrunk == {"b": "def f():\n    pass\n\nf()\n"}


def test_slots_go():
    shrunk = shrink({"a": "class C:\n    __slots__ = ('x',)\n"})
    assert shrunk == {"a": "class C:\n    pass\n"}


def test_what_nobody_names_is_pruned_where_that_is_wanted():
    source = (
        "def a():\n    return b()\n\n\ndef b():\n    pass\n\n\n"
        "class C:\n    def used(self):\n        pass\n\n    def unused(self):\n        a()\n\n"
        "    def by_text(self):\n        pass\n\n    def __len__(self):\n        return 0\n"
    )
    user = "from p.m import C\nC().used()\ngetattr(C(), 'by_text')()\n"
    shrunk = shrink({"p": "", "p.m": source, "u": user}, prune=["p"])["p.m"]
    assert "unused" not in shrunk and "def a" not in shrunk and "def b(" not in shrunk
    assert "def used" in shrunk and "def by_text" in shrunk and "def __len__" in shrunk
    kept = shrink({"p": "", "p.m": source, "u": user}, keep=["p.m"], prune=["p"])["p.m"]
    assert kept == shrink({"p": "", "p.m": source, "u": user})["p.m"]
    assert ast.dump(ast.parse(kept)) == ast.dump(ast.parse(source))


def test_an_f_string_and_an_attribute_of_a_number():
    source = "X = 1\n\ndef f():\n    return f'{X}', X.to_bytes(1, 'big')\n"
    shrunk = shrink({"a": source})["a"]
    assert "f'{1}', 1 .to_bytes" in shrunk and "X = 1" not in shrunk


def micropython(folder, *arguments):
    return subprocess.run(
        [micropython_path(), *map(str, arguments)],
        env=os.environ | {"MICROPYPATH": f"{folder}:.frozen"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


@pytest.mark.parametrize("script", sorted(one.stem for one in (TESTS / "mpy").glob("check_*.py")))
def test_the_protocol_does_on_micropython_what_it_did(tmp_path, script):
    sources = modules(
        (ROOT / "msgin5g", "msgin5g"), (ROOT / "firmware" / "ue", "ue"), (TESTS / "mpy", "")
    )
    # The scripts look for builders and parsers by their names there.
    write(tmp_path, shrink(sources, keep=KEPT, prune=["msgin5g"]))
    done = micropython(tmp_path, f"{script}.py", TESTS / "vectors")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")


def test_the_whole_firmware_registers_writes_and_leaves(tmp_path):
    tree = tmp_path / "tree"
    sources = modules((ROOT / "msgin5g", "msgin5g"), (ROOT / "firmware" / "ue", "ue"))
    shrunk = shrink(sources, prune=["msgin5g"])
    write(tree, shrunk)
    assert "MAX_JSON_DEPTH" in sources["msgin5g.jsontext"]
    assert "MAX_JSON_DEPTH" not in shrunk["msgin5g.jsontext"]
    stack = Stack(tmp_path, server=["--open"], gateway=["--open"])
    try:
        stack.start_server()
        stack.start_gateway()
        config = {"ue_service_id": "urn:example:ue:1", "link": stack.link, "json": True}
        config |= {"wait_s": 1, "stay_s": 3, "say_to": "urn:example:ue:1", "say_report": True}
        (tree / "ue.json").write_text(json.dumps(config))
        argv = [micropython_path(), "-X", "heapsize=300k", "-m", "ue.main", str(tree / "ue.json")]
        ue = Process(argv, os.environ | {"MICROPYPATH": f"{tree}:.frozen"}, tree)
        stack.ues.append(ue)
        ue.wait_for("state", state="registered")
        assert ue.wait_for("received")["payload"] == "reading 1"
        assert ue.wait_for("report")["success"] is True
        stack.server.wait_for("deregistered", ue="urn:example:ue:1")
    finally:
        stack.stop()
