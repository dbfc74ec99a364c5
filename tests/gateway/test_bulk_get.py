"""Bulk configuration at the gateway: cache, timers, one bulk GET, one second 2.05 for each GET."""

import pytest

from msgin5g import coap, configuration_requests
from msgin5g.limits import MAX_BULK_ENTRIES
from msgin5g_gateway.store import Store
from tests.gateway.bench import SERVICE, body, ue_id
from tests.gateway.office import SERVER, Office, given
from tests.world import GATEWAY, device_id

MINUTE_MS = 60_000


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    yield made
    made.close()


def told(office):
    """What each UE was told, {peer: (code, payload)}, all of it acknowledged."""
    found = {}
    while office.late:
        ref, peer, _, _, code, payload = office.take_late()
        found[peer] = code, payload
        office.core.south_answer(ref, coap.CONTENT, office.now)
        office.settle()
    return found


@pytest.mark.clause("6.2.3.3.1-p1", "6.2.3.3.1-b1", "6.2.3.3.1-b2", "6.2.3.3.1-b2-ii")
def test_a_get_is_answered_at_once_with_the_time_and_is_on_disk_as_a_whole(office):
    assert office.ask(1, 0xBEEF, b"mine", vendor="Example") == (coap.CONTENT, b'{"maxConfTime":2}')
    folder = office.settings["gateway.data"]
    office.close()
    store = Store(folder)
    (row,) = store.configurations.values()
    whole = coap.decode(row.request)
    assert (whole.mid, whole.token, row.peer) == (0xBEEF, b"mine", "udp://ue1")
    assert b"ue-vendor=Example" in [value for _, value in whole.options]
    store.close()
    office.open()


@pytest.mark.clause("6.2.3.1-p1", "6.2.3.1-p2", "6.2.3.3.2-p1", "6.2.3.3.2-p3-d")
@pytest.mark.clause("6.2.3.3.2-e1", "6.2.3.3.2-e2", "6.2.3.3.3-a", "6.2.3.3.3-b")
@pytest.mark.clause("6.2.3.3.3-b1", "6.2.3.3.3-b2")
def test_one_bulk_get_goes_up_and_each_get_has_a_second_answer_with_its_token(office):
    for number in (1, 2, 3):
        office.ask(number, 100 + number, b"tk%d" % number)
    office.wait(2_000)
    (fetch,) = office.fetches
    path = [value.decode() for number, value in fetch[1] if number == coap.URI_PATH]
    assert path == ["su-uc", "v1", "val-services", SERVICE, "ue-configurations"]
    assert (coap.CONTENT_FORMAT, b"\x32") in fetch[1]
    assert body(fetch[2]) == {"bulkConfFlag": True, "ueIdList": [device_id(n) for n in (1, 2, 3)]}
    entries = [given(3), given(1, 512), given(2)]
    office.serve_all(payload=configuration_requests.bulk_answer(entries))
    seen = {}
    for _, peer, token, mid, code, payload in office.late:
        seen[peer] = token, mid, code, body(payload)
    for number in (1, 2, 3):
        wanted = {"ueServiceId": ue_id(number), "serverAddr": SERVER}
        if number == 1:
            wanted["segSize"] = 512
        assert seen[f"udp://ue{number}"] == (
            *(b"tk%d" % number, 100 + number),
            *(coap.CONTENT, wanted),
        )
    assert len(told(office)) == 3
    assert not office.store.configurations and not office.fetches
    office.wait(MINUTE_MS)
    assert not office.fetches and not office.late
    assert office.core.counters["configurations_delivered"] == 3


def test_by_policy_the_message_id_is_not_copied(tmp_path):
    office = Office(tmp_path, copy_message_id=False)
    office.ask()
    office.wait(2_000)
    office.serve_all()
    assert office.late[0][3] is None
    office.close()


@pytest.mark.parametrize(
    ("bulk", "leaves_ms"),
    [
        pytest.param({"default_wait_s": 3.0}, 2_700, marks=pytest.mark.clause("6.2.3.3.2-trig-a")),
        pytest.param(
            {"default_wait_s": 60.0, "interval_s": 4.0},
            4_000,
            marks=pytest.mark.clause("6.2.3.3.2-trig-b", "6.2.3.3.1-p2"),
        ),
        pytest.param(
            {"max_requests": 2, "default_wait_s": 60.0, "interval_s": 60.0},
            1_000,
            marks=pytest.mark.clause("6.2.3.3.2-trig-c"),
        ),
    ],
)
@pytest.mark.clause("6.2.3.3.1-b3")
def test_a_timer_of_a_ue_the_periodic_timer_and_the_count_let_them_leave(
    tmp_path, bulk, leaves_ms
):
    office = Office(tmp_path, bulk=bulk)
    office.ask(1)
    office.wait(1_000)
    office.ask(2)
    office.ask(3)
    office.wait(max(leaves_ms - 1_001, 0))
    assert bool(office.fetches) == (leaves_ms == 1_000)
    office.wait(1)
    assert office.serve_all() == [device_id(n) for n in (1, 2, 3)]
    office.close()


