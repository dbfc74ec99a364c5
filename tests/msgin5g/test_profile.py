"""The client profile: what is kept, what is refused, what may be sent."""

import pytest

from msgin5g.errors import CallerError
from msgin5g.limits import MAX_CLIENT_PORTS
from msgin5g.payload_errors import BadMessage
from msgin5g.profile import build_profile, check_profile

START = "2026-03-01T08:00:00Z"
PORT = {"portNum": 65401, "Protocol": "OTHER"}


def available(**more):
    return {"comAvail": {"schTime": START, "durTime": "PT1H"} | more}


@pytest.mark.clause("6.3.1.1.1-d4", "7.3.3.1-tri", "7.3.3.1-avail")
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"x": 1}, {}),
        ({"triInfo": {"ueId": "d", "cliPort": "1", "x": 2}}, {"ueId": "d", "cliPort": "1"}),
        (
            {"triInfo": {"ueId": "d", "cliPorts": [PORT], "cliPort": 7}},
            {"ueId": "d", "cliPorts": [PORT]},
        ),
        ({"comAvail": {}}, {}),
        ({"comAvail": {"schTime": 5}}, {}),
        (available(x=1), available()["comAvail"]),
        (available(durTime=60), available(durTime="60")["comAvail"]),
        (available(durTime="0"), available(durTime="0")["comAvail"]),
        (available(schTime="2026-03-01t08:00:00.5+01:00"), None),
        (available(periIndi=False, periInterval="P1D"), None),
        (available(periIndi=True), available(periIndi=False)["comAvail"]),
        (available(periInterval="P1D"), available()["comAvail"]),
        (available(storeForward=""), available(storeForward="true")["comAvail"]),
        (available(storeForward=None), available(storeForward="true")["comAvail"]),
        (available(storeForward="x"), None),
    ],
)
def test_normalised(given, kept):
    found = check_profile(given)
    if kept is None:
        assert found == given
    else:
        assert found == ({next(iter(given)): kept} if kept else {})


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ([], "cliProfile"),
        ({"triInfo": 1}, "cliProfile.triInfo"),
        ({"triInfo": {"ueId": "", "cliPort": "1"}}, "cliProfile.triInfo.ueId"),
        ({"triInfo": {"ueId": "d\n", "cliPort": "1"}}, "cliProfile.triInfo.ueId"),
        ({"triInfo": {"ueId": "d" * 256, "cliPort": "1"}}, "cliProfile.triInfo.ueId"),
        ({"triInfo": {"ueId": "d", "cliPorts": {}}}, "cliProfile.triInfo.cliPorts"),
        ({"triInfo": {"ueId": "d", "cliPorts": [1]}}, "cliProfile.triInfo.cliPorts[0]"),
        ({"comAvail": 1}, "cliProfile.comAvail"),
        (available(schTime="2026-03-01"), "cliProfile.comAvail.schTime"),
        (available(durTime=True), "cliProfile.comAvail.durTime"),
        (available(durTime="P"), "cliProfile.comAvail.durTime"),
        (available(durTime="1 hour"), "cliProfile.comAvail.durTime"),
        (available(periIndi=1), "cliProfile.comAvail.periIndi"),
        (available(periIndi=True, periInterval=-1), "cliProfile.comAvail.periInterval"),
        (available(storeForward="x\0"), "cliProfile.comAvail.storeForward"),
    ],
)
def test_refused(given, key):
    with pytest.raises(BadMessage) as caught:
        check_profile(given)
    assert caught.value.key == key


def test_ports_are_bounded():
    profile = {"triInfo": {"ueId": "d", "cliPorts": [PORT] * MAX_CLIENT_PORTS}}
    assert check_profile(profile) == profile
    profile["triInfo"]["cliPorts"].append(PORT)
    with pytest.raises(BadMessage, match="more than"):
        check_profile(profile)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"x": 1}, "cliProfile.x"),
        ({"triInfo": {"ueId": "d", "cliPorts": [PORT], "cliPort": "1"}}, "triInfo.cliPort"),
        (
            {"triInfo": {"ueId": "d", "cliPorts": [{"portNum": "1", "Protocol": "SMS"}]}},
            r"cliPorts\[0\].portNum",
        ),
        ({"comAvail": {"schTime": START}}, "cliProfile.comAvail"),
        (available(periIndi=True), "comAvail.periIndi"),
        (available(periInterval="P1D"), "comAvail.periInterval"),
        (available(durTime=60), "comAvail.durTime"),
    ],
)
def test_what_a_receiver_would_change_is_not_sent(given, place):
    with pytest.raises(CallerError, match=place):
        build_profile(given)


def test_keys_leave_in_the_schema_s_order():
    profile = {
        "comAvail": {"storeForward": "x", "durTime": "PT1H", "schTime": START},
        "triInfo": {"cliPorts": [{"Protocol": "SMS", "portNum": 1}], "ueId": "d"},
    }
    assert build_profile(profile) == (
        b'{"triInfo":{"ueId":"d","cliPorts":[{"portNum":1,"Protocol":"SMS"}]},'
        b'"comAvail":{"schTime":"2026-03-01T08:00:00Z","durTime":"PT1H","storeForward":"x"}}'
    )
