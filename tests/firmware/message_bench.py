"""A `UeCore` that is registered and has messages, against the hand-made gateway of `bench`."""

import json
import uuid

from msgin5g import coap
from msgin5g.message import Message, Segment, imdn, msg, msgresp, segconfir, segrec
from tests.firmware.bench import SERVICE, UE, Bench

PEER_UE = ("UE", "urn:example:ue:2")
GROUP = ("GROUP", "urn:example:group:1")
TAKEN = (coap.CHANGED, b"")


def new_id():
    return str(uuid.uuid4())


class MessageBench(Bench):
    """Messages are answered 2.04 unless `script` says otherwise."""

    def __init__(self, saved=None, registered=True, **settings):
        super().__init__(saved, **settings)
        for kind in ("MSG", "IMDN", "SEGREC", "SEGCONFIR"):
            self.script[kind] = TAKEN
        if registered:
            self.to_registered()

    @property
    def counters(self):
        return self.core.counters

    def send(self, payload="hello", to="urn:example:ue:2", kind="UE", **options):
        options = {"report": False, "store": True, "priority": "NORMAL", **options}
        application = options.pop("application", None)
        options = (kind, *options.values(), application)
        message_id = self.core.messages().send(to, payload, options, self.now)
        self.flush()
        return message_id

    def named(self, name):
        """The events of a name, without it."""
        return [event[1:] for event in self.events if event[0] == name]

    def received(self):
        return [event[0] for event in self.named("received")]

    def sent(self, kind="MSG"):
        """The bodies of the requests of a kind that reached the gateway."""
        return [json.loads(one.payload) for one in self.requests(kind)]

    def bring(self, payload="hello", origin=PEER_UE, to=("UE", UE), message_id=None, **more):
        """Deliver a MSG; returns the answer."""
        return self.post(a_message(payload, origin, to, message_id, **more))


def a_message(payload="hello", origin=PEER_UE, to=("UE", UE), message_id=None, **more):
    message = Message()
    message.message_id = message_id or new_id()
    message.origin, message.destination = origin, to
    message.payload = payload
    for key, value in more.items():
        setattr(message, key, value)
    return msg(SERVICE, message, keep_store=False, keep_priority="priority" in more)


def segments(texts, message_id=None, set_id=None, origin=PEER_UE, report=False, to=("UE", UE)):
    message_id, set_id = message_id or new_id(), set_id or new_id()
    count = len(texts)
    return [
        a_message(
            *(text, origin, to, message_id),
            segment=Segment(set_id, number, count, number == count),
            report=report and number == 1,
        )
        for number, text in enumerate(texts, 1)
    ]


def a_report(message_id, status="success", cause=None, origin=PEER_UE, to=("UE", UE)):
    message = Message()
    message.message_id, message.status, message.cause = message_id, status, cause
    message.origin, message.destination = origin, to
    return imdn(SERVICE, message)


def a_response(message_id, status="failure", cause=None, ue=UE):
    return msgresp(SERVICE, ("UE", ue), message_id, status, cause)


def a_recovery(set_id, *ranges):
    return segrec(SERVICE, set_id, ranges)


def a_confirmation(set_id, result=True):
    return segconfir(SERVICE, set_id, result)
