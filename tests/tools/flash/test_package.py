"""package.json and manifest.py name the modules that there are."""

import json
from pathlib import Path

from msgin5g_tools.flash.files import firmware_folder, sources
from msgin5g_tools.flash.package import manifest, package_json

MAKE = "python -m msgin5g_tools.flash.package makes it anew"


def test_they_are_what_the_sources_say():
    assert (firmware_folder() / "package.json").read_text() == package_json(), MAKE
    assert (firmware_folder() / "manifest.py").read_text() == manifest(), MAKE


def test_mip_finds_every_file():
    """mip takes the paths relative to package.json and puts the files into /lib."""
    rows = json.loads(package_json())["urls"]
    assert {name: (firmware_folder() / url).resolve() for name, url in rows} == sources(None)


def test_the_manifest_freezes_the_same_files_and_main_py():
    """With the functions of MicroPython's tools/manifestfile.py that it calls."""
    frozen = {}

    def package(name, files, base_path):
        for file in files:
            frozen[f"{name}/{file}"] = (firmware_folder() / base_path / name / file).resolve()

    def module(name, base_path):
        frozen[name] = (firmware_folder() / base_path / name).resolve()

    included = []
    exec(manifest(), {"include": included.append, "package": package, "module": module})
    main = frozen.pop("main.py")
    assert main == firmware_folder() / "boards" / "common" / "main.py" and main.exists()
    assert frozen == sources(None)
    assert included == ["$(PORT_DIR)/boards/manifest.py"]
    assert all(Path(path).exists() for path in frozen.values())
