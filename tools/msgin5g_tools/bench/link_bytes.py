"""Bytes on the link for a device that registers and de-registers: L3 against CoAP with JSON.

The device is the firmware's own; the gateway's answers are those that `msgin5g gateway` gives.
Framing of the link (UDP and IP headers, COBS, ATT) comes on top of both and is not counted.
"""

import random
from collections.abc import Callable
from typing import Any

from msgin5g import app_client, coap, l3
from msgin5g.exchange import REQUEST, Endpoint
from ue.config import defaults
from ue.modes import make_core

_REGISTRATION_ID = bytes.fromhex("0123456789ab")


def link_bytes() -> dict[str, int]:
    """Return {"l3": bytes, "coap": bytes} of a register and de-register pair, both directions."""
    return {"l3": _pair("l3", _l3_gateway()), "coap": _pair("coap", _coap_gateway())}


def _pair(mode: str, gateway: Callable[[bytes], list[bytes]]) -> int:
    config = {**defaults(), "mode": mode, "application_id": 4660, "credential": "s3cret-of-12"}
    device = make_core(config, {}, random.Random(1).randrange, 1280)
    total = 0
    for act in (device.register, device.deregister):
        act(0)
        for frame in [bytes(one) for one, _ in device.poll(0)]:
            total += len(frame)
            for answer in gateway(frame):
                total += len(answer)
                device.receive(answer, 0)
        while device.next_event():
            pass
    if device.state != "deregistered":
        raise AssertionError(f"the device of mode {mode} ended as {device.state}")
    return total


def _l3_gateway() -> Callable[[bytes], list[bytes]]:
    def answer(frame: bytes) -> list[bytes]:
        message = l3.decode(frame)
        if message.type == l3.REGISTRATION_REQUEST:
            return [l3.registration_accept(_REGISTRATION_ID)]
        return [l3.deregistration_accept(message.registration_id)]

    return answer


def _coap_gateway() -> Callable[[bytes], list[bytes]]:
    endpoint = Endpoint(random.Random(2).randrange)

    def answer(datagram: bytes) -> list[bytes]:
        endpoint.receive(datagram, "device", 0)
        event: Any = endpoint.next_event()
        if event[0] == REQUEST:
            payload = app_client.answer(True, registration_id=_REGISTRATION_ID)
            code = coap.CREATED
            if app_client.parse_request(event[1].message.payload).msg_type == "DEREG":
                code = coap.CHANGED
            endpoint.respond(event[1], code, payload, 0)
        return [bytes(one) for one, _ in endpoint.poll(0)]

    return answer
