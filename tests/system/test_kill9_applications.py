"""kill -9 of the real server: what an Application Server was answered 2xx is kept."""

import asyncio
import json

import aiohttp
import pytest

from msgin5g import coap, registration
from tests.conformance.test_server_messages import Socket
from tests.processes import msgin5g
from tests.server.http_world import AS, AS_MESSAGE, REGISTRATIONS, Listener, a_msg, as_message
from tests.world import SERVICE, ue_id


class Server:
    """The process, on the same folder and ports each time."""

    def __init__(self, folder):
        self._folder = folder
        self._coap = self._http = "127.0.0.1:0"

    def start(self):
        self.process = msgin5g(
            *("server", "--open", "--json", "--data", self._folder),
            *("--bind", self._coap, "--http", self._http),
        )
        ready = self.process.wait_for("ready")
        self._coap, self._http = ready["coap"], ready["http"]
        self.url = f"http://{self._http}"
        host, _, port = self._coap.rpartition(":")
        self.address = (host, int(port))

    def kill(self):
        self.process.kill()


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "server")
    made.start()
    yield made
    made.process.stop()


async def post(url, body):
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        return answer.status, await answer.json(), answer.headers


def test_a_registration_and_the_messages_of_both_sides_survive(server):
    async def scenario():
        async with Listener(503) as application:
            given = {"asSvcId": AS, "targetUri": application.url}
            status, _, headers = await post(server.url + REGISTRATIONS, given)
            assert status == 201
            ue = Socket(server.address)
            await ue.post(registration.reg(ue_id(1), SERVICE))
            up = [a_msg(1, ("AS", AS), store=True, payload=str(number)) for number in range(5)]
            for payload, _ in up:
                assert (await ue.post(payload)).code == coap.CHANGED
            down = as_message(("UE", ue_id(2)), stoAndFwInd=True)
            assert (await post(server.url + AS_MESSAGE, down))[1]["status"] == "DELY_STORED"
            await application.until(1)
            server.kill()

            application.answer = 204
            application.got.clear()
            server.start()
            got = await application.until(5)
            assert [one["msgId"] for one in got] == [message_id for _, message_id in up]
            other = Socket(server.address)
            await other.post(registration.reg(ue_id(2), SERVICE))
            assert json.loads((await other.next_request()).payload)["msgId"] == down["msgId"]
            assert (await post(server.url + AS_MESSAGE, down))[0] == 200
            async with aiohttp.ClientSession() as session:
                location = server.url + headers["Location"].removeprefix(server.url)
                async with session.delete(location) as answer:
                    assert answer.status == 200
            server.kill()

            server.start()
            async with aiohttp.ClientSession() as session, session.delete(location) as answer:
                assert answer.status == 404
            assert len(application.got) == 5 and not other.requests
            ue.close()
            other.close()

    asyncio.run(scenario())


def test_a_server_that_waits_for_a_callback_ends_in_time(server):
    async def hang(request):
        await asyncio.sleep(3600)

    async def scenario():
        async with Listener(hang) as application:
            given = {"asSvcId": AS, "targetUri": application.url}
            await post(server.url + REGISTRATIONS, given)
            ue = Socket(server.address)
            await ue.post(registration.reg(ue_id(1), SERVICE))
            await ue.post(a_msg(1, ("AS", AS))[0])
            await application.until(1)
            assert await asyncio.to_thread(server.process.stop) == 0
            ue.close()

    asyncio.run(scenario())
