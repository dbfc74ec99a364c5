"""The one error of this package."""


class BoxError(Exception):
    """There is no box here, or it does not do as told; the text says why and what to do."""
