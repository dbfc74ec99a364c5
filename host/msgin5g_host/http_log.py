"""What aiohttp logs: errors of ours with a traceback, none of what anybody can send."""

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

# No HTTP, a body that is not in its encoding, a connection that ended: the sender's.
_THEIRS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], _THEIRS))


LOGGER = logging.getLogger("msgin5g.http")
LOGGER.addFilter(_is_ours)
