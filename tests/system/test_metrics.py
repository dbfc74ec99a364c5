"""/metrics of a real server and gateway, with MicroPython UEs on UDP and a serial line."""

import json
import socket
import time
import urllib.request

import pytest

from msgin5g import coap, registration
from msgin5g_host.metrics import GATEWAY, METRICS, SERVER
from msgin5g_tools.limits import rows
from tests.media import SerialMedium
from tests.processes import DEADLINE_S, Stack
from tests.prometheus import parsed, value

UES = ["urn:example:ue:1", "urn:example:ue:2"]
FAST = {"wait_s": 1, "backoff_min_s": 1, "backoff_max_s": 2, "ack_timeout_ms": 500}
DEVICE = """
[[device]]
application_id = 1
credential = "s3cret-of-a-device"
"""
SERVICE = "urn:msgin5g:service"
# Limits that bound one message, one peer, one answer or one moment, and no table of the role.
NO_TABLES = {
    *("datagram", "body_bytes", "answer_bytes", "hops", "transfer_bytes", "group_members"),
    *("relays_of_one", "deliveries_of_one", "handovers_of_one", "askers", "stored_of_one"),
    *("at_a_peer", "inbox", "view_joined", "view_followed", "view_samples", "view_steps_per_s"),
    *("view_report_entries", "view_report_bytes"),
}


