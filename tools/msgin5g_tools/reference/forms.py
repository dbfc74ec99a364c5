"""What the page of messages says of a JSON message: clause, way, keys.

A row is `key | type | needed | what it is`. `yes`: who receives the message without the key
refuses it; a key below another is needed if that one is there. What this says of keys is compared
with the golden messages of tests/vectors and with the parsers by tests/tools/test_reference.py.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """One message. examples: files of tests/vectors; every key is in one of them."""

    name: str
    clause: str
    way: str
    examples: tuple[str, ...]
    keys: str
    note: str = ""

    def rows(self) -> list[list[str]]:
        """Return [key, type, needed, meaning] of each key."""
        lines = [line for line in self.keys.splitlines() if line]
        return [[cell.strip() for cell in line.split("|")] for line in lines]


@dataclass(frozen=True)
class Family:
    """Messages that are described together."""

    title: str
    text: str
    forms: tuple[Form, ...]


def head(kind: str) -> str:
    return f"""
msgIden | URI | yes | MSGin5G service identifier
msgType | `{kind}` | yes | Message Type
"""


UE = """
oriAddr | object | yes | whom it is about
oriAddr.oriAddrType | `UE` | yes | kind of address
oriAddr.addr | URI | yes | UE Service ID
"""
