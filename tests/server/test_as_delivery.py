"""Messages to Application Servers that registered: retries, store and forward, restarts.

Time is passed by hand; what would be called over HTTP is answered by hand.
"""

import json

import pytest

from msgin5g import coap, gaps
from msgin5g.message import Entry
from msgin5g_server.northbound_types import ASRegistration
from msgin5g_server.translate import outgoing
from tests.server.post_office import AS, TOPIC, PostOffice
from tests.world import ue_id

URL = "http://as.example/in"
HOUR_MS = 3_600_000


class Callback:
    """What an AS that registered is called with."""

    def __init__(self, office, service_id=AS):
        self.office = office
        self.service_id = service_id
        given = ASRegistration(service_id, targetUri=URL)
        office.messages.outside.register(given, office.now)
        office.settle()
        self.calls = []

    def take(self, code=coap.CHANGED, text=""):
        """Answer the next call; returns its JSON."""
        self.calls += self.office.messages.take_calls()
        attempt = self.calls.pop(0)
        link = self.office.messages.routes.link(attempt.recipient)
        path, body = outgoing(attempt.batch[0].body.message, attempt.recipient, link)
        assert (attempt.peer, path) == (URL, "")
        self.office.messages.answered(attempt, code, text, self.office.now)
        self.office.settle()
        return json.loads(body)

    def is_called(self):
        self.calls += self.office.messages.take_calls()
        return bool(self.calls)


@pytest.fixture
def office(tmp_path):
    made = PostOffice(tmp_path)
    yield made
    made.close()


@pytest.fixture
def callback(office):
    return Callback(office)


def fail_until_asleep(callback):
    for _ in range(3):
        assert callback.is_called()
        callback.take(coap.UNAVAILABLE)
        callback.office.wait(10_000)


def test_it_is_tried_three_times_then_given_up_and_told(office, callback):
    sent = office.send(1, ("AS", AS))
    pauses = []
    for _ in range(3):
        at = office.now
        while not callback.is_called():
            office.wait(100)
        pauses.append(office.now - at)
        callback.take(coap.UNAVAILABLE, "HTTP 500")
    assert pauses[0] == 0 and 2_000 <= pauses[1] <= 2_600 and 4_000 <= pauses[2] <= 5_100
    _, response = office.take()
    assert (response.message_id, response.cause) == (sent.message_id, gaps.CAUSE_UNAVAILABLE)
    assert not len(office.core._store)


@pytest.mark.clause("6.4.1.2.6-c1", "6.4.1.2.6-d2")
def test_what_is_stored_waits_longer_each_time_and_the_sender_is_told_once(office, callback):
    until = office.now + 10 * HOUR_MS
    office.send(1, ("AS", AS), store=True, expires_ms=until)
    fail_until_asleep(callback)
    assert office.take()[1].status == "stored for deferred delivery"
    pauses = []
    for _ in range(7):
        at = office.now
        while not callback.is_called():
            office.wait(1_000)
        pauses.append((office.now - at) / 1000)
        callback.take(coap.UNAVAILABLE)
    for pause, base in zip(pauses[1:], (120, 240, 480, 960, 960, 960), strict=True):
        assert base <= pause <= base * 1.25 + 1, pauses
    assert not office.posts


@pytest.mark.clause("6.4.1.2.6-c1-exp")
def test_at_its_expiration_it_gets_one_more_try(office, callback):
    until = office.now + HOUR_MS
    sent = office.send(1, ("AS", AS), store=True, expires_ms=until)
    fail_until_asleep(callback)
    office.take()
    tries = 0
    while office.now < until - 1:
        office.wait(60_000 if office.now < until - 60_000 else until - 1 - office.now)
        if callback.is_called():
            tries += 1
            callback.take(coap.UNAVAILABLE)
    office.wait(1)
    assert callback.is_called() and tries > 3
    assert callback.take(coap.UNAVAILABLE)["msgId"] == sent.message_id
    assert office.take()[1].cause == gaps.CAUSE_EXPIRED
    assert not len(office.core._store)


def test_pauses_differ_from_one_to_the_other(office, callback):
    other = Callback(office, "urn:example:as:2")
    office.messages.routes.applications.add("urn:example:as:2")
    pauses = set()
    for one in (callback, other):
        office.send(1, ("AS", one.service_id))
        one.take(coap.UNAVAILABLE)
        pauses.add(office.messages.courier._boxes[one.service_id].not_before - office.now)
    assert len(pauses) == 2


