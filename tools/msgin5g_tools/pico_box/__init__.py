"""A Raspberry Pi Pico in a box: real MicroPython firmware on an emulated board, for bench tests.

`PicoBox` (module `box`) is the board in a test's hand; `python -m msgin5g_tools.pico_box` is one
on the desk. README.md beside this file says what is real and what is not.
"""
