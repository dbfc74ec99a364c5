"""Load what messages need at the start, while the heap is in one piece."""

import gc

from ue.modes import CLIENT, COAP


def load_messages(mode):
    """Load the modules of a mode; its state machine, the largest one, is loaded already.

    A board that has no room for them still registers; they are tried again with a message.
    """
    names = ["ue.talk"]
    if mode == CLIENT:
        names += ["ue.messaging", "ue.inbox", "msgin5g.assembling", "msgin5g.splitting"]
    else:
        names.append("ue.messages_coap" if mode == COAP else "ue.messages_l3")
    try:
        for name in names:
            __import__(name)
    except MemoryError:
        gc.collect()
