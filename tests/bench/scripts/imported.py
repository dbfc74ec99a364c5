"""What the bench runs in the place of main.py to measure what modules cost: prints one line.

`bench.json` names them: {"modules": [...]}.
"""

import gc
import json


def heap():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def main():
    with open("bench.json") as file:
        modules = json.load(file)["modules"]
    bare = heap()
    for name in modules:
        __import__(name)
    print(json.dumps({"event": "imported", "heap": heap() - bare}))


main()
