"""What carries frames besides UDP: the face that serial and BLE share, and how they fail."""

from typing import Protocol


class LinkUnavailable(OSError):
    """A link cannot be used on this machine; the text says which, why and what to do."""


class Carrier(Protocol):
    """Carries whole frames to and from peers, which are transport identifiers as text.

    Made with (url, on_frame, on_event): on_frame(peer, frame) takes every whole frame,
    on_event(name, fields) what happens to the link. Raises ValueError, LinkUnavailable.
    """

    scheme: str
    max_frame_bytes: int
    counters: dict[str, int]

    @property
    def url(self) -> str:
        """The link as it is bound."""

    def reaches(self, identifier: str) -> bool:
        """Tell whether a transport identifier is one of this carrier's, connected or not."""

    async def run(self) -> None:
        """Open, read, open again with back-off, until cancelled."""

    def send(self, peer: str, frame: bytes) -> bool:
        """Send without blocking; False when the frame was dropped."""

    def close(self) -> None:
        """Stop."""
