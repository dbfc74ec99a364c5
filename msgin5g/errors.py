"""The two families of error.

The caller's raise at once; the peer's never end anything but the message they came with.
"""


class CallerError(ValueError):
    """The caller asked for something impossible; the text says what to do instead."""


class PeerError(Exception):
    """A peer sent nonsense."""
