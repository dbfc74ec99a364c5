"""What the page has of others is what the lock names, with its licence."""

import filecmp
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "host" / "msgin5g_host" / "page"
VENDOR = PAGE / "vendor"


def libraries(*folder):
    """Run tools/page/install.sh; without npm or its registry the test is skipped, not in CI."""
    give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    if shutil.which("npm") is None:
        give_up("npm is missing; apt-get install nodejs npm")
    argv = [str(ROOT / "tools" / "page" / "install.sh"), *map(str, folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if done.returncode:
        give_up(f"npm could not install the libraries: {done.stderr[-300:]}")
    return ROOT / "build" / "page" / "node_modules"


def files(folder):
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def test_each_file_is_that_of_the_lock(tmp_path):
    libraries(tmp_path)
    assert files(tmp_path) == files(VENDOR) != set()
    for name in files(VENDOR):
        assert filecmp.cmp(tmp_path / name, VENDOR / name, shallow=False), (
            f"{name} is not what tools/page/package-lock.json names; type: make vendor"
        )


def test_each_library_has_its_licence_and_one_exact_version():
    wanted = json.loads((ROOT / "tools" / "page" / "package.json").read_text())
    lock = json.loads((ROOT / "tools" / "page" / "package-lock.json").read_text())["packages"]
    for name, version in {**wanted["dependencies"], **wanted["devDependencies"]}.items():
        assert lock[f"node_modules/{name}"]["version"] == version
        assert lock[f"node_modules/{name}"]["integrity"].startswith("sha512-")
    assert {one.name for one in VENDOR.iterdir()} == set(wanted["dependencies"])
    for one in VENDOR.iterdir():
        assert "Permission is hereby granted" in (one / "LICENSE.txt").read_text()


def test_nothing_of_the_page_names_another_host():
    for path in PAGE.rglob("*"):
        if path.suffix in (".html", ".css", ".js", ".svg") and VENDOR not in path.parents:
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "http://" not in text and "https://" not in text and "//cdn" not in text, path
            assert "innerHTML" not in text and "insertAdjacentHTML" not in text, path
