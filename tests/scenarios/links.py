"""One life of a UE on any link, run by the firmware on MicroPython: CONFIG.json is its argument.

Register, be refreshed, lose the link and come back, de-register, register once more and leave.
Prints one JSON line per step and per event; the test cuts and mends the link when it is told to.
"""

import asyncio
import json
import sys

from ue.config import load
from ue.states import BACKOFF, REGISTERED
from ue.ue import ConstrainedUE

LIMIT_S = 60


def tell(name, info):
    line = {"event": name}
    line.update(info)
    print(json.dumps(line))


async def scenario(ue):
    await ue.register(LIMIT_S)
    tell("step", {"step": "registered"})
    refreshes = ue.counters["refreshes"]
    while ue.counters["refreshes"] == refreshes:
        await asyncio.sleep_ms(50)
    tell("step", {"step": "refreshed"})
    tell("step", {"step": "cut"})
    await asyncio.wait_for(ue.until(BACKOFF), LIMIT_S)
    tell("step", {"step": "mend"})
    await asyncio.wait_for(ue.until(REGISTERED), LIMIT_S)
    tell("step", {"step": "recovered"})
    await ue.deregister(LIMIT_S)
    tell("step", {"step": "deregistered"})
    await ue.register(LIMIT_S)
    await ue.deregister(LIMIT_S)
    tell("step", {"step": "done"})


async def main(path):
    ue = ConstrainedUE(load(path), tell)
    running = asyncio.create_task(ue.run())
    try:
        await scenario(ue)
    finally:
        running.cancel()


asyncio.run(main(sys.argv[1]))
