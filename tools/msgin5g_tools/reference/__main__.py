"""python -m msgin5g_tools.reference: write the pages of docs/reference."""

from pathlib import Path

from msgin5g_tools.reference import write

FOLDER = Path(__file__).parents[3] / "docs" / "reference"

print(f"docs/reference: {', '.join(write(FOLDER)) or 'nothing'} changed")
