"""The errors of this package; the text is one sentence with the next step."""


class FlashError(Exception):
    """It did not work out. code: the exit code."""

    code = 1


class WrongUse(FlashError):
    """Nothing was done: no board, no right, or not the right board or configuration."""

    code = 2


class BoardGone(FlashError):
    """The board does not answer any more."""
