"""Topics at the server (6.6.3, 6.4.1.2.6 d4): who is subscribed, until when, and what they get."""

import json

import pytest

from msgin5g import coap, gaps, topics
from msgin5g.moments import format_date_time, parse_date_time
from msgin5g_server import topics as topics_module
from msgin5g_server.topics import Subscription
from tests.server.post_office import AS, NOW, TOPIC, PostOffice
from tests.world import ue_id

NAME = "plant/21/temperature"
DAY_MS = 86_400_000


class Square(PostOffice):
    """A PostOffice whose UEs subscribe."""

    def ask_topic(self, number, observe, topic=NAME, payload=None, token=b"tk", **more):
        """GET with Observe; returns (code, JSON or text, options as a dict)."""
        ue = more.pop("ue", ue_id(number))
        if payload is None:
            payload = topics.subscribe(ue, **more) if not observe else topics.unsubscribe(ue)
        options = [(coap.OBSERVE, coap.uint(observe))]
        options += [(coap.URI_PATH, one.encode()) for one in topic.split("/")]
        options.append((coap.CONTENT_FORMAT, b"\x32"))
        get = coap.decode(coap.encode(coap.CON, coap.GET, 1, token, options, payload))
        code, body, options = self.core.subscribing.handle(get, self.at(number), token, self.now)
        self.settle()
        body = json.loads(body) if code == coap.CONTENT else body.decode()
        return code, body, dict(options or ())

    def subscribe(self, number, topic=NAME, **more):
        code, body, options = self.ask_topic(number, 0, topic, **more)
        assert code == coap.CONTENT and body["subStat"] == "subscribed" and coap.OBSERVE in options
        return body

    def unsubscribe(self, number, topic=NAME):
        return self.ask_topic(number, 1, topic)[1]

    def say(self, number=4, text="21.5", topic=NAME, **more):
        return self.send(number, ("TOPIC", topic), text, **more)

    @property
    def table(self):
        return self.messages.topics


@pytest.fixture
def square(tmp_path):
    made = Square(tmp_path)
    yield made
    made.close()


@pytest.mark.clause("6.6.3.1-a", "6.6.3.1-b", "6.6.3-p2", "6.6.3.1-d", "6.6.3.1-d2")
def test_a_subscription_creates_the_topic_and_is_answered_with_its_status_and_end(square):
    assert square.table.subscribers(NAME) is None
    code, body, options = square.ask_topic(1, 0, expires_ms=NOW + 3_600_000)
    assert code == coap.CONTENT
    assert body == {"subStat": "subscribed", "expireTime": format_date_time(NOW + 3_600_000)}
    assert list(options) == [coap.OBSERVE, coap.CONTENT_FORMAT, coap.MAX_AGE]
    assert int.from_bytes(options[coap.MAX_AGE], "big") == 3600
    assert square.table.subscribers(NAME) == [ue_id(1)]
    row = square.table.find(NAME, ue_id(1), NOW)
    assert row == Subscription(NAME, ue_id(1), b"tk", NOW + 3_600_000)


@pytest.mark.clause("6.6.3.1-b")
def test_without_an_end_the_operators_lifetime_counts(square):
    body = square.subscribe(1)
    assert parse_date_time(body["expireTime"], "") == NOW + DAY_MS


@pytest.mark.clause("6.6.3.1-c")
def test_who_subscribes_again_has_one_place_with_the_new_end_and_token(square):
    square.subscribe(1)
    square.now += 1000
    body = square.subscribe(1, token=b"new", expires_ms=NOW + 5000)
    assert parse_date_time(body["expireTime"], "") == NOW + 5000
    assert len(square.table) == 1
    assert square.table.find(NAME, ue_id(1), square.now).token == b"new"
    assert square.counters["subscribed"] == square.counters["subscriptions renewed"] == 1


@pytest.mark.clause("6.4.1.2.6-d4", "6.4.1.2.1-e", "6.6.1-p1", "6.6.1-p2")
def test_every_subscriber_but_the_originator_is_notified_with_the_token_of_its_own(square):
    for number in (1, 2, 4):
        square.subscribe(number, token=b"token%d" % number)
    square.subscribe(1, "other", token=b"other")
    message = square.say(4, report=True)
    assert len(square.posts) == 2
    for number in (1, 2):
        (post,) = [one for one in square.posts if one[1] == square.at(number)]
        attempt, where, payload, token = post
        assert (where, token) == (square.at(number), b"token%d" % number)
        assert attempt.observe is not None and attempt.left_ms == DAY_MS
        body = json.loads(payload)
        assert body["destAddr"] == {"destAddrType": "TOPIC", "addr": NAME}
        assert body["recipAddr"] == {"destAddrType": "UE", "addr": ue_id(number)}
        assert body["msgId"] == message.message_id and body["payload"] == "21.5"
        assert not {"sfFlag", "priority"} & set(body)
        square.messages.answered(attempt, coap.CONTENT, "", square.now)
    square.settle()
    assert square.counters["delivered"] == 2 and not len(square.core._store)