def test_whom_the_server_does_not_know_is_told_4_04_in_the_same_way(office):
    office.ask(1)
    office.ask(2, 0xBEEF, b"mine")
    office.wait(2_000)
    office.serve_all(2)
    (late,) = [one for one in office.late if one[1] == "udp://ue2"]
    assert late[2:4] == (b"mine", 0xBEEF)
    found = told(office)
    assert found["udp://ue1"][0] == coap.CONTENT
    assert found["udp://ue2"][0] == coap.NOT_FOUND and b"no configuration" in found["udp://ue2"][1]
    assert not office.store.configurations


@pytest.mark.parametrize("code", [coap.FORBIDDEN, coap.NOT_FOUND])
def test_a_refusal_of_the_whole_is_told_to_each(office, code):
    office.ask(1)
    office.ask(2)
    office.wait(2_000)
    office.serve_all(code=code, payload=b"no")
    if code == coap.FORBIDDEN:
        # The gateway has registered anew meanwhile.
        assert not office.late
        office.wait(2_000)
        office.serve_all(code=code, payload=b"no")
    assert [one[0] for one in told(office).values()] == [code, code]


def test_entries_without_ue_id_count_by_their_place_and_only_if_all_are_there(office):
    office.ask(1)
    office.ask(2)
    office.wait(2_000)
    entries = [given(1, named=False), given(2, named=False)]
    payload = configuration_requests.bulk_answer(entries)
    office.serve_all(payload=payload)
    found = told(office)
    assert body(found["udp://ue2"][1])["ueServiceId"] == ue_id(2)
    office.ask(1)
    office.ask(2)
    office.wait(2_000)
    office.serve_all(payload=configuration_requests.bulk_answer(entries[:1]))
    assert [code for code, _ in told(office).values()] == [coap.NOT_FOUND] * 2


@pytest.mark.parametrize(
    ("code", "payload"),
    [
        (coap.CONTENT, b"nonsense"),
        (coap.CONTENT, b"{}"),
        (coap.CONTENT, b'{"confInfoList":[1]}'),
        (coap.UNAVAILABLE, b"later"),
        (coap.BAD_REQUEST, b""),
    ],
)
def test_what_is_no_answer_is_asked_for_again(office, code, payload):
    office.ask()
    office.wait(2_000)
    office.serve_all(code=code, payload=payload)
    assert not office.late
    office.wait(3_000)
    office.serve_all()
    assert told(office)["udp://ue1"][0] == coap.CONTENT


def test_a_server_out_of_reach_is_5_04_ten_seconds_after_the_time_that_was_told(office):
    office.ask(1, 0xBEEF, b"mine")
    for _ in range(3):
        office.wait(2_500)
        office.server_fails(office.take_fetch()[0])
    assert not office.late
    office.wait(12_000 - 7_500)
    ref, _, token, mid, code, payload = office.take_late()
    assert (token, mid, code, payload) == (
        *(b"mine", 0xBEEF),
        *(coap.GATEWAY_TIMEOUT, b"server unreachable"),
    )
    office.core.south_answer(ref, coap.CONTENT, office.now)
    office.settle()
    assert not office.store.configurations
    office.fetches.clear()
    office.wait(10 * MINUTE_MS)
    assert not office.fetches and office.core.configuring.bulk._schedule.count == 0


def test_an_answer_that_comes_after_that_serves_the_next_get(office):
    office.ask(1)
    office.wait(12_000)
    assert office.take_late()[4] == coap.GATEWAY_TIMEOUT
    assert office.ask(1, 8, b"new")[0] == coap.CONTENT
    office.serve_all()
    _, _, token, mid, code, _ = office.take_late()
    assert (token, mid, code) == (b"new", 8, coap.CONTENT)
    told(office)
    office.wait(MINUTE_MS)
    assert not office.fetches and office.core.configuring.bulk._schedule.count == 0


@pytest.mark.parametrize("in_flight", [False, True])
def test_the_newest_get_of_a_ue_is_the_one_that_is_answered(office, in_flight):
    office.ask(1, 1, b"older", peer="udp://before")
    if in_flight:
        office.wait(2_000)
    office.ask(1, 2, b"newer", peer="udp://after")
    office.wait(0 if in_flight else 2_000)
    assert office.serve_all() == [device_id(1)]
    (late,) = office.late
    assert late[1:4] == ("udp://after", b"newer", 2)
    told(office)
    office.wait(MINUTE_MS)
    assert not office.fetches and office.core.counters["replaced"] == 1


def test_a_ue_that_does_not_acknowledge_is_told_three_times(office):
    office.ask()
    office.wait(2_000)
    office.serve_all()
    for pause_ms in (5_000, 10_000, 0):
        office.core.south_failed(office.take_late()[0], "timeout", office.now)
        office.settle()
        office.wait(pause_ms)
    assert not office.late
    assert office.core.counters["configurations_not_taken"] == 1


