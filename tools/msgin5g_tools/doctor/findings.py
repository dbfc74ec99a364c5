"""What doctor says: one line a check."""

from dataclasses import dataclass

OK, MISSING, FAULT, NOTE = "ok", "missing", "fault", "note"
MARKS = {OK: "ok", MISSING: "MISSING", FAULT: "FAULT", NOTE: "note"}
SETUP = "run `make setup` in the project's folder"


@dataclass(frozen=True)
class Finding:
    """state: OK; MISSING: the demo needs it; FAULT: what is configured will not work; NOTE: else.

    do: what helps, "" where nothing is to be done.
    """

    what: str
    state: str
    found: str
    do: str = ""
