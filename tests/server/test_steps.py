"""What the journal hears of a message on its way through the server."""

import pytest

from msgin5g import coap
from msgin5g import message as builders
from msgin5g_host.folder import StoreError
from msgin5g_host.journal import Journal, summary, whole
from tests.server.post_office import AS, GROUP, PostOffice
from tests.world import SERVICE, ue_id

LATER = {"store": True, "expires_ms": 1_700_003_600_000}


@pytest.fixture
def office(tmp_path):
    made = PostOffice(tmp_path)
    made.journal = made.core._log.journal = Journal()
    yield made
    made.close()


def state(office, message):
    return summary(office.journal.trace(message.message_id))["state"]


def events(office, message):
    return [one["event"] for one in whole(office.journal.trace(message.message_id))]


def test_a_message_is_under_way_delivered_and_reported(office):
    message = office.send(1, 2, report=True)
    assert state(office, message) == "under way"
    assert events(office, message) == ["message", "stored", "message", "message"]
    office.now += 40
    office.take()
    assert state(office, message) == "delivered"
    found = whole(office.journal.trace(message.message_id))
    delivered = next(one for one in found if one["event"] == "delivered")
    assert (delivered["ms"], delivered["to"], delivered["ue"]) == (40, ue_id(2), ue_id(2))
    office.report(2, message)
    office.take()
    trace = summary(office.journal.trace(message.message_id))
    assert (trace["state"], trace["from"], trace["to"]) == ("reported", ue_id(1), ue_id(2))
    assert not office.stream.getvalue().count("delivered"), "only entries, no lines of the log"


def test_a_report_of_a_failure_reports_nothing_good(office):
    message = office.send(1, 2, report=True)
    office.take()
    office.report(2, message, "failure", cause="full")
    office.take()
    assert state(office, message) == "delivered"
    found = whole(office.journal.trace(message.message_id))
    (told,) = [one for one in found if one["event"] == "delivered" and one["what"] == "IMDN"]
    assert (told["status"], told["to"]) == ("failure", ue_id(1))


def test_a_message_waits_and_is_delivered_when_its_recipient_is_back(office):
    office.deregister(2)
    message = office.send(1, 2, **LATER)
    assert state(office, message) == "deferred"
    told = [one for one in whole(office.journal.trace(message.message_id))]
    assert [one["status"] for one in told if one.get("what") == "MSGRESP"] == [
        "stored for deferred delivery"
    ]
    office.posts.clear()
    office.register(2)
    office.take()
    assert state(office, message) == "delivered"


def test_nobody_answers_and_a_message_is_discarded(office):
    message = office.send(1, 2)
    while office.posts:
        office.take(None)
        office.wait(10_000)
    assert state(office, message) == "discarded"
    assert events(office, message).count("unanswered") == 3


@pytest.mark.parametrize(
    ("code", "what"), [(coap.BAD_REQUEST, "4.00"), (coap.GATEWAY_TIMEOUT, "5.04")]
)
def test_what_a_recipient_answers_is_told(office, code, what):
    message = office.send(1, 2)
    office.take(code, "no")
    told = [one for one in whole(office.journal.trace(message.message_id)) if "detail" in one]
    assert [(one["what"], one["detail"], one["to"]) for one in told] == [(what, "no", ue_id(2))]


def test_a_group_message_names_each_recipient(office):
    message = office.send(1, ("GROUP", GROUP))
    for _ in range(3):
        office.take()
    found = whole(office.journal.trace(message.message_id))
    assert {one["to"] for one in found if one["event"] == "delivered"} == {
        *(ue_id(2), ue_id(3), ue_id(4))
    }
    assert summary(office.journal.trace(message.message_id))["to"] == GROUP


def test_segments_are_one_trace(office):
    first = office.segment(1, 2, "a" * 100, "5b6ab6a0-4d73-4d0e-a8a2-0f3b5c1e6a01", 1, 2)
    office.segment(
        *(1, 2, "b" * 100, "5b6ab6a0-4d73-4d0e-a8a2-0f3b5c1e6a01", 2, 2),
        message_id=first.message_id,
    )
    while office.posts:
        office.take()
    found = whole(office.journal.trace(first.message_id))
    came = [one["part"] for one in found if one.get("direction") == "rx" and "part" in one]
    assert came[:2] == ["1/2", "2/2"] and state(office, first) == "delivered"


def test_an_application_is_handed_its_message(office):
    message = office.send(1, ("AS", AS))
    assert state(office, message) == "delivered"


def test_what_is_rejected_says_why(office):
    message = office.send(1, ("UE", "urn:example:nobody"))
    assert state(office, message) == "rejected"
    causes = [one.get("cause") for one in whole(office.journal.trace(message.message_id))]
    assert "unknown recipient" in " ".join(filter(None, causes))
    office.report(1, office.message(2, 1))
    assert [one["event"] for one in office.journal.entries(3)][-2:] == ["rejected", "malformed"]


def test_what_never_reached_the_disk_is_not_told(office):
    def fail():
        raise StoreError("the disk is full")

    office.core._store.commit = fail
    message = office.message(1, 2)
    with pytest.raises(StoreError):
        office.ask(builders.msg(SERVICE, message), 1)
    office.core.rollback()
    assert events(office, message) == ["message"]
    assert state(office, message) == "under way"
