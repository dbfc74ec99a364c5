"""Topics of the constrained UE (6.6.2): what its GETs look like, and what it does with answers."""

import json

import pytest

from msgin5g import coap, gaps, topic_requests
from msgin5g.errors import CallerError
from msgin5g.limits import MAX_TOPICS
from tests.firmware.bench import UE
from tests.firmware.message_bench import GROUP, PEER_UE, MessageBench, a_message, new_id
from ue.modes import make_core

TOPIC = "plant/21"
DAY_S = 86_400


class TopicBench(MessageBench):
    """A MessageBench whose gateway has topics.

    `gets` are the GETs that reached it; `topic_answer(message)` returns (code, payload, options)
    or None for silence. notify() brings a notification and returns the answer to it.
    """

    def __init__(self, *args, **more):
        self.gets = []
        self.age_s = DAY_S
        self.topic_answer = self.agree
        super().__init__(*args, **more)

    @property
    def topics(self):
        return self.core.messages().topics()

    def agree(self, message):
        if message.uint(coap.OBSERVE):
            return coap.CONTENT, topic_requests.answer(gaps.UNSUBSCRIBED), []
        return (
            coap.CONTENT,
            topic_requests.answer(gaps.SUBSCRIBED),
            topic_requests.answer_options(1, self.age_s * 1000),
        )

    def refuse(self, cause):
        answer = (coap.CONTENT, topic_requests.answer(gaps.NOT_SUBSCRIBED, cause=cause), [])
        self.topic_answer = lambda message: answer

    def subscribe(self, name=TOPIC, **more):
        self.topics.subscribe(name, self.now, **more)
        self.flush()

    def unsubscribe(self, name=TOPIC):
        self.topics.unsubscribe(name, self.now)
        self.flush()

    def notify(self, text="21.5", token=None, mid=None, name=TOPIC, payload=None, **more):
        token = self.gets[-1].token if token is None else token
        if mid is None:
            self._mid += 1
            mid = self._mid
        message = more.pop("message_id", None)
        to = ("TOPIC", name)
        payload = payload or a_message(text, to=to, message_id=message, recipient=UE)
        options = topic_requests.answer_options(5, 60_000)
        kind, code = more.get("kind", coap.CON), more.get("code", coap.CONTENT)
        self.answers.clear()
        self.core.receive(coap.encode(kind, code, mid, token, options, payload), self.now)
        self.flush()
        return self.answers[0] if self.answers else None

    def outcomes(self):
        return self.named("topic")

    def _gateway(self, data):
        message = coap.decode(data)
        if message.code != coap.GET:
            super()._gateway(data)
            return
        self.gets.append(message)
        answer = self.topic_answer(message)
        if answer is None:
            return
        code, payload, options = answer
        datagram = coap.encode(coap.ACK, code, message.mid, message.token, options, payload)
        self.core.receive(datagram, self.now)


@pytest.fixture
def bench():
    return TopicBench()


@pytest.mark.clause("6.6.2.1-a-e", "6.6.2.1-c", "6.6.2.1-d", "6.6.2.1-f1", "6.6.1-p2", "7.3.5.1")
def test_a_subscription_on_the_wire():
    bench = TopicBench(server_host="server.example")
    bench.subscribe()
    (get,) = bench.gets
    assert (get.type, get.code) == (coap.CON, coap.GET)
    assert get.options == [
        (coap.URI_HOST, b"server.example"),
        (coap.OBSERVE, b""),
        (coap.URI_PATH, b"plant"),
        (coap.URI_PATH, b"21"),
        (coap.CONTENT_FORMAT, b"\x32"),
    ]
    assert json.loads(get.payload) == {"oriAddr": {"oriAddrType": "UE", "addr": UE}}
    assert bench.outcomes() == [(TOPIC, "subscribed", None)]


