"""Southbound links (MSGin5G-6): the exchange layer over whatever carries datagrams."""

import random
from collections.abc import Callable
from typing import Any

from msgin5g.exchange import Endpoint, Params
from msgin5g_host.clock import Clock
from msgin5g_host.config import parse_link
from msgin5g_host.udp import UdpSocket, open_socket


class UdpLink:
    """A UDP link. `name` is its scheme; a peer's transport identifier is "name://host:port".

    on_event(link, event, now) takes the endpoint's events, before_send(now) runs before each
    batch of datagrams leaves. Raises OSError, which names the link.
    """

    def __init__(
        self,
        url: str,
        number: int,
        clock: Clock,
        on_event: Callable[["UdpLink", tuple[Any, ...], int], None],
        before_send: Callable[[int], None],
    ) -> None:
        self.name = "udp" if number == 1 else f"udp{number}"
        self.endpoint = Endpoint(random.SystemRandom().randrange, Params())
        _, host, port = parse_link(url)
        try:
            sock = open_socket(host, port)
        except OSError as problem:
            reason = problem.strerror or problem
            raise OSError(f"link {url}: {reason}; choose another with --link") from None
        self._udp = UdpSocket(
            sock,
            self.endpoint,
            clock,
            lambda event, now: on_event(self, event, now),
            before_send,
        )

    @property
    def url(self) -> str:
        """The link with the address that it is bound to."""
        host, port = self._udp.address
        return f"udp://[{host}]:{port}" if ":" in host else f"udp://{host}:{port}"

    def identifier(self, peer: tuple[Any, ...]) -> str:
        """Return the transport identifier of a peer."""
        return f"{self.name}://{peer[0]}:{peer[1]}"

    def peer(self, identifier: str) -> tuple[Any, ...]:
        """Return the peer of a transport identifier of this link."""
        host, _, port = identifier.partition("://")[2].rpartition(":")
        return (host, int(port), 0, 0) if ":" in host else (host, int(port))

    def flush(self) -> None:
        """Send what the endpoint has to send."""
        self._udp.flush()

    def close(self) -> None:
        """Stop."""
        self._udp.close()
