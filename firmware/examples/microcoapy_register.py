"""Register through the gateway with microCoAPy alone, without the rest of this firmware.

    micropython microcoapy_register.py 127.0.0.1 65402 urn:example:ue:1

It shows that a plain CoAP client can do it: an urgent REG, which the gateway forwards at once and
answers with the server's verdict. microCoAPy repeats nothing; a lost datagram ends this.
"""

import json
import socket
import sys
import time

import microcoapy

SERVICE = "urn:msgin5g:service"
DEADLINE_MS = 10000


def main(host, port, ue):
    answers = []
    client = microcoapy.Coap()
    client.debug = False
    client.responseCallback = lambda packet, sender: answers.append(packet)
    # Its own `start` binds in a way that boards know and the Unix port does not.
    client.setCustomSocket(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    request = {
        "msgIden": SERVICE,
        "msgType": "REG",
        "oriAddr": {"oriAddrType": "UE", "addr": ue},
        "urgentTag": True,
    }
    json_format = microcoapy.COAP_CONTENT_FORMAT.COAP_APPLICATION_JSON
    payload = json.dumps(request).encode()
    client.post(host, port, "msgin5g", payload, None, json_format, b"\x01\x02")
    start = time.ticks_ms()
    while not answers and time.ticks_diff(time.ticks_ms(), start) < DEADLINE_MS:
        client.loop(False)
        time.sleep_ms(20)
    client.stop()
    if not answers:
        print("no answer")
        return 1
    answer = json.loads(answers[0].payload)
    print(json.dumps(answer))
    return 0 if answer.get("result") is True else 1


sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
