"""CoAP codes as people write them (RFC 7252 section 3)."""


def code_text(code):
    """Return a code as people write it: 0x44 is "2.04"."""
    return "%d.%02d" % (code >> 5, code & 31)