def test_it_survives_a_crash_and_comes_in_order(office, callback):
    sent = [office.send(1, ("AS", AS), f"{number}", store=True) for number in range(5)]
    long = office.send(1, ("AS", AS), "x")
    # What was joined is longer than any UE may send.
    body = next(iter(office.core._store.deliveries.values())).body
    joined = office.message(1, ("AS", AS), "y" * 60_000, store=True)
    kept = office.core._store.new_body(
        body.origin, "", b"", office.messages._packer.whole(joined), joined
    )
    office.messages.enqueue(kept, AS, 1, True, office.now + HOUR_MS, office.now)
    office.settle()
    office.crash()
    again = Callback(office)
    texts = [again.take()["payload"] for _ in range(7)]
    assert texts == [*(one.payload for one in sent), long.payload, joined.payload]
    assert not len(office.core._store)


def test_who_deregisters_gets_what_was_stored_when_it_is_back(office, callback):
    office.send(1, ("AS", AS), "a", store=True)
    callback.take(coap.UNAVAILABLE)
    office.messages.outside.deregister(AS)
    office.send(1, ("AS", AS), "b")
    assert [json.loads(one[2])["payload"] for one in office.core._store.inbox(AS)] == ["b"]
    office.wait(HOUR_MS)
    assert not callback.is_called()
    again = Callback(office)
    office.messages.registered(AS, office.now)
    office.settle()
    assert again.take()["payload"] == "a"


def test_an_as_that_was_not_configured_is_unknown_again_when_it_leaves(tmp_path):
    office = PostOffice(tmp_path, open=True)
    new = Callback(office, "urn:example:as:new")
    office.send(1, ("AS", "urn:example:as:new"))
    assert new.take()["payload"] == "21.5"
    office.messages.outside.deregister("urn:example:as:new")
    office.send(1, ("AS", "urn:example:as:new"))
    assert office.take()[1].cause == gaps.CAUSE_UNKNOWN_RECIPIENT
    office.close()


def test_an_aggregate_arrives_one_by_one(office, callback):
    entries = []
    for number in range(3):
        entry = Entry()
        entry.message_id = f"7c9a3a5e-3c1e-4a55-9d55-0d6f1f6c2b1{number}"
        entry.payload, entry.report = str(number), number == 1
        entries.append(entry)
    office.send(1, ("AS", AS), None, entries=entries)
    got = [callback.take() for _ in range(3)]
    assert [one["msgId"] for one in got] == [one.message_id for one in entries]
    assert [one["payload"] for one in got] == ["0", "1", "2"]
    assert [one.get("delivStReqInd", False) for one in got] == [False, True, False]


def test_an_aggregated_report_arrives_one_by_one(office, callback):
    submit = office.messages.applications.submit
    ids = [submit(AS, ("UE", ue_id(2)), "x", {"report": True}, office.now) for _ in range(2)]
    office.settle()
    while office.posts:
        office.take()
    entries = []
    for message_id, status in zip(ids, ("success", "failure"), strict=True):
        entry = Entry()
        entry.message_id, entry.status, entry.cause = message_id, status, "no"
        entries.append(entry)
    report = office.message(2, ("AS", AS))
    report.entries = entries
    code, _ = office.report(2, report, entries=entries, destination=("AS", AS))
    assert code == coap.CHANGED
    got = [callback.take() for _ in range(2)]
    assert [one["msgId"] for one in got] == ids
    assert [one["delivSt"] for one in got] == ["REPT_DELY_SUCCESS", "REPT_DELY_FAILED"]
    assert [one.get("failureCause") for one in got] == [None, "no"]


def test_a_topic_message_says_the_topic(office, callback):
    office.send(1, ("TOPIC", TOPIC))
    assert callback.take()["destAddr"] == {"addrType": "TOPIC", "addr": TOPIC}


def test_what_becomes_of_its_message_later_is_told_at_the_callback(office, callback):
    office.deregister(2)
    until = office.now + HOUR_MS
    options = {"store_until": "2023-11-14T23:13:20Z"}
    message_id = office.messages.applications.submit(
        AS, ("UE", ue_id(2)), "x", options, office.now
    )
    office.settle()
    ack = callback.take()
    assert (ack["msgId"], ack["status"]) == (message_id, "DELY_STORED")
    office.wait(until - office.now)
    ack = callback.take()
    assert (ack["msgId"], ack["status"]) == (message_id, "DELY_FAILED")
    assert ack["failureCause"] == gaps.CAUSE_EXPIRED
    assert ack["oriAddr"] == {"addrType": "AS", "addr": AS}


def test_no_more_waits_for_one_as_than_may(office, callback, monkeypatch):
    monkeypatch.setattr("msgin5g_server.courier.MAX_STORED_OF_ONE", 5)
    for number in range(7):
        office.send(1, ("AS", AS), str(number), store=True)
    causes = [office.take()[1].cause for _ in range(len(office.posts))]
    assert causes == [gaps.CAUSE_CONGESTION] * 2
    assert [callback.take()["payload"] for _ in range(5)] == list("01234")
