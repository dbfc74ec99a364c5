"""The page itself: files that anybody may have, for they hold nothing but the program."""

from pathlib import Path

from aiohttp import web

from msgin5g_host.http_access import failure

_FOLDER = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain",
    ".json": "application/json",
}
# Nothing from elsewhere, nothing inline: what a peer calls itself can never become a program.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_page(app: web.Application) -> None:
    """Add GET / and /page/… to an application."""
    app.router.add_get("/", _index)
    app.router.add_get("/page/{path:.+}", _file)


async def _index(request: web.Request) -> web.Response:
    return _answer(_FOLDER / "index.html")


async def _file(request: web.Request) -> web.Response:
    return _answer(_FOLDER / request.match_info["path"])


def _answer(path: Path) -> web.Response:
    inside = path.resolve().is_relative_to(_FOLDER.resolve())
    kind = _TYPES.get(path.suffix)
    if not inside or kind is None or not path.is_file():
        raise failure(404, "no such file of the page")
    return web.Response(
        body=path.read_bytes(), content_type=kind, charset="utf-8", headers=HEADERS
    )
