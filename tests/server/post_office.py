"""A ServerCore without network: UEs post messages to it, its POSTs are answered by hand."""

import io
import json
import uuid

from msgin5g import coap, registration
from msgin5g import message as messages
from msgin5g_host.log import EventLog
from msgin5g_server.core import ServerCore
from msgin5g_server.registry import Registry
from tests.world import SERVICE, server_settings, ue_id

AS = "urn:example:as:1"
GROUP = "urn:example:group:1"
TOPIC = "temperature"
NOW = 1_700_000_000_000


class PostOffice:
    """`count` UEs, each at an address of its own; all are registered unless `register` is ().

    After each step `posts` holds what the server POSTed, oldest first: (attempt, where, payload,
    token). `take` answers the next with a code. rows: further tables of server.toml.
    """

    rows = {}

    def __init__(self, folder, count=4, register=None, limits=None, network=None, **values):
        self.folder = str(folder)
        self.values = values
        self.limits = limits or {}
        self.network = network or {}
        self.ues = [ue_id(number) for number in range(1, count + 1)]
        self.now = NOW
        self.posts = []
        self.open()
        for number in range(1, count + 1) if register is None else register:
            self.register(number)

    def open(self):
        self.stream = io.StringIO()
        settings = server_settings(self.folder, self.accounts(), **self.values)
        settings.values.update({f"network.{key}": one for key, one in self.network.items()})
        settings.rows["group"] = [{"group_service_id": GROUP, "members": self.ues}]
        settings.rows["topic"] = [{"topic": TOPIC, "subscribers": [*self.ues[:2], AS]}]
        settings.rows["application"] = [{"as_service_id": AS}]
        settings.rows.update(self.rows)
        self.registry = Registry(self.folder)
        self.core = ServerCore(settings, self.registry, EventLog("server", True, self.stream))
        self.core._store._db.execute("PRAGMA synchronous=OFF")
        self.messages = self.core.messages

    def accounts(self):
        return [
            {"ue_service_id": one, "gateway": None, "segment_bytes": self.limits.get(at)}
            for at, one in enumerate(self.ues, 1)
        ]

    def close(self):
        self.core.close()
        self.registry.close()

    def crash(self):
        """kill -9: what was not committed is gone, what is under way as well."""
        self.close()
        self.posts = []
        self.open()
        self.settle()

    def at(self, number):
        return f"10.0.0.{number}:5683"

    def settle(self):
        for _ in range(100):
            due = self.messages.next_deadline()
            if due is None or due > self.now:
                break
            self.messages.poll(self.now)
        else:
            raise AssertionError("the server never comes to rest")
        self.core.commit()
        self.posts += self.messages.take()

    def ask(self, payload, number, token=b"tk"):
        code, answer = self.core.handle(payload, self.at(number), self.now, token)
        self.settle()
        return code, bytes(answer)

    def register(self, number, profile=None):
        payload = registration.reg(ue_id(number), SERVICE, profile=profile)
        assert json.loads(self.ask(payload, number)[1])["result"]

    def deregister(self, number):
        assert json.loads(self.ask(registration.dereg(ue_id(number), SERVICE), number)[1])[
            "result"
        ]

    def message(self, origin, destination, text="21.5", **more):
        message = messages.Message()
        message.message_id = str(uuid.uuid4())
        message.origin = ("UE", ue_id(origin))
        message.destination = (
            destination if isinstance(destination, tuple) else ("UE", ue_id(destination))
        )
        message.payload = text
        for name, value in more.items():
            setattr(message, name, value)
        return message

    def send(self, origin, destination, text="21.5", **more):
        """Send a MSG; returns its Message, and leaves the answer in `answer`."""
        message = self.message(origin, destination, text, **more)
        self.answer = self.ask(messages.msg(SERVICE, message), origin)
        return message

    def segment(self, origin, destination, text, set_id, number, total, **more):
        last = number == total
        part = messages.Segment(set_id, number, total, last)
        return self.send(origin, destination, text, segment=part, **more)

    def report(self, origin, message, status="success", **more):
        report = messages.Message()
        report.origin, report.destination = ("UE", ue_id(origin)), message.origin
        report.message_id, report.status = message.message_id, status
        for name, value in more.items():
            setattr(report, name, value)
        return self.ask(messages.imdn(SERVICE, report), origin)

    def take(self, code=coap.CHANGED, text=""):
        """The next POST, answered with `code` (None: not at all): (number of the UE, Message)."""
        attempt, where, payload, token = self.posts.pop(0)
        self.token = token
        if attempt is not None:
            if code is None:
                self.messages.failed(attempt, "timeout", self.now)
            else:
                self.messages.answered(attempt, code, text, self.now)
            self.settle()
        number = int(where.partition(":")[0].rpartition(".")[2])
        return number, messages.parse_message(payload)

    def wait(self, milliseconds):
        end = self.now + milliseconds
        while True:
            due = self.messages.next_deadline()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.settle()
        self.now = end
        self.settle()

    @property
    def counters(self):
        return self.core.counters
