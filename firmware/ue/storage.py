"""What a UE keeps across a reboot: one small JSON file, replaced as a whole."""

import json
import os


class Storage:
    """Load and save a dict. A broken file counts as none; a full flash is reported, not fatal.

    path: "" keeps nothing.
    """

    def __init__(self, path):
        self._path = path
        self.problem = None

    def load(self):
        """Return the saved dict, or {} (then `problem` says why, if there is a reason)."""
        if not self._path:
            return {}
        try:
            with open(self._path) as file:
                state = json.load(file)
        except OSError:
            return {}
        except ValueError:
            self.problem = "%s is damaged, starting afresh" % self._path
            return {}
        if not isinstance(state, dict) or not all(
            isinstance(state.get(key, 0), int) for key in ("mid", "token")
        ):
            self.problem = "%s is damaged, starting afresh" % self._path
            return {}
        return state

    def save(self, state):
        """Replace the file. Returns False, with `problem` set, if that is not possible."""
        if not self._path:
            return True
        temporary = self._path + ".new"
        try:
            with open(temporary, "w") as file:
                file.write(json.dumps(state))
            os.rename(temporary, self._path)
        except OSError as problem:
            self.problem = "%s cannot be written: %s" % (self._path, problem)
            return False
        return True
