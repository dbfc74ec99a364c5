"""msgs-asregistration and msgs-msgdelivery (TS 29.538) over HTTP."""

import asyncio
import json

import pytest
from aiohttp import web

from msgin5g import gaps, registration
from msgin5g_server import outside, problems
from msgin5g_server.problems import MAX_BODY_BYTES
from tests.conformance.test_server_messages import Socket
from tests.server.http_world import (
    AS,
    AS_MESSAGE,
    REGISTRATIONS,
    REPORT,
    UE_MESSAGE,
    Site,
    a_report,
    an_address,
    as_message,
    eventually,
    ue_message,
)
from tests.world import SERVICE, ue_id

TOKEN = "a-token-of-the-application"
OTHER = "a-token-of-another-one-0"
OPERATOR = "the-token-of-the-operator"
ELSEWHERE = {
    "message_gateway": [
        {
            **{"mgw_service_id": "urn:example:mgw:1", "kind": "N3G", "areas": []},
            **{"url": "http://127.0.0.1:1", "ues": ["urn:n3:1"]},
        }
    ],
    "peer": [{"server_id": "urn:b:server", "url": "http://127.0.0.1:1", "prefixes": ["urn:b:"]}],
}


def run(folder, job, rows=None, http=None, **values):
    """Run job(site) with a Server."""

    async def scenario():
        tables = {"application": [{"as_service_id": AS}], **(rows or {})}
        async with Site(folder, tables, http, [ue_id(1), ue_id(2)], **values) as site:
            return await job(site)

    return asyncio.run(scenario())


# Registration


def test_an_as_registers_and_deregisters(tmp_path):
    async def job(site):
        given = {"asSvcId": AS, "targetUri": "http://127.0.0.1:1/x", "asProf": {"appName": "a"}}
        status, body, headers = await site.post(REGISTRATIONS, given)
        assert status == 201 and headers["Content-Type"].startswith("application/json")
        assert body == {"asSvcId": AS, "result": {"status": 201, "title": "Created"}}
        location = headers["Location"]
        assert location.startswith(f"{site.url}{REGISTRATIONS}/")
        async with site.session.delete(location) as answer:
            assert answer.status == 200
            assert (await answer.json())["result"]["status"] == 200
        async with site.session.delete(location) as answer:
            assert answer.status == 404
            assert answer.headers["Content-Type"].startswith("application/problem+json")

    run(tmp_path, job)


def test_who_registers_again_replaces_the_registration(tmp_path):
    async def job(site):
        first = await site.register_as("http://127.0.0.1:1/old")
        assert await site.register_as("http://127.0.0.1:1/new") == first
        assert site.core.messages.outside.link(AS).url == "http://127.0.0.1:1/new"

    run(tmp_path, job)


def test_a_registration_outlives_the_process(tmp_path):
    async def first(site):
        return await site.register_as("http://127.0.0.1:1/x", "urn:example:as:new")

    location = run(tmp_path, first, open=True)

    async def second(site):
        assert site.core.messages.outside.link("urn:example:as:new").url == "http://127.0.0.1:1/x"
        assert site.core.messages.routes.is_application("urn:example:as:new")
        async with site.session.delete(location) as answer:
            assert answer.status == 200

    run(tmp_path, second, open=True)

    async def third(site):
        assert not site.core.messages.routes.is_application("urn:example:as:new")

    run(tmp_path, third, open=True)


@pytest.mark.parametrize(
    ("service_id", "is_open", "words"),
    [
        ("urn:example:as:9", False, "server.toml"),
        (ue_id(1), True, "a UE has this Service ID"),
        ("urn:n3:1", True, "belongs to urn:example:mgw:1"),
        ("urn:b:as:1", True, "belongs to urn:b:server"),
    ],
)
def test_who_may_not_register_is_told_why(tmp_path, service_id, is_open, words):
    async def job(site):
        status, body, _ = await site.post(REGISTRATIONS, {"asSvcId": service_id})
        assert status == 403 and words in body["detail"]

    run(tmp_path, job, ELSEWHERE, open=is_open)


