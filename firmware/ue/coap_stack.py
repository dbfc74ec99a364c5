"""Whether a configuration can use another CoAP stack than ours (`coap` in `ue.config`)."""

MICROCOAPY = "microcoapy"


def check_stack(config):
    """Return why it cannot, or None."""
    if config["coap"] != MICROCOAPY:
        return "coap: '' or '%s' is wanted, not %r" % (MICROCOAPY, config["coap"])
    if config["mode"] != "client" or config["messages"] or config["say_to"]:
        return "coap: %s is for registration only, of mode client without messages" % MICROCOAPY
    if config["server_host"] or "/" in config["path"]:
        return "coap: %s wants no server_host and a path of one segment" % MICROCOAPY
    try:
        __import__(MICROCOAPY)
    except ImportError:
        return "coap: microcoapy is not on this board; install it, or leave the key out"
    return None
