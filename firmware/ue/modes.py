"""What a UE is: with an MSGin5G client, or a device without one in the L3 or the CoAP form.

Only the modules of the mode that is used are loaded: the smallest UE has neither CoAP nor JSON
messages.
"""

CLIENT = "client"
L3 = "l3"
COAP = "coap"
MODES = (CLIENT, L3, COAP)
_ROOM_BYTES = 64  # for header, Token and options besides host and path
_KINDS = ("UE", "AS", "GROUP", "BC", "TOPIC")


def make_core(config, saved, rng, max_frame_bytes):
    """Return the state machine of a configuration (see `ue.config`)."""
    if config["mode"] == L3:
        from ue.device_l3 import L3Device

        _preload(config)
        device = L3Device(config, saved, rng)
        device.max_frame_bytes = max_frame_bytes
        return device
    if config["mode"] == COAP:
        from ue.device_coap import CoapDevice as Core
    elif config["ue_service_id"]:
        from ue.core import UeCore as Core
    else:
        from ue.blank import BlankCore as Core
    _preload(config)
    if config["coap"]:
        from ue.coap_micro import MicroEndpoint

        return Core(config, MicroEndpoint(rng, config, max_frame_bytes), saved, rng)
    from msgin5g.receiving import Params, Receiver

    params = Params(
        ack_timeout_ms=config["ack_timeout_ms"],
        max_retransmit=config["max_retransmit"],
        max_datagram_bytes=max_frame_bytes,
        max_waiting=2,
    )
    return Core(config, Receiver(rng, params, reuse=True), saved, rng)


def room_bytes(config):
    """Return what a CoAP datagram holds besides the payload, at most."""
    return _ROOM_BYTES + len(config["server_host"].encode()) + len(config["path"].encode())


def _preload(config):
    if config["messages"] or config["say_to"]:
        from ue.preload import load_messages

        load_messages(config["mode"])


def check(config, max_frame_bytes):
    """Return what is wrong with the values of a mode, or None."""
    mode = config["mode"]
    if mode not in MODES:
        return "mode: one of %s is wanted, not %r" % (", ".join(MODES), mode)
    kinds = _KINDS if mode == CLIENT else _KINDS[:3]
    if config["say_kind"] not in kinds:
        return "say_kind: one of %s is wanted" % ", ".join(kinds)
    # Areas and topics have names; so may have what a device without a client sends to.
    is_address = mode == CLIENT and config["say_kind"] in _KINDS[:3]
    if is_address and ":" not in (config["say_to"] or ":"):
        return "say_to: a URI is wanted"
    if config["coap"]:
        from ue.coap_stack import check_stack

        wrong = check_stack(config)
        if wrong:
            return wrong
    if mode == CLIENT:
        if config["ue_id"] and not config["ue_service_id"]:
            from ue.blank import check_blank

            return check_blank(config, max_frame_bytes)
        if ":" not in config["ue_service_id"]:
            return "ue_service_id: the UE's URI is wanted, such as urn:example:ue:1"
        from ue.requests import check_size

        return check_size(config, max_frame_bytes)
    if config["application_id"] > 65535:
        return "application_id: a number from 0 to 65535 is wanted"
    if not config["credential"]:
        return "credential: what the gateway knows this device by is wanted"
    if len(config["credential"].encode()) > 255:
        return "credential: at most 255 bytes are wanted"
    return None
