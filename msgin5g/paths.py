"""The options of a request: the path it goes to, and that JSON goes with it (RFC 7252 6.4)."""

from msgin5g.coap import CONTENT_FORMAT, JSON_FORMAT, URI_HOST, URI_PATH


def path_only(path):
    """Return the options of a request without payload. path: segments joined by "/"."""
    return [(URI_PATH, segment.encode()) for segment in path.split("/")] if path else []


def json_options(path, host=""):
    """Return the options of a request with JSON, of `host` if it is named."""
    options = [(URI_HOST, host.encode())] if host else []
    options += path_only(path)
    options.append((CONTENT_FORMAT, bytes((JSON_FORMAT,))))
    return options
