"""MSGin5G (3GPP TS 24.538): the protocol itself, without input or output, legal MicroPython."""

VERSION = "0.1.0"
