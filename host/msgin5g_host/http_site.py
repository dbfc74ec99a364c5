"""One aiohttp application at one address: how it starts, and how its streams end with it."""

import ssl

from aiohttp import web

from msgin5g_host.capture_http import CaptureStreams
from msgin5g_host.config import show_address
from msgin5g_host.http_log import LOGGER
from msgin5g_host.listening import listening
from msgin5g_host.view_http import View

_SHUTDOWN_S = 1.0


class HttpSite:
    """Serve `app`; `address` is the bound (host, port), `scheme` http or https."""

    def __init__(
        self,
        app: web.Application,
        tls: ssl.SSLContext | None,
        view: View,
        streams: CaptureStreams,
    ) -> None:
        self._tls = tls
        self._view = view
        self._streams = streams
        self._runner = web.AppRunner(
            app, access_log=None, logger=LOGGER, shutdown_timeout=_SHUTDOWN_S
        )
        self.scheme = "http" if tls is None else "https"
        self.address: tuple[str, int] = ("", 0)

    async def start(self, host: str, port: int) -> None:
        """Bind and serve. Raises OSError."""
        await self._runner.setup()
        with listening(f"HTTP address {show_address((host, port))}", "--http"):
            await web.TCPSite(self._runner, host, port, ssl_context=self._tls).start()
        self.address = self._runner.addresses[0][:2]
        self._view.start()

    async def close(self) -> None:
        """Stop serving."""
        self._view.close()
        self._streams.close()
        await self._runner.cleanup()
