"""Block-wise transfer (RFC 7959) with bounds: aiocoap's assembly over tables that cannot grow.

A bulk request of many UEs does not fit one datagram; it comes in blocks and its answer leaves in
blocks. aiocoap keeps both for a time but without a limit, so the tables are replaced here.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Any

from aiocoap import error
from aiocoap.blockwise import Block1Spool, Block2Cache

from msgin5g_host.fill import Fill

MAX_TRANSFERS = 64
MAX_TRANSFER_BYTES = 256 * 1024


class TransferTable:
    """The last `limit` transfers; a new one pushes out the one that was idle for longest."""

    def __init__(self, limit: int = MAX_TRANSFERS) -> None:
        self.evicted = 0
        self._limit = limit
        self._items: OrderedDict[Hashable, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, key: Hashable) -> Any:
        value = self._items[key]
        self._items.move_to_end(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._limit:
            self._items.popitem(last=False)
            self.evicted += 1

    def last(self) -> Any:
        """Return the transfer used last."""
        return next(reversed(self._items.values()))

    def drop_last(self) -> None:
        """Forget the transfer used last."""
        self._items.popitem()


class RequestBlocks(Block1Spool):  # type: ignore[misc]
    """Requests in assembly; one that grows over the limit is dropped with 4.13."""

    def __init__(self, limit_bytes: int = MAX_TRANSFER_BYTES) -> None:
        self._assemblies = TransferTable()
        self._limit_bytes = limit_bytes

    def fills(self) -> Iterator[Fill]:
        """Tell how full the table is."""
        yield Fill("transfers", len(self._assemblies), MAX_TRANSFERS)

    def feed_and_take(self, req: Any) -> Any:
        """Add a block and return the whole request, or raise what aiocoap answers with."""
        if req.opt.block1 is None:
            return req
        try:
            whole = super().feed_and_take(req)
        except Exception:
            if len(self._assemblies) and len(self._assemblies.last().payload) > self._limit_bytes:
                self._assemblies.drop_last()
                raise error.RequestEntityTooLarge from None
            raise
        self._assemblies.drop_last()
        return whole


class AnswerBlocks(Block2Cache):  # type: ignore[misc]
    """Answers that are being fetched block by block."""

    def __init__(self) -> None:
        self._completes = TransferTable()
