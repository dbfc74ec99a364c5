"""Stock aiocoap observes a topic (RFC 7641) at our server and through our gateway."""

import asyncio
import json
import uuid

import aiocoap
import pytest

from msgin5g import gaps, message, registration, topics
from tests.processes import Stack

SERVICE = gaps.SERVICE_ID
TOPIC = "plant/21/é ?"
DEADLINE_S = 20


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("topics"), server=["--open"], gateway=["--open"])
    made.start_server()
    made.start_gateway()
    made.gateway.wait_for("own-registered")
    yield made
    made.stop()


class Client:
    """A UE made of stock aiocoap."""

    def __init__(self, context, base, ue):
        self.context = context
        self.base = base
        self.ue = ue

    async def ask(self, request):
        return await asyncio.wait_for(self.context.request(request).response, DEADLINE_S)

    async def post(self, payload):
        uri = f"{self.base}/msgin5g"
        made = aiocoap.Message(code=aiocoap.POST, uri=uri, payload=payload, content_format=50)
        return await self.ask(made)

    def get(self, observe, topic=TOPIC, payload=None):
        make = topics.unsubscribe if observe else topics.subscribe
        made = aiocoap.Message(code=aiocoap.GET, uri=self.base, payload=payload or make(self.ue))
        made.opt.uri_path = topic.split("/")
        made.opt.observe = observe
        made.opt.content_format = 50
        return made

    async def say(self, text):
        made = message.Message()
        made.message_id, made.payload = str(uuid.uuid4()), text
        made.origin, made.destination = ("UE", self.ue), ("TOPIC", TOPIC)
        assert (await self.post(message.msg(SERVICE, made))).code.is_successful()


async def joined(stack, where, name):
    base = f"coap://{stack.coap}" if where == "server" else stack.link.replace("udp", "coap")
    context = await aiocoap.Context.create_client_context()
    one = Client(context, base, f"urn:example:ue:{where}:{name}")
    if where == "gateway":
        await one.post(registration.gwreg(one.ue, SERVICE))
    urgent = True if where == "gateway" else None
    answer = await one.post(registration.reg(one.ue, SERVICE, urgent))
    assert json.loads(answer.payload)["result"] is True
    return one


@pytest.mark.clause("6.6.3-p1", "6.6.1-p2", "6.6.3.1-d", "6.6.3.1-d2", "6.4.1.2.6-d4")
@pytest.mark.parametrize("where", ["server", "gateway"])
def test_aiocoap_observes_a_topic_and_cancels(stack, where):
    async def scenario():
        listener = await joined(stack, where, "listener")
        speaker = await joined(stack, "server", f"speaker-{where}")
        request = listener.context.request(listener.get(0))
        first = await asyncio.wait_for(request.response, DEADLINE_S)
        assert str(first.code) == "2.05 Content" and first.opt.content_format == 50
        body = json.loads(first.payload)
        assert body["subStat"] == "subscribed" and "expireTime" in body
        assert first.opt.observe is not None and first.opt.max_age > 80_000
        notifications = aiter(request.observation)
        for text in ("one", "two"):
            await speaker.say(text)
            got = await asyncio.wait_for(anext(notifications), DEADLINE_S)
            body = json.loads(got.payload)
            assert body["payload"] == text and got.opt.observe is not None
            assert body["destAddr"] == {"destAddrType": "TOPIC", "addr": TOPIC}
            assert body["recipAddr"]["addr"] == listener.ue
        answer = await listener.ask(listener.get(1))
        assert json.loads(answer.payload) == {"subStat": "unsubscribed"}
        answer = await listener.ask(listener.get(1))
        assert json.loads(answer.payload)["cause"] == gaps.CAUSE_NO_SUCH_SUBSCRIPTION
        for one in (listener, speaker):
            await one.context.shutdown()

    asyncio.run(scenario())


def test_an_observer_that_stops_listening_is_removed(stack):
    """aiocoap takes one more and answers the next notification with Reset."""

    async def scenario():
        listener = await joined(stack, "gateway", "quitter")
        speaker = await joined(stack, "server", "speaker-quitter")
        request = listener.context.request(listener.get(0))
        await asyncio.wait_for(request.response, DEADLINE_S)
        request.observation.cancel()
        await speaker.say("heard by nobody")
        await speaker.say("not sent any more")
        await asyncio.to_thread(
            stack.server.wait_for, "unsubscribed", ue=listener.ue, reason="reset by the client"
        )
        for one in (listener, speaker):
            await one.context.shutdown()

    asyncio.run(scenario())


@pytest.mark.parametrize("where", ["server", "gateway"])
def test_errors_are_told_in_the_standards_way(stack, where):
    async def scenario():
        one = await joined(stack, where, "wrong")
        past = topics.subscribe(one.ue, 1_000_000_000_000)
        body = json.loads((await one.ask(one.get(0, payload=past))).payload)
        assert body == {"subStat": "not subscribed", "cause": gaps.CAUSE_PAST}
        answer = await one.ask(one.get(0, payload=b"{"))
        assert (str(answer.code), answer.payload) == ("4.00 Bad Request", b"not JSON")
        answer = await one.ask(one.get(0, "x" * 200 + "/" + "y" * 200))
        assert str(answer.code) == "4.00 Bad Request" and b"topic" in answer.payload
        wrong = one.get(0)
        wrong.opt.content_format = 60
        assert str((await one.ask(wrong)).code).startswith("4.15")
        await one.context.shutdown()

    asyncio.run(scenario())


def test_well_known_core_can_still_be_asked_with_observe(stack):
    async def scenario():
        context = await aiocoap.Context.create_client_context()
        uri = f"coap://{stack.coap}/.well-known/core"
        made = aiocoap.Message(code=aiocoap.GET, uri=uri, observe=0)
        answer = await asyncio.wait_for(context.request(made).response, DEADLINE_S)
        assert b"</msgin5g>" in answer.payload
        await context.shutdown()

    asyncio.run(scenario())