@pytest.mark.parametrize(
    ("service_id", "words"),
    [
        (AS, "an application"),
        ("urn:example:as:new", "an application"),
        ("urn:msgin5g:operator", "an application"),
        (gaps.GROUP_MANAGEMENT_ID, "an application"),
        ("urn:n3:1", "a message gateway"),
        ("urn:b:ue:1", "another server"),
    ],
)
def test_nobody_registers_as_a_ue_of_a_service_id_that_is_no_ues(tmp_path, service_id, words):
    async def job(site):
        await site.register_as("http://127.0.0.1:1/x", "urn:example:as:new")
        one = Socket(site.coap.address)
        site.sockets.append(one)
        answer = json.loads((await one.post(registration.reg(service_id, SERVICE))).payload)
        assert answer["result"] is False and words in answer["cause"]
        assert service_id not in site.registry
        # Its owner is not locked out.
        if words == "an application" and service_id.startswith("urn:example:"):
            await site.register_as("http://127.0.0.1:1/y", service_id)

    run(tmp_path, job, ELSEWHERE, open=True)


def test_no_more_register_than_there_is_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr(outside, "MAX_AS_REGISTRATIONS", 2)

    async def job(site):
        for number in range(2):
            await site.register_as("http://127.0.0.1:1/x", f"urn:as:{number}")
        status, body, _ = await site.post(REGISTRATIONS, {"asSvcId": "urn:as:3"})
        assert status == 503 and body["title"] == "Service Unavailable"
        await site.register_as("http://127.0.0.1:1/y", "urn:as:1")

    run(tmp_path, job, open=True)


# What an AS sends


def test_an_unknown_recipient_is_a_failed_delivery(tmp_path):
    async def job(site):
        sent = as_message(("UE", "urn:nobody"))
        status, body, _ = await site.post(AS_MESSAGE, sent)
        assert status == 200
        assert body == {
            **{"oriAddr": an_address("AS", AS), "msgId": sent["msgId"]},
            **{"status": "DELY_FAILED", "failureCause": gaps.CAUSE_UNKNOWN_RECIPIENT},
        }

    run(tmp_path, job)


@pytest.mark.parametrize(
    ("stored", "status", "cause"),
    [(True, "DELY_STORED", None), (False, "DELY_FAILED", gaps.CAUSE_UNAVAILABLE)],
)
def test_the_answer_says_what_becomes_of_it_now(tmp_path, stored, status, cause):
    async def job(site):
        sent = as_message(stoAndFwInd=stored)
        _, body, _ = await site.post(AS_MESSAGE, sent)
        assert (body["status"], body.get("failureCause")) == (status, cause)
        # Sent twice, it is the same message, and the answer is the same.
        assert (await site.post(AS_MESSAGE, sent))[1] == body
        assert len(site.core._store) == stored
        # Nothing of it comes a second time by another way.
        assert site.core.messages.applications.inbox(AS, 0) == []

    run(tmp_path, job)


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"segInd": True}, "segParams: missing beside segInd"),
        (
            {"segInd": True, "segParams": {"segId": "a", "segNumb": 3, "totalSegCount": 2}},
            "segParams.segNumb: above totalSegCount",
        ),
        ({"appId": "ü" * 200}, "appId: at most 255 bytes are wanted"),
        ({"payload": "ü" * 40_000}, "payload: at most 65536 bytes are wanted"),
        ({"destAddr": an_address("TOPIC", "ü" * 200)}, "destAddr.addr: at most 255 bytes"),
    ],
)
def test_what_no_schema_can_say_comes_as_a_cause(tmp_path, more, cause):
    async def job(site):
        status, body, _ = await site.post(AS_MESSAGE, as_message(**more))
        assert (status, body["status"]) == (200, "DELY_FAILED")
        assert body["failureCause"].startswith(cause)

    run(tmp_path, job)


def test_a_report_on_what_nobody_sent_is_a_failed_delivery(tmp_path):
    async def job(site):
        report = a_report(("AS", AS), ("UE", ue_id(1)), as_message()["msgId"])
        status, body, _ = await site.post(REPORT, report)
        assert (status, body["status"]) == (200, "DELY_FAILED")
        assert "nobody sent" in body["failureCause"]

    run(tmp_path, job)


