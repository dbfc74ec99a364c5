"""Messages and reports at the server: origination, routing, delivery, store and forward."""

import json
import uuid

import pytest

from msgin5g import coap, gaps
from msgin5g import message as messages
from msgin5g.limits import MAX_MESSAGE_BYTES
from msgin5g_host.config import MIN_SEGMENT_BYTES
from msgin5g_server import courier as courier_module
from tests.server.post_office import AS, GROUP, TOPIC, PostOffice
from tests.world import SERVICE, ue_id

HOUR_MS = 3_600_000


@pytest.fixture
def office(tmp_path):
    made = PostOffice(tmp_path)
    yield made
    made.close()


# One recipient


@pytest.mark.clause("6.4.1.2.2-p1", "6.4.1.2.1-a1", "6.4.1.2.6-p4-b", "6.4.1.2.6-d1")
def test_a_message_reaches_its_recipient_as_it_was_sent(office):
    sent = office.send(1, 2, "Grüße", applications=["7"], report=True)
    assert office.answer == (coap.CHANGED, b"")
    number, got = office.take()
    assert number == 2
    for name in ("message_id", "origin", "destination", "payload", "report"):
        assert getattr(got, name) == getattr(sent, name), name
    assert got.applications == ["7"] and not office.posts
    assert not office.core._store.deliveries


@pytest.mark.clause("6.4.1.2.6-c")
def test_priority_and_store_and_forward_are_taken_away(office):
    office.send(1, 2, priority="HIGH", store=True, expires_ms=office.now + HOUR_MS)
    payload = json.loads(office.posts[0][2])
    assert not {"priority", "sfFlag", "sfParam"} & set(payload)


def test_priority_stays_where_the_operator_wants_it(tmp_path):
    office = PostOffice(tmp_path, keep_priority=True)
    office.send(1, 2, priority="HIGH")
    assert office.take()[1].priority == "HIGH"
    office.close()


def test_it_is_on_disk_before_the_sender_hears_of_it(office):
    office.send(1, 2)
    office.crash()
    number, got = office.take()
    assert (number, got.payload) == (2, "21.5")
    office.crash()
    assert not office.posts


def test_a_message_that_comes_twice_is_delivered_once(office):
    message = office.message(1, 2)
    for _ in range(3):
        assert office.ask(messages.msg(SERVICE, message), 1) == (coap.CHANGED, b"")
    office.take()
    assert office.ask(messages.msg(SERVICE, message), 1)[0] == coap.CHANGED
    office.crash()
    assert office.ask(messages.msg(SERVICE, message), 1)[0] == coap.CHANGED
    assert not office.posts


def test_order_is_by_priority_then_by_arrival(office):
    office.core.messages._packer._aggregates = False
    office.send(1, 2, "first")
    for text, priority in (("a", "LOW"), ("b", "NORMAL"), ("c", "HIGH"), ("d", "NORMAL")):
        office.send(1, 2, text, priority=priority)
    assert len(office.posts) == 1, "one at a time"
    assert [office.take()[1].payload for _ in range(5)] == ["first", "c", "b", "d", "a"]


# Who may send, and to whom


@pytest.mark.clause("6.4.1.2.2-a", "6.4.1.2.2-a-rej", "6.4.1.2.2-e", "6.4.1.2.2-e4")
@pytest.mark.clause("6.4.1.2.2-e4-iv", "6.4.1.2.2-e4-v", "6.4.1.2.2-e1")
@pytest.mark.parametrize(
    ("origin", "source", "destination", "cause"),
    [
        (9, 9, ("UE", ue_id(2)), gaps.CAUSE_NOT_REGISTERED),
        (1, 3, ("UE", ue_id(2)), gaps.CAUSE_NOT_THE_SENDER),
        (1, 1, ("UE", "urn:example:ue:nobody"), gaps.CAUSE_UNKNOWN_RECIPIENT),
        (1, 1, ("AS", "urn:example:as:nobody"), gaps.CAUSE_UNKNOWN_RECIPIENT),
        (1, 1, ("GROUP", "urn:example:group:none"), gaps.CAUSE_UNKNOWN_RECIPIENT),
        (1, 1, ("TOPIC", "none"), gaps.CAUSE_UNKNOWN_RECIPIENT),
        (1, 1, ("BC", "area 1"), gaps.CAUSE_NOT_SUPPORTED),
    ],
)
def test_a_message_that_is_refused_gets_an_msgresp(office, origin, source, destination, cause):
    message = office.message(origin, destination)
    assert office.ask(messages.msg(SERVICE, message), source, b"\x42")[0] == coap.CHANGED
    number, response = office.take()
    assert number == source and response.msg_type == "MSGRESP"
    assert (response.origin, response.message_id) == (message.origin, message.message_id)
    assert (response.status, response.cause) == ("failure", cause)
    assert office.token == b"\x42"
    assert not office.posts and not office.core._store.deliveries


