"""The smallest UE: registration in the L3 format (Annex A.2), 3 to 20 bytes, without CoAP.

A frame has no reference to the request that it answers, so one request is outstanding and it is
repeated until an answer of the right type comes, at the pace of a Confirmable message.
"""

from binascii import hexlify, unhexlify

from msgin5g import l3
from msgin5g.payload_errors import BadMessage
from ue.device import REG, Device
from ue.kept import Kept
from ue.machine import sooner

_LATER = (
    l3.CAUSE_CONFLICT,
    l3.CAUSE_CONNECTION_GONE,
    l3.CAUSE_LACK_OF_RESOURCES,
    l3.CAUSE_CONGESTION,
)


class L3Device(Device):
    """A device that speaks L3. `receive` takes frames, `poll` returns [(frame, 0)]."""

    def __init__(self, config, saved, rng):
        super().__init__(config, Kept(saved, None, rng), rng)
        self._frame = None
        self._left_tries = 0
        self._pause_ms = 0
        self._again_at = None
        self._first_at = 0
        self._last_at = 0
        self._out = []

    def receive(self, frame, now):
        """Take a frame of the gateway."""
        if not frame or not l3.is_l3(frame[0]):
            self.counters["stray"] += 1
            return
        try:
            message = l3.decode(frame)
        except BadMessage as problem:
            self.counters["stray"] += 1
            self._note("malformed", {"cause": str(problem)})
            return
        kind = message.type
        self._note(l3.NAMES[kind], {"cause": l3.CAUSES.get(message.cause)})
        if kind < l3.REGISTRATION_REQUEST:
            self.messages().receive(message, now)
            return
        what = self._open
        yes, no = l3.REGISTRATION_ACCEPT, l3.REGISTRATION_REJECT
        if what is not None and what != REG:
            yes, no = l3.DEREGISTRATION_ACCEPT, l3.DEREGISTRATION_REJECT
        if what is None or kind != yes and kind != no:
            self.counters["stray"] += 1
        elif kind == no:
            self._cancel()
            cause = message.cause
            unknown = cause == l3.CAUSE_UNKNOWN_DEVICE
            self._rejected(what, l3.CAUSES[cause], cause in _LATER, unknown, now)
        else:
            registration = hexlify(message.registration_id).decode()
            if what != REG and registration != self._kept.registration:
                self.counters["stray"] += 1
                return
            self._cancel()
            self._accepted(what, registration, now)

    def poll(self, now):
        """Do what is due and return the frames to send, [(bytes, peer)]."""
        self._tick(now)
        self._post_due(now)
        out, self._out = self._out, []
        if self._again_at is None or now < self._again_at:
            return out
        if self._left_tries:
            self._left_tries -= 1
            self._last_at = now
            self._again_at = now + self.spread(self._pause_ms)
            self._pause_ms *= 2
            out.append((self._frame, 0))
        elif self._open is None:
            self.end_request()
            self._postman.later("timeout", now)
        else:
            self._cancel()
            self._unanswered("timeout", now)
        return out

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None."""
        if self._out:
            return 0
        due = sooner(super().next_deadline(), self._again_at)
        return sooner(due, self._post_deadline())

    def request(self, frame, now):
        """Send a frame until `end_request`, at the pace of a Confirmable message."""
        self._frame = frame
        self._left_tries = self._config["max_retransmit"] + 1
        self._pause_ms = self._config["ack_timeout_ms"]
        self._again_at = now
        self._first_at = now
        self._tell_sent(frame)

    def end_request(self, now=0):
        """The request under way has its answer.

        Returns until when answers to copies of it may come, None if it was sent once. Each is
        expected as long after its copy as this answer came after the first, and a margin.
        """
        self._again_at = None
        self._frame = None
        if self._left_tries >= self._config["max_retransmit"]:
            return None
        latest = max(self._last_at + now - self._first_at, now)
        return latest + self._config["ack_timeout_ms"]

    def say(self, frame):
        """Send a frame once."""
        self._out.append((frame, 0))
        self._tell_sent(frame)

    def _send(self, what, now):
        config = self._config
        if what == REG:
            credential = config["credential"].encode()
            frame = l3.registration_request(config["application_id"], credential)
        else:
            frame = l3.deregistration_request(unhexlify(self._kept.registration))
        self.request(frame, now)

    def _cancel(self):
        self.end_request()
        if self._postman is not None:
            self._postman.interrupted()

    def _make_postman(self):
        from ue.messages_l3 import L3Messaging

        return L3Messaging(self, self._config, self._kept, self.max_frame_bytes)

    def _tell_sent(self, frame):
        self._sent(l3.NAMES[frame[0]], {"bytes": len(frame)})
