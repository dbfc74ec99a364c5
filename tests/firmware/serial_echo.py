"""Runs on MicroPython: a SerialLink that is opened again when it is lost and returns each frame.

`micropython serial_echo.py URL`. One JSON line per event. A frame "?" is answered with the
counters, a frame "!" with as many frames of 1000 bytes as the queue takes.
"""

import asyncio
import json
import sys

from ue.link_serial import SerialLink


def tell(event, **fields):
    fields["event"] = event
    print(json.dumps(fields))


async def tick():
    """Tells whether the loop still runs while a line takes nothing."""
    number = 0
    while True:
        await asyncio.sleep_ms(100)
        number += 1
        tell("tick", number=number)


def take(link, frame):
    if frame == b"?":
        tell("counters", **link.counters)
    elif frame == b"!":
        count = 0
        while link.send(b"@" + count.to_bytes(2, "big") + bytes(997)):
            count += 1
        tell("full", accepted=count, too_long=link.send(bytes(1281)), empty=link.send(b""))
    else:
        link.send(frame)


async def main():
    link = SerialLink(sys.argv[1])
    asyncio.create_task(tick())
    tell("closed", sent=link.send(b"@"))
    while True:
        try:
            link.open()
            link.open()
            tell("open")
            while True:
                take(link, await link.receive())
        except OSError as problem:
            link.close()
            link.close()
            tell("link-lost", reason=str(problem))
            await asyncio.sleep_ms(20)


asyncio.run(main())
