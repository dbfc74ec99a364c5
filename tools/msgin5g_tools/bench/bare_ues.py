"""Bare UEs for load: many identities on a few sockets, every POST answered 2.04 at once."""

import json
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from msgin5g import coap, gaps
from msgin5g import registration as messages

_HEAD = [(coap.URI_PATH, gaps.PATH.encode()), (coap.CONTENT_FORMAT, coap.uint(coap.JSON_FORMAT))]
_REPEAT_S = 2.0


class BareUes:
    """UEs on `sockets` sockets towards one address. on_post(json) takes what is POSTed to them."""

    def __init__(
        self, address: tuple[str, int], sockets: int, on_post: Callable[[dict[str, Any]], None]
    ) -> None:
        self._on_post = on_post
        self._selector = selectors.DefaultSelector()
        self._sockets = []
        self._number = 0
        self._waiting: dict[bytes, tuple[float, socket.socket, bytes]] = {}
        self._seen: set[tuple[int, int]] = set()
        for _ in range(sockets):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            one.setblocking(False)
            one.connect(address)
            self._selector.register(one, selectors.EVENT_READ)
            self._sockets.append(one)

    def close(self) -> None:
        """Close the sockets."""
        self._selector.close()
        for one in self._sockets:
            one.close()

    def post(self, ue: int, payload: bytes) -> bytes:
        """POST for UE number `ue`; returns the Token of what is under way."""
        self._number += 1
        token = self._number.to_bytes(4, "big")
        sock = self._sockets[ue % len(self._sockets)]
        data = coap.encode(coap.CON, coap.POST, self._number & 0xFFFF, token, _HEAD, payload)
        self._waiting[token] = time.monotonic(), sock, data
        sock.send(data)
        return token

    def run(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Carry datagrams until `until()` holds; tells whether it does within `limit_s`."""
        end = time.monotonic() + limit_s
        repeat = time.monotonic() + _REPEAT_S
        while not until():
            now = time.monotonic()
            if now > end:
                return False
            for key, _ in self._selector.select(0.05):
                self._drain(key.fileobj)
            if now > repeat:
                repeat = now + _REPEAT_S
                for token, (at, sock, data) in list(self._waiting.items()):
                    if now - at > _REPEAT_S:
                        self._waiting[token] = now, sock, data
                        sock.send(data)
        return True

    def register(
        self, count: int, name: Callable[[int], str], limit_s: float, sign_up: bool = False
    ) -> None:
        """Register UEs 0 to count - 1, some at a time. Raises RuntimeError.

        sign_up: the address is a gateway's, whose service they use.
        """
        for build in (messages.gwreg, messages.reg) if sign_up else (messages.reg,):
            for start in range(0, count, 64):
                for ue in range(start, min(start + 64, count)):
                    more = {"urgent": True} if build is messages.reg else {}
                    self.post(ue, build(name(ue), gaps.SERVICE_ID, **more))
                if not self.run(lambda: not self._waiting, limit_s):
                    raise RuntimeError("the UEs were not registered in time")

    def _drain(self, sock: Any) -> None:
        for _ in range(64):
            try:
                data = sock.recv(65535)
            except (BlockingIOError, ConnectionRefusedError):
                return
            message = coap.decode(data)
            if message.code == coap.POST:
                ack = coap.encode(
                    coap.ACK, coap.CHANGED, message.mid, bytes(message.token), [], b""
                )
                sock.send(ack)
                key = sock.fileno(), message.mid
                if key not in self._seen:
                    self._seen.add(key)
                    self._on_post(json.loads(bytes(message.payload)))
            elif message.code:
                token = bytes(message.token)
                self._waiting.pop(token, None)
                if message.type == coap.CON:
                    sock.send(coap.encode(coap.ACK, 0, message.mid))