@pytest.mark.clause("6.6.2.1-f2")
def test_a_ue_that_knows_the_time_tells_when_it_ends():
    bench = TopicBench(refresh_s=0)
    bench.subscribe(lasts_s=3600, expires_ms=1_780_315_200_000)
    assert json.loads(bench.gets[0].payload)["expireTime"] == "2026-06-01T12:00:00Z"
    bench.age_s = 3600
    bench.run(3_599_000)
    assert len(bench.gets) == 1
    bench.run(2_000)
    # The server ends it by itself.
    assert len(bench.gets) == 1 and bench.outcomes()[-1] == (TOPIC, "expired", None)


def test_a_ue_that_does_not_know_the_time_leaves_by_itself():
    bench = TopicBench(refresh_s=0)
    bench.subscribe(lasts_s=3600)
    assert "expireTime" not in json.loads(bench.gets[0].payload)
    bench.run(3_601_000)
    assert [one.uint(coap.OBSERVE) for one in bench.gets] == [0, 1]
    assert bench.outcomes()[-1] == (TOPIC, "unsubscribed", None)


@pytest.mark.clause("6.6.2.2-a-e", "6.6.2.2-d", "6.6.2.2-e2", "7.3.5.2")
def test_an_unsubscription_on_the_wire_has_the_token_of_the_subscription(bench):
    bench.subscribe()
    bench.unsubscribe()
    first, get = bench.gets
    assert (get.type, get.code, get.token) == (coap.CON, coap.GET, first.token)
    assert get.uri_path() == TOPIC and get.uint(coap.OBSERVE) == 1
    assert get.uint(coap.CONTENT_FORMAT) == 50
    assert json.loads(get.payload) == {"oriAddr": {"oriAddrType": "UE", "addr": UE}}
    assert bench.outcomes()[-1] == (TOPIC, "unsubscribed", None)
    assert bench.notify().type == coap.RST


@pytest.mark.clause("6.6.1-p1")
def test_several_topics_have_tokens_of_their_own(bench):
    bench.subscribe("a"), bench.subscribe("b")
    one, other = bench.gets
    assert one.token != other.token
    bench.notify("for b", other.token, name="b"), bench.notify("for a", one.token, name="a")
    assert [(one.group, one.payload) for one in bench.received()] == [
        ("b", b"for b"),
        ("a", b"for a"),
    ]


@pytest.mark.clause("6.4.1.2.6-d4")
def test_a_notification_is_handed_on_once_and_acknowledged(bench):
    bench.subscribe()
    message_id = new_id()
    answer = bench.notify("21.5", mid=5, message_id=message_id)
    assert (answer.type, answer.code, answer.mid) == (coap.ACK, coap.EMPTY, 5)
    assert bench.notify("21.5", mid=5, message_id=message_id).type == coap.ACK
    assert bench.notify("21.5", mid=6, message_id=message_id).type == coap.ACK
    (message,) = bench.received()
    assert (message.payload, message.group, message.origin) == (b"21.5", TOPIC, PEER_UE)
    # A message that comes as a POST is taken as well.
    assert bench.bring("22", to=("TOPIC", TOPIC), recipient=UE).code == coap.CHANGED
    assert [one.group for one in bench.received()] == [TOPIC, TOPIC]


def test_a_report_on_a_notification_leaves_as_on_any_message(bench):
    bench.subscribe()
    payload = a_message("x", to=("TOPIC", TOPIC), recipient=UE, report=True)
    bench.notify(payload=payload)
    (report,) = bench.sent("IMDN")
    assert report["DelSta"] == "success" and report["destAddr"]["addr"] == PEER_UE[1]


@pytest.mark.parametrize("payload", [b"{", b'{"msgType":"MSG"}'])
def test_a_notification_that_is_no_message_is_acknowledged_and_counted(bench, payload):
    """A Reset would end the subscription."""
    bench.subscribe()
    assert bench.notify(payload=payload).type == coap.ACK
    assert bench.counters["messages_malformed"] == (payload != b"{")
    assert not bench.received()


