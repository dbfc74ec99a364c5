"""What is wrong with a payload of clause 7: the errors of those who read it."""

from msgin5g.errors import PeerError


class BadMessage(PeerError):
    """A payload that is not what clause 7 describes.

    key: where in the payload, such as "oriAddr.addr" (empty: the payload as a whole);
    reason: what is wrong, short enough for a diagnostic payload.
    """

    def __init__(self, key, reason):
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self):
        text = "%s: %s" % (self.key, self.reason) if self.key else self.reason
        return text[:120]


class UnsupportedType(BadMessage):
    """A Message Type of clause 7.1 that belongs to another family of procedures."""