# What cannot be read


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"{", None, "not JSON"),
        (b"\xff", None, "not JSON"),
        (b'{"a":' * 100_000, None, "not JSON"),
        (b"[]", "/", "Expected `object`"),
        (as_message(payload=5), "/payload", "Expected `str`"),
        ({**as_message(), "msgId": "1"}, "/msgId", "a UUID is wanted, such as"),
        (as_message(("AS", AS)), "/destAddr/addrType", "Invalid value 'AS'"),
        (as_message(stoAndFwInd="yes"), "/stoAndFwInd", "Expected `bool`"),
        (as_message(payload="x" * 65_537), "/payload", "65536"),
        (as_message(stoAndFwParams={"exprTime": "soon"}), "/stoAndFwParams/exprTime", "RFC3339"),
        (
            as_message(origin="no uri"),
            "/oriAddr/addr",
            "a URI is wanted, such as urn:example:ue:1",
        ),
        (as_message(("TOPIC", "a\nb")), "/destAddr/addr", "without control characters"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem_that_names_the_member(
    tmp_path, body, param, words
):
    async def job(site):
        status, problem, headers = await site.post(AS_MESSAGE, body)
        assert status == problem["status"] == 400 and problem["title"] == "Bad Request"
        assert headers["Content-Type"].startswith("application/problem+json")
        assert words in problem["detail"], problem
        if param:
            assert problem["invalidParams"][0]["param"] == param

    run(tmp_path, job)


@pytest.mark.parametrize("url", ["ftp://h/x", "http://", "http://h:99999/", "http://u:p@h/", ""])
def test_a_target_that_cannot_be_called_is_told_what_is_wanted(tmp_path, url):
    async def job(site):
        status, problem, _ = await site.post(REGISTRATIONS, {"asSvcId": AS, "targetUri": url})
        assert (status, problem["invalidParams"][0]["param"]) == (400, "/targetUri")
        assert "an http or https URL is wanted, such as" in problem["detail"]

    run(tmp_path, job)


def test_other_refusals_are_problems_too(tmp_path):
    async def job(site):
        status, problem, _ = await site.post(AS_MESSAGE, b"{}", **{"Content-Type": "text/plain"})
        assert (status, "application/json" in problem["detail"]) == (415, True)
        status, problem, _ = await site.post(AS_MESSAGE, b" " * (MAX_BODY_BYTES + 1))
        assert (status, str(MAX_BODY_BYTES) in problem["detail"]) == (413, True)
        async with site.session.get(AS_MESSAGE) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
            assert (await answer.json(content_type=None))["status"] == 405
        async with site.session.get("/msgs-msgdelivery/v2/x") as answer:
            assert (await answer.json(content_type=None))["status"] == 404

    run(tmp_path, job)


def test_a_disk_that_is_full_is_503_and_nothing_is_kept(tmp_path):
    async def job(site):
        site.core._store._db.execute("PRAGMA query_only=ON")
        status, problem, headers = await site.post(AS_MESSAGE, as_message(stoAndFwInd=True))
        assert (status, headers["Retry-After"]) == (503, "10") and "disk" in problem["detail"]
        status, _, _ = await site.post(REGISTRATIONS, {"asSvcId": AS, "targetUri": "http://x/"})
        assert status == 503
        site.core._store._db.execute("PRAGMA query_only=OFF")
        assert not site.core._store.deliveries
        assert site.core.messages.outside.registered(AS) is None

    run(tmp_path, job)


# Tokens


def with_tokens():
    return {
        "application": [
            {"as_service_id": AS, "token": TOKEN},
            {"as_service_id": "urn:example:as:2", "token": OTHER},
        ]
    }


@pytest.mark.parametrize(
    ("token", "status", "words"),
    [
        (None, 401, f"the bearer token of {AS} is wanted"),
        ("wrong", 401, "not known"),
        (OTHER, 403, "that of urn:example:as:2, not of"),
        (TOKEN, 200, None),
        (OPERATOR, 200, None),
    ],
)
def test_a_bearer_token_says_who_speaks(tmp_path, token, status, words):
    async def job(site):
        got, body, headers = await site.post(AS_MESSAGE, as_message(), token)
        assert got == status
        if words:
            assert words in body["detail"]
        assert ("WWW-Authenticate" in headers) == (status == 401)
        read = {"Authorization": f"Bearer {token}"} if token else {}
        async with site.session.get(f"/messages?application={AS}", headers=read) as answer:
            assert answer.status == status
        message = {"from": AS, "to": ue_id(1), "payload": "x"}
        assert (await site.post("/messages", message, token))[0] == (
            201 if words is None else status
        )

    run(tmp_path, job, with_tokens(), {"http.token": OPERATOR})


def test_a_registration_is_deleted_by_its_own_as_only(tmp_path):
    async def job(site):
        path = await site.register_as("http://127.0.0.1:1/x", token=TOKEN)
        for token, status in ((None, 401), (OTHER, 403), (TOKEN, 200)):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with site.session.delete(path, headers=headers) as answer:
                assert answer.status == status

    run(tmp_path, job, with_tokens())


def test_the_operators_pages_want_the_operators_token(tmp_path):
    async def job(site):
        for path in ("/ues", "/metrics"):
            for token, status in ((None, 401), (TOKEN, 401), (OPERATOR, 200)):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                async with site.session.get(path, headers=headers) as answer:
                    assert answer.status == status
        for path in ("/health", "/openapi.json", "/docs"):
            async with site.session.get(path) as answer:
                assert answer.status == 200

    run(tmp_path, job, with_tokens(), {"http.token": OPERATOR})


def test_a_message_of_a_ue_comes_from_a_gateway_or_a_server_only(tmp_path):
    async def job(site):
        _, body, _ = await site.post(UE_MESSAGE, ue_message())
        assert body["failureCause"] == gaps.CAUSE_NOT_THE_SENDER
        sent = as_message()
        _, body, _ = await site.post(UE_MESSAGE, sent)
        assert body["failureCause"] == gaps.CAUSE_NOT_THE_SENDER

    run(tmp_path, job)


# The document


def test_the_document_and_the_page_are_served(tmp_path):
    async def job(site):
        async with site.session.get("/openapi.json") as answer:
            assert answer.content_type == "application/json"
            document = json.loads(await answer.text())
        async with site.session.get("/docs") as answer:
            page = await answer.text()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert document["openapi"].startswith("3.")
        for path in document["paths"]:
            assert path in page
        for name in document["components"]["schemas"]:
            assert f'id="{name}"' in page
        assert "//" not in page.replace("http://127.0.0.1", "")

    run(tmp_path, job)


WITH_A_BODY = REGISTRATIONS, AS_MESSAGE, REPORT, "/messages", "/view/reports"


async def begin(site, path):
    """A connection on which one octet of nine has come."""
    reader, writer = await asyncio.open_connection(*site.http.address)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n{")
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("path", WITH_A_BODY)
def test_a_body_that_does_not_come_is_not_waited_for(tmp_path, monkeypatch, path):
    monkeypatch.setattr(problems, "_BODY_S", 0.01)

    async def job(site):
        reader, writer = await begin(site, path)
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 10)
        writer.close()

    run(tmp_path, job)


@pytest.mark.parametrize("path", WITH_A_BODY)
def test_a_connection_that_ends_within_the_body_is_no_error_of_ours(
    tmp_path, monkeypatch, caplog, path
):
    read, is_reading = web.Request.read, asyncio.Event()

    async def observed(request):
        is_reading.set()
        return await read(request)

    monkeypatch.setattr(web.Request, "read", observed)

    async def job(site):
        _, writer = await begin(site, path)
        await asyncio.wait_for(is_reading.wait(), 10)
        writer.close()
        await eventually(lambda: not site.http._runner.server.connections)

    run(tmp_path, job)
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []


def test_what_is_no_http_leaves_no_traceback_either(tmp_path, caplog):
    async def job(site):
        for frame in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/9\r\n\r\n"):
            reader, writer = await asyncio.open_connection(*site.http.address)
            writer.write(frame)
            assert b" 400 " in await asyncio.wait_for(reader.readline(), 10)
            writer.close()

    run(tmp_path, job)
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []


def test_an_error_of_ours_has_its_traceback(tmp_path, monkeypatch, caplog):
    async def job(site):
        monkeypatch.setattr(problems, "parse", lambda body, wanted: 1 // 0)
        async with site.session.post(AS_MESSAGE, json={}) as answer:
            assert answer.status == 500

    run(tmp_path, job)
    (one,) = (one for one in caplog.records if one.levelname == "ERROR")
    assert one.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Encoding: gzip\r\nContent-Length: 9", b"not gzip!"),
        ("Content-Encoding: deflate\r\nContent-Length: 9", b"\xff" * 9),
        ("Transfer-Encoding: chunked", b"1\r\n{\r\nzz\r\n"),
    ],
)
@pytest.mark.parametrize("path", WITH_A_BODY)
def test_a_body_in_no_such_encoding_is_the_clients_error(tmp_path, caplog, path, header, body):
    async def job(site):
        reader, writer = await asyncio.open_connection(*site.http.address)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 10)
        writer.close()

    run(tmp_path, job)
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []
