"""Topics through the gateway: GETs up and notifications down, unchanged, and what is kept."""

import pytest

from msgin5g import coap, gaps, topic_requests, topics
from msgin5g_gateway import topics as topics_module
from msgin5g_gateway.effects import NORTH_GET, NORTH_VERDICT, NOTIFY, OBSERVED
from msgin5g_gateway.topics import ACKNOWLEDGE, POSTPONE, REJECT
from tests.gateway.bench import Bench, msg, ue_id

NAME = "plant/21"
DAY_S = 86_400
TAKEN = topic_requests.answer(gaps.SUBSCRIBED)


class Kiosk(Bench):
    """A Bench with topics: `gets` at the server, `observed` answers to UEs, `notices` on their way
    to UEs, `verdicts` for the server; oldest first."""

    def _clear(self):
        super()._clear()
        self.gets, self.observed, self.notices, self.verdicts = [], [], [], []

    def settle(self):
        super().settle()
        kinds = {NORTH_GET: self.gets, OBSERVED: self.observed, NOTIFY: self.notices}
        kinds[NORTH_VERDICT] = self.verdicts
        for effect in self.others:
            kinds[effect[0]].append(effect[1:])
        self.others = []

    def ask(self, number=1, observe=0, name=NAME, token=b"tk", payload=None, peer=None):
        """A GET of a UE; returns its number."""
        self._number += 1
        if payload is None:
            make = topics.unsubscribe if observe else topics.subscribe
            payload = make(ue_id(number))
        options = topics.request_options(name, observe)
        get = coap.decode(coap.encode(coap.CON, coap.GET, 7, token, options, payload))
        peer = peer or f"udp://ue{number}"
        self.core.observe(self._number, get, peer, token, self.now)
        self.settle()
        return self._number

    def answer(self, code=coap.CONTENT, payload=TAKEN, observe=5, age_s=DAY_S):
        """The server answers the oldest GET."""
        ref = self.gets.pop(0)[0]
        options = [] if observe is None else topic_requests.answer_options(observe, age_s * 1000)
        self.core.observed(ref, code, payload, options, self.now)
        self.settle()

    def subscribe(self, number=1, name=NAME, token=b"tk", age_s=DAY_S):
        self.ask(number, name=name, token=token)
        north = self.gets[0][2]
        self.answer(age_s=age_s)
        self.observed.clear()
        return north

    def notify(self, north, payload, notice="notice", code=coap.CONTENT):
        options = topic_requests.answer_options(6, 1000)
        self.core.messaging.topics.notice(notice, north, code, payload, options, self.now)
        self.settle()

    @property
    def rows(self):
        return {(one.ue, one.topic): one for one in self.store.observations.values()}


@pytest.fixture
def kiosk(tmp_path):
    made = Kiosk(tmp_path)
    yield made
    made.close()


def topic_message(number=1, ue=1):
    return msg(7, ("TOPIC", NAME), number, recipient=ue_id(ue))


def test_a_get_goes_up_and_its_answer_down_as_they_are(kiosk):
    payload = topics.subscribe(ue_id(1), 1_780_315_200_000).replace(b'":', b'" :')
    number = kiosk.ask(payload=payload)
    ((_, options, token, sent),) = kiosk.gets
    assert (options, token, sent) == (topics.request_options(NAME, 0), b"tk", payload)
    assert not kiosk.observed and not kiosk.rows
    kiosk.answer()
    ((incoming, code, body, passed),) = kiosk.observed
    assert (incoming, code, body) == (number, coap.CONTENT, TAKEN)
    assert dict(passed) == {coap.OBSERVE: b"\x05", coap.MAX_AGE: coap.uint(DAY_S)}
    row = kiosk.rows[ue_id(1), NAME]
    assert (row.north, row.token, row.until_ms) == (b"tk", b"tk", kiosk.now + DAY_S * 1000)


