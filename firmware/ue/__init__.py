"""The constrained UE: firmware for MicroPython boards and the Unix port."""

import gc

# Collect often rather than when the heap is full: modules compiled on the board otherwise leave
# their lasting parts all over it, and the next one finds no room in one piece. CPython has no such
# function.
if hasattr(gc, "threshold"):
    gc.threshold(4096)