def test_each_notification_has_a_higher_number_also_after_a_restart(square):
    square.subscribe(1)
    seen = []
    for at in range(6):
        square.say(4, f"{at}")
        attempt = square.posts[0][0]
        seen.append(attempt.observe)
        square.take(coap.CONTENT)
        if at == 2:
            square.wait(1000)
            square.crash()
    assert seen == sorted(set(seen))


@pytest.mark.clause("6.6.3.1-exp")
def test_at_the_end_the_ue_is_removed_and_gets_no_more(square):
    square.subscribe(1, expires_ms=NOW + 60_000)
    square.subscribe(2)
    square.wait(59_999)
    square.say()
    assert len(square.posts) == 2
    square.take(coap.CONTENT), square.take(coap.CONTENT)
    square.wait(1)
    assert square.table.subscribers(NAME) == [ue_id(2)]
    square.say()
    assert square.take(coap.CONTENT)[0] == 2 and not square.posts


@pytest.mark.clause("6.6.3.2-a", "6.6.3.2-b")
def test_who_leaves_gets_no_more_and_the_last_one_takes_the_topic_along(square):
    square.subscribe(1), square.subscribe(2)
    assert square.unsubscribe(1) == {"subStat": "unsubscribed"}
    square.say()
    assert square.take(coap.CONTENT)[0] == 2 and not square.posts
    square.unsubscribe(2)
    square.say()
    number, message = square.take()
    assert number == 4 and (message.status, message.cause) == ("failure", "unknown recipient")


@pytest.mark.clause("6.6.3.2-a")
@pytest.mark.parametrize("topic", [NAME, "never-heard-of"])
def test_leaving_what_one_is_not_in_says_so(square, topic):
    square.subscribe(2)
    body = square.unsubscribe(1, topic)
    assert body == {"subStat": "not subscribed", "cause": gaps.CAUSE_NO_SUCH_SUBSCRIPTION}


def test_what_waits_for_one_that_leaves_is_discarded_and_told(square):
    square.subscribe(1)
    first, second = square.say(text="one"), square.say(text="two", store=True)
    own = square.send(4, 1, "not of the topic", store=True)
    square.unsubscribe(1)
    # The first one is under way; it may still arrive.
    attempt, _, _, _ = square.posts.pop(0)
    _, told = square.take()
    assert (told.message_id, told.cause) == (second.message_id, gaps.CAUSE_UNSUBSCRIBED)
    square.messages.failed(attempt, "timeout", square.now)
    square.settle()
    number, message = square.take()
    assert (number, message.message_id) == (4, first.message_id)
    assert message.cause == gaps.CAUSE_UNSUBSCRIBED
    square.wait(10_000)
    number, message = square.take()
    assert (number, message.message_id) == (1, own.message_id)


@pytest.mark.parametrize(("reason", "left"), [("reset", 0), ("timeout", 1)])
def test_a_reset_ends_a_subscription_and_silence_does_not(square, reason, left):
    square.subscribe(1)
    square.say(store=True)
    attempt = square.posts.pop(0)[0]
    square.messages.failed(attempt, reason, square.now)
    square.settle()
    assert len(square.table) == left
    square.wait(10_000)
    number, _ = square.take(coap.CONTENT)
    assert number == (1 if left else 4)


def test_a_message_that_waits_goes_out_when_its_subscriber_is_back(square):
    square.subscribe(1)
    square.deregister(1)
    message = square.say(store=True)
    assert square.take()[1].status == "stored for deferred delivery"
    square.register(1)
    assert square.posts[0][0].observe is not None and square.posts[0][3] == b"tk"
    assert square.take(coap.CONTENT)[1].message_id == message.message_id


def test_configured_subscribers_stay_and_get_posts_unless_they_observe(square):
    square.subscribe(1, TOPIC, token=b"mine")
    square.subscribe(3, TOPIC)
    square.say(4, topic=TOPIC)
    found = {
        where: (attempt.observe is not None, token) for attempt, where, _, token in square.posts
    }
    assert found == {
        square.at(1): (True, b"mine"),
        square.at(2): (False, None),
        square.at(3): (True, b"tk"),
    }
    assert square.core._store.inbox(AS)
    square.posts.clear()
    square.unsubscribe(1, TOPIC)
    assert ue_id(1) in square.table.subscribers(TOPIC)


@pytest.mark.clause("6.6.3.1-d")
@pytest.mark.parametrize("past", [0, 1, 10_000])
def test_an_end_in_the_past_is_refused(square, past):
    code, body, options = square.ask_topic(1, 0, expires_ms=NOW - past)
    assert code == coap.CONTENT and coap.OBSERVE not in options
    assert body == {"subStat": "not subscribed", "cause": gaps.CAUSE_PAST}
    assert not len(square.table)


def test_an_end_in_the_far_future_is_cut(square):
    body = square.subscribe(1, expires_ms=250_000_000_000_000)
    assert parse_date_time(body["expireTime"], "") == NOW + 0x7FFFFFFF * 1000


