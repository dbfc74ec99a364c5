"""The resources of a SEAL service in aiocoap's Site: paths, blocks and options."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiocoap import Code, Message, resource

from msgin5g import coap
from msgin5g_server.blockwise import AnswerBlocks, RequestBlocks
from msgin5g_server.seal import SealAnswer, SealRequest

# Handles a request; the answer is there once what it changed is on disk.
Handle = Callable[[SealRequest], Awaitable[SealAnswer]]


class SealSite(resource.Resource, resource.PathCapable):  # type: ignore[misc]
    """Everything under one root. text(sockaddr): "host:port"."""

    def __init__(self, handle: Handle, text: Callable[[Any], str]) -> None:
        super().__init__()
        self._block1 = RequestBlocks()
        self._block2 = AnswerBlocks()
        self._handle = handle
        self._text = text

    async def render(self, request: Any) -> Any:
        """Answer a request that is whole."""
        opt = request.opt
        answer = await self._handle(
            SealRequest(
                int(request.code),
                list(opt.uri_path),
                self._text(request.remote.sockaddr),
                list(opt.uri_query),
                request.payload,
                None if opt.content_format is None else int(opt.content_format),
                None if opt.accept is None else int(opt.accept),
            )
        )
        made = Message(code=Code(answer.code), payload=answer.payload)
        if answer.payload:
            made.opt.content_format = answer.content_format
        if answer.code == coap.CREATED and answer.location:
            made.opt.location_path = answer.location
        return made
