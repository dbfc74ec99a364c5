"""The five families of MSGin5G-1 (6.1 a): one exchange of each, on real sockets."""

import asyncio
import json
import uuid

import pytest

from msgin5g import coap, configuration, gaps, message, registration, splitting, topics
from tests.conformance.test_server_messages import Network, a_message, is_msgin5g_post
from tests.world import SERVICE, ue_id

GATEWAY = "urn:example:gw:1"
TOPIC = "plant/21"


async def configure(network):
    """Configuration, single and in bulk; returns the UE Service IDs."""
    client = await network.ue()
    answer = await client.ask(coap.GET, configuration.request_options(SERVICE, "urn:dev:1"))
    assert answer.code == coap.CONTENT
    found = configuration.parse_answer(answer.payload).configuration
    host, port = network.server.address
    assert found.server == f"coap://{host}:{port}"
    options = configuration.request_options(SERVICE, has_payload=True)
    asked = configuration.bulk_request(["urn:dev:1", "urn:dev:2"])
    answer = await client.ask(coap.GET, options, asked)
    entries = configuration.parse_answer(answer.payload).entries
    assert [one.ue_id for one in entries] == ["urn:dev:1", "urn:dev:2"]
    assert entries[0].ue_service_id == found.ue_service_id
    return [one.ue_service_id for one in entries]


async def register(network, ues):
    """Registration and de-registration, single and in bulk, of UEs that leave again."""
    client = await network.ue()
    for build in (registration.reg, registration.dereg):
        answer = json.loads((await client.post(build(ues[0], SERVICE))).payload)
        assert answer["result"] is True
    for build, bulk, listed in (
        (registration.reg, registration.breg, gaps.REG_RESP_LIST),
        (registration.dereg, registration.bulk_dereg, gaps.DEREG_RESP_LIST),
    ):
        payload = bulk(GATEWAY, SERVICE, [build(ue, SERVICE) for ue in ues])
        answer = json.loads((await client.post(payload)).payload)
        assert [one["result"] for one in answer[listed]] == [True] * len(ues)


async def exchange_messages(sender, recipient):
    """A message, its report, an aggregate, and the aggregated report on it."""
    sent = a_message(1, 2, report=True)
    await sender.post(message.msg(SERVICE, sent))
    found = await received(recipient)
    assert (found.message_id, found.payload) == (sent.message_id, "21.5")
    await recipient.post(message.imdn(SERVICE, report_on(sent)))
    assert (await received(sender)).status == "success"

    aggregate = a_message(1, 2, payload=None, entries=[])
    for text in ("one", "two"):
        entry = message.Entry()
        entry.message_id, entry.payload, entry.report = str(uuid.uuid4()), text, True
        aggregate.entries.append(entry)
    await sender.post(message.msg(SERVICE, aggregate))
    found = await received(recipient)
    assert [one.payload for one in found.entries] == ["one", "two"]
    report = report_on(aggregate)
    report.status, report.entries = None, []
    for one in found.entries:
        entry = message.Entry()
        entry.message_id, entry.status = one.message_id, "success"
        report.entries.append(entry)
    answer = await recipient.post(message.imdn(SERVICE, report))
    assert answer.code == coap.CHANGED, answer.payload
    assert [one.status for one in (await received(sender)).entries] == ["success"] * 2


async def exchange_segments(sender, recipient):
    """A message in segments that are larger than the recipient takes: joined, and cut anew."""
    text = "0123456789" * 300
    whole = a_message(1, 2)
    set_id = str(uuid.uuid4())
    pieces = splitting.split(text, 1500)
    for number, piece in enumerate(pieces, 1):
        part = message.Segment(set_id, number, len(pieces), number == len(pieces))
        segment = a_message(1, 2, payload=piece, segment=part)
        segment.message_id = whole.message_id
        await sender.post(message.msg(SERVICE, segment))
    parts = {}
    last = None
    while last is None or len(parts) < last:
        found = await received(recipient)
        parts[found.segment.number] = found.payload
        assert len(found.payload) <= 640
        if found.segment.last:
            last = found.segment.number
    assert "".join(parts[number] for number in sorted(parts)) == text


async def subscribe(sender, subscriber):
    """A subscription, a message for its topic, and the end of it."""
    options = topics.request_options(TOPIC, topics.SUBSCRIBE)
    answer = await subscriber.ask(coap.GET, options, topics.subscribe(ue_id(2)), token=b"topic")
    assert topics.parse_answer(answer.payload).status == gaps.SUBSCRIBED
    sent = a_message(1, 2)
    sent.destination = ("TOPIC", TOPIC)
    await sender.post(message.msg(SERVICE, sent))
    notification = await subscriber.next_answer()
    assert notification.token == b"topic" and notification.code == coap.CONTENT
    assert message.parse_message(notification.payload).message_id == sent.message_id
    options = topics.request_options(TOPIC, topics.UNSUBSCRIBE)
    answer = await subscriber.ask(coap.GET, options, topics.unsubscribe(ue_id(2)), token=b"topic")
    assert topics.parse_answer(answer.payload).status == gaps.UNSUBSCRIBED


async def received(client):
    post = await client.next_request()
    assert is_msgin5g_post(post)
    return message.parse_message(post.payload)


def report_on(sent):
    report = message.Message()
    report.message_id, report.status = sent.message_id, "success"
    report.origin, report.destination = sent.destination, sent.origin
    return report


@pytest.mark.clause("6.1-a")
def test_one_exchange_of_each_family_completes(tmp_path):
    async def scenario():
        async with Network(tmp_path) as network:
            ues = await configure(network)
            await register(network, ues)
            one, other = await network.ue(1), await network.ue(2)
            await exchange_messages(one, other)
            await exchange_segments(one, other)
            await subscribe(one, other)

    asyncio.run(scenario())