def test_subscriptions_are_bounded_per_ue_and_in_all_and_can_be_renewed_at_the_limit(
    square, monkeypatch
):
    monkeypatch.setattr(topics_module, "MAX_SUBSCRIPTIONS_OF_ONE", 2)
    monkeypatch.setattr(topics_module, "MAX_SUBSCRIPTIONS", 3)
    square.subscribe(1, "a"), square.subscribe(1, "b")
    body = square.ask_topic(1, 0, "c")[1]
    assert body == {"subStat": "not subscribed", "cause": gaps.CAUSE_TOO_MANY_TOPICS}
    square.subscribe(1, "b")
    square.subscribe(2, "a")
    assert square.ask_topic(3, 0, "a")[1]["cause"] == gaps.CAUSE_CONGESTION
    square.unsubscribe(1, "a")
    square.subscribe(3, "a")
    assert square.counters["subscriptions refused: " + gaps.CAUSE_CONGESTION] == 1


def test_only_a_registered_ue_subscribes_and_only_for_itself(square):
    square.deregister(3)
    assert square.ask_topic(3, 0)[1]["cause"] == gaps.CAUSE_NOT_REGISTERED
    square.subscribe(2)
    for observe in (0, 1):
        body = square.ask_topic(1, observe, ue=ue_id(2))[1]
        assert body == {"subStat": "not subscribed", "cause": gaps.CAUSE_NOT_THE_SENDER}
    assert square.table.subscribers(NAME) == [ue_id(2)]


@pytest.mark.parametrize(
    ("observe", "topic", "payload", "text"),
    [
        (2, NAME, None, "Observe: 0 or 1 is wanted"),
        (0, "a/..", None, "topic: a segment of dots only"),
        (0, "x" * 200 + "/" + "y" * 100, None, "topic: 1 to 255 bytes are wanted"),
        (0, NAME, b"{", "not JSON"),
        (0, NAME, b'{"oriAddr":{"oriAddrType":"UE","addr":"x"}}', "oriAddr.addr: a URI is wanted"),
    ],
)
def test_a_malformed_one_is_4_00_with_a_text(square, observe, topic, payload, text):
    code, body, _ = square.ask_topic(1, observe, topic, payload)
    assert (code, body) == (coap.BAD_REQUEST, text)
    assert not len(square.table)


@pytest.mark.parametrize("topic", ["\\top", "/top"])
def test_a_slash_or_backslash_before_a_topic_is_not_part_of_it(square, topic):
    options = [(coap.OBSERVE, b""), (coap.URI_PATH, topic.encode())]
    payload = topics.subscribe(ue_id(1))
    get = coap.decode(coap.encode(coap.CON, coap.GET, 1, b"t", options, payload))
    code, _, _ = square.core.subscribing.handle(get, square.at(1), b"t", square.now)
    assert code == coap.CONTENT and square.table.subscribers("top") == [ue_id(1)]


def test_subscriptions_are_on_disk_before_they_are_answered_and_outlive_a_kill(square):
    square.subscribe(1, expires_ms=NOW + 60_000)
    square.subscribe(2, "ä b?c", token=b"\x00\xff")
    square.unsubscribe(1)
    square.subscribe(1, expires_ms=NOW + 70_000)
    square.crash()
    assert square.table.find(NAME, ue_id(1), NOW).expires_ms == NOW + 70_000
    assert square.table.find("ä b?c", ue_id(2), NOW).token == b"\x00\xff"
    assert len(square.table) == 2
    square.wait(70_000)
    assert len(square.table) == 1
    square.crash()
    assert len(square.table) == 1


def test_what_was_not_committed_is_gone_after_a_rollback(square):
    square.subscribe(1)
    square.table.put(Subscription("other", ue_id(1), b"x", NOW + DAY_MS))
    square.core.rollback()
    assert square.table.subscribers("other") is None and len(square.table) == 1


def test_the_times_of_renewed_subscriptions_do_not_pile_up(square):
    for at in range(1000):
        square.subscribe(1, expires_ms=NOW + DAY_MS + at)
    assert len(square.table._expiry) <= 2 * len(square.table) + 64 + 1
    square.wait(DAY_MS + 2000)
    assert not len(square.table)


def test_segments_of_a_topic_message_are_notifications_as_well(tmp_path):
    square = Square(tmp_path, limits={1: 128})
    square.subscribe(1)
    message = square.say(text="x" * 300)
    parts = []
    while square.posts:
        assert square.posts[0][0].observe is not None
        parts.append(square.take(coap.CONTENT)[1])
    assert "".join(one.payload for one in parts) == message.payload and len(parts) == 3
    square.close()


def test_an_outcome_that_is_told_twice_changes_nothing(square):
    square.subscribe(1)
    square.say()
    attempt = square.posts.pop(0)[0]
    square.messages.answered(attempt, coap.CONTENT, "", square.now)
    square.messages.failed(attempt, "timeout", square.now)
    square.settle()
    assert square.counters["delivered"] == 1 and len(square.table) == 1