def test_a_notification_short_of_memory_is_not_acknowledged(bench, monkeypatch):
    bench.subscribe()
    inbox = bench.core.messages().inbox()

    def no_room(payload, now):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "take", no_room)
        assert bench.notify("21.5", mid=9) is None
    assert bench.counters["no_memory"] == 1
    assert bench.notify("21.5", mid=9).type == coap.ACK and len(bench.received()) == 1


def test_a_notification_that_overtakes_the_answer_counts_as_one(bench):
    bench.topic_answer = lambda message: None
    bench.subscribe()
    assert bench.notify().type == coap.ACK and len(bench.received()) == 1
    message = a_message("2", to=("TOPIC", TOPIC), recipient=UE)
    bench.topic_answer = lambda get: (
        coap.CONTENT,
        message,
        topic_requests.answer_options(5, 60_000),
    )
    bench.run(5_000)
    assert [one.payload for one in bench.received()] == [b"21.5", b"2"]
    assert bench.outcomes() == [(TOPIC, "subscribed", None)]


def test_an_answer_that_comes_separately(bench):
    def later(message):
        self = bench
        self.core.receive(coap.encode(coap.ACK, 0, message.mid), self.now)

    bench.topic_answer = later
    bench.subscribe()
    code, payload, options = bench.agree(bench.gets[0])
    data = coap.encode(coap.CON, code, 77, bench.gets[0].token, options, payload)
    bench.core.receive(data, bench.now)
    bench.flush()
    assert bench.answers[-1].type == coap.ACK and bench.answers[-1].mid == 77
    assert bench.outcomes() == [(TOPIC, "subscribed", None)]
    bench.run(200_000)
    assert len(bench.gets) == 1


@pytest.mark.clause("6.6.3.1-d")
@pytest.mark.parametrize("answer", [b"", b"{}", topic_requests.answer("subscribed")])
def test_the_code_and_observe_decide_where_nothing_is_said(bench, answer):
    bench.topic_answer = lambda get: (coap.CONTENT, answer, [(coap.OBSERVE, b"\x01")])
    bench.subscribe()
    assert bench.outcomes() == [(TOPIC, "subscribed", None)]
    bench.topic_answer = lambda get: (coap.CONTENT, b"", [])
    bench.subscribe("other")
    assert bench.outcomes()[-1] == ("other", "refused", "not subscribed")


def test_a_refusal_is_told_and_final(bench):
    bench.refuse(gaps.CAUSE_TOO_MANY_TOPICS)
    bench.subscribe()
    assert bench.outcomes() == [(TOPIC, "refused", gaps.CAUSE_TOO_MANY_TOPICS)]
    bench.run(100_000)
    assert len(bench.gets) == 1
    bench.topic_answer = lambda get: (coap.BAD_REQUEST, b"topic: missing", [])
    bench.subscribe()
    assert bench.outcomes()[-1] == (TOPIC, "refused", "4.00 topic: missing")


@pytest.mark.parametrize(
    "answer",
    [
        (
            coap.CONTENT,
            topic_requests.answer(gaps.NOT_SUBSCRIBED, cause=gaps.CAUSE_CONGESTION),
            [],
        ),
        (coap.GATEWAY_TIMEOUT, b"server unreachable", []),
    ],
)
def test_what_says_not_now_is_tried_again_and_holds_nothing_else_up(bench, answer):
    bench.topic_answer = lambda get: answer
    bench.subscribe()
    bench.send("meanwhile")
    assert bench.sent()[-1]["payload"] == "meanwhile" and not bench.outcomes()
    bench.run(20_000)
    assert 2 <= len(bench.gets) <= 6
    bench.topic_answer = bench.agree
    bench.run(60_000)
    assert bench.outcomes() == [(TOPIC, "subscribed", None)]


def test_a_server_that_has_forgotten_the_ue_makes_it_register_again(bench):
    bench.refuse(gaps.CAUSE_NOT_REGISTERED)
    bench.subscribe()
    bench.run(1)
    assert len(bench.requests("REG")) == 2


