"""A device without an MSGin5G client (MSGin5G-5, 6.3.2.2): its registration with the gateway.

Application ID and credential go in, a Registration ID comes back, and with it the device leaves
again. The form of the messages is a subclass's: `ue.device_l3`, `ue.device_coap`.
"""

from ue.machine import Machine
from ue.states import DEREGISTERED, DEREGISTERING, REGISTERED, REGISTERING

REG = "REG"
DEREG = "DEREG"


class Device(Machine):
    """The states of a device. A subclass sends `what` in `_send` and reports its outcome.

    Registering again is how a device keeps its registration alive (`refresh_s`): the gateway gives
    the same Registration ID again, or a new one if it has forgotten the device.
    """

    iface = "MSGin5G-5"

    def register(self, now):
        """Register, and stay registered until `deregister`."""
        self._want(REGISTERED, True)
        self._advance(now)

    def deregister(self, now):
        """De-register; ends in "deregistered", or in "refused" if the gateway says no."""
        self._want(DEREGISTERED, self._kept.known)
        if self._kept.known:
            self._advance(now)
        else:
            self._go(DEREGISTERED)

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None."""
        if self._open is not None or self._is_talking():
            return None
        return self._retry_at if self._retry_at is not None else self._refresh_at

    def _tick(self, now):
        if self._open is not None or self._is_talking():
            return
        due = self._retry_at if self._retry_at is not None else self._refresh_at
        if due is not None and now >= due:
            self._advance(now)

    def _send(self, what, now):
        """Send a REG or DEREG; one of `_accepted`, `_rejected`, `_unanswered` follows."""
        raise NotImplementedError

    def _cancel(self):
        """Forget the request under way."""
        raise NotImplementedError

    def _advance(self, now):
        """Send what is due. A device that lost its Registration ID learns it by registering."""
        leaves = self._kept.wanted == DEREGISTERED
        what = DEREG if leaves and self._kept.registration else REG
        if leaves:
            self._go(DEREGISTERING)
        elif not self._is_registered:
            self._go(REGISTERING)
            self.counters["attempts"] += 1
        self._retry_at = None
        self._refresh_at = None
        self._open = what
        self._send(what, now)

    def _accepted(self, what, registration, now):
        """The gateway said yes. registration: the Registration ID as 12 hex digits."""
        self._open = None
        self._failures = 0
        if what == DEREG:
            self._left()
            return
        if self._kept.registration != registration:
            self._kept.registration = registration
            self._is_dirty = True
        if self._kept.wanted == DEREGISTERED:
            self._advance(now)
            return
        again = self._is_registered
        self._is_registered = True
        if self._postman is not None:
            self._postman.wake()
        self.counters["refreshes" if again else "registrations"] += 1
        if self._config["refresh_s"]:
            self._refresh_at = now + self.spread(self._config["refresh_s"] * 1000)
        info = {"registration": registration}
        if again:
            info["refresh"] = True
        self._go(REGISTERED, info)

    def _rejected(self, what, reason, later, unknown, now):
        """The gateway said no. later: it may say yes soon; unknown: it does not know us."""
        self._open = None
        if what == DEREG and unknown:
            self._left()
        elif later:
            self._back_off(now, reason)
        else:
            self._refuse(reason, now)

    def _unanswered(self, reason, now):
        self.counters["unanswered"] += 1
        self._open = None
        self._back_off(now, reason)

    def _left(self):
        self._kept.registration = None
        self._kept.note(DEREGISTERED, False)
        self._is_dirty = True
        self._halt()
        self._go(DEREGISTERED)

    def _want(self, wanted, known):
        self._halt()
        self._is_dirty |= self._kept.note(wanted, known)
        self._failures = 0
        self._retry_at = None

    def _halt(self):
        self._cancel()
        self._open = None
        self._is_registered = False
        self._refresh_at = None

    def _is_free(self):
        return self._open is None