def scrape(address):
    """Return what /metrics says at host:port."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE_S) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return parsed(answer.read().decode())


def until(address, check):
    """Scrape until check(found) holds; returns that."""
    end = time.monotonic() + DEADLINE_S
    while True:
        found = scrape(address)
        if check(found):
            return found
        assert time.monotonic() < end, found


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    serial = SerialMedium(folder)
    made = Stack(
        folder,
        UES,
        gateway=[
            *("--link", serial.gateway_link, "--http", "127.0.0.1:0"),
            *("--report-to", "http://127.0.0.1:9"),
        ],
        bulk=["interval_s = 0.2", "default_wait_s = 0.2"],
    )
    with (folder / "gateway.toml").open("a") as file:
        file.write(DEVICE)
    try:
        made.start_server()
        made.start_gateway()
        ready = next(one for one in made.gateway.events if one["event"] == "ready")
        made.gateway_http, made.serial_url = ready["http"], ready["links"][1]
        made.gateway.wait_for("own-registered")
        device = {"mode": "l3", "application_id": 1, "credential": "s3cret-of-a-device"}
        made.start_ue("urn:x:l3", link=serial.ue_link, **device)
        other = made.start_ue(UES[1], **FAST)
        for ue in made.ues:
            ue.wait_for("state", 60, state="registered")
        made.start_ue(UES[0], **FAST, say_to=UES[1], say_every_s=1, say_report=True)
        other.wait_for("received", 60)
        made.ues[-1].wait_for("report", 60)
        yield made
    finally:
        made.stop()
        serial.close()


def families(found):
    """Return the names in the table of what was found."""
    ends = ("_bucket", "_count", "_sum")
    return {
        next((name.removesuffix(end) for end in ends if name.endswith(end)), name)
        for name in found
    }


@pytest.mark.parametrize("role", [SERVER, GATEWAY])
def test_every_metric_of_the_role_is_there_once_there_was_traffic(stack, role):
    address = stack.http if role == SERVER else stack.gateway_http
    expected = {name for name, metric in METRICS.items() if role in metric.roles}
    # Nothing was refused and nothing was malformed.
    missing = expected - families(scrape(address))
    assert missing <= {"msgin5g_refused_total", "msgin5g_malformed_total"}
    assert families(scrape(address)) <= expected


@pytest.mark.parametrize("role", [SERVER, GATEWAY])
def test_every_bounded_table_is_there_by_the_name_of_its_limit(stack, role):
    found = scrape(stack.http if role == SERVER else stack.gateway_http)
    entries = {dict(key)["table"]: count for key, count in found["msgin5g_table_entries"].items()}
    limits = {dict(key)["table"]: count for key, count in found["msgin5g_table_limit"].items()}
    assert set(entries) == set(limits)
    assert all(entries[name] <= limits[name] for name in entries)
    shown = {}
    for name, most, _, _ in rows():
        of_role, space, rest = name.rpartition(" ")
        if space and of_role in (role, "view") or name.startswith(role + "."):
            rest = rest.removeprefix("server.").replace(".", "_").replace("MAX_", "max_")
            rest = rest.replace("max_", "").lower()
            shown["view_" + rest if of_role == "view" else rest] = most
    shown["subscriptions"] = limits.get("subscriptions")
    if role == SERVER:
        del shown["view_reports"]  # of gateways only
    for name, most in shown.items():
        if name not in NO_TABLES and most is not None:
            factor = 2 if name == "bulk_pending" else 1  # requests, and GETs of configurations
            assert limits.get(name) == most * factor, (
                f"{name}: let what owns this table tell how full it is (`fills`), or name it in "
                "NO_TABLES if it is none"
            )
    others = {"peers", "held_requests", "capture_followers"}
    assert set(limits) - set(shown) <= others


def test_messages_and_reports_move_the_counters_of_both(stack):
    name, took = "msgin5g_messages_total", "msgin5g_delivery_seconds"

    def arrived(found):
        return value(found, name, direction="in", type="IMDN", result="accepted") >= 1

    server = until(stack.http, arrived)
    gateway = scrape(stack.gateway_http)
    again = until(
        stack.http,
        lambda found: (
            value(found, name, direction="out", type="IMDN", result="delivered")
            > value(server, name, direction="out", type="IMDN", result="delivered")
        ),
    )
    for kind in ("MSG", "IMDN"):
        assert value(server, name, direction="in", type=kind, result="accepted") >= 1
        assert value(again, name, direction="out", type=kind, result="delivered") >= 1
        assert value(gateway, name, direction="up", type=kind, result="passed on") >= 1
    assert value(gateway, name, direction="down", type="MSG", result="delivered") >= 1
    for found, direction in ((again, "out"), (gateway, "up"), (gateway, "down")):
        count = value(found, took + "_count", direction=direction)
        assert count >= 1 and value(found, took + "_sum", direction=direction) < 60 * count
        assert value(found, took + "_bucket", direction=direction, le="+Inf") == count
    assert value(server, "msgin5g_registered_ues", via="gateway") == 2
    assert value(server, "msgin5g_registered_ues", via="direct") == 1
    assert value(gateway, "msgin5g_registered_ues", via="client") == 2
    assert value(gateway, "msgin5g_registered_ues", via="device") == 1
    assert value(gateway, "gateway_server_up") == 1


def test_links_are_told_apart(stack):
    found = scrape(stack.gateway_http)
    for link in (stack.link, "MSGin5G-1"):
        for way in ("rx", "tx"):
            assert value(found, "coap_datagrams_total", link=link, direction=way) > 0
    # The device on the serial line speaks L3, which is no CoAP.
    assert value(found, "coap_datagrams_total", link=stack.serial_url) == 0
    assert value(found, "link_events_total", link=stack.serial_url, event="frames") > 0
    assert value(found, "link_events_total", link=stack.serial_url, event="sent") > 0


def test_hostile_peers_of_the_gateway_make_no_new_labels(stack):
    host, _, port = stack.link.partition("://")[2].rpartition(":")
    payloads = [
        lambda number: b'{"x%d":1}' % number,
        lambda number: registration.reg(f"urn:nobody:{number}", SERVICE),
        lambda number: registration.reg(UES[0], SERVICE).replace(b'"REG"', b'"X%d"' % number),
        lambda number: json.dumps({"appId": number, "msgType": "\u202e\n"}).encode(),
    ]
    shown = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(DEADLINE_S)
        peer.connect((host, int(port)))
        mid = 0
        for number in range(40):
            for make in payloads:
                mid += 1
                options = [(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x32")]
                token = b"%d" % mid
                peer.send(coap.encode(coap.CON, coap.POST, mid, token, options, make(number)))
                peer.recv(4096)
            # Unknown to everybody: L3 without sense, and neither L3 nor CoAP.
            peer.send(b"\x03%d" % number)
            peer.send(b"\xff%d" % number)
            if number in (10, 39):
                shown.append(scrape(stack.gateway_http))
    early, late = shown
    for name in ("msgin5g_malformed_total", "msgin5g_refused_total", "msgin5g_events_total"):
        assert set(early.get(name, ())) >= set(late.get(name, ())), name
    reasons = value(late, "msgin5g_malformed_total") - value(early, "msgin5g_malformed_total")
    assert reasons >= 29 * 3


def test_the_gateway_streams_its_capture_over_http(stack):
    with urllib.request.urlopen(f"http://{stack.gateway_http}/view/capture", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "application/x-pcapng"
        assert answer.read(4) == b"\x0a\x0d\x0d\x0a"
        found = value(
            scrape(stack.gateway_http), "msgin5g_table_entries", table="capture_followers"
        )
        assert found == 1
