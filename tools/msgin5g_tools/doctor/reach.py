"""Who is at an address: is a port taken, does CoAP or HTTP answer there?"""

import contextlib
import errno
import http.client
import secrets
import socket
import ssl
import threading
import time
from email.utils import parsedate_to_datetime

_TRIES = 3
_TRY_S = 1.0
_HTTP_S = 5.0
_WILD = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_EMPTY_CON, _RST = 0x40, 0x70
COAP = "CoAP answers"


def udp_taken(host: str, port: int) -> str:
    """Return why a UDP socket cannot be bound there, or ""."""
    return _taken(host, port, socket.SOCK_DGRAM)


def tcp_taken(host: str, port: int) -> str:
    """Return why a TCP socket cannot be bound there, or ""."""
    return _taken(host, port, socket.SOCK_STREAM)


def _taken(host: str, port: int, kind: socket.SocketKind) -> str:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind) as sock:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            return "another program has this port"
        if problem.errno == errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        return problem.strerror or str(problem)
    return ""


def ping_coap(host: str, port: int) -> str:
    """Send CoAP pings (RFC 7252, 4.3); returns COAP, or what happened instead."""
    host = _WILD.get(host, host)
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as problem:
        return f"the name {host} is not known ({problem.strerror or problem})"
    why = "nobody answers"
    with socket.socket(family, kind) as sock:
        try:
            sock.settimeout(_TRY_S)
            sock.connect(address)
            for _ in range(_TRIES):
                ping = bytes([_EMPTY_CON, 0, *secrets.token_bytes(2)])
                sock.send(ping)
                try:
                    answer = sock.recv(2048)
                except TimeoutError:
                    continue
                if answer == bytes([_RST, 0]) + ping[2:]:
                    return COAP
                why = "what answers there speaks no CoAP"
        except ConnectionRefusedError:
            return "nobody listens there"
        except OSError as problem:
            return problem.strerror or str(problem)
    return why


def ping_http(scheme: str, host: str, port: int, path: str) -> bool:
    """Tell whether one of ours answers there: well, or with the wish for a token."""
    answer = _get(scheme, host, port, path)
    return answer is not None and answer.status in (200, 401)


def clock_offset_s(scheme: str, host: str, port: int) -> float | None:
    """Return how much the clock of a server is ahead of ours, None if it does not say."""
    answer = _get(scheme, host, port, "/health")
    told = answer.headers["Date"] if answer is not None else None
    try:
        return parsedate_to_datetime(told).timestamp() - time.time() if told else None
    except ValueError:
        return None


def _get(scheme: str, host: str, port: int, path: str) -> http.client.HTTPResponse | None:
    host = _WILD.get(host, host)
    if scheme == "https":
        # Who answers is asked here, not whether it can be trusted; nothing secret is sent.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=_HTTP_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_HTTP_S)
    try:
        connection.connect()
        # The time-out of a socket is that of one read: who sends a byte now and then has no end.
        end = threading.Timer(_HTTP_S, _hang_up, (connection.sock,))
        end.daemon = True
        end.start()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read(4096)
            return answer
        finally:
            end.cancel()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
