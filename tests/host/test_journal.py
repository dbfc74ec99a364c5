"""The journal: bounded, with traces that come together from several roles, and followers."""

import uuid

import pytest

from msgin5g_host.clock import iso
from msgin5g_host.follower import MAX_FOLLOWED
from msgin5g_host.journal import (
    MAX_FOLLOWERS,
    MAX_GONE_UES,
    MAX_JOINED,
    MAX_TEXT,
    Journal,
    printable,
    summary,
    whole,
)

NOW = 1_700_000_000_000
UE1, UE2, GATEWAY = "urn:example:ue:1", "urn:example:ue:2", "urn:example:gw:1"
TRACE = str(uuid.UUID(int=1))


class Diary:
    """A journal that is written by hand, a millisecond an entry."""

    def __init__(self, **limits):
        self.journal = Journal(**limits)
        self.now = NOW

    def add(self, event, role="server", ago_ms=0, **fields):
        self.now += 1
        entry = {"t": iso(self.now - ago_ms), "role": role, "event": event}
        self.journal.add({**entry, **fields}, self.now)

    def message(self, direction, what, role="server", **fields):
        self.add("message", role, direction=direction, what=what, **fields)

    def trace(self, name=TRACE):
        return summary(self.journal.trace(name))

    def events(self, name=TRACE):
        return [(one["role"], one["event"]) for one in whole(self.journal.trace(name))]


def test_entries_are_numbered_and_the_oldest_go():
    diary = Diary(max_entries=10)
    for number in range(25):
        diary.add("x", number=number)
    found = diary.journal.entries(100)
    assert [one["n"] for one in found] == list(range(16, 26))
    assert [one["number"] for one in found] == list(range(15, 25))
    assert [one["n"] for one in diary.journal.entries(3)] == [23, 24, 25]
    assert [one["n"] for one in diary.journal.entries(3, before=20)] == [17, 18, 19]
    assert diary.journal.entries(3, before=16) == []
    assert diary.journal.entries(3, before=1) == []


def test_thousands_of_traces_are_bounded_and_leave_with_their_entries():
    diary = Diary(max_entries=1000, max_traces=200)
    for number in range(5000):
        diary.message("rx", "MSG", trace=str(uuid.UUID(int=number)), ue=UE1)
    found = list(diary.journal.traces())
    assert len(found) == 200
    assert found[0].id == str(uuid.UUID(int=4999)) and found[-1].id == str(uuid.UUID(int=4800))
    for _ in range(1000):
        diary.add("x")
    assert list(diary.journal.traces()) == []


def test_a_trace_that_is_still_growing_loses_its_oldest_entries_only():
    diary = Diary(max_entries=10)
    for number in range(15):
        diary.message("rx", "MSG", trace=TRACE, number=number)
    assert [one["number"] for one in whole(diary.journal.trace(TRACE))] == list(range(5, 15))


def test_a_message_is_followed_from_ue_to_report():
    diary = Diary()
    ways = {"trace": TRACE, "from": UE1, "to": UE2}
    diary.message("rx", "MSG", **ways, text="21.5")
    assert diary.trace()["state"] == "under way"
    diary.add("stored", what="MSG", **ways)
    diary.message("tx", "MSG", **ways)
    # What the gateway and the UE saw before that comes later, and from another clock.
    diary.message("tx", "MSG", "ue", ago_ms=3, trace=TRACE, ue=UE1)
    diary.add("delivered", what="MSG", **ways)
    assert diary.trace()["state"] == "delivered"
    back = {"trace": TRACE, "from": UE2, "to": UE1}
    diary.message("rx", "IMDN", **back)
    diary.add("delivered", what="IMDN", **back)
    found = diary.trace()
    assert (found["kind"], found["from"], found["to"]) == ("MSG", UE1, UE2)
    assert (found["state"], found["text"], found["hops"]) == ("reported", "21.5", 7)
    assert found["began"] == iso(NOW + 1) and found["ms"] == 6
    assert diary.journal.seen(UE2).last["trace"] == TRACE
    assert diary.journal.seen(UE1).last["text"] == "21.5"
    times = [one["t"] for one in whole(diary.journal.trace(TRACE))]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([("deferred", "MSG")], "deferred"),
        ([("deferred", "MSG"), ("delivered", "MSG")], "delivered"),
        ([("delivered", "MSG"), ("deferred", "MSG"), ("discarded", "MSG")], "delivered"),
        ([("discarded", "MSG")], "discarded"),
        ([("rejected", "MSG")], "rejected"),
        ([("refused", "MSG")], "rejected"),
        ([("refused", "REG")], "refused"),
        ([("refused", "MESSAGE SENDING REQUEST")], "rejected"),
        ([("refused", "REGISTRATION REQUEST")], "refused"),
        ([("delivered", "MSG"), ("discarded", "IMDN")], "delivered"),
        ([("registered", "REG")], "registered"),
        ([("refreshed", "REG")], "registered"),
        ([("registered", "REG"), ("deregistered", "DEREG")], "deregistered"),
    ],
)
def test_states(events, state):
    diary = Diary()
    for event, what in events:
        diary.add(event, what=what, trace=TRACE, ue=UE1)
    assert diary.trace()["state"] == state


