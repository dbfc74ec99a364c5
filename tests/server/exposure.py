"""The exposure function of a network (SCEF, NEF) for tests: T8 as TS 29.122 has it.

DeviceTriggering: a transaction needs validityPeriod, priority, applicationPortId, triggerPayload,
notificationDestination and exactly one of externalId and msisdn. MonitoringEvent: a subscription
needs monitoringType and notificationDestination, an identity, and at least one of
maximumNumberOfReports and monitorExpireTime; it ends by itself after that many reports. What is
created is at its Location, and is deleted there. Notifications are to be acknowledged.
"""

import asyncio
import base64
import json
import re

import aiohttp
from aiohttp import web

from tests.server.http_world import DEADLINE_S

TRIGGERING, MONITORING = "3gpp-device-triggering", "3gpp-monitoring-event"
TOKEN = "what-the-server-shows-the-network"
_MSISDN = re.compile(r"[0-9]{5,15}\Z")


class Refused(Exception):
    """What TS 29.122 forbids."""


def check_identity(body):
    given = [name for name in ("externalId", "msisdn") if name in body]
    if len(given) != 1:
        raise Refused("one of externalId and msisdn")
    if "msisdn" in body and not _MSISDN.match(body["msisdn"]):
        raise Refused("msisdn is digits")


def check_uri(text):
    if not text.startswith(("http://", "https://")):
        raise Refused("notificationDestination is a link")


def check_trigger(body):
    check_identity(body)
    if not isinstance(body["validityPeriod"], int) or body["validityPeriod"] < 0:
        raise Refused("validityPeriod is seconds")
    if body["priority"] not in ("NO_PRIORITY", "PRIORITY"):
        raise Refused("priority")
    if (
        not isinstance(body["applicationPortId"], int)
        or not 0 <= body["applicationPortId"] < 65536
    ):
        raise Refused("applicationPortId")
    base64.b64decode(body["triggerPayload"], validate=True)
    check_uri(body["notificationDestination"])


def check_subscription(body):
    check_identity(body)
    if body["monitoringType"] != "UE_REACHABILITY":
        raise Refused("monitoringType")
    if "maximumNumberOfReports" not in body and "monitorExpireTime" not in body:
        raise Refused("maximumNumberOfReports or monitorExpireTime")
    if body.get("maximumNumberOfReports", 1) < 1:
        raise Refused("maximumNumberOfReports")
    if body.get("reachabilityType") not in ("SMS", "DATA"):
        raise Refused("reachabilityType")
    check_uri(body["notificationDestination"])


class Exposure:
    """T8 on a port. `refuses`: a status with which every POST is answered, or None; `immediate`:
    a report in the answer to a subscription."""

    def __init__(self, scs_as_id="msgin5g"):
        self._scs_as_id = scs_as_id
        self.refuses = None
        self.immediate = False
        self.resources = {}
        self.deleted = []
        self.problems = []
        self.asked = []
        self._changed = asyncio.Event()

    async def __aenter__(self):
        app = web.Application()
        for api in (TRIGGERING, MONITORING):
            what = "transactions" if api == TRIGGERING else "subscriptions"
            path = f"/exposed/{api}/v1/{self._scs_as_id}/{what}"
            app.router.add_post(path, self._create)
            app.router.add_delete(path + "/{id}", self._delete)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = self._origin + "/exposed"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _create(self, request):
        api = request.path.split("/")[2]
        body = await request.json()
        self.asked.append((api, body))
        self._changed.set()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        if self.refuses is not None:
            return web.Response(status=self.refuses)
        try:
            (check_trigger if api == TRIGGERING else check_subscription)(body)
        except (Refused, KeyError, TypeError, ValueError) as problem:
            self.problems.append(repr(problem))
            return web.json_response({"status": 400, "detail": repr(problem)}, status=400)
        if self.immediate and api == MONITORING:
            return web.json_response({"monitoringType": "UE_REACHABILITY"})
        link = f"{self._origin}{request.path}/{len(self.asked)}"
        self.resources[link] = (api, body)
        made = {**body, "self": link}
        if api == TRIGGERING:
            made["deliveryResult"] = "TRIGGERED"
        return web.json_response(made, status=201, headers={"Location": link})

    async def _delete(self, request):
        link = f"{self._origin}{request.path}"
        self.deleted.append(link)
        self._changed.set()
        found = self.resources.pop(link, None)
        return web.Response(status=204 if found else 404)

    async def until(self, true):
        """Wait for something to be true after a request; returns it."""
        async with asyncio.timeout(DEADLINE_S):
            while not (found := true()):
                self._changed.clear()
                await self._changed.wait()
        return found

    def of(self, api):
        """The bodies that were asked for at one API."""
        return [body for one, body in self.asked if one == api]

    async def result(self, result):
        """Tell the result of the last transaction; it ends with one that is final."""
        link = max(one for one, (api, _) in self.resources.items() if api == TRIGGERING)
        body = self.resources[link][1]
        if result in ("SUCCESS", "FAILURE", "EXPIRED", "UNKNOWN", "UNCONFIRMED"):
            del self.resources[link]
        return await notify(
            body["notificationDestination"], {"transaction": link, "result": result}
        )

    async def reachable(self):
        """Report that the monitored UE can be reached; the subscription ends after its reports."""
        ((link, (_, body)),) = [one for one in self.resources.items() if one[1][0] == MONITORING]
        body["maximumNumberOfReports"] -= 1
        if not body["maximumNumberOfReports"]:
            del self.resources[link]
        report = {"monitoringType": "UE_REACHABILITY", "reachabilityType": "DATA"}
        given = {"subscription": link, "monitoringEventReports": [report]}
        return await notify(body["notificationDestination"], given)


async def notify(destination, body):
    """POST a notification; returns the status."""
    data = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(destination, data=data, headers=headers) as answer,
    ):
        return answer.status
