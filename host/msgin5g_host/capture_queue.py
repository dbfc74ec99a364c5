"""What waits for one reader of a capture that is slower than the links."""

from collections.abc import Callable

from msgin5g_host.capture import Capture

MAX_CAPTURE_QUEUE_BYTES = 4 << 20


class CaptureQueue:
    """A follower whose blocks wait. What finds no room is missed, counted, and told of in a note.

    on_news() is called when something waits.
    """

    def __init__(self, capture: Capture, on_news: Callable[[], None]) -> None:
        self._capture = capture
        self._on_news = on_news
        self._blocks: list[bytes] = []
        self._bytes = 0
        self._missed = self._missed_before = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def take(self, block: bytes) -> None:
        """Queue a block, or miss it."""
        if self._bytes + len(block) > MAX_CAPTURE_QUEUE_BYTES:
            self._missed += 1
        else:
            self._put(block)

    def beat(self) -> None:
        """Say that nothing happens."""
        self._put(self._capture.beat(self._missed_before + self._missed))

    def all(self) -> list[bytes]:
        """Return the blocks that wait, then what was missed, and forget them."""
        if self._missed:
            missed, self._missed = self._missed, 0
            self._missed_before += missed
            note = f"{missed} frames missed: the reader was too slow"
            self._blocks.append(self._capture.note(note))
        blocks, self._blocks, self._bytes = self._blocks, [], 0
        return blocks

    def _put(self, block: bytes) -> None:
        self._blocks.append(block)
        self._bytes += len(block)
        self._on_news()
