"""Notifications that come (RFC 7641), for an endpoint that observes.

An endpoint without an `Observer` answers them with Reset. With one, those of known observations
become NOTICE events, and whoever takes one says when it is acknowledged: a gateway does so only
after the UE has.
"""

from msgin5g.coap import ACK, CON, RST
from msgin5g.sending import NOTICE


class Notice:
    """A notification. `message` holds it; context: what the observation is known by."""

    __slots__ = ("peer", "message", "mid", "context", "confirmable", "record")


class Observer:
    """Take the notifications of one endpoint.

    find: a function of (peer, token) that returns the context of an observation, None for none.
    """

    def __init__(self, endpoint, find):
        self._endpoint = endpoint
        self._find = find
        endpoint.observer = self

    def take(self, message, peer, now):
        """Take a response that came by itself; tells whether it is a notification for us."""
        endpoint = self._endpoint
        context = self._find(peer, bytes(message.token))
        if context is None:
            return False
        notice = Notice()
        notice.peer = peer
        notice.message = message
        notice.mid = message.mid
        notice.context = context
        notice.confirmable = message.type == CON
        notice.record = None
        if notice.confirmable:
            # Copies that come before the answer are met with silence.
            state = endpoint.state_of(peer)
            notice.record = state.remember(message.mid, now, endpoint.params.remembered_ids)
        endpoint._events.append((NOTICE, notice))
        return True

    def acknowledge(self, notice):
        """Answer a notification: it has arrived where it is meant to."""
        if notice.confirmable:
            self._answer(notice, ACK)

    def reject(self, notice):
        """Answer that nobody observes this any more: the server ends the observation (3.6)."""
        self._endpoint._tally("resets_sent")
        if notice.confirmable:
            self._answer(notice, RST)
        else:
            self._endpoint._send_empty(RST, notice.mid, notice.peer)

    def postpone(self, notice):
        """Take the next copy as if it were the first: this one could not be dealt with."""
        state = self._endpoint.find_state(notice.peer)
        if notice.confirmable and state is not None:
            state.forget(notice.mid)

    def _answer(self, notice, kind):
        notice.record[1] = self._endpoint._send_empty(kind, notice.mid, notice.peer)