def test_two_ues_with_one_token_are_told_apart(kiosk):
    one, other = kiosk.subscribe(1), kiosk.subscribe(2)
    assert one == b"tk" != other and len(other) == 8
    kiosk.notify(other, topic_message(1, 2))
    kiosk.notify(one, topic_message(2, 1))
    assert [(peer, token) for _, peer, token, _, _ in kiosk.notices] == [
        ("udp://ue2", b"tk"),
        ("udp://ue1", b"tk"),
    ]


def test_a_notification_is_passed_on_unchanged_and_acknowledged_by_the_ue(kiosk):
    north = kiosk.subscribe()
    payload = topic_message().replace(b"{", b'{ "x" : [1] ,', 1)
    kiosk.notify(north, payload)
    ref, peer, token, sent, options = kiosk.notices.pop()
    assert (peer, token, sent) == ("udp://ue1", b"tk", payload)
    assert options == topic_requests.answer_options(6, 1000)
    assert not kiosk.verdicts
    kiosk.ue_answers(ref, coap.CONTENT)
    assert kiosk.verdicts == [("notice", ACKNOWLEDGE)]


def test_it_takes_its_turn_with_what_is_posted_to_the_ue(kiosk):
    north = kiosk.subscribe()
    kiosk.receive_north(msg(7, 1))
    kiosk.notify(north, topic_message())
    assert not kiosk.notices
    kiosk.ue_answers(kiosk.take_post()[0])
    assert len(kiosk.notices) == 1


def test_a_reset_of_the_ue_reaches_the_server_and_ends_it_here(kiosk):
    north = kiosk.subscribe()
    kiosk.notify(north, topic_message())
    kiosk.ue_fails(kiosk.notices.pop()[0], "reset")
    assert kiosk.verdicts == [("notice", REJECT)] and not kiosk.rows
    assert kiosk.core.messaging.topics.find(north) is None


@pytest.mark.parametrize("reason", ["timeout", "no room", "too large"])
def test_silence_of_the_ue_is_silence_to_the_server(kiosk, reason):
    north = kiosk.subscribe()
    kiosk.notify(north, topic_message())
    kiosk.ue_fails(kiosk.notices.pop()[0], reason)
    assert kiosk.verdicts == [("notice", POSTPONE)] and kiosk.rows


def test_a_ue_that_signed_up_for_a_while_is_not_looked_for_after_that(kiosk):
    north = kiosk.subscribe()
    kiosk.now += 100_000_000
    kiosk.notify(north, topic_message())
    assert kiosk.verdicts == [("notice", POSTPONE)] and not kiosk.notices


def test_leaving_ends_it_here_as_well(kiosk):
    kiosk.subscribe()
    kiosk.ask(observe=1)
    ((_, options, token, _),) = kiosk.gets
    assert (options, token) == (topics.request_options(NAME, 1), b"tk")
    kiosk.answer(payload=topic_requests.answer(gaps.UNSUBSCRIBED), observe=None)
    assert kiosk.observed[0][2] == b'{"subStat":"unsubscribed"}' and not kiosk.rows


def test_a_refusal_is_passed_on_and_keeps_nothing(kiosk):
    refusal = topic_requests.answer(gaps.NOT_SUBSCRIBED, cause=gaps.CAUSE_CONGESTION)
    number = kiosk.ask()
    kiosk.answer(payload=refusal, observe=None)
    assert kiosk.observed == [(number, coap.CONTENT, refusal, [])] and not kiosk.rows


def test_a_server_that_does_not_know_the_gateway_makes_it_register(tmp_path):
    kiosk = Kiosk(tmp_path, register=True)
    kiosk.serve()
    kiosk.ask()
    cause = gaps.CAUSE_NOT_THE_SENDER
    kiosk.answer(payload=topic_requests.answer(gaps.NOT_SUBSCRIBED, cause=cause), observe=None)
    kiosk.wait(1)
    assert kiosk.take_north()[1]["msgType"] == "REG"
    kiosk.close()


def test_before_the_gateway_is_registered_a_ue_is_told_to_wait(tmp_path):
    kiosk = Kiosk(tmp_path, register=True)
    number = kiosk.ask()
    assert kiosk.answer_to(number)[0] == coap.UNAVAILABLE and not kiosk.gets
    kiosk.close()


