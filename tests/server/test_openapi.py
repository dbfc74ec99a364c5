"""The OpenAPI document says what the Server does: schemathesis looks for what it does not."""

import asyncio
import threading

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from msgin5g_server.openapi import document
from tests.server.http_world import AS, Site

schema = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A Server that runs in a thread of its own, open to every AS."""
    started, stop = threading.Event(), asyncio.Event()
    found = {}

    async def serve():
        rows = {"application": [{"as_service_id": AS}]}
        async with Site(tmp_path_factory.mktemp("server"), rows, open=True) as site:
            found["url"], found["loop"] = site.url, asyncio.get_running_loop()
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    yield found["url"]
    found["loop"].call_soon_threadsafe(stop.set)
    thread.join(10)
    assert not thread.is_alive()


@schema.parametrize()
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_server_keeps_to_its_document(case, url):
    case.call_and_validate(base_url=url)