def test_who_is_told_of_a_failure_has_no_message_reported():
    """A gateway makes a delivery report for a device from a MSGRESP that says failure."""
    diary = Diary()
    ways = {"trace": TRACE, "ue": UE1}
    diary.message("tx", "MSG", "gateway", **ways)
    diary.message("rx", "MSGRESP", "gateway", **ways, status="failure")
    assert diary.trace()["state"] == "rejected"
    diary.add("discarded", what="MSG", **ways)
    diary.message("rx", "MSGRESP", "gateway", **ways, status="failure")
    diary.add("delivered", "gateway", what="IMDN", **ways)
    assert diary.trace()["state"] == "discarded"


def test_a_report_of_another_recipient_counts_after_one_was_discarded():
    diary = Diary()
    for event, what in (("discarded", "MSG"), ("delivered", "MSG"), ("delivered", "IMDN")):
        diary.add(event, what=what, trace=TRACE, ue=UE1)
    assert diary.trace()["state"] == "reported"


def test_what_was_sent_comes_before_it_was_received_in_the_same_millisecond():
    journal = Journal()
    south, north = "MSGin5G-6", "MSGin5G-1"
    for role, direction, iface in (
        # In the order in which the page hears of it: the server at once, the others later.
        *(("server", "rx", north), ("server", "tx", north)),
        *(("gateway", "rx", south), ("gateway", "tx", north), ("gateway", "rx", north)),
        *(("gateway", "tx", south), ("ue", "tx", south), ("ue2", "rx", south)),
    ):
        entry = {"t": iso(NOW), "role": role, "event": "message", "direction": direction}
        journal.add({**entry, "iface": iface, "what": "MSG", "trace": TRACE}, NOW)
    told = [(one["role"], one["direction"]) for one in whole(journal.trace(TRACE))]
    assert told.index(("ue", "tx")) < told.index(("gateway", "rx"))
    assert told.index(("gateway", "tx")) < told.index(("server", "rx"))
    assert told[-1] == ("ue2", "rx")


@pytest.mark.parametrize("server_first", [False, True])
def test_a_bulk_request_belongs_to_the_traces_of_those_inside(server_first):
    diary = Diary()

    def server():
        for ue in (UE1, UE2):
            diary.add("registered", what="REG", ue=ue, via=GATEWAY, trace="r-ffff")

    def gateway():
        for ue, token in ((UE1, "r-01"), (UE2, "r-02")):
            diary.message("rx", "REG", "gateway", ue=ue, trace=token, peer="serial:///dev/ttyX")
        fields = {"ue": GATEWAY, "trace": "r-ffff", "traces": ["r-01", "r-02"]}
        diary.add("bulk", "gateway", what="BREG", ues=2, **fields)

    for step in (server, gateway) if server_first else (gateway, server):
        step()
    diary.add("answered", "gateway", what="REG", ue=UE1, result=True, trace="r-01")
    first = diary.trace("r-01")
    assert (first["kind"], first["from"], first["state"]) == ("REG", UE1, "registered")
    assert sorted(diary.events("r-01")) == sorted(
        [
            *(("gateway", "message"), ("gateway", "bulk"), ("server", "registered")),
            ("gateway", "answered"),
        ]
    )
    assert {one["ue"] for one in whole(diary.journal.trace("r-02"))} == {UE2, GATEWAY}
    assert diary.trace("r-02")["state"] == "registered"
    assert (diary.trace("r-ffff")["kind"], diary.trace("r-ffff")["from"]) == ("BREG", GATEWAY)
    assert diary.journal.seen(UE1).link == "serial"


def test_a_request_that_is_sent_again_and_again_keeps_few_joins():
    diary = Diary()
    diary.message("rx", "REG", "gateway", ue=UE1, trace="r-01")
    for number in range(50):
        fields = {"ue": GATEWAY, "trace": f"r-ff{number}", "traces": ["r-01"]}
        diary.add("bulk", "gateway", what="BREG", **fields)
    assert len(whole(diary.journal.trace("r-01"))) == 1 + MAX_JOINED


def test_the_answer_to_an_aggregate_is_no_name_for_it():
    diary = Diary()
    inside = [str(uuid.UUID(int=2)), str(uuid.UUID(int=3))]
    diary.message("tx", "2.04", trace=TRACE, traces=inside)
    diary.message("rx", "IMDN", trace=TRACE, traces=inside, **{"from": UE2, "to": UE1})
    assert diary.trace()["kind"] == "IMDN"


