"""Register and de-register COUNT times over a link, on MicroPython: CONFIG.json COUNT."""

import asyncio
import json
import sys

from ue.config import load
from ue.ue import ConstrainedUE


async def main(path, count):
    ue = ConstrainedUE(load(path))
    running = asyncio.create_task(ue.run())
    for _ in range(count):
        await ue.register(60)
        await ue.deregister(60)
    running.cancel()
    print(json.dumps({"event": "done", "counters": ue.counters}))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
