"""Lanes and hops out of entries: what a person is shown of ways that the other tests do not go."""

import json

import pytest

from tests.page.world import Alone, accounts

A, B, G1, G2 = "urn:a", "urn:b", "urn:gw:1", "urn:gw:2"
SENT, RECEIVED = "tx", "rx"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Alone(tmp_path_factory.mktemp("hops"), accounts())
    yield made
    made.stop()


@pytest.fixture
def follow(server, browser):
    browser.open(server.page)

    def run(entries, ways=None, **trace):
        script = "return (await import('/page/hops.js')).follow(...args)"
        found = browser.run(script, {"entries": entries, **trace}, ways or {})
        lanes = [one["name"] for one in found["lanes"]]
        told = [
            (one["what"], lanes[one["from"]], lanes[one["to"]], one["link"], one["took"])
            for one in found["hops"]
        ]
        return lanes, told

    return run


def entry(ms, role, direction=None, iface="MSGin5G-1", what="MSG", event="message", **fields):
    at = {"server": "server", "gateway": G1}.get(role, A)
    t = f"2026-11-28T13:00:00.{ms:03}Z"
    made = {"t": t, "role": role, "at": at, "event": event, "iface": iface, "what": what}
    return json.loads(json.dumps({**made, "direction": direction, **fields}))


def test_a_ue_without_a_gateway_speaks_with_the_server_itself(follow):
    lanes, told = follow(
        [
            entry(1, "server", RECEIVED, ue=A, **{"from": A, "to": B}),
            entry(2, "server", event="stored", ue=B, **{"from": A, "to": B}),
            entry(3, "server", SENT, what="2.04", **{"from": A, "to": B}),
            entry(4, "server", SENT, ue=B, **{"from": A, "to": B}),
        ],
        **{"from": A, "to": B},
    )
    assert lanes == [A, "server", B]
    assert [one[:3] for one in told] == [
        ("MSG", A, "server"),
        ("stored", "server", "server"),
        ("2.04", "server", A),
        ("MSG", "server", B),
    ]


def test_what_an_application_sends_comes_from_it(follow):
    """The server names no UE in what it takes over HTTP."""
    ways = {"from": "urn:operator", "to": B}
    lanes, told = follow(
        [
            entry(1, "server", RECEIVED, "MSGin5G-3", **ways),
            entry(2, "server", SENT, ue=B, **ways),
            entry(3, "server", SENT, "MSGin5G-3", "MSGRESP", to="urn:operator", ue="urn:operator"),
        ],
        **ways,
    )
    assert lanes == ["urn:operator", "server", B]
    assert [one[:3] for one in told] == [
        ("MSG", "urn:operator", "server"),
        ("MSG", "server", B),
        ("MSGRESP", "server", "urn:operator"),
    ]


def test_both_ends_of_a_way_are_one_hop_with_its_time_and_link(follow):
    lanes, told = follow(
        [
            entry(1, "ue", SENT, "MSGin5G-6", ue=A),
            entry(9, "gateway", RECEIVED, "MSGin5G-6", ue=A, peer="serial:///dev/ttyS0"),
            entry(10, "gateway", SENT, ue=A),
            # A clock that is a little behind does not part them.
            entry(8, "server", RECEIVED, ue=A),
        ],
        **{"from": A, "to": None},
    )
    assert lanes == [A, G1, "server"]
    assert told == [("MSG", A, G1, "serial", 8), ("MSG", G1, "server", "", -2)]


def test_a_repeated_message_is_two_hops(follow):
    _, told = follow(
        [entry(1, "gateway", SENT, ue=A), entry(500, "gateway", SENT, ue=A)],
        **{"from": A, "to": B},
    )
    assert [one[:3] for one in told] == [("MSG", G1, "server")] * 2


def test_a_message_for_many_has_one_lane_for_all_who_get_it(follow):
    members = [f"urn:member:{number}" for number in range(5)]
    ways = {one: {"via": G2, "link": "ble"} for one in members}
    group = {"from": A, "to": "urn:group"}
    lanes, told = follow(
        [
            entry(1, "server", RECEIVED, ue=A, **group),
            *(
                entry(2 + number, "server", SENT, ue=one, **{"from": A, "to": one})
                for number, one in enumerate(members)
            ),
            entry(20, "gateway", SENT, "MSGin5G-6", ue=members[0], at=G2, to=members[0]),
        ],
        {**ways, A: {"via": "", "link": "udp"}},
        **group,
    )
    assert lanes == [A, "server", G2, "5 recipients"]
    assert [one[:4] for one in told[1:6]] == [("MSG", "server", G2, "")] * 5
    assert told[-1] == ("MSG", G2, "5 recipients", "ble", None)


def test_a_device_is_told_by_its_gateway_in_other_words(follow):
    _, told = follow(
        [
            entry(1, "gateway", SENT, "MSGin5G-5", "ACCEPT", ue=A),
            entry(3, "ue", RECEIVED, "MSGin5G-5", "REGISTRATION ACCEPT", ue=A),
        ],
        **{"from": A, "to": None},
    )
    assert told == [("ACCEPT", G1, A, "", 2)]


def test_a_trace_of_which_only_the_end_is_known_is_drawn_all_the_same(follow):
    lanes, told = follow([entry(1, "server", event="discarded")], **{"from": None, "to": None})
    assert lanes == ["server"] and told[0][:3] == ("discarded", "server", "server")
    lanes, told = follow([entry(1, "ue", SENT, "MSGin5G-6")], **{"from": None, "to": None})
    assert len(told) == 1 and lanes
