"""What MicroPython's library, and the objects that it makes, are asked for by name."""

_LIBRARY = """
    asyncio binascii bluetooth errno gc hashlib io json machine micropython network os random
    select socket struct sys termios time tty
"""
_OF_LIBRARY = """
    active buffer build cancel clock close end event feed id idle load name next open path poll put
    read recvfrom register reset run send sendto setblocking start state status stop tell type
    value write
"""
_TYPES = (bytearray, bytes, dict, float, frozenset, int, list, memoryview, object, OSError)
_MORE_TYPES = (property, range, set, str, tuple, type)

# The modules whose names are known here; of any other library nothing is known.
MODULES = frozenset(_LIBRARY.split())
# Attributes that are never renamed, as they may be a foreign object's: those of built-in types,
# and of MicroPython's modules and their objects all that are called like one of ours. A test
# compares this with the type stubs of the boards and with MicroPython itself.
FOREIGN = frozenset(_OF_LIBRARY.split()) | {
    name for one in (*_TYPES, *_MORE_TYPES) for name in dir(one)
}
