"""A serial carrier that runs on a port of the test."""

import asyncio
import contextlib

from msgin5g_gateway.link_serial import SerialCarrier
from tests.serial_cable import DEADLINE_S


class Rig:
    """A carrier that runs, what it told, and the port at the other end of its cable."""

    def __init__(self, port, query=""):
        self.port = port
        self.frames = []
        self.events = []
        self.carrier = SerialCarrier(
            port.url + query,
            lambda peer, frame: self.frames.append((peer, frame)),
            lambda name, fields: self.events.append((name, fields)),
        )
        self.task = asyncio.create_task(self.carrier.run())

    @property
    def names(self):
        return [name for name, _ in self.events]

    @property
    def got(self):
        return [frame for _, frame in self.frames]

    async def up(self, times=1):
        await until(lambda: self.names.count("link-up") >= times)

    async def wait_for(self, count):
        await until(lambda: len(self.frames) >= count)
        return self.got

    def send(self, frame):
        return self.carrier.send(self.port.url, frame)

    async def hears(self, count=1):
        """Return frames that the far end got."""
        found = []
        await until(lambda: found.extend(self.port.frames()) or len(found) >= count)
        return found

    async def close(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        self.carrier.close()


async def until(condition):
    end = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it did not happen in time"
        await asyncio.sleep(0.005)