def test_no_room_at_a_peer_is_no_attempt(office):
    office.ask()
    office.wait(2_000)
    office.serve_all()
    for _ in range(5):
        office.core.south_failed(office.take_late()[0], "no room", office.now)
        office.settle()
        office.wait(1_000)
    assert office.late


def test_a_client_that_knows_one_response_only_gets_it_with_its_next_get(office):
    """It answers Reset, asks again, and has the configuration on the acknowledgement."""
    office.ask(1, 1, b"first")
    office.wait(2_000)
    office.serve_all()
    office.core.south_failed(office.take_late()[0], "reset", office.now)
    office.settle()
    office.wait(MINUTE_MS)
    assert not office.late and office.store.configurations
    code, payload = office.ask(1, 2, b"second")
    assert code == coap.CONTENT and body(payload)["ueServiceId"] == ue_id(1)
    assert not office.store.configurations
    office.ask(1, 3, b"third")
    office.wait(2_000)
    assert office.serve_all() == [device_id(1)]


def test_what_no_ue_takes_is_forgotten_after_ten_minutes(office):
    office.ask()
    office.wait(2_000)
    office.serve_all()
    office.core.south_failed(office.take_late()[0], "reset", office.now)
    office.wait(10 * MINUTE_MS - 1)
    assert office.store.configurations
    office.wait(1)
    assert not office.store.configurations


def test_a_refusal_that_nobody_takes_is_not_kept(office):
    office.ask()
    office.wait(2_000)
    office.serve_all(1)
    office.core.south_failed(office.take_late()[0], "reset", office.now)
    office.settle()
    assert not office.store.configurations
    assert office.ask()[1] == b'{"maxConfTime":2}'


def test_a_full_cache_is_5_03_but_a_newer_get_of_the_same_ue_has_room(tmp_path):
    office = Office(tmp_path, bulk={"max_pending": 2})
    assert [office.ask(number)[0] for number in (1, 2, 3)] == [
        *(coap.CONTENT, coap.CONTENT),
        coap.UNAVAILABLE,
    ]
    assert office.ask(2, 9)[0] == coap.CONTENT
    assert office.core.counters["cache_full"] == 1
    office.close()


def test_a_bulk_get_has_no_more_entries_than_a_server_takes(tmp_path):
    bulk = {"max_requests": 10_000}
    office = Office(tmp_path, MAX_BULK_ENTRIES + 10, bulk=bulk)
    for number in range(1, MAX_BULK_ENTRIES + 11):
        office.ask(number)
    office.wait(2_000)
    assert len(office.serve_all()) == MAX_BULK_ENTRIES
    office.wait(1)
    assert len(office.serve_all()) == 10
    assert len(told(office)) == MAX_BULK_ENTRIES + 10
    office.close()


def test_only_json_is_answered_in_bulk(office):
    assert office.ask(1, accept=60)[0] == coap.NOT_ACCEPTABLE
    assert not office.store.configurations
    assert office.ask(1, accept=50)[0] == coap.CONTENT


def test_nothing_leaves_before_the_server_knows_the_gateway(tmp_path):
    office = Office(tmp_path, register=True)
    assert office.ask()[0] == coap.CONTENT
    office.wait(5_000)
    assert not office.fetches
    assert office.serve() == [GATEWAY]
    office.wait(1_000)
    assert office.serve_all() == [device_id(1)]
    office.close()


def test_a_server_that_has_forgotten_the_gateway_hears_of_it_and_is_asked_again(tmp_path):
    office = Office(tmp_path, register=True)
    office.serve()
    office.ask()
    office.wait(2_000)
    office.serve_all(code=coap.FORBIDDEN, payload=b"no")
    assert office.serve() == [GATEWAY]
    office.wait(2_000)
    office.serve_all()
    assert told(office)["udp://ue1"][0] == coap.CONTENT
    office.close()


def test_after_a_kill_cached_gets_go_on_with_their_tokens(office):
    office.ask(1, 0xBEEF, b"mine")
    office.wait(2_000)
    office.crash()
    assert office.serve_all() == [device_id(1)]
    assert office.late[0][1:5] == ("udp://ue1", b"mine", 0xBEEF, coap.CONTENT)
    office.crash()
    assert office.late[0][1:5] == ("udp://ue1", b"mine", 0xBEEF, coap.CONTENT)
    told(office)
    office.crash()
    assert not office.store.configurations and not office.late and not office.fetches


def test_a_cached_get_has_its_full_time_again_after_a_restart(office):
    office.ask()
    office.now += 10 * MINUTE_MS
    office.crash()
    assert office.serve_all() == [device_id(1)]
    assert told(office)["udp://ue1"][0] == coap.CONTENT


def test_an_answer_of_before_a_store_failure_is_counted_and_dropped(office):
    office.ask()
    office.wait(2_000)
    ref = office.take_fetch()[0]
    office.crash()
    payload = configuration_requests.bulk_answer([given(1)])
    office.core.north_answer(ref, coap.CONTENT, payload, office.now)
    office.core.north_failed(ref, "timeout", office.now)
    office.settle()
    assert office.core.counters["late_answers"] == 1 and not office.late
    office.serve_all()
    assert told(office)
