"""Send BYTES to oneself over a link, in segments, on MicroPython: CONFIG.json BYTES."""

import asyncio
import json
import sys

from ue.config import load
from ue.ue import ConstrainedUE


async def main(path, size):
    config = load(path)
    ue = ConstrainedUE(config, lambda name, info: None)
    got = []
    done = asyncio.Event()

    def received(message):
        got.append(message.payload)
        done.set()

    ue.on_message = received
    running = asyncio.create_task(ue.run())
    await ue.register(60)
    text = "".join([f"{at:08}" for at in range(size // 8)])
    await ue.send(config["ue_service_id"], text, timeout_s=120)
    await asyncio.wait_for(done.wait(), 120)
    whole = got[0] == text.encode()
    print(json.dumps({"event": "done", "bytes": len(got[0]), "whole": whole}))
    running.cancel()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
