"""The .mpy files: of the format that a board reads, with the names that tracebacks show."""

from pathlib import Path

import pytest

from msgin5g_tools.flash.compile import Format, compile_all, read_format
from msgin5g_tools.flash.problems import FlashError, WrongUse

CORE = {"ue/core.py": Path("firmware/ue/core.py").resolve()}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0x1306, ".mpy 6.3 armv6m"),
        (0x1E06 | 1 << 8, ".mpy 6.3 armv7emsp"),
        (0x2B06, ".mpy 6.3 xtensawin"),
        (0x2F06, ".mpy 6.3 rv32imc"),
        (0x0206, ".mpy 6.2"),
        (0xFF06, ".mpy 6.3"),
    ],
)
def test_the_format_that_a_board_reports(number, text):
    assert str(read_format(number)) == text


def test_a_module_is_the_same_for_every_architecture_and_keeps_its_name():
    plain = compile_all(CORE, Format(6, 3, "")).files
    assert set(plain) == {"ue/core.mpy"}
    data = plain["ue/core.mpy"]
    assert data[:2] == b"M\x06" and b"ue.core" in data and b"firmware" not in data
    for arch in ("armv6m", "armv7emsp", "xtensawin", "rv32imc"):
        assert compile_all(CORE, Format(6, 3, arch)).files == plain


def test_micropython_1_22_gets_its_own_format():
    assert compile_all(CORE, Format(6, 2, "armv6m")).files["ue/core.mpy"][:2] == b"M\x06"


def test_a_format_that_is_not_known_is_told():
    with pytest.raises(WrongUse, match=r"the board reads \.mpy 7\.0, which this mpy-cross"):
        compile_all(CORE, Format(7, 0, ""))


def test_a_source_that_does_not_compile_is_named(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("match x:\n    case 1:\n        pass\n")
    with pytest.raises(FlashError, match=f"mpy-cross refuses {path}: "):
        compile_all({"bad.py": path}, Format(6, 3, ""))


def test_what_is_not_python_is_told(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def\n")
    with pytest.raises(FlashError, match=f"not Python: .*{path}"):
        compile_all({"bad.py": path}, Format(6, 3, ""))


def test_a_whole_ue_is_shrunk_and_keeps_its_lines_if_wanted():
    paths = {
        f"{folder}/{path.name}": path
        for folder, where in (("msgin5g", "msgin5g"), ("ue", "firmware/ue"))
        for path in Path(where).resolve().glob("*.py")
    }
    form = Format(6, 3, "armv6m")
    whole = compile_all(paths, form)
    names = {name for group in whole.members.values() for name in group}
    assert {"ue.ue", "ue.core", "msgin5g.receiving"} < names and len(whole.files) < len(names)
    assert set(whole.files) < {name.removesuffix(".py") + ".mpy" for name in paths}
    with_lines = compile_all(paths, form, lines=True)
    assert "ue/storage.mpy" in with_lines.files and "ue/storage.mpy" not in whole.files
    assert len(with_lines.files["msgin5g/names.mpy"]) < 300, "constants are where they are used"
    assert sum(map(len, with_lines.files.values())) > 1.2 * sum(map(len, whole.files.values()))
