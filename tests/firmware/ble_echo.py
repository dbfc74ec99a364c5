"""Runs on MicroPython: a BleLink that is opened again when it is lost and returns each frame.

`micropython ble_echo.py URL`. One JSON line per event. A frame "?" is answered with the counters.
"""

import asyncio
import json
import sys

from ue.link_ble import BleLink

TRIES = 100


def tell(event, **fields):
    fields["event"] = event
    print(json.dumps(fields))


async def main():
    link = BleLink(sys.argv[1])
    tell("closed", sent=link.send(b"@"))
    while True:
        try:
            link.open()
            link.open()
            tell("open")
            while True:
                frame = await link.receive()
                if frame == b"?":
                    tell("counters", **link.counters)
                else:
                    # A full queue has room soon; a gateway that has left takes nothing any more.
                    for _ in range(TRIES):
                        if link.send(frame):
                            break
                        await asyncio.sleep_ms(5)
        except OSError as problem:
            link.close()
            tell("link-lost", reason=str(problem))
            await asyncio.sleep_ms(20)


asyncio.run(main())