# Groups, topics, applications


@pytest.mark.clause("6.4.1.2.1-c", "6.4.1.2.6-d3", "6.4.1.2.6-d3-ii-rcp")
def test_a_group_message_reaches_every_member_but_its_sender(office):
    office.send(2, ("GROUP", GROUP))
    got = sorted((office.take() for _ in range(3)), key=lambda one: one[0])
    assert [number for number, _ in got] == [1, 3, 4]
    assert [one.recipient for _, one in got] == [ue_id(1), ue_id(3), ue_id(4)]
    assert {one.destination for _, one in got} == {("GROUP", GROUP)}
    assert not office.posts


@pytest.mark.clause("6.4.1.2.1-e", "6.4.1.2.1-b")
def test_a_topic_reaches_subscribers_and_applications(office):
    office.send(1, ("TOPIC", TOPIC))
    number, got = office.take()
    assert (number, got.recipient) == (2, ue_id(2))
    ((_, _, payload),) = office.core._store.inbox(AS)
    assert json.loads(payload)["payload"] == "21.5" and not office.posts


def test_an_application_reports_at_once(office):
    message = office.send(1, ("AS", AS), report=True)
    number, report = office.take()
    assert (number, report.msg_type, report.status) == (1, "IMDN", "success")
    assert (report.origin, report.message_id) == (("AS", AS), message.message_id)
    office.crash()
    assert len(office.core._store.inbox(AS)) == 1


# Reports


@pytest.mark.clause("6.4.1.2.4-p1", "6.4.1.2.8-p1", "6.4.1.2.8-a-c")
def test_a_report_goes_back_to_the_originator(office):
    message = office.send(1, 2, report=True)
    office.take()
    assert office.report(2, message) == (coap.CHANGED, b"")
    number, report = office.take()
    assert number == 1 and report.status == "success"
    assert (report.origin, report.destination) == (("UE", ue_id(2)), ("UE", ue_id(1)))
    assert office.report(2, message)[0] == coap.CHANGED and not office.posts


def test_a_report_waits_for_an_originator_that_is_away(office):
    message = office.send(1, 2, report=True)
    office.take()
    office.deregister(1)
    office.report(2, message)
    assert not office.posts
    office.crash()
    office.register(1)
    assert office.take()[1].msg_type == "IMDN"


def test_a_report_on_nothing_is_refused(office):
    message = office.message(1, 2)
    code, text = office.report(2, message)
    assert code == coap.BAD_REQUEST and text.startswith(b"msgId:")


def test_a_report_in_anothers_name_is_refused(office):
    message = office.send(1, 2, report=True)
    office.take()
    payload = office.message(2, 1)
    payload.message_id, payload.status = message.message_id, "success"
    code, text = office.ask(messages.imdn(SERVICE, payload), 3)
    assert code == coap.BAD_REQUEST and text.startswith(b"oriAddr:")


# Store and forward


@pytest.mark.clause("6.4.1.2.6-a1", "6.4.1.2.6-a1-resp", "6.4.1.2.6-p2")
def test_without_store_and_forward_a_message_to_nobody_is_gone(office):
    office.deregister(2)
    message = office.send(1, 2, store=False)
    number, response = office.take()
    assert (number, response.status, response.cause) == (1, "failure", gaps.CAUSE_UNAVAILABLE)
    assert response.message_id == message.message_id
    office.register(2)
    assert not office.posts and not office.core._store.deliveries