def test_a_segment_set_is_known_by_its_message():
    diary = Diary()
    diary.message("rx", "MSG", trace=TRACE, set="s1", part="1/2", **{"from": UE1, "to": UE2})
    diary.message("rx", "SEGREC", set="s1", ue=UE2)
    diary.message("rx", "SEGREC", set="s2", ue=UE2)
    assert diary.trace()["hops"] == 2
    assert diary.trace("s2")["kind"] == "SEGREC"


def test_who_left_is_known_for_a_while():
    diary = Diary()
    for number in range(MAX_GONE_UES + 5):
        diary.add("deregistered", ue=f"urn:example:ue:{number}")
    diary.add("registered", ue="urn:example:ue:7")
    assert len(diary.journal.gone) == MAX_GONE_UES - 1
    assert "urn:example:ue:4" not in diary.journal.gone
    assert "urn:example:ue:7" not in diary.journal.gone


def test_a_ue_that_does_not_answer_is_silent_until_it_is_heard():
    diary = Diary()
    diary.add("undelivered", "gateway", ue=UE1)
    assert diary.journal.seen(UE1).is_silent
    diary.message("rx", "REG", "gateway", ue=UE1, peer="udp://127.0.0.1:4000")
    assert not diary.journal.seen(UE1).is_silent


def test_followers_get_what_comes_and_hear_how_much_they_missed():
    diary = Diary(max_entries=10 * MAX_FOLLOWED)
    follower = diary.journal.follow()
    calls = []
    follower.on_news = lambda: calls.append(1)
    diary.add("a")
    assert [one["event"] for one in follower.take()[1]] == ["a"] and calls == [1]
    assert follower.take() == (0, [])
    for _ in range(MAX_FOLLOWED + 5):
        diary.add("b")
    missed, found = follower.take()
    assert missed == 5 and [one["n"] for one in found] == list(range(7, MAX_FOLLOWED + 7))
    diary.journal.leave(follower)
    diary.add("c")
    assert follower.take() == (0, [])


def test_a_follower_goes_on_after_the_number_that_it_had():
    diary = Diary(max_entries=20)
    for _ in range(50):
        diary.add("a")
    missed, found = diary.journal.follow(45).take()
    assert (missed, [one["n"] for one in found]) == (0, [46, 47, 48, 49, 50])
    missed, found = diary.journal.follow(10).take()
    assert (missed, found[0]["n"], len(found)) == (20, 31, 20)
    # A number from before a restart of the process.
    missed, found = diary.journal.follow(1000).take()
    assert (missed, found[0]["n"], len(found)) == (30, 31, 20)


def test_followers_are_bounded():
    journal = Journal()
    followers = [journal.follow() for _ in range(MAX_FOLLOWERS)]
    assert all(followers) and journal.follow() is None
    journal.leave(followers[0])
    assert journal.follow() is not None


def test_what_others_write_becomes_one_printable_line():
    assert printable("21.5 °C") == "21.5 °C"
    assert printable("a\nb\x1b[2J") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2J"
    long = printable("x" * 1000)
    assert len(long) == MAX_TEXT and long.endswith("…")


def test_a_time_that_is_none_counts_as_now():
    diary = Diary()
    diary.journal.add({"t": "1234", "role": "ue", "event": "x", "trace": TRACE}, NOW + 500)
    assert diary.trace()["began"] == iso(NOW + 500)


def test_what_nothing_tells_the_kind_of_is_in_no_list():
    diary = Diary()
    diary.message("tx", "2.04", trace=TRACE, ue=UE1)
    assert list(diary.journal.traces()) == list(diary.journal.traces(UE1)) == []
    assert diary.trace()["hops"] == 1
    diary.message("rx", "REGISTRATION REQUEST", "gateway", trace="r-01", ue=UE1)
    (found,) = diary.journal.traces()
    assert (found.id, found.kind, found.origin) == ("r-01", "REG", UE1)
    assert diary.journal.seen(UE1).last["what"] == "REG"


def test_entries_that_name_many_traces_take_the_room_of_many():
    diary = Diary(max_entries=1000)
    inside = [f"r-{number:04}" for number in range(500)]
    for number in range(100):
        fields = {"ue": GATEWAY, "trace": f"r-ff{number}", "traces": inside}
        diary.add("bulk", "gateway", what="BREG", **fields)
    assert len(diary.journal.entries(1000)) == 1000 // 63
    (entries,) = [one for one in diary.journal.fills() if one.table == "view_entries"]
    assert entries.entries <= entries.limit == 1000
    for _ in range(1000):
        diary.add("x")
    assert len(diary.journal.entries(2000)) == 1000


def test_an_aggregate_whose_room_those_inside_take_leaves_nothing_behind():
    diary = Diary(max_traces=10)
    inside = [str(uuid.UUID(int=100 + number)) for number in range(20)]
    diary.message("rx", "IMDN", trace=TRACE, traces=inside, **{"from": UE2, "to": UE1})
    assert diary.journal.trace(TRACE) is None
    assert all(not one.joined for one in diary.journal.traces())