def test_a_gateway_that_is_away_is_asked_again(bench):
    bench.topic_answer = lambda get: None
    bench.subscribe()
    bench.run(120_000)
    bench.topic_answer = bench.agree
    bench.run(60_000)
    assert bench.outcomes() == [(TOPIC, "subscribed", None)]
    assert len({one.token for one in bench.gets}) == 1


def test_it_is_renewed_before_max_age_is_over_and_after_each_registration(bench):
    bench.age_s = 1000
    bench.subscribe()
    bench.run(800_000)
    assert len(bench.gets) == 2 and len({one.token for one in bench.gets}) == 1
    bench.deregister()
    bench.deregresp(bench.requests("DEREG")[-1])
    bench.register()
    bench.regresp(bench.requests("REG")[-1])
    assert len(bench.gets) == 3
    assert bench.outcomes() == [(TOPIC, "subscribed", None)]


def test_it_waits_for_the_registration():
    bench = TopicBench(registered=False)
    bench.subscribe()
    assert not bench.gets
    bench.to_registered()
    assert len(bench.gets) == 1


def test_a_server_that_ends_it_is_asked_again(bench):
    bench.subscribe()
    assert bench.notify(payload=b"gone", code=coap.NOT_FOUND).type == coap.ACK
    bench.run(10_000)
    assert len(bench.gets) == 2


def test_the_last_wish_counts(bench):
    bench.topic_answer = lambda get: None
    bench.subscribe()
    bench.unsubscribe()
    bench.topic_answer = bench.agree
    bench.run(60_000)
    assert bench.gets[-1].uint(coap.OBSERVE) == 1
    assert bench.outcomes()[-1] == (TOPIC, "unsubscribed", None)
    bench.subscribe()
    assert bench.outcomes()[-1] == (TOPIC, "subscribed", None)


def test_a_reboot_keeps_what_has_no_end(bench):
    bench.subscribe()
    bench.subscribe("short", lasts_s=60)
    token = bench.gets[0].token
    again = TopicBench(saved=bench.saved, registered=False)
    again.core.register(0)
    again.flush()
    # Before it is registered: the subscription holds, and so does its Token.
    assert again.notify(token=token).type == coap.ACK
    again.regresp(again.requests("REG")[-1])
    assert [(one.uri_path(), one.token) for one in again.gets] == [(TOPIC, token)]
    again.unsubscribe()
    assert "topics" not in again.saved


@pytest.mark.parametrize("rows", [7, [7], [["a/.."]], [["a", "xyz"]], [["/a", "00"]], [[7, "00"]]])
def test_damaged_rows_are_as_good_as_none(rows):
    bench = TopicBench(saved={"topics": rows})
    bench.subscribe()
    assert [one.uri_path() for one in bench.gets] == [TOPIC]


def test_topics_are_bounded_and_wrong_use_is_told_at_once(bench):
    for number in range(MAX_TOPICS):
        bench.subscribe(str(number))
    for wrong in (
        lambda: bench.subscribe("one more"),
        lambda: bench.subscribe("/x"),
        lambda: bench.subscribe(""),
        lambda: bench.subscribe("0", lasts_s=0),
        lambda: bench.subscribe("0", lasts_s=-1),
        lambda: bench.unsubscribe("never"),
    ):
        with pytest.raises(CallerError):
            wrong()
    bench.subscribe("0")
    bench.unsubscribe("1")
    bench.subscribe("one more")


@pytest.mark.parametrize("mode", ["l3", "coap"])
def test_a_device_without_a_client_has_no_topics(mode):
    config = {**TopicBench().config, "mode": mode, "credential": "x"}
    core = make_core(config, {}, lambda n: 0, 1280)
    with pytest.raises(CallerError):
        core.messages().topics()


def test_group_and_topic_are_not_mixed_up(bench):
    bench.subscribe()
    bench.bring("to the group", to=GROUP, recipient=UE)
    assert bench.received()[0].group == GROUP[1]
