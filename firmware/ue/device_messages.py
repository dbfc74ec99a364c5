"""Messages of a device without an MSGin5G client (6.4.2.3), in either form of MSGin5G-5."""

from binascii import unhexlify

from msgin5g import l3
from msgin5g import names as n
from msgin5g.octets import uuid_text
from ue.outbox import Item
from ue.postman import Postman, Received, new_id

_PRIORITIES = {"LOW": n.LOW, "HIGH": n.HIGH}


class DeviceMessaging(Postman):
    """What both forms have in common. `message` is a message as `l3.L3Message` describes it.

    MSGin5G-5 has neither store and forward nor a priority on the way up.
    """

    def __init__(self, core, config, kept, max_bytes):
        super().__init__(core, config, kept)
        self._max_bytes = max_bytes

    def report(self, message, success, cause, now):
        """Send the delivery report on a `Received`; the gateway knows who wants it."""
        item = Item(n.IMDN, message.message_id, n.UE, "")
        item.success = bool(success)
        self._put(item, now)

    def _take(self, message, now):
        """Hand a MESSAGE RECEIVED REQUEST on, once; returns whether it was new."""
        arrived = Received(uuid_text(message.message_id), None, bytes(message.payload))
        if message.originator is not None:
            arrived.origin = (n.UE, message.originator)
        arrived.group = message.group
        arrived.report = bool(message.report)
        arrived.priority = _PRIORITIES.get(message.priority, n.NORMAL)
        if not self._is_new(message):
            return False
        self.deliver(arrived, now)
        return True

    def _take_report(self, message):
        """Hand a DELIVERY REPORT RECEIVED REQUEST on, once."""
        if message.reply_to is not None and self._is_new(message):
            event = ("report", uuid_text(message.reply_to), message.success, None)
            self._core.emit(event)

    def _is_new(self, message):
        key = bytes(message.message_id)
        if key in self._seen:
            self._core.counters["messages_repeated"] += 1
            return False
        self._seen.add(key)
        return True

    def _no(self, reason, is_later, is_unknown, now):
        """FAILED is the answer to what is under way.

        A gateway that does not know us, and one that does not know the target, say the same: the
        device registers anew, once, before it believes the latter.
        """
        item = self.current
        if is_later:
            self.later(reason, now)
        elif is_unknown and not item.is_doubted:
            item.is_doubted = True
            self.interrupted()
            self._core.renew(now)
        else:
            self.refused(reason, now)


def report_id(item):
    """Return the Message ID of a report, the same when it is sent again."""
    if item.application is None:
        item.application = new_id()
    return octets(item.application)


def octets(message_id):
    """Return the 16 bytes of a Message ID's text."""
    return unhexlify(message_id.replace("-", ""))


def is_later(cause):
    """Tell whether a cause of `l3` says "not now"."""
    return cause in (
        l3.CAUSE_CONFLICT,
        l3.CAUSE_CONNECTION_GONE,
        l3.CAUSE_LACK_OF_RESOURCES,
        l3.CAUSE_CONGESTION,
    )
