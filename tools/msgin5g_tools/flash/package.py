"""`firmware/package.json` for mip and `firmware/manifest.py` to freeze, from the file set.

python -m msgin5g_tools.flash.package
"""

import json
import os
from pathlib import Path

from msgin5g_tools.flash.files import firmware_folder, sources

_VERSION = "0.1.0"
_HEAD = '''"""The UE frozen into MicroPython: make BOARD=RPI_PICO FROZEN_MANIFEST=THIS_FILE.

Made by `python -m msgin5g_tools.flash.package`.
"""

include("$(PORT_DIR)/boards/manifest.py")
'''


def package_json() -> str:
    """Return the text of package.json: the modules of every mode and link, as sources."""
    folder = firmware_folder()
    urls = [[name, _relative(path, folder)] for name, path in sources(None).items()]
    rows = ",\n".join(f"    {json.dumps(row)}" for row in sorted(urls))
    return f'{{\n  "version": "{_VERSION}",\n  "deps": [],\n  "urls": [\n{rows}\n  ]\n}}\n'


def manifest() -> str:
    """Return the text of manifest.py: the same modules, and main.py."""
    lines = [_HEAD]
    names = sorted(sources(None))
    for package, base in (("msgin5g", ".."), ("ue", ".")):
        own = [name.partition("/")[2] for name in names if name.startswith(package + "/")]
        lines += [
            "package(",
            f'    "{package}",',
            "    (",
            *(f'        "{name}",' for name in own),
            "    ),",
            f'    base_path="{base}",',
            ")",
        ]
    return "\n".join([*lines, 'module("main.py", base_path="boards/common")', ""])


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


if __name__ == "__main__":
    (firmware_folder() / "package.json").write_text(package_json(), encoding="utf-8")
    (firmware_folder() / "manifest.py").write_text(manifest(), encoding="utf-8")
