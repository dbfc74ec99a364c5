"""Short names, those first that cost least."""

from collections.abc import Iterator
from itertools import product
from string import ascii_letters

# Every MicroPython knows these by a number, which .mpy files have instead of their letters: one
# octet up to `builtins`, two after it (py/makeqstrdata.py, static_qstr_list).
_KNOWN = """
    ArithmeticError AssertionError AttributeError BaseException EOFError Ellipsis Exception
    GeneratorExit ImportError IndentationError IndexError KeyError KeyboardInterrupt LookupError
    MemoryError NameError NoneType NotImplementedError OSError OverflowError RuntimeError
    StopIteration SyntaxError SystemExit TypeError ValueError ZeroDivisionError abs all any append
    args bool builtins bytearray bytecode bytes callable chr classmethod clear close copy count
    dict dir divmod end endswith eval exec extend find format from_bytes get getattr globals
    hasattr hash id index insert int isalpha isdigit isinstance islower isspace issubclass isupper
    items iter join key keys len list little locals lower lstrip main map micropython next object
    open ord pop popitem pow print range read readinto readline remove replace repr reverse rfind
    rindex round rsplit rstrip send sep set setattr setdefault sort sorted split start startswith
    staticmethod step stop str strip sum throw to_bytes tuple type update upper value values write
    zip
"""


def short_names() -> Iterator[str]:
    """Yield names without end, the cheapest first."""
    yield from _KNOWN.split()
    yield from ascii_letters
    for length in range(2, 10):
        yield from map("".join, product(ascii_letters, repeat=length))
