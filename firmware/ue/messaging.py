"""Messages of a UE with an MSGin5G client (6.4.1.1, 6.5): what it sends.

What arrives is the business of `ue.inbox`.
"""

from msgin5g import checks, coap, gaps
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.message_build import segconfir, segrec
from ue.compose import Composer
from ue.machine import sooner
from ue.modes import room_bytes
from ue.postman import Postman, new_id

SENT_SETS = 2
SENT_SET_MS = 300000
MAX_CONTROLS = 8
_GET = "GET"


class Control:
    """A SEGREC or SEGCONFIR on its way out, or segments that are sent again.

    what: "SEGREC", "SEGCONFIR" or "MSG"; value: ranges, result, or [Item, numbers that are left].
    """

    def __init__(self, what, set_id, value):
        self.what = what
        self.set_id = set_id
        self.value = value


class Messaging(Postman):
    """Single messages, segments, aggregates and reports, by CoAP POST to the gateway."""

    kinds = (n.UE, n.AS, n.GROUP, n.BC, n.TOPIC)

    def __init__(self, core, config, kept, max_bytes):
        super().__init__(core, config, kept)
        self._service = config["service_id"]
        self._max_bytes = max_bytes
        self._controls = []
        self._sent_sets = []
        self._joined = ()
        self._exchange = None
        self._topics = None
        self._kept = kept
        if kept.topics:
            self.topics()
        self.configured()

    def configured(self):
        """Take address and segment size from the configuration, for what waits as well."""
        config = self._config
        self._composer = Composer(config, self._max_bytes - room_bytes(config))
        self._inbox = None
        for item in list(self._outbox.items):
            try:
                self._prepare(item)
            except CallerError:
                self._outbox.items.remove(item)

    def send_several(self, to, payloads, options, now):
        """Take messages that may travel together; returns their Message IDs in order."""
        from ue.several import aggregate

        items = [self._item(to, payload, options) for payload in payloads]
        ids = [item.id for item in items]
        items = aggregate(items, self._composer, new_id)
        for item in items:
            self._check_size(item)
        for item in items:
            self._put(item, now)
        return ids

    def receive(self, incoming, now):
        """Take a POST of the message family and answer it."""
        self.inbox().receive(incoming, now)

    def inbox(self):
        """Return what takes the messages that arrive."""
        if self._inbox is None:
            from ue.inbox import Inbox

            self._inbox = Inbox(self, self._core, self._config, self._seen)
        return self._inbox

    def topics(self):
        """Return the topics of this UE."""
        if self._topics is None:
            from ue.topics import Topics

            self._topics = Topics(self, self._core, self._config, self._kept)
        return self._topics

    def registered(self, now):
        """The UE has registered anew."""
        if self._topics is not None:
            self._topics.registered(now)

    def control(self, what, set_id, value):
        """Send SEGREC (value: ranges) or SEGCONFIR (value: result) on a set."""
        for one in self._controls:
            if one.what == what and one.set_id == set_id and one is not self.current:
                self._controls.remove(one)
                break
        self._controls.append(Control(what, set_id, value))
        if len(self._controls) > MAX_CONTROLS:
            self._controls.pop(1 if self._controls[0] is self.current else 0)
            self._core.counters["messages_dropped"] += 1

    def send_again(self, set_id, ranges, now):
        """Send segments again that a SEGREC names; tells whether the set is known (6.5.1.1)."""
        for until, item in self._sent_sets:
            if item.id == set_id and now < until:
                numbers = []
                for first, last in ranges:
                    for number in range(max(first, 1), min(last, len(item.parts)) + 1):
                        if number not in numbers:
                            numbers.append(number)
                if numbers:
                    self.control(n.MSG, set_id, [item, numbers])
                return True
        return False

    def confirmed(self, set_id):
        """A SEGCONFIR came: nobody will ask for segments of this set any more."""
        self._sent_sets = [one for one in self._sent_sets if one[1].id != set_id]
        self._controls = [
            one
            for one in self._controls
            if one.what != n.MSG or one.set_id != set_id or one is self.current
        ]

    def tick(self, may_send, now):
        """Do what is due."""
        if self._inbox is not None:
            self._inbox.tick(now)
        if self._sent_sets and now >= self._sent_sets[0][0]:
            self._sent_sets.pop(0)
        if self._topics is not None:
            self._topics.tick(now)
        super().tick(may_send, now)

    def next_deadline(self, may_send):
        """Return when `tick` is due, or None."""
        due = super().next_deadline(may_send)
        if self._topics is not None:
            free = may_send and self.current is None and self._retry_at is None
            due = sooner(due, self._topics.next_deadline(free))
        return due if self._inbox is None else sooner(due, self._inbox.next_deadline())

    def owns(self, exchange):
        """Tell whether an exchange of the endpoint is the one under way here."""
        return exchange is self._exchange

    def answered(self, message, now):
        """The gateway answered what is under way."""
        self._exchange = None
        if self.current.what == _GET:
            topic, self.current = self.current, None
            self._topics.answered(topic, message, now)
            return
        code = message.code
        cause = self._core.answer_text(message)
        self._core.note(cause, {})
        if code < coap.BAD_REQUEST:
            self.taken(now)
        elif code >= coap.INTERNAL_ERROR:
            self.later(cause, now)
        elif cause.endswith(gaps.CAUSE_NOT_REGISTERED):
            # The server has forgotten this UE, which does not know that.
            self._core.renew(now)
            self.later(cause, now)
        else:
            self.refused(cause, now)

    def failed(self, reason, now):
        """The gateway did not answer."""
        self._exchange = None
        self.later(reason, now)

    def taken(self, now):
        job = self.current
        if job.__class__ is not Control:
            if len(job.parts) > 1 and job.at + 1 == len(job.parts) and not job.is_aggregate:
                self._keep(job, now)
            for one in self._joined:
                if one is not job:
                    self._outbox.remove(one, now)
                    self._core.counters["messages_sent"] += 1
            super().taken(now)
            return
        self.current = None
        self.wake()
        if job.what == n.MSG:
            job.value[1].pop(0)
            if job.value[1]:
                return
        self._drop(job)

    def refused(self, cause, now):
        job = self.current
        if job.__class__ is not Control:
            if len(self._joined) > 1:
                # One of them may be at fault: they go singly.
                for one in self._joined:
                    one.is_doubted = True
                self.current = None
                return
            super().refused(cause, now)
            return
        self.current = None
        self._core.counters["messages_refused"] += 1
        self._drop(job)

    def _keep(self, item, now):
        """Keep what was sent in segments; all together no longer than the outbox may be."""
        kept = self._sent_sets
        kept.append((now + SENT_SET_MS, item))
        while (
            len(kept) > SENT_SETS
            or sum([one.size_bytes() for _, one in kept]) > self._config["outbox_bytes"]
        ):
            kept.pop(0)

    def _drop(self, control):
        if control in self._controls:
            self._controls.remove(control)

    def _next(self):
        if self._controls:
            return self._controls[0]
        topic = None if self._topics is None else self._topics.next()
        return topic or super()._next()

    def _start(self, job, now):
        if job.what == _GET:
            self._exchange = self._topics.ask(job, now)
            return
        info = {}
        if job.__class__ is not Control:
            what = job.what
            info["trace"] = job.id
            self._joined = ()
            if what == n.IMDN and len(self._outbox.items) > 1:
                from ue.several import reports

                self._joined = reports(self._outbox.items, job, self._composer)
            if len(self._joined) > 1:
                payload = self._composer.compose_reports(self._joined, new_id())
                info["reports"] = len(self._joined)
            else:
                payload = self._composer.compose(job, job.at)
            if len(job.parts) > 1:
                info["part"] = "%d/%d" % (job.at + 1, len(job.parts))
        else:
            what = job.what
            info["set"] = job.set_id
            if what == n.SEGREC:
                payload = segrec(self._service, job.set_id, job.value)
            elif what == n.SEGCONFIR:
                payload = segconfir(self._service, job.set_id, job.value)
                info["result"] = job.value
            else:
                item, numbers = job.value
                payload = self._composer.compose(item, numbers[0] - 1)
                info["part"] = "%d/%d" % (numbers[0], len(item.parts))
        self._exchange = self._core.post(what, payload, info, now)

    def _check_address(self, kind, to):
        """Areas and topics are strings, the others URIs."""
        if kind == n.BC or kind == n.TOPIC:
            checks.text(to, "to")
        else:
            checks.uri(to, "to")

    def _prepare(self, item):
        if item.what == n.MSG and not item.is_aggregate:
            self._composer.cut(item)
