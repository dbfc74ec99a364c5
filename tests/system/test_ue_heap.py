"""The whole UE on a small heap: MicroPython with 200 kB, registered for real, then idle."""

import json

from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.processes import Process, Stack

SCRIPT = """
import asyncio, gc, json, sys
gc.collect()
bare = gc.mem_alloc()
from ue.config import load
from ue.ue import ConstrainedUE
gc.collect()
imported = gc.mem_alloc()

async def main():
    ue = ConstrainedUE(load(sys.argv[1]))
    task = asyncio.create_task(ue.run())
    await ue.register(30)
    await asyncio.sleep(1)
    gc.collect()
    idle = gc.mem_alloc()
    print(json.dumps({"event": "heap", "bare": bare, "imported": imported, "idle": idle,
                      "state": ue.state, "size": gc.mem_alloc() + gc.mem_free()}))

asyncio.run(main())
"""


def test_a_registered_and_idle_ue_fits_a_heap_of_200_kb(tmp_path):
    stack = Stack(tmp_path, server=["--open"], gateway=["--open"])
    stack.start_server()
    stack.start_gateway()
    script, config = tmp_path / "heap.py", tmp_path / "ue.json"
    script.write_text(SCRIPT)
    config.write_text(
        json.dumps({"ue_service_id": "urn:example:ue:1", "link": stack.link, "wait_s": 1})
    )
    argv = [micropython_path(), "-X", "heapsize=200k", str(script), str(config)]
    ue = Process(argv, ue_environment())
    heap = ue.wait_for("heap")
    print(heap)
    assert heap["state"] == "registered" and heap["size"] <= 200 * 1024
    # Compiled from source on the 64-bit port; a board's objects take half of this.
    assert heap["idle"] <= 136 * 1024, heap
    ue.stop()
    stack.stop()
