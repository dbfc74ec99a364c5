"""The boards that this project knows: the folders of `firmware/boards`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgin5g_tools.flash.files import firmware_folder
from msgin5g_tools.flash.problems import WrongUse

# Of a board's sample configuration; the rest stands for what only its user knows.
_KEYS = ("state_file", "led", "watchdog_s")


@dataclass(frozen=True)
class Board:
    """name: that of the folder; title and chip: what MicroPython says, "TITLE with CHIP"."""

    name: str
    title: str
    chip: str
    folder: Path

    def settings(self) -> dict[str, Any]:
        """Return the keys of the UE's configuration that go with this board."""
        sample = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return {key: sample[key] for key in _KEYS if key in sample}


def known() -> dict[str, Board]:
    """Return the boards by name. Raises WrongUse."""
    folder = firmware_folder() / "boards"
    found = {}
    for path in sorted(folder.glob("*/board.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        name = path.parent.name
        found[name] = Board(name, facts["board"], facts["chip"], path.parent)
    if not found:
        raise WrongUse(f"{folder} is not here; run this from the project's folder (`make setup`)")
    return found


def detect(machine: str) -> Board | None:
    """Return the board that calls itself so, else one with the same chip, else None.

    machine: `sys.implementation._machine`, such as "Raspberry Pi Pico W with RP2040".
    """
    title, _, chip = machine.rpartition(" with ")
    # RISC-V cores tell themselves: RP2350-RISCV.
    chip = chip.partition("-")[0]
    boards = list(known().values())
    for board in boards:
        if title == board.title and chip == board.chip:
            return board
    return next((board for board in boards if chip == board.chip), None)


def named(name: str) -> Board:
    """Return the board of that name. Raises WrongUse."""
    boards = known()
    if name not in boards:
        raise WrongUse(
            f"--board {name}: there is none of that name; known are {', '.join(boards)}"
        )
    return boards[name]
