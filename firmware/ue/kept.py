"""What a UE keeps across a reboot, changed as rarely as a flash memory likes it."""

STRIDE = 64


class Kept:
    """The application's wish, and Message ID and Token counters reserved ahead in strides.

    wanted: "registered", "deregistered" or None; known: a server may hold a registration of this
    UE; registration: the Registration ID as hex digits, of a UE without an MSGin5G client; outbox:
    the rows of messages that wait (see `ue.outbox`); topics: [[topic, Token], ...]. saved:
    what `snapshot` returned before the reboot, {} at first. endpoint: None without CoAP.
    """

    def __init__(self, saved, endpoint, rng):
        self.wanted = saved.get("wanted")
        self.known = bool(saved.get("known", self.wanted is not None))
        self.registration = saved.get("registration")
        outbox = saved.get("outbox")
        self.outbox = outbox if isinstance(outbox, list) else []
        topics = saved.get("topics")
        self.topics = topics if isinstance(topics, list) else []
        self._mid = saved.get("mid")
        self._token = saved.get("token")
        if self._mid is None:
            self._mid = rng(65536)
        if self._token is None:
            self._token = rng(1 << 24)
        if endpoint is not None:
            endpoint.first_mid = self._mid & 65535
            endpoint.next_token_number = self._token
        self._left = 0

    def spend(self):
        """Take a Message ID and a Token; tells whether a new stride has to be saved first."""
        self._left -= 1
        if self._left >= 0:
            return False
        self._left = STRIDE - 1
        self._mid = (self._mid + STRIDE) & 65535
        self._token += STRIDE
        return True

    def note(self, wanted, known):
        """Set wish and knowledge; tells whether that has to be saved."""
        if wanted == self.wanted and known == self.known:
            return False
        self.wanted = wanted
        self.known = known
        return True

    def snapshot(self):
        """Return what to save, as a dict of JSON values.

        The end of the reserved stride is saved, which no request has reached yet.
        """
        saved = {
            "wanted": self.wanted,
            "known": self.known,
            "mid": self._mid & 65535,
            "token": self._token,
        }
        if self.registration:
            saved["registration"] = self.registration
        if self.outbox:
            saved["outbox"] = self.outbox
        if self.topics:
            saved["topics"] = self.topics
        return saved
