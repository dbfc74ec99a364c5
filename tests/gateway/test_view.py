"""What the gateway tells of itself: devices in traces, its own page, reports to the server's."""

import asyncio
import io
import json
import ssl
import uuid

import aiohttp
import pytest
from aiohttp import web

from msgin5g import app_client, l3
from msgin5g_gateway.shell import Gateway
from msgin5g_gateway.store import Device, Store
from msgin5g_gateway.view import GatewayHttp, check_access, reporter
from msgin5g_host.clock import Clock, iso
from msgin5g_host.journal import Journal, summary, whole
from msgin5g_host.log import MAX_STEPS_PER_S, EventLog
from msgin5g_host.reporting import MAX_REPORTS, Reporter
from tests.certificates import make_certificate
from tests.gateway.bench import SERVICE, Bench, dereg, imdn, make_id, msg
from tests.gateway.test_app_messages import (
    ADDRESSES,
    DEVICE,
    FAR,
    FORMS,
    ID_TEXT,
    PLACES,
    TABLE,
    UE,
    Sender,
)
from tests.processes import msgin5g
from tests.server.http_world import Listener, Site, eventually
from tests.world import GATEWAY, gateway_settings, ue_id

TOKEN = "0123456789abcdef-gateway"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nobody waits for reports."""
    monkeypatch.setattr("msgin5g_host.reporting._EVERY_S", 0.01)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, count=2, devices=TABLE, addresses=ADDRESSES, sign_up=True)
    made.journal = made.core._shared.log.journal = Journal()
    yield made
    made.close()


def steps(journal, trace):
    return [
        (one.get("direction") or one["event"], one.get("iface", ""), one.get("what"))
        for one in whole(journal.trace(trace))
    ]


@FORMS
def test_a_devices_message_and_its_report_are_followed(bench, form):
    sender = Sender(bench, form)
    sender.send(payload=b"21.5 \x1b[2J", report=True)
    bench.server_takes()
    trace = summary(bench.journal.trace(ID_TEXT))
    assert (trace["kind"], trace["from"], trace["to"]) == ("MSG", UE, FAR)
    assert trace["text"].startswith("21.5") and trace["text"].isprintable()
    up = steps(bench.journal, ID_TEXT)
    assert up[0] == ("rx", "MSGin5G-5", "MESSAGE SENDING REQUEST")
    assert up[1] == ("tx", "MSGin5G-1", "MSG") and up[2] == ("rx", "MSGin5G-1", "2.04")
    assert up[3][:2] == ("tx", "MSGin5G-5")
    bench.frames.clear()
    bench.receive_north(imdn(FAR, UE, uuid.UUID(ID_TEXT).int))
    sender.got()
    if form == "coap":
        bench.ue_answers(sender._ref)
    down = steps(bench.journal, ID_TEXT)[4:]
    assert down[0] == ("rx", "MSGin5G-1", "IMDN")
    assert ("tx", "MSGin5G-5", "DELIVERY REPORT RECEIVED REQUEST") in down
    assert summary(bench.journal.trace(ID_TEXT))["state"] == "reported"
    assert bench.journal.seen(UE).link == "serial"


@FORMS
def test_a_message_for_a_device_is_followed(bench, form):
    sender = Sender(bench, form)
    bench.receive_north(msg(FAR, UE, 7))
    sender.got()
    sender.takes()
    told = steps(bench.journal, make_id(7))
    assert told[0] == ("rx", "MSGin5G-1", "MSG")
    assert told[1] == ("tx", "MSGin5G-5", "MESSAGE RECEIVED REQUEST")
    assert ("delivered", "", "MSG") in told and told[-1] == ("tx", "MSGin5G-1", "2.04")
    assert summary(bench.journal.trace(make_id(7)))["state"] == "delivered"


@FORMS
def test_a_devices_registration_is_followed_to_the_server_and_says_no_credential(bench, form):
    Sender(bench, form)
    north, trace = bench.journal.traces(UE)
    assert summary(trace)["state"] == summary(north)["state"] == "registered"
    told = [one["event"] for one in whole(trace)]
    assert "forwarded" in told and "device-registered" in told
    ifaces = {one.get("iface") for one in whole(trace)}
    assert ifaces >= {"MSGin5G-5", "MSGin5G-1"}
    assert "s3cret" not in json.dumps(bench.journal.entries(1000)) + bench.log.getvalue()


def register_again(bench, form, number):
    if form == "l3":
        bench.receive_l3(l3.registration_request(DEVICE, b"s3cret"), PLACES[DEVICE])
    else:
        payload = app_client.registration(SERVICE, DEVICE, b"s3cret")
        bench.receive(payload, peer=PLACES[DEVICE], token=bytes([number]))


def leave(bench, form, number):
    row = bench.leaving = bench.store.devices.get(DEVICE) or bench.leaving
    if form == "l3":
        bench.receive_l3(l3.deregistration_request(row.registration_id), row.peer)
    else:
        payload = app_client.deregistration(SERVICE, row.registration_id)
        bench.receive(payload, peer=row.peer, token=bytes([number]))


def is_told(journal, kind):
    """The states of all traces of a kind."""
    return [one["state"] for one in map(summary, journal.traces(UE)) if one["kind"] == kind]


@FORMS
def test_what_a_device_asks_again_does_not_stay_under_way(bench, form):
    for number in (1, 2):
        register_again(bench, form, number)
    assert set(is_told(bench.journal, "REG")) == {"under way"}
    bench.serve()
    register_again(bench, form, 3)
    # Three of the device, one of the gateway.
    assert is_told(bench.journal, "REG") == ["registered"] * 4
    for number in (4, 5):
        leave(bench, form, number)
    bench.serve()
    leave(bench, form, 6)
    assert is_told(bench.journal, "DEREG") == ["deregistered"] * 4


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_request_that_another_replaces_ends_as_that_does(bench, is_sent):
    bench.receive(dereg(1, wait_s=1), token=b"\x01")
    if is_sent:
        bench.wait(1000)
    bench.receive(dereg(1, wait_s=1), token=b"\x02")
    assert [summary(bench.journal.trace(one))["state"] for one in ("r-01", "r-02")] == [
        *("under way", "under way")
    ]
    for _ in range(2):
        bench.wait(1000)
        if bench.north:
            bench.serve()
    assert [summary(bench.journal.trace(one))["state"] for one in ("r-01", "r-02")] == [
        *("deregistered", "deregistered")
    ]


def test_a_message_in_the_outbox_is_followed(bench):
    bench.receive(msg(1, 2, 3))
    bench.server_fails(bench.take_north()[0])
    told = [one["event"] for one in whole(bench.journal.trace(make_id(3)))]
    assert told[:2] == ["message", "message"] and "kept" in told


def test_steps_are_bounded_while_nothing_is_written():
    class Still:
        at_ms = 1_700_000_000_000

        def now(self):
            return self.at_ms

    clock, journal = Still(), Journal()
    log = EventLog("gateway", clock=clock, journal=journal)
    for _ in range(MAX_STEPS_PER_S + 7):
        log.step("delivered", what="MSG")
    assert journal.last == MAX_STEPS_PER_S
    clock.at_ms += 1000
    log.step("delivered", what="MSG")
    assert [one["event"] for one in journal.entries(2)] == ["suppressed", "delivered"]
    assert journal.entries(2)[0]["steps"] == 7


class Page:
    """A gateway in this process with its page."""

    def __init__(self, folder, http=None):
        devices = [(number, secret, ue) for number, secret, ue in TABLE]
        self.settings = gateway_settings(
            *(str(folder), [ue_id(1), ue_id(2)]),
            devices=devices,
            links=["udp://127.0.0.1:0"],
            register=False,
        )
        self.settings.values.update(http or {})
        self._folder = folder

    async def __aenter__(self):
        clock, self.journal = Clock(), Journal()
        self.store = Store(str(self._folder))
        log = EventLog("gateway", clock=clock, at=GATEWAY, journal=self.journal)
        self.gateway = Gateway(self.settings, self.store, log, clock)
        self.http = GatewayHttp(self.gateway, self.store, self.settings, self.journal, clock)
        await self.http.start("127.0.0.1", 0)
        self.gateway.start()
        self.session = aiohttp.ClientSession("http://{}:{}".format(*self.http.address))
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        await self.http.close()
        await self.gateway.close()
        self.store.close()

    async def look(self, path, status=200, **headers):
        async with self.session.get("/" + path, headers=headers) as answer:
            assert answer.status == status
            text = await answer.text()
            return json.loads(text) if answer.content_type != "text/html" else text


def test_the_page_lists_ues_and_devices_in_their_states(tmp_path):
    async def job():
        async with Page(tmp_path) as page:
            found = await page.look("view/ues")
            rows = {one["ue_service_id"]: one for one in found["ues"]}
            assert set(rows) == {ue_id(1), ue_id(2), UE, "urn:example:ue:19"} | {
                *("application:4660", "application:4662")
            }
            assert {one["state"] for one in rows.values()} == {"expected"}
            assert {one["via"] for one in rows.values()} == {GATEWAY}
            assert (rows[UE]["cached"], rows[UE]["outbox"], rows[UE]["waiting"]) == (0, 0, 0)
            about = await page.look("view/about")
            assert about["counts"]["expected"] == 6 and about["actions"] == []
            refused = await page.look("view/nothing", 404)
            assert "/view/nothing" in refused["detail"]

    asyncio.run(job())


def test_devices_of_an_open_gateway_are_listed_and_whoever_it_writes_to_is_not(tmp_path):
    async def job():
        async with Page(tmp_path) as page:
            for number, ue in ((7, None), (8, "urn:example:ue:8")):
                peer, registration = f"serial:///dev/ttyS{number}", bytes([number] * 6)
                page.store.put_device(Device(number, peer, registration, ue, True))
            for name, state, link in (
                ("application:7", "registered", "serial"),
                ("urn:example:ue:8", "expected", "serial"),
            ):
                (row,) = (await page.look(f"view/ues?q={name}"))["ues"]
                assert (row["ue_service_id"], row["state"], row["link"]) == (name, state, link)
            viewed = page.http._view._viewed
            for stranger in ("urn:example:somebody", "application:1", "application:x"):
                assert viewed.row(stranger, Clock().now()) is None

    asyncio.run(job())


def test_the_page_asks_for_the_token_and_is_itself_open(tmp_path):
    async def job():
        async with Page(tmp_path, {"http.token": TOKEN}) as page:
            for path in ("about", "ues", "traces", "log", "rates", "events"):
                refused = await page.look("view/" + path, 401)
                assert "bearer token" in refused["detail"]
            await page.look("view/ues", 401, Authorization="Bearer nobody-knows-this-one")
            await page.look("view/ues", Authorization=f"Bearer {TOKEN}")
            assert TOKEN not in await page.look("")

    asyncio.run(job())


def test_a_name_that_is_made_to_lead_here_gets_nothing_even_with_a_made_up_token(tmp_path):
    async def job():
        async with Page(tmp_path) as page:
            for more in ({}, {"Authorization": "Bearer 0123456789abcdef"}):
                await page.look("view/ues", 403, Host="evil.example", **more)
            await page.look("view/ues", Host="localhost")

    asyncio.run(job())


@pytest.mark.parametrize(
    ("flags", "environment", "words"),
    [
        (
            ["--http", "0.0.0.0:0"],
            {},
            ["gateway.http 0.0.0.0:0 is open to others", "http.tls_cert", "http.token", "openssl"],
        ),
        (
            ["--http", "127.0.0.1:0", "--tls-cert", "none.pem"],
            {},
            ["http.tls_cert and http.tls_key go together"],
        ),
        (
            ["--report-to", "http://192.0.2.1:8080"],
            {"MSGIN5G_VIEW_REPORT_TOKEN": TOKEN},
            ["view.report_to http://192.0.2.1:8080", "https"],
        ),
        (["--report-to", "coap://192.0.2.1"], {}, ["--report-to", "https://example.org"]),
        ([], {"MSGIN5G_HTTP_TOKEN": "short"}, ["MSGIN5G_HTTP_TOKEN", "openssl rand -hex 24"]),
    ],
)
def test_what_would_be_open_to_others_is_refused_with_the_way_out(flags, environment, words):
    process = msgin5g("gateway", *flags, environment=environment)
    assert process.wait() == 2
    text = " ".join(one.get("text", "") for one in process.events)
    for word in words:
        assert word in text
    assert TOKEN not in text


def test_a_token_is_no_flag_and_not_printed(tmp_path):
    process = msgin5g("gateway", "--print-config", environment={"MSGIN5G_HTTP_TOKEN": TOKEN})
    assert process.wait() == 0
    text = "\n".join(one.get("text", "") for one in process.events)
    assert TOKEN not in text and 'token = "…"' in text
    process = msgin5g("gateway", "--token", TOKEN)
    assert process.wait() == 2


def entry(number):
    return {"t": iso(Clock().now()), "role": "gateway", "event": "x", "number": number}


async def reported(listener, journal, count, token=""):
    """Run a Reporter until so many entries arrived; returns it, closed, and their numbers."""
    made = Reporter(
        *(journal, listener.url, token, "gateway", GATEWAY), ssl.create_default_context()
    )
    made.start()

    def numbers():
        return [one["number"] for _, body, _ in listener.got for one in body["entries"]]

    await eventually(lambda: len(numbers()) >= count)
    await made.close()
    return made, numbers()


def test_entries_are_reported_once_in_order_with_the_token():
    async def job():
        journal = Journal()
        async with Listener() as server:
            for number in range(700):
                journal.add(entry(number), 0)
            made, numbers = await reported(server, journal, 700, TOKEN)
            assert numbers == list(range(700)) and made.dropped == 0
            path, body, headers = server.got[0]
            assert path == "/view/reports"
            assert (body["at"], body["role"]) == (GATEWAY, "gateway")
            assert headers["Authorization"] == f"Bearer {TOKEN}"
            assert not journal._followers

    asyncio.run(job())


def test_entries_travel_over_tls_with_the_token_of_this_gateway(tmp_path):
    async def job():
        cert, key = make_certificate(tmp_path)
        row = {"ue_service_id": GATEWAY, "gateway": None, "report_token": TOKEN}
        http = {"http.tls_cert": str(cert), "http.tls_key": str(key), "http.token": "o" * 16}
        async with Site(tmp_path / "server", rows={"ue": [row]}, http=http) as site:
            journal = Journal()
            settings = gateway_settings(str(tmp_path / "gateway"))
            given = {"view.report_to": site.url, "view.report_token": TOKEN, "http.ca": str(cert)}
            settings.values.update(given)
            check_access(settings)
            made = reporter(settings, journal, EventLog("gateway", stream=io.StringIO()))
            made.start()
            journal.add(entry(7), 0)
            await eventually(lambda: site.journal.entries(1))
            await made.close()
            found = site.journal.entries(1)[0]
            assert (found["at"], found["number"], made.dropped) == (GATEWAY, 7, 0)
            # Whoever does not know the certificate tells nothing.
            settings.values["http.ca"] = ""
            out = io.StringIO()
            stranger = reporter(settings, journal, EventLog("gateway", stream=out))
            stranger.start()
            await stranger.close()
            assert site.journal.last == 1
            assert "reports-refused" in out.getvalue() and "CERTIFICATE" in out.getvalue()

    asyncio.run(job())


def test_who_may_not_report_is_told_once_and_again_when_it_may():
    async def job():
        answers = iter([401, 401, 204])

        async def answer(request):
            return next(answers, 204)

        async with Listener(answer) as server:
            journal, heard = Journal(), []
            made = Reporter(
                *(journal, server.url, "", "gateway", GATEWAY), ssl.create_default_context()
            )
            made.on_change = heard.append
            made.start()
            journal.add(entry(1), 0)
            await eventually(lambda: len(heard) >= 2)
            await made.close()
            assert len(heard) == 2 and heard[1] == ""
            assert "/view/reports answers 401" in heard[0] and "report_token" in heard[0]
            assert made.dropped == 0

    asyncio.run(job())


def test_reports_that_are_too_large_are_sent_in_parts():
    async def job():
        async def answer(request):
            return 413 if len((await request.json())["entries"]) > 10 else 204

        async with Listener(answer) as server:
            journal = Journal()
            for number in range(40):
                journal.add(entry(number), 0)
            made = Reporter(
                *(journal, server.url, "", "gateway", GATEWAY), ssl.create_default_context()
            )
            made.start()
            await eventually(lambda: server.got and not made._waiting)
            await made.close()
            taken = [body["entries"] for _, body, _ in server.got if len(body["entries"]) <= 10]
            assert [one["number"] for part in taken for one in part] == list(range(40))
            assert made.dropped == 0

    asyncio.run(job())


def test_a_server_that_has_no_room_is_asked_again_and_one_that_refuses_is_not():
    async def job():
        journal = Journal()
        elsewhere = web.Response(status=302, headers={"Location": "/elsewhere"})
        answers = iter([503, elsewhere, 400, 204])

        async def answer(request):
            return next(answers, 204)

        async with Listener(answer) as server:
            journal.add(entry(1), 0)
            made = Reporter(
                *(journal, server.url, "", "gateway", GATEWAY), ssl.create_default_context()
            )
            made.start()
            await eventually(lambda: len(server.got) >= 3)
            journal.add(entry(2), 0)
            await eventually(lambda: len(server.got) >= 4)
            await made.close()
            sent = [[one["number"] for one in body["entries"]] for _, body, _ in server.got]
            assert sent[:4] == [[1], [1], [1], [2]] and made.dropped == 1
            assert {path for path, _, _ in server.got} == {"/view/reports"}

    asyncio.run(job())


def test_a_server_that_is_away_costs_the_oldest_entries_only():
    async def job():
        journal = Journal()
        made = Reporter(
            *(journal, "http://127.0.0.1:9", "", "gateway", GATEWAY), ssl.create_default_context()
        )
        made._follower = journal.follow()
        for number in range(3 * MAX_REPORTS):
            journal.add(entry(number), 0)
            if number % 500 == 499:
                made._gather()
        assert made.dropped == 2 * MAX_REPORTS and len(made._waiting) == MAX_REPORTS
        assert made._waiting[-1]["number"] == 3 * MAX_REPORTS - 1

    asyncio.run(job())
