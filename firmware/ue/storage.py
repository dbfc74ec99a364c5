"""What a UE keeps across a reboot: one small JSON file, replaced as a whole."""

import json
import os


class Storage:
    """Load and save a dict. A broken file counts as none; a full flash is reported, not fatal.

    path: "" keeps nothing. problem: the last trouble as text or None; damaged, failures: how
    often a file could not be used, and how often one could not be written.
    """

    def __init__(self, path):
        self._path = path
        self._new = path + ".new"
        self.problem = None
        self.damaged = 0
        self.failures = 0

    def load(self):
        """Return the saved dict, or {} (then `problem` says why, if there is a reason)."""
        if not self._path:
            return {}
        state = self._read(self._path)
        if state is None:
            # The power may have gone between the removal of the old file and the renaming of the
            # new one, on a file system that cannot do both at once.
            state = self._read(self._new)
        return state or {}

    def save(self, state):
        """Replace the file. Returns False, with `problem` set, if that is not possible."""
        if not self._path:
            return True
        try:
            with open(self._new, "w") as file:
                file.write(json.dumps(state))
            os.rename(self._new, self._path)
        except OSError as problem:
            self.failures += 1
            self.problem = "%s cannot be written: %s" % (self._path, problem)
            self._discard()
            return False
        self.problem = None
        return True

    def _read(self, path):
        """Return what the file holds, {} if that is nothing of use, None if there is no file."""
        try:
            with open(path) as file:
                state = json.load(file)
        except OSError:
            return None
        except ValueError:
            state = None
        if isinstance(state, dict) and _is_count(state, "mid") and _is_count(state, "token"):
            return state
        self.damaged += 1
        self.problem = "%s is damaged, starting afresh" % path
        return {}

    def _discard(self):
        """Give the room of a half-written file back."""
        try:
            os.remove(self._new)
        except OSError:
            pass


def _is_count(state, key):
    value = state.get(key, 0)
    return isinstance(value, int) and value >= 0
