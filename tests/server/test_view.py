"""The operator's view over real HTTP: who is listed, traces, actions, access and events."""

import asyncio
import json
import uuid
from datetime import datetime, timedelta, timezone

import aiohttp
import pytest

from msgin5g import message, registration
from msgin5g_host import view_events
from msgin5g_host.clock import Clock, iso
from msgin5g_host.journal import MAX_FOLLOWERS, MAX_TRACES
from msgin5g_host.reporting import MAX_REPORT_ENTRIES
from msgin5g_server.registry import Registration
from msgin5g_server.routes import OPERATOR_ID
from tests.server.http_world import SERVICE, UE1, UE2, Site, a_msg, eventually

TOKEN = "0123456789abcdef-operator"
GATEWAY_TOKEN = "0123456789abcdef-gateway"
GATEWAY = "urn:example:gw:1"
JSON = {"Content-Type": "application/json"}


def on_a_site(folder, job, **site):
    async def run():
        async with Site(folder, **site) as made:
            return await job(made)

    return asyncio.run(run())


async def look(site, path, token=None, status=200, **headers):
    """GET below /view; returns the JSON."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    async with site.session.get(f"/view/{path}", headers=headers) as answer:
        found = json.loads(await answer.text())
        assert answer.status == status, found
        return found


async def act(site, action, body, status=200, token=None, **headers):
    code, found, _ = await site.post(f"/view/{action}", body, token, **headers)
    assert code == status, found
    return found


class Stream:
    """Server-sent events as they are read: (event, data, id)."""

    def __init__(self, answer):
        self._answer = answer

    async def next(self, *names):
        fields = {}
        async with asyncio.timeout(10):
            async for raw in self._answer.content:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                    continue
                if fields.get("event") in names:
                    return fields["event"], json.loads(fields["data"]), fields.get("id")
                fields = {}
        raise AssertionError(f"no {names}")


def many(site, count):
    """Register so many UEs at once; the clock is the real one."""
    now = Clock().now()
    for number in range(count):
        via = GATEWAY if number % 2 else ""
        row = Registration(via, f"10.0.0.1:{number % 60000}", None, now, now, now + 3_600_000)
        site.registry.put(f"urn:example:many:{number:05}", row)
    site.registry.commit()


def test_ten_thousand_ues_come_in_pages_in_order_and_are_filtered_at_the_server(tmp_path):
    async def job(site):
        many(site, 10_000)
        found, offset = [], 0
        while True:
            page = await look(site, f"ues?offset={offset}&limit=1000")
            found += [row["ue_service_id"] for row in page["ues"]]
            offset += page["count"]
            if not page["count"]:
                break
        assert page["total"] == 10_002
        names = [f"urn:example:many:{one:05}" for one in range(10_000)]
        assert found == sorted([*names, UE1, UE2])
        assert page["counts"]["registered"] == 10_000 and page["counts"]["expected"] == 2
        few = await look(site, "ues?q=MANY:0123&limit=3&offset=9")
        assert [one["ue_service_id"] for one in few["ues"]] == ["urn:example:many:01239"]
        assert (few["count"], few["total"]) == (1, 10)
        behind = await look(site, f"ues?via={GATEWAY}&limit=1")
        assert behind["total"] == 5_000 and behind["ues"][0]["via"] == GATEWAY
        waiting = await look(site, "ues?state=expected")
        assert [one["ue_service_id"] for one in waiting["ues"]] == [UE1, UE2]
        assert (await look(site, "ues?link=udp&limit=0"))["total"] == 5_000
        about = await look(site, "about")
        assert about["counts"]["registered"] == 10_000
        # Who has come and gone since is there, and gone.
        site.registry.remove("urn:example:many:00000")
        now = Clock().now()
        row = Registration("", "10.0.0.1:1", None, now, now, now + 3_600_000)
        site.registry.put("urn:example:aaa", row)
        again = await look(site, "ues?limit=2")
        names = [one["ue_service_id"] for one in again["ues"]]
        assert names == ["urn:example:aaa", "urn:example:many:00001"]

    on_a_site(tmp_path, job, ues=[UE1, UE2])


def test_a_ue_is_expected_registered_unreachable_and_deregistered(tmp_path):
    async def job(site):
        async def row(ue=UE1):
            rows = (await look(site, f"ues?q={ue}"))["ues"]
            return next((one for one in rows if one["ue_service_id"] == ue), None)

        first = await row()
        assert (first["state"], first["registered_at"], first["last"]) == ("expected", None, None)
        assert first["link"] == "", "nobody knows how it will come"
        await site.ue(1)
        second = await row()
        assert (second["state"], second["link"], second["via"]) == ("registered", "udp", "")
        assert 0 < second["expires_in_s"] <= 3600 and second["last"]["what"] == "REG"
        sender = await site.ue(2)
        payload, message_id = a_msg(2, ("UE", UE1))
        await sender.post(payload)
        under_way = await row()
        assert under_way["waiting"] == 1 and under_way["last"]["trace"] == message_id
        attempt = site.core.messages.courier._boxes[UE1].attempt
        site.core.messages.failed(attempt, "timeout", Clock().now())
        assert (await row())["state"] == "unreachable"
        await sender.post(registration.dereg(UE2, SERVICE))
        assert (await row(UE2))["state"] == "deregistered"

    on_a_site(tmp_path, job, ues=[UE1, UE2])


def test_a_message_has_a_trace_from_arrival_to_what_became_of_it(tmp_path):
    async def job(site):
        sender = await site.ue(1)
        hostile = '<script>alert("x")</script>\n\x1b[2J'
        payload, message_id = a_msg(1, ("AS", "urn:example:as:1"), payload=hostile)
        await sender.post(payload)
        found = await look(site, f"traces/{message_id}")
        assert (found["from"], found["to"], found["state"]) == (
            *(UE1, "urn:example:as:1"),
            "delivered",
        )
        assert found["text"].startswith('<script>alert("x")</script>')
        assert found["text"].isprintable()
        steps = [(one["event"], one.get("direction"), one.get("what")) for one in found["entries"]]
        assert steps == [
            ("message", "rx", "MSG"),
            ("delivered", None, "MSG"),
            ("message", "tx", "2.04"),
        ]
        listed = await look(site, f"traces?ue={UE1}")
        assert listed["traces"][0] == {key: found[key] for key in listed["traces"][0]}
        assert listed["total"] == 2
        for kind, kinds in (("messages", {"MSG"}), ("requests", {"REG"})):
            apart = await look(site, f"traces?ue={UE1}&kind={kind}")
            assert {one["kind"] for one in apart["traces"]} == kinds
            assert apart["total"] == len(apart["traces"])
        registering = listed["traces"][1]
        assert (registering["kind"], registering["state"]) == ("REG", "registered")
        assert registering["trace"].startswith("r-")
        log = (await look(site, "log?limit=2"))["entries"]
        assert [one["n"] for one in log] == [log[1]["n"] - 1, log[1]["n"]]
        assert (await look(site, f"log?limit=2&before={log[0]['n']}"))["entries"][-1]["n"] == (
            log[0]["n"] - 1
        )
        missing = await look(site, "traces/nobody", status=404)
        assert "no such trace" in missing["detail"]
        payload, message_id = a_msg(1, ("UE", "urn:example:nobody"))
        await sender.post(payload)
        assert (await look(site, f"traces/{message_id}"))["state"] == "rejected"

    rows = {"application": [{"as_service_id": "urn:example:as:1"}]}
    on_a_site(tmp_path, job, ues=[UE1, UE2], rows=rows)


def test_who_asks_for_traces_does_not_hold_up_the_others(tmp_path):
    async def job(site):
        now = Clock().now()
        for number in range(MAX_TRACES):
            fields = {"what": "MSG", "trace": str(uuid.UUID(int=number)), "ue": UE1}
            site.journal.add({"t": iso(now), "role": "server", "event": "x", **fields}, now)
        turns = 0

        async def others():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.create_task(others())
        await look(site, "rates")
        without, turns = turns, 0
        found = await look(site, f"traces?ue={UE2}")
        task.cancel()
        assert found["total"] == 0 and turns > without + 10

    on_a_site(tmp_path, job)


def test_the_operator_sends_and_sees_the_report(tmp_path):
    async def job(site):
        ue = await site.ue(1)
        sent = await act(site, "send", {"to": UE1, "text": "valve open", "report": True})
        await ue.next_request()
        trace = await look(site, f"traces/{sent['trace']}")
        assert (trace["from"], trace["to"], trace["text"]) == (OPERATOR_ID, UE1, "valve open")
        report = message.Message()
        report.origin, report.destination = ("UE", UE1), ("AS", OPERATOR_ID)
        report.message_id, report.status = sent["trace"], "success"
        answer = await ue.post(message.imdn(SERVICE, report))
        assert answer.code == 68, answer.payload
        trace = await look(site, f"traces/{sent['trace']}")
        assert trace["state"] == "reported"
        refused = await act(site, "send", {"to": "urn:example:no", "text": "x"}, 404)
        assert "urn:example:no" in refused["detail"]
        for body in ({"to": UE1}, {"to": UE1, "text": 1}, {"to": UE1, "text": "x", "kind": "AS"}):
            await act(site, "send", body, 400)

    on_a_site(tmp_path, job, ues=[UE1, UE2])


def test_the_operator_deregisters(tmp_path):
    async def job(site):
        await site.ue(1)
        assert await act(site, "deregister", {"ue_service_id": UE1}) == {"deregistered": True}
        assert UE1 not in site.registry
        assert (await look(site, "ues"))["counts"]["deregistered"] == 1
        await act(site, "deregister", {"ue_service_id": UE1}, 404)

    on_a_site(tmp_path, job, ues=[UE1])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
    ],
)
def test_another_sites_page_can_do_nothing(tmp_path, headers):
    async def job(site):
        await site.ue(1)
        await act(site, "deregister", {"ue_service_id": UE1}, 403, **headers)
        await act(site, "send", {"to": UE1, "text": "x"}, 403, **headers)
        assert UE1 in site.registry
        own = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
        await act(site, "deregister", {"ue_service_id": UE1}, **own)

    on_a_site(tmp_path, job, ues=[UE1])


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_another_sites_page_can_do_nothing_beside_the_page_either(tmp_path, headers):
    """A form of any site reaches this machine, and any name can be made to lead here."""

    async def job(site):
        text = json.dumps({"from": "urn:example:as:1", "to": UE1, "payload": "x"})
        plain = {"Content-Type": "text/plain"}
        for more, status in ((headers, 403), ({}, 201)):
            async with site.session.post("/messages", data=text, headers=plain | more) as answer:
                assert answer.status == status
        if "Host" in headers:
            for path in ("/ues", "/metrics", "/messages?application=urn:example:as:1", "/"):
                async with site.session.get(path, headers=headers) as answer:
                    assert answer.status == 403
        body = {"asSvcId": "urn:example:as:1"}
        code, found, _ = await site.post("/msgs-asregistration/v1/registrations", body, **headers)
        assert code == 403 and "this" in found["detail"]

    rows = {"application": [{"as_service_id": "urn:example:as:1"}]}
    on_a_site(tmp_path, job, ues=[UE1], rows=rows)


def test_a_form_of_another_site_is_no_json(tmp_path):
    async def job(site):
        await act(site, "send", {"to": UE1, "text": "x"}, 415, **{"Content-Type": "text/plain"})

    on_a_site(tmp_path, job, ues=[UE1])


def test_without_a_token_only_names_of_this_machine_are_answered(tmp_path):
    async def job(site):
        refused = await look(site, "ues", status=403, Host="evil.example")
        assert "evil.example" in refused["detail"]
        await look(site, "ues", Host="localhost:1")

    on_a_site(tmp_path, job)


def test_with_a_token_everything_but_the_page_asks_for_it(tmp_path):
    async def job(site):
        for path in ("about", "ues", "traces", "traces/x", "log", "rates", "events"):
            await look(site, path, status=401)
            await look(site, path, token="wrong-0123456789abcdef", status=401)
        await act(site, "send", {"to": UE1, "text": "x"}, 401)
        await act(site, "deregister", {"ue_service_id": UE1}, 401)
        await act(site, "reports", {"at": "a", "role": "ue", "entries": []}, 401)
        await look(site, "about", TOKEN)
        async with site.session.get("/") as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert answer.status == 200 and answer.content_type == "text/html"
            assert "default-src 'none'" in policy and "unsafe" not in policy
            assert TOKEN not in await answer.text()

    on_a_site(tmp_path, job, ues=[UE1], http={"http.token": TOKEN})


@pytest.mark.parametrize(
    "path", ["page/../journal.py", "page/%2e%2e/journal.py", "page//etc/passwd", "page/none.js"]
)
def test_the_page_has_its_own_files_only(tmp_path, path):
    async def job(site):
        from yarl import URL

        async with site.session.get(URL(f"{site.url}/{path}", encoded=True)) as answer:
            assert answer.status == 404

    on_a_site(tmp_path, job)


@pytest.mark.parametrize(
    "path",
    [
        *("ues?limit=1001", "ues?limit=x", "ues?offset=-1", "ues?state=asleep", "ues?colour=red"),
        *(
            "traces?limit=a",
            "traces?kind=x",
            "log?before=x",
            "events?after=x",
            "ues?q=" + "x" * 400,
        ),
    ],
)
def test_bad_parameters_are_named(tmp_path, path):
    async def job(site):
        found = await look(site, path, status=400)
        assert path.partition("?")[2].partition("=")[0] in found["detail"]

    on_a_site(tmp_path, job)


def reports(*entries, at=GATEWAY, role="gateway"):
    made = [{"t": iso(Clock().now()), "role": role, **entry} for entry in entries]
    return {"at": at, "role": role, "entries": made}


def test_a_gateway_tells_which_link_a_ue_is_on(tmp_path):
    async def job(site):
        await site.ue(1)
        seen = {"event": "message", "direction": "rx", "what": "REG", "ue": UE1, "trace": "r-01"}
        body = reports({**seen, "peer": "ble://aa:bb", "n": 99, "long": "x" * 10_000})
        await act(site, "reports", body, 204)
        row = (await look(site, f"ues?q={UE1}"))["ues"][0]
        assert row["link"] == "ble"
        async with site.session.get("/ues") as answer:
            assert [one["link"] for one in (await answer.json())["ues"]] == ["ble"]
        entry = (await look(site, "log"))["entries"][-1]
        assert (entry["at"], entry["role"], entry["ue"]) == (GATEWAY, "gateway", UE1)
        assert entry["n"] != 99 and len(entry["long"]) < 1000

    on_a_site(tmp_path, job, ues=[UE1])


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (reports({"event": "x"}, role="server"), 400, "role"),
        (reports({"event": 3}), 400, "event"),
        (reports({"event": "x", "trace": ["x"]}), 400, "trace"),
        (reports({"event": "x", "traces": [1]}), 400, "traces"),
        (reports({"event": "x", "role": "ue"}), 400, "role"),
        (reports({"event": "x", **{f"f{one}": 1 for one in range(60)}}), 400, "fields"),
        (reports(*[{"event": "x"}] * (MAX_REPORT_ENTRIES + 1)), 413, "500"),
        (reports(*[{"event": "x", "a": "y" * 3000}] * 100), 413, "262144"),
        (reports({"event": "x", **{f"f{one}": "y" * 300 for one in range(30)}}), 400, "4000"),
        (reports({"event": "x"}, at="y" * 1000), 400, "at"),
        ({"at": "x", "role": "ue"}, 400, "entries"),
        ({"at": "x", "role": "ue", "entries": [7]}, 400, "entries[0]"),
    ],
)
def test_reports_that_make_no_sense_are_refused(tmp_path, body, status, word):
    async def job(site):
        found = await act(site, "reports", body, status)
        assert word in found["detail"]

    on_a_site(tmp_path, job)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2021-01-01T00:00:07Z"]
)
def test_a_clock_that_is_wrong_by_years_counts_as_now(tmp_path, moment):
    async def job(site):
        await act(site, "reports", reports({"event": "a", "trace": "r-01", "what": "REG"}), 204)
        wrong = {"event": "b", "t": moment, "trace": "r-01"}
        await act(site, "reports", reports(wrong), 204)
        (found,) = (await look(site, "traces"))["traces"]
        assert found["hops"] == 2 and found["ms"] < 60_000

    on_a_site(tmp_path, job)


def test_times_of_other_zones_are_in_order_with_the_rest(tmp_path):
    async def job(site):
        now = Clock().now()
        late = datetime.fromtimestamp(now / 1000, timezone(timedelta(hours=-5))).isoformat()
        given = [{"event": "late", "t": late}, {"event": "early", "t": iso(now - 5)}]
        for one in given:
            await act(site, "reports", reports({**one, "trace": "r-01"}), 204)
        found = await look(site, "traces/r-01")
        assert [one["event"] for one in found["entries"]] == ["early", "late"]

    on_a_site(tmp_path, job)


def test_a_gateways_token_is_for_its_own_reports(tmp_path):
    async def job(site):
        await act(site, "reports", reports({"event": "x"}), 204, GATEWAY_TOKEN)
        await act(site, "reports", reports({"event": "x"}, at="urn:other"), 403, GATEWAY_TOKEN)
        await act(site, "reports", reports({"event": "x"}, role="ue"), 403, GATEWAY_TOKEN)
        await look(site, "ues", GATEWAY_TOKEN, 401)
        await act(site, "send", {"to": UE1, "text": "x"}, 401, GATEWAY_TOKEN)
        await act(site, "reports", reports({"event": "x"}, role="ue"), 204, TOKEN)

    row = {"ue_service_id": GATEWAY, "gateway": None, "report_token": GATEWAY_TOKEN}
    rows = {"ue": [row]}
    on_a_site(tmp_path, job, rows=rows, http={"http.token": TOKEN})


def test_events_come_as_they_happen_and_go_on_where_they_ended(tmp_path):
    async def job(site):
        async with site.session.get("/view/events") as answer:
            assert answer.content_type == "text/event-stream"
            stream = Stream(answer)
            await site.ue(1)
            _, entry, number = await stream.next("entry")
            assert (entry["event"], entry["ue"], str(entry["n"])) == ("registered", UE1, number)
            _, row, _ = await stream.next("ue")
            assert (row["ue_service_id"], row["state"]) == (UE1, "registered")
            _, sample, _ = await stream.next("rates")
            assert {"t", "messages", "registrations", "retransmissions", "p50_ms"} <= set(sample)
        await site.ue(2)
        async with site.session.get("/view/events", headers={"Last-Event-ID": number}) as answer:
            _, entry, _ = await Stream(answer).next("entry")
            assert entry["ue"] == UE2 and entry["n"] == int(number) + 1
        assert (await look(site, "rates"))["step_s"] == 1

    on_a_site(tmp_path, job, ues=[UE1, UE2])


def test_who_was_away_for_long_hears_how_much_is_missing(tmp_path):
    async def job(site):
        now = Clock().now()
        for number in range(1500):
            entry = {"t": iso(now), "role": "server", "event": "x", "number": number}
            site.journal.add(entry, now)
        async with site.session.get("/view/events?after=0") as answer:
            stream = Stream(answer)
            name, data, _ = await stream.next("missed", "entry")
            assert (name, data) == ("missed", {"entries": 500})
            _, entry, _ = await stream.next("entry")
            assert entry["number"] == 500

    on_a_site(tmp_path, job)


def test_who_does_not_read_is_shown_out(tmp_path, monkeypatch):
    monkeypatch.setattr(view_events, "_WRITE_S", 0.2)

    async def job(site):
        host, port = site.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        writer.write(b"GET /view/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await eventually(lambda: site.journal._followers)
        now = Clock().now()

        def is_gone():
            for _ in range(200):
                site.journal.add({"t": iso(now), "role": "ue", "event": "x" * 4000}, now)
            return not site.journal._followers

        await eventually(is_gone)
        await eventually(lambda: not site.http._runner.server.connections)
        writer.close()

    on_a_site(tmp_path, job)


def test_pages_are_bounded_and_give_their_place_back(tmp_path):
    async def job(site):
        streams = [await site.session.get("/view/events") for _ in range(MAX_FOLLOWERS)]
        assert {one.status for one in streams} == {200}
        found = await look(site, "events", status=503)
        assert str(MAX_FOLLOWERS) in found["detail"]
        for one in streams:
            one.close()
        await eventually(lambda: not site.journal._followers)
        async with site.session.get("/view/events") as answer:
            assert answer.status == 200

    async def run():
        async with Site(tmp_path) as site:
            await site.session.close()
            connector = aiohttp.TCPConnector(limit=0)
            site.session = aiohttp.ClientSession(site.url, connector=connector)
            await job(site)

    asyncio.run(run())


def test_a_restart_loses_the_journal_and_nothing_else(tmp_path):
    async def before(site):
        await site.ue(1)
        assert (await look(site, "traces"))["total"] == 1

    async def after(site):
        assert (await look(site, "traces"))["total"] == 0
        assert (await look(site, "ues"))["ues"][0]["state"] == "registered"

    on_a_site(tmp_path, before, ues=[UE1])
    on_a_site(tmp_path, after, ues=[UE1])


def test_names_of_others_are_plain_strings(tmp_path):
    name = 'urn:example:"><img src=x onerror=alert(1)>'.replace(" ", "%20")

    async def job(site):
        await site.ue(name)
        rows = (await look(site, "ues"))["ues"]
        assert rows[0]["ue_service_id"] == name
        found = await look(site, f"traces?ue={uuid.uuid4()}")
        assert found["total"] == 0

    values = {"open": True}
    on_a_site(tmp_path, job, **values)
