"""The gateway's own configuration (6.2.1.2): it asks the server who it is, before all else.

Only with `ue_id` and without `ue_service_id`. What it is told is on disk before it is used. A
later start asks again, and goes on as before if it is not told.
"""

import asyncio
import json
import random
from pathlib import Path

from msgin5g import cbor, coap
from msgin5g.codes import code_text
from msgin5g.configuration import Configuration, parse_answer, request_options
from msgin5g.payload_errors import BadMessage
from msgin5g_gateway.config import check_server
from msgin5g_gateway.effects import back_off_ms
from msgin5g_gateway.north import North
from msgin5g_host.clock import Clock
from msgin5g_host.config import Settings, check_uri
from msgin5g_host.folder import replace_file
from msgin5g_host.log import EventLog
from msgin5g_host.supervised import notify

FILE = "own-configuration.json"
_TRY_S = 10.0
# So long it asks when it knows already what it was told before.
_TRY_AGAIN_S = 3.0
_LONGEST_PAUSE_MS = 30_000
_REFUSED_PAUSE_MS = 60_000
# What a service manager allows for on top of a pause and the next try.
_START_MARGIN_S = 30.0
_MAX_DETAIL = 200
_NO_SERVER = "set server to the address of an MSGin5G Server"


class NotTold(Exception):
    """Why there is no configuration. do: what helps; is_refusal: asking again soon does not."""

    def __init__(self, cause: str, do: str, is_refusal: bool) -> None:
        super().__init__(cause)
        self.do = do
        self.is_refusal = is_refusal


async def configure(settings: Settings, log: EventLog, clock: Clock, stop: asyncio.Event) -> bool:
    """Put what the server tells into `settings`, if it is to be asked; False: `stop` was first.

    Raises OSError.
    """
    if settings["gateway.ue_service_id"] is not None:
        return True
    work = asyncio.create_task(_Asking(settings, log, clock).run())
    ending = asyncio.create_task(stop.wait())
    await asyncio.wait((work, ending), return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    work.cancel()
    await asyncio.wait((work,))
    if work.cancelled():
        return False
    found = work.result()
    _set(settings, "gateway.ue_service_id", found.ue_service_id)
    _set(settings, "gateway.server", found.server)
    if found.segment_bytes is not None:
        told = min(found.segment_bytes, settings["gateway.segment_bytes"])
        _set(settings, "gateway.segment_bytes", told)
    return True


def read(payload: bytes) -> Configuration:
    """Return the configuration in a 2.05, one that a gateway can use. Raises NotTold."""
    try:
        found = parse_answer(payload).configuration
        if found is None:
            raise BadMessage("", "there is no configuration in it")
        check_uri(found.ue_service_id)
        check_server(found.server)
    except (BadMessage, ValueError) as problem:
        raise NotTold(f"malformed answer: {problem}", _NO_SERVER, True) from None
    return found


class _Asking:
    """Ask until there is an answer, or once if there was one before."""

    def __init__(self, settings: Settings, log: EventLog, clock: Clock) -> None:
        self._server: str = settings["gateway.server"]
        self._ue_id: str = settings["gateway.ue_id"]
        service_id = settings["gateway.service_id"]
        self._options = request_options(service_id, self._ue_id)
        self._asked = {"ue_id": self._ue_id, "server": self._server, "service_id": service_id}
        self._file = Path(settings["gateway.data"]) / FILE
        self._log = log
        self._clock = clock

    async def run(self) -> Configuration:
        log, kept = self._log, self._kept()
        rng = random.SystemRandom().randrange
        log.event("own-configuring", ue_id=self._ue_id, server=self._server)
        found: Configuration | None = None
        failures, said = 0, ""
        while found is None:
            try:
                payload = await self._ask(_TRY_S if kept is None else _TRY_AGAIN_S)
                found = read(payload)
                self._keep(payload)
                kept = None
            except NotTold as problem:
                found, cause = kept, str(problem)
                pause_ms = back_off_ms(rng, failures, _LONGEST_PAUSE_MS)
                if problem.is_refusal:
                    pause_ms = _REFUSED_PAUSE_MS
                retry_s = None if kept else pause_ms / 1000
                if cause != said:
                    more = {"do": problem.do, "retry_s": retry_s}
                    log.event("own-not-configured", cause=cause, **more)
                if found is None:
                    failures, said = failures + 1, cause
                    await self._pause(pause_ms / 1000, cause)
        log.event(
            "own-configured",
            ue=found.ue_service_id,
            server=found.server,
            segment_bytes=found.segment_bytes,
            kept=kept is not None or None,
        )
        return found

    async def _pause(self, pause_s: float, cause: str) -> None:
        allow_us = int((pause_s + _TRY_S + _START_MARGIN_S) * 1e6)
        text = f"waits for its configuration from {self._server}: {cause}"
        notify(STATUS=text, EXTEND_TIMEOUT_USEC=allow_us)
        await asyncio.sleep(pause_s)

    async def _ask(self, timeout_s: float) -> bytes:
        """Return the payload of the server's 2.05. Raises NotTold, OSError."""
        answer: asyncio.Future[tuple[int, bytes] | str] = asyncio.Future()
        north = North(
            *(self._server, self._clock),
            lambda _, code, payload: answer.set_result((code, payload)),
            lambda _, reason: answer.set_result(reason),
            # Nobody knows of this socket who could send to it.
            *(lambda *_: None, lambda _: None),
        )
        try:
            north.fetch(None, self._options, b"", timeout_s)
            self._log.message("tx", "MSGin5G-1", "GET", ue_id=self._ue_id)
            outcome = await answer
        finally:
            await north.close()
        if isinstance(outcome, str):
            do = f"start the server, or set server if it is not at {self._server}"
            reason = "" if outcome == TimeoutError.__name__ else f": {outcome}"
            raise NotTold(f"no answer{reason}", do, False)
        code, payload = outcome
        self._log.message("rx", "MSGin5G-1", code_text(code), ue_id=self._ue_id)
        if code == coap.CONTENT:
            return payload
        do = _NO_SERVER
        if code == coap.FORBIDDEN:
            do = f'add ue_id = "{self._ue_id}" to the account of this gateway at the server'
        elif code == coap.NOT_FOUND:
            do = f"set service_id as at the server, or {_NO_SERVER}"
        text = f"{code_text(code)} {_detail(payload)}".rstrip()
        raise NotTold(text, do, code < coap.INTERNAL_ERROR)

    def _kept(self) -> Configuration | None:
        """Return what the same question was answered before."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return read(kept["answer"].encode()) if kept["asked"] == self._asked else None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, NotTold):
            return None

    def _keep(self, payload: bytes) -> None:
        kept = {"asked": self._asked, "answer": payload.decode()}
        try:
            replace_file(self._file, json.dumps(kept))
        except OSError as problem:
            cause = f"{self._file}: cannot be written: {problem.strerror}"
            raise NotTold(cause, "make room on the disk", False) from None


def _detail(payload: bytes) -> str:
    """Return the detail of problem details (RFC 9290), or a diagnostic payload."""
    try:
        detail = cbor.loads(payload)[-2]
    except (BadMessage, LookupError, TypeError):
        detail = payload.decode(errors="replace")
    return str(detail)[:_MAX_DETAIL]


def _set(settings: Settings, name: str, value: str | int) -> None:
    settings.values[name] = value
    settings.sources[name] = "server"
