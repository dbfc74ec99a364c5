"""What the bench runs on a target in the place of main.py, to measure: `bench.json` says what.

Prints one JSON line per event: "heap" after the imports, "registered", "idle" and, if messages are
wanted, "sent" after all of them.
"""

import asyncio
import gc
import json
import sys
import time

START_MS = time.ticks_ms()
LIMIT_S = 120


def tell(name, **info):
    info["event"] = name
    print(json.dumps(info))


def heap():
    """Return what is in use."""
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def heard(name, info):
    # What matters here is told below; bytes and the like are of no use as JSON.
    if name in ("no-memory", "link-failed", "message-failed"):
        tell(name, text=str(info))


async def life(plan, config, bare):
    from ue.ue import ConstrainedUE

    tell("heap", imported=heap() - bare)
    ue = ConstrainedUE(config, heard)
    reports = []
    ue.on_report = lambda *report: reports.append(report[0])
    running = asyncio.create_task(ue.run())
    await ue.register(LIMIT_S)
    tell("registered", since_start_ms=time.ticks_diff(time.ticks_ms(), START_MS))
    await asyncio.sleep(2)
    idle = heap() - bare
    tell("idle", heap=idle, free=gc.mem_free())
    started = time.ticks_ms()
    for number in range(plan.get("messages", 0)):
        await ue.send(plan["to"], b"reading %d" % number, report=plan.get("report", False))
    if plan.get("messages"):
        took_ms = time.ticks_diff(time.ticks_ms(), started)
        await asyncio.sleep(2)
        tell("sent", took_ms=took_ms, reports=len(reports), heap=heap() - bare)
    while True:
        await asyncio.sleep(1)
    running.cancel()


def main():
    bare = heap()
    with open(sys.argv[1] if len(sys.argv) > 1 else "bench.json") as file:
        plan = json.load(file)
    # So much of the heap is not to be had.
    ballast = [bytearray(1024) for _ in range(max(0, gc.mem_free() // 1024 - plan["heap_kb"]))]
    bare = heap() if plan["heap_kb"] < 9999 else bare
    from ue.main import settings

    config = settings(plan["config"])
    try:
        asyncio.run(life(plan, config, bare))
    except MemoryError as problem:
        tell("no-memory", text=str(problem), ballast=len(ballast))


main()
