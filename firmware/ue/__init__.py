"""The constrained UE: firmware for MicroPython boards and the Unix port."""