@pytest.mark.clause("6.4.1.2.6-b1", "6.4.1.2.6-b1-resp", "6.4.1.2.6-c1", "6.4.1.2.2-d")
def test_with_store_and_forward_it_waits_for_its_recipient(office):
    office.deregister(2)
    office.send(1, 2, store=True)
    number, response = office.take()
    assert (number, response.status) == (1, "stored for deferred delivery")
    office.crash()
    assert not office.posts
    office.register(2)
    number, got = office.take()
    assert (number, got.payload) == (2, "21.5") and not office.posts


@pytest.mark.clause("6.4.1.2.6-c1-exp", "6.4.1.2.6-c1-resp")
def test_what_expires_is_tried_once_more_and_then_gone(office):
    office.deregister(2)
    office.send(1, 2, store=True, expires_ms=office.now + HOUR_MS)
    office.take()
    office.wait(HOUR_MS - 1)
    assert not office.posts
    office.wait(1)
    number, response = office.take()
    assert (response.status, response.cause) == ("failure", gaps.CAUSE_EXPIRED)
    assert not office.core._store.deliveries


def test_the_last_attempt_may_succeed_outside_of_the_recipients_window(office):
    profile = {"comAvail": {"schTime": "2030-01-01T00:00:00Z", "durTime": "60"}}
    office.register(2, profile)
    office.send(1, 2, store=True, expires_ms=office.now + HOUR_MS // 2)
    assert office.take()[1].status == "stored for deferred delivery"
    office.wait(HOUR_MS // 2)
    number, got = office.take()
    assert (number, got.payload) == (2, "21.5") and not office.core._store.deliveries


@pytest.mark.clause("6.4.1.2.6-p3")
def test_delivery_happens_inside_of_the_window(office):
    profile = {
        "comAvail": {
            "schTime": "2023-11-14T22:00:00Z",
            "durTime": "PT5M",
            "periIndi": True,
            "periInterval": "PT1H",
        }
    }
    office.register(2, profile)  # NOW is 22:13:20
    office.send(1, 2, store=True)
    assert office.take()[1].msg_type == "MSGRESP"
    office.wait(HOUR_MS - 13 * 60_000 - 20_001)
    assert not office.posts
    office.wait(1)
    assert office.take()[1].payload == "21.5"


def test_a_recipient_that_wants_nothing_stored_gets_nothing_stored(office):
    profile = {
        "comAvail": {"schTime": "2030-01-01T00:00:00Z", "durTime": "60", "storeForward": "no"}
    }
    office.register(2, profile)
    office.send(1, 2, store=True)
    assert office.take()[1].status == "failure" and not office.core._store.deliveries


def test_a_dead_recipient_is_tried_a_few_times_then_what_is_stored_waits(office):
    office.core.messages._packer._aggregates = False
    office.send(1, 2, "stored", store=True)
    office.send(1, 2, "fleeting", store=False)
    for _ in range(courier_module.ATTEMPTS):
        number, got = office.take(None)
        assert (number, got.payload) == (2, "stored")
        office.wait(10_000)
    told = [office.take()[1] for _ in range(2)]
    assert {one.status for one in told} == {"failure", "stored for deferred delivery"}
    assert not office.posts
    office.wait(60_000)
    assert office.take(coap.GATEWAY_TIMEOUT)[1].payload == "stored"
    office.register(2)
    assert office.take()[1].payload == "stored"
    assert not office.core._store.deliveries and not office.posts


def test_an_attempt_to_where_nobody_is_any_more_is_not_waited_for(office, monkeypatch):
    office.send(1, 2, store=True)
    (stale,) = office.posts
    office.posts.clear()
    monkeypatch.setattr(office, "at", lambda number: f"10.0.0.{number}:9999")
    office.register(2)
    assert office.posts[0][1] == "10.0.0.2:9999"
    # What comes of the old attempt changes nothing.
    office.messages.failed(stale[0], "timeout", office.now)
    office.settle()
    assert len(office.posts) == 1
    assert office.take()[1].payload == "21.5" and not office.core._store.deliveries


def test_a_recipient_that_refuses_ends_the_delivery(office):
    office.send(1, 2, store=True)
    office.take(coap.BAD_REQUEST, "no thanks")
    number, response = office.take()
    assert number == 1 and response.cause == gaps.CAUSE_RECIPIENT_REFUSED + ": no thanks"
    assert not office.core._store.deliveries


@pytest.mark.parametrize("expires", [-1, 0])
def test_what_has_expired_already_is_tried_once(office, expires):
    office.send(1, 2, store=True, expires_ms=office.now + expires)
    assert office.take(None)[1].payload == "21.5"
    assert office.take()[1].cause == gaps.CAUSE_EXPIRED


# Bounds


def test_what_waits_for_one_recipient_is_bounded(office, monkeypatch):
    monkeypatch.setattr(courier_module, "MAX_STORED_OF_ONE", 2)
    office.deregister(2)
    for number in range(3):
        office.send(1, 2, str(number), store=True)
    causes = [office.take()[1].cause for _ in range(3)]
    assert causes == [None, None, gaps.CAUSE_CONGESTION]
    office.send(1, 3)
    assert office.take()[0] == 3


def test_what_was_discarded_behind_one_that_waits_takes_no_room(office, monkeypatch):
    monkeypatch.setattr(courier_module, "MAX_STORED_OF_ONE", 3)
    office.deregister(2)
    office.send(1, 2, "first", store=True)
    for _ in range(3):
        office.send(1, 2)
    assert office.messages.courier.waiting(ue_id(2)) == 1
    office.posts.clear()
    office.send(1, 2, "second", store=True)
    assert office.take()[1].cause is None
    assert office.messages.courier.waiting(ue_id(2)) == 2


def test_what_was_discarded_does_not_wait(office):
    office.deregister(2)
    office.send(1, 2)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE
    assert office.messages.courier.waiting(ue_id(2)) == 0


def test_what_waits_in_all_is_bounded(office, monkeypatch):
    monkeypatch.setattr(courier_module, "MAX_STORED", 1)
    office.deregister(2)
    office.send(1, 2, store=True)
    office.send(1, 2, store=True)
    assert office.answer[0] == coap.UNAVAILABLE


def test_many_recipients_behind_one_peer_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(courier_module, "MAX_AT_A_PEER", 2)
    office = PostOffice(tmp_path)
    monkeypatch.setattr(office, "at", lambda number: "10.0.0.1:5683")
    for number in range(1, 5):
        office.register(number)
    office.send(1, ("GROUP", GROUP))
    assert len(office.posts) == 2
    got = {office.take()[1].recipient for _ in range(3)}
    assert got == {ue_id(2), ue_id(3), ue_id(4)} and not office.posts
    office.close()


# Segments and aggregates


@pytest.mark.clause("6.4.1.2.2-b", "6.5.3.2-b", "6.4.1.2.6-c-seg")
def test_segments_that_fit_go_on_one_by_one_once_the_set_is_whole(office):
    for number in (3, 1):
        office.segment(1, 2, f"part {number}", "set", number, 3, report=True)
    assert not office.posts
    office.crash()
    assert office.take()[1].ranges == [(2, 2)], "a restart asks for what is missing"
    office.segment(1, 2, "part 2", "set", 2, 3)
    got = [office.take()[1] for _ in range(3)]
    assert [one.segment.number for one in got] == [1, 2, 3]
    assert [one.payload for one in got] == ["part 1", "part 2", "part 3"]
    assert not office.core._store.parts and not office.posts


@pytest.mark.clause("6.5.3.1-p1", "6.4.1.2.6-e", "6.4.1.2.6-e1-e5")
def test_a_message_over_the_recipients_size_is_segmented(tmp_path):
    office = PostOffice(tmp_path, limits={2: 16})
    office.send(1, 2, "x" * 40, report=True)
    got = [office.take()[1] for _ in range(3)]
    assert "".join(one.payload for one in got) == "x" * 40
    assert [one.segment.number for one in got] == [1, 2, 3]
    assert {one.segment.total for one in got} == {3}
    assert [one.segment.last for one in got] == [False, False, True]
    assert len({one.segment.set_id for one in got}) == 1
    assert [one.report for one in got] == [True, False, False]
    # The recipient lost one: the server has what it made.
    code, _ = office.ask(messages.segrec(SERVICE, got[0].segment.set_id, [(2, 2)]), 2)
    assert code == coap.CHANGED and office.take()[1].segment.number == 2
    office.ask(messages.segconfir(SERVICE, got[0].segment.set_id, True), 2)
    office.ask(messages.segrec(SERVICE, got[0].segment.set_id, [(2, 2)]), 2)
    assert all(attempt is None for attempt, *_ in office.posts)
    office.close()


@pytest.mark.clause("6.5.3.2-a1", "6.5.3.2-a2-a3")
def test_segments_over_the_recipients_size_are_joined_and_cut_again(tmp_path):
    office = PostOffice(tmp_path, limits={2: 16})
    office.segment(1, 2, "a" * 20, "set", 1, 2)
    office.segment(1, 2, "b" * 20, "set", 2, 2)
    got = [office.take()[1] for _ in range(3)]
    assert "".join(one.payload for one in got) == "a" * 20 + "b" * 20
    assert max(len(one.payload) for one in got) <= 16 and not office.posts
    office.close()


@pytest.mark.clause("6.5.3.3-p1", "6.5.3.3-p2", "6.5.1-roles")
def test_segments_for_an_application_are_joined(office):
    office.segment(1, ("AS", AS), "one ", "set", 1, 3)
    office.segment(1, ("AS", AS), "three", "set", 3, 3)
    office.wait(5_000)
    number, recovery = office.take()
    assert (number, recovery.msg_type, recovery.ranges) == (1, "SEGREC", [(2, 2)])
    office.segment(1, ("AS", AS), "two ", "set", 2, 3)
    ((_, _, payload),) = office.core._store.inbox(AS)
    assert json.loads(payload)["payload"] == "one two three"


def test_the_longest_message_survives_a_restart_at_the_smallest_segment_size(tmp_path):
    office = PostOffice(tmp_path, limits={2: MIN_SEGMENT_BYTES})
    office.deregister(2)
    text = "ä" * (MAX_MESSAGE_BYTES // 2)
    options = {"store_until": "2030-01-01T00:00:00Z"}
    office.messages.applications.submit(AS, ("UE", ue_id(2)), text, options, office.now)
    office.settle()
    office.crash()
    office.register(2)
    got = ""
    while office.posts:
        got += office.take()[1].payload
    assert got == text
    office.close()


def test_a_set_that_stays_incomplete_is_given_up(office):
    sent = office.segment(1, 2, "one", "set", 1, 3)
    office.wait(400_000)
    *got, confirmation, response = [office.take()[1] for _ in range(7)]
    assert [one.msg_type for one in got] == ["SEGREC"] * 5
    assert got[0].ranges == [(2, 3)]
    assert (confirmation.msg_type, confirmation.result) == ("SEGCONFIR", False)
    assert response.msg_type == "MSGRESP"
    assert (response.message_id, response.cause) == (sent.message_id, gaps.CAUSE_SEGMENTS_MISSING)
    assert not office.core._store.parts


def test_segments_of_a_set_given_up_are_refused(office):
    given_up = str(uuid.UUID(int=1))
    office.segment(1, 2, "one", "set", 1, 3, message_id=given_up)
    office.wait(400_000)
    office.posts.clear()
    office.segment(1, 2, "two", "set", 2, 3, message_id=given_up)
    assert office.answer[0] == coap.BAD_REQUEST
    assert office.answer[1].decode().endswith(gaps.CAUSE_SEGMENTS_MISSING)
    office.segment(1, 2, "one", "other", 1, 1)
    assert office.take()[1].payload == "one"


def test_a_set_to_be_stored_waits_for_a_sender_that_is_cut_off(office):
    office.segment(1, 2, "one ", "set", 1, 2, store=True)
    office.wait(1_800_000)
    assert {one.msg_type for one in [office.take()[1] for _ in range(5)]} == {"SEGREC"}
    assert not office.posts
    office.crash()
    assert office.take()[1].msg_type == "SEGREC", "a restart asks at once"
    office.segment(1, 2, "two", "set", 2, 2, store=True)
    assert [office.take()[1].payload for _ in range(2)] == ["one ", "two"]


def test_a_set_to_be_stored_is_given_up_when_its_message_expires(office):
    office.segment(1, 2, "one", "set", 1, 2, store=True, expires_ms=office.now + 1_000_000)
    office.wait(999_999)
    assert "sets_given_up" not in office.counters
    office.wait(2)
    assert office.counters["sets_given_up"] == 1


def test_a_segment_that_contradicts_is_refused_and_the_others_stay(office):
    office.segment(1, 2, "one", "set", 1, 2)
    office.segment(1, 2, "two", "set", 2, 3)
    assert office.answer[0] == coap.BAD_REQUEST
    office.segment(1, 2, "two", "set", 2, 2)
    assert [office.take()[1].payload for _ in range(2)] == ["one", "two"]


@pytest.mark.clause("6.5.3.4-p1", "6.5.3.4-a", "6.5.3.5-p1", "6.5.3.5-a")
@pytest.mark.parametrize(
    "payload",
    [messages.segrec(SERVICE, "set", [(1, 1)]), messages.segconfir(SERVICE, "set", True)],
)
def test_recovery_and_confirmation_find_the_sender_by_the_set(office, payload):
    for number in (1, 2):
        office.segment(1, 2, "x", "set", number, 2)
    office.take(), office.take()
    assert office.ask(payload, 3)[0] == coap.CHANGED and not office.posts
    assert office.ask(payload, 2, b"\x07")[0] == coap.CHANGED
    _, where, sent, token = office.posts.pop()
    assert (where, sent, token) == (office.at(1), payload, b"\x07")
    assert office.counters["unknown_sets"] == 1


@pytest.mark.clause("6.4.1.2.7-p3", "6.4.1.2.7-p3-check", "6.4.1.2.7-p4", "6.4.1.2.7-a")
@pytest.mark.clause("6.4.1.2.7-bc", "6.4.1.2.7-c3")
def test_messages_that_wait_travel_together(office):
    office.deregister(2)
    sent = [office.send(1, 2, str(at), store=True, report=at == 1) for at in range(3)]
    high = office.send(1, 2, "high", store=True, priority="HIGH")
    office.posts.clear()
    office.register(2)
    assert office.take()[1].message_id == high.message_id
    _, got = office.take()
    assert [one.message_id for one in got.entries] == [one.message_id for one in sent]
    assert [one.report for one in got.entries] == [False, True, False]
    assert got.payload is None and got.segment is None
    assert not office.posts and not office.core._store.deliveries


@pytest.mark.clause("6.4.1.2.3-p1", "6.4.1.2.7-p1", "6.4.1.2.7-p2", "6.4.1.2.7-p2-rest")
@pytest.mark.parametrize(("size", "split"), [(2048, [3]), (16, [1, 1, 1]), (20, [2, 1])])
def test_an_aggregate_goes_on_whole_or_in_smaller_ones(tmp_path, size, split):
    office = PostOffice(tmp_path, limits={2: size})
    entries = []
    for text in ("x" * 10, "y" * 10, "z" * 10):
        entry = messages.Entry()
        entry.message_id, entry.payload = office.message(1, 2).message_id, text
        entries.append(entry)
    office.send(1, 2, None, entries=entries)
    got = [office.take()[1] for _ in split]
    assert [len(one.entries) for one in got] == split
    assert [entry.payload[0] for one in got for entry in one.entries] == ["x", "y", "z"]
    assert len({one.message_id for one in got}) == len(split)
    office.close()


@pytest.mark.clause("6.4.1.2.9-p2", "6.4.1.2.9-p3", "6.4.1.2.9-a2", "6.4.1.2.9-b2-c2")
@pytest.mark.clause("6.4.1.2.9-c2-3", "6.4.1.2.7-n")
def test_reports_that_wait_travel_together_but_not_with_messages(office):
    sent = [office.send(1, 2, str(at), report=True) for at in range(2)]
    while office.posts:
        office.take()
    office.deregister(1)
    office.report(2, sent[0])
    office.report(2, sent[1], "failure", cause="no room")
    office.send(2, 1, "text", store=True)
    office.posts.clear()
    office.register(1)
    _, got = office.take()
    assert got.msg_type == "IMDN" and got.status is None
    assert [(one.status, one.cause) for one in got.entries] == [
        ("success", None),
        ("failure", "no room"),
    ]
    assert office.take()[1].payload == "text"


# Failing disks


def test_a_failing_disk_takes_no_promise(office):
    from msgin5g_host.folder import StoreError

    office.core._store._db.execute("PRAGMA query_only=1")
    office.core.handle(messages.msg(SERVICE, office.message(1, 2)), office.at(1), office.now)
    with pytest.raises(StoreError):
        office.core.commit()
    office.core.rollback()
    office.core._store._db.execute("PRAGMA query_only=0")
    office.settle()
    assert not office.posts and not office.core._store.deliveries