@pytest.mark.parametrize("fails", [True, False])
def test_a_server_that_is_away_is_5_04(kiosk, fails):
    number = kiosk.ask()
    ref = kiosk.gets[0][0]
    if fails:
        kiosk.server_fails(ref)
    else:
        kiosk.wait(topics_module.ASK_TIMEOUT_MS)
    assert kiosk.answer_to(number) == (coap.GATEWAY_TIMEOUT, b"server unreachable")
    assert kiosk.core._shared.server_down
    kiosk.answer()
    kiosk.server_fails(ref)
    assert not kiosk.observed and kiosk.core.counters["late_answers"] == 1


def test_who_may_not_use_the_gateway_is_4_03_and_nonsense_is_4_00(kiosk):
    number = kiosk.ask(9)
    assert kiosk.answer_to(number)[0] == coap.FORBIDDEN
    number = kiosk.ask(payload=b"{")
    assert kiosk.answer_to(number) == (coap.BAD_REQUEST, b"not JSON")
    assert not kiosk.gets


def test_subscriptions_are_bounded_and_may_be_renewed_at_the_limit(kiosk, monkeypatch):
    monkeypatch.setattr(topics_module, "MAX_OBSERVATIONS", 1)
    kiosk.subscribe()
    number = kiosk.ask(2)
    assert kiosk.answer_to(number)[0] == coap.UNAVAILABLE
    kiosk.subscribe(1, token=b"new")
    assert kiosk.rows[ue_id(1), NAME].token == b"new"
    assert len(kiosk.store.observations) == 1
    monkeypatch.setattr(topics_module, "MAX_ASKING", 0)
    assert kiosk.answer_to(kiosk.ask(1))[0] == coap.UNAVAILABLE


def test_a_notification_that_overtakes_the_answer_is_asked_for_again(kiosk):
    kiosk.ask()
    kiosk.notify(b"tk", topic_message())
    assert kiosk.verdicts == [("notice", POSTPONE)] and not kiosk.notices
    kiosk.answer()
    kiosk.notify(b"tk", topic_message())
    assert len(kiosk.notices) == 1


def test_an_answer_that_comes_separately_is_one(kiosk):
    kiosk.ask()
    kiosk.notify(b"tk", TAKEN)
    assert kiosk.verdicts == [("notice", ACKNOWLEDGE)]
    assert kiosk.observed[0][1:3] == (coap.CONTENT, TAKEN) and kiosk.rows


def test_a_server_that_ends_it_is_believed(kiosk):
    north = kiosk.subscribe()
    kiosk.notify(north, b"gone", code=coap.NOT_FOUND)
    assert kiosk.verdicts == [("notice", ACKNOWLEDGE)] and not kiosk.rows


def test_what_was_answered_outlives_a_kill(kiosk):
    kiosk.ask()
    kiosk.answer()
    kiosk.ask(2)
    kiosk.crash()
    assert list(kiosk.rows) == [(ue_id(1), NAME)]
    kiosk.notify(b"tk", topic_message())
    assert kiosk.notices[0][1:3] == ("udp://ue1", b"tk")
    kiosk.ask(1, observe=1)
    kiosk.answer(payload=topic_requests.answer(gaps.UNSUBSCRIBED), observe=None)
    kiosk.crash()
    assert not kiosk.rows


def test_what_is_over_is_swept_away(kiosk):
    kiosk.subscribe(1, age_s=60)
    kiosk.subscribe(2)
    kiosk.wait(180_000)
    assert list(kiosk.rows) == [(ue_id(2), NAME)]


def test_a_server_that_tells_no_end_is_believed_for_ever(kiosk):
    kiosk.ask()
    ref = kiosk.gets.pop(0)[0]
    kiosk.core.observed(ref, coap.CONTENT, b"", [(coap.OBSERVE, b"\x01")], kiosk.now)
    kiosk.settle()
    kiosk.wait(10_000_000)
    assert kiosk.rows


def test_what_waits_for_the_server_is_answered_when_the_disk_refuses(kiosk):
    number = kiosk.ask()
    assert kiosk.core.unanswered() == [number]
