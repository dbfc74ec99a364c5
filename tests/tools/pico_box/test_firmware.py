"""Where the firmware image comes from, and what is said when there is none."""

import hashlib
import re
from pathlib import Path

import pytest

from msgin5g_tools.pico_box import firmware
from msgin5g_tools.pico_box.firmware import EXPECTED_SHA256, VARIABLE, cache, find_image
from msgin5g_tools.pico_box.problems import BoxError

IMAGE = b"UF2\n\x57\x51\x5d\x9e" + bytes(504)
NAME = f"RPI_PICO-{firmware.MICROPYTHON_VERSION}.uf2"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path / "cache" / "msgin5g"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A function that puts a script in the place of build_firmware.sh."""

    def put(text):
        path = tmp_path / "build.sh"
        path.write_text(text)
        monkeypatch.setattr(firmware, "_SCRIPT", path)

    return put


def put_image(folder, content, checksum):
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(content)
    (folder / f"{NAME}.sha256").write_text(f"{checksum}  {NAME}\n")


def test_a_given_image_goes_before_that_of_the_environment(tmp_path, monkeypatch):
    given, named = tmp_path / "given.uf2", tmp_path / "named.uf2"
    given.write_bytes(IMAGE)
    named.write_bytes(IMAGE)
    monkeypatch.setenv(VARIABLE, str(named))
    assert find_image(str(given), pytest.fail, may_build=False) == given
    assert find_image(None, pytest.fail, may_build=False) == named


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), (b"", "not a UF2 file"), (b"\x7fELF" + bytes(508), "not a UF2 file")],
)
def test_a_given_file_that_is_no_image_is_refused(tmp_path, content, told):
    path = tmp_path / "image.uf2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BoxError, match=f"{re.escape(str(path))}.*{told}"):
        find_image(str(path), pytest.fail, may_build=False)


def test_without_an_image_it_says_how_to_get_one():
    with pytest.raises(BoxError, match="type: python -m msgin5g_tools.pico_box --setup"):
        find_image(None, pytest.fail, may_build=False)


def test_another_checksum_than_expected_is_a_warning(folder):
    found = hashlib.sha256(IMAGE).hexdigest()
    put_image(folder, IMAGE, found)
    said = []
    assert find_image(None, said.append, may_build=False) == cache() / NAME
    (line,) = said
    assert line.startswith("warning") and found in line and EXPECTED_SHA256 in line


def test_the_expected_checksum_is_no_warning(folder, monkeypatch):
    monkeypatch.setattr(firmware, "EXPECTED_SHA256", hashlib.sha256(IMAGE).hexdigest())
    put_image(folder, IMAGE, firmware.EXPECTED_SHA256)
    assert find_image(None, pytest.fail, may_build=False) == folder / NAME


def test_a_damaged_image_is_built_again(folder, script):
    put_image(folder, IMAGE[:-1], hashlib.sha256(IMAGE).hexdigest())
    with pytest.raises(BoxError, match="no firmware image"):
        find_image(None, pytest.fail, may_build=False)
    script("echo firmware 1/1: building; printf 'UF2\\nnew' > $1; echo noise")
    said = []
    path = find_image(None, said.append, may_build=True)
    assert path.read_bytes() == b"UF2\nnew"
    assert "firmware 1/1: building" in said and "noise" not in said
    # Whole now, and not built once more.
    script("exit 1")
    assert find_image(None, said.append, may_build=True) == path


def test_a_build_that_fails_is_told_with_its_last_lines(script):
    script("echo firmware 1/2: starting; echo what went wrong >&2; exit 7")
    with pytest.raises(BoxError, match=r"(?s)ended with code 7.*what went wrong"):
        find_image(None, lambda line: None, may_build=True)
    assert not (cache() / NAME).exists()


def test_a_build_that_hangs_is_ended(script, monkeypatch):
    script("echo firmware 1/2: starting; sleep 60")
    monkeypatch.setattr(firmware, "_BUILD_S", 0.3)
    with pytest.raises(BoxError, match="took longer"):
        find_image(None, lambda line: None, may_build=True)


def test_the_script_builds_the_version_that_is_looked_for():
    text = (Path(firmware.__file__).parent / "build_firmware.sh").read_text()
    assert f"\nversion={firmware.MICROPYTHON_VERSION}\n" in text
