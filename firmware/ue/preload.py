"""Load what messages need at the start, while the heap is in one piece."""

from ue.modes import CLIENT, COAP


def load_messages(mode):
    """Load the modules of a mode; its state machine, the largest one, is loaded already."""
    names = ["ue.talk"]
    if mode == CLIENT:
        names += ["ue.messaging", "ue.inbox", "msgin5g.assembling", "msgin5g.splitting"]
    else:
        names.append("ue.messages_coap" if mode == COAP else "ue.messages_l3")
    for name in names:
        __import__(name)
