"""How long, as arguments on a command line say it."""

import argparse

_LONGEST_S = 30 * 86_400


def seconds(text: str) -> float:
    """Return a time above 0. Raises ArgumentTypeError."""
    value = seconds_or_ever(text)
    if not value:
        raise argparse.ArgumentTypeError("more than 0 s is wanted")
    return value


def seconds_or_ever(text: str) -> float:
    """Return a time; 0 means for ever. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST_S:
        wanted = f"a number of seconds up to {_LONGEST_S:,} is wanted, not {text!r}"
        raise argparse.ArgumentTypeError(wanted)
    return value
