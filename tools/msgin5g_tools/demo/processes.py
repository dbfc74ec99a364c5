"""The processes of the demo: started in order, read line by line, ended together."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from msgin5g_tools.demo.cast import Cast
from msgin5g_tools.demo.page import PageReports
from msgin5g_tools.micropython import MicroPythonMissing, ue_command, ue_environment

Event = dict[str, Any]

_READY_TIMEOUT_S = 15.0
_END_TIMEOUT_S = 6.0
# Everything of the firmware compiled from source, on objects twice a board's size, and for BLE the
# `bluetooth` module, which on a board is not on the heap.
_HEAP = "400k"


class DemoError(Exception):
    """The demo cannot run; the text says why and what to do."""


class DemoWorld:
    """One server, one gateway and a `Cast` of UEs with short timers, all on this machine.

    seconds: how long, 0 for until cancelled. The UEs stay for a while, de-register, and come back,
    so that every procedure is seen again and again.
    """

    def __init__(self, cast: Cast, seconds: float) -> None:
        self._cast = cast
        self._seconds = seconds
        self._processes: list[asyncio.subprocess.Process] = []
        self._readers: list[asyncio.Task[None]] = []
        self._radio: asyncio.subprocess.Process | None = None
        self._page = PageReports()

    async def run(self, take: Callable[[Event], None]) -> None:
        """Run until the time is over, Ctrl-C, or a process dies; `take` gets every event."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        try:
            await self._start(take)
            ends = [asyncio.create_task(process.wait()) for process in self._processes]
            waits: list[asyncio.Task[Any]] = [*ends, asyncio.create_task(stop.wait())]
            done, _ = await asyncio.wait(
                waits, timeout=self._seconds or None, return_when=asyncio.FIRST_COMPLETED
            )
            for waiting in waits:
                waiting.cancel()
            if any(end in done for end in ends) and not stop.is_set():
                raise DemoError("a process ended by itself; run with --keep DIR and look there")
        finally:
            await self._end()

    async def _start(self, take: Callable[[Event], None]) -> None:
        command = [sys.executable, "-m", "msgin5g_tools.cli"]
        environment = await self._start_radio(take)
        server_file, gateway_file = self._cast.write_host_files()
        server = await self._spawn(
            [*command, "server", "-c", server_file, "--json", "--log-messages"], take
        )
        ready = await self._ready(server, "server")
        page = f"http://{ready['http']}"
        self._page.start(page)
        take({"event": "page", "role": "demo", "url": f"{page}/"})
        gateway = await self._spawn(
            [
                *command,
                *("gateway", "-c", gateway_file, "--json", "--log-messages"),
                *("--server", f"coap://{ready['coap']}", "--report-to", page),
            ],
            take,
            {**os.environ, **environment},
        )
        link = (await self._ready(gateway, "gateway"))["links"][0]
        for player in self._cast.players:
            try:
                argv = ue_command(self._cast.write_ue_file(player, link), _HEAP)
                both = self._page.beside(take)
                await self._spawn(argv, both, ue_environment(self._cast.air))
            except MicroPythonMissing as problem:
                raise DemoError(str(problem)) from None

    async def _start_radio(self, take: Callable[[Event], None]) -> dict[str, str]:
        """Put the virtual radio on the air, if somebody is on it; returns the environment."""
        if not self._cast.air:
            return {}
        argv = [sys.executable, "-m", "msgin5g_tools.radio.air", "--path", self._cast.air]
        radio = await self._spawn(argv, take)
        await self._ready(radio, "virtual radio")
        self._radio = self._processes.pop()
        return {"MSGIN5G_AIR": self._cast.air}

    async def _spawn(
        self,
        argv: list[str],
        take: Callable[[Event], None],
        environment: dict[str, str] | None = None,
    ) -> "asyncio.Future[Event]":
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        self._processes.append(process)
        ready: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        async def read() -> None:
            assert process.stdout is not None
            last = ""
            async for raw in process.stdout:
                last = raw.decode(errors="replace").rstrip()
                try:
                    event = json.loads(last)
                except ValueError:
                    event = {"event": "output", "text": last}
                if event.get("event") == "ready" and not ready.done():
                    ready.set_result(event)
                take(event)
            if not ready.done():
                ready.set_exception(DemoError(f"{argv[-1]} ended at once: {last}"))
                ready.exception()

        self._readers.append(asyncio.create_task(read()))
        return ready

    async def _ready(self, ready: "asyncio.Future[Event]", role: str) -> Event:
        try:
            return await asyncio.wait_for(asyncio.shield(ready), _READY_TIMEOUT_S)
        except TimeoutError:
            raise DemoError(f"the {role} was not ready within {_READY_TIMEOUT_S:.0f} s") from None

    async def _end(self) -> None:
        # The UEs first, then the gateway, then the server: each can still say goodbye.
        radio = [self._radio] if self._radio else []
        for group in (self._processes[2:], self._processes[1:2], self._processes[:1], radio):
            for process in group:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
            waits = [asyncio.create_task(process.wait()) for process in group]
            if waits:
                _, late = await asyncio.wait(waits, timeout=_END_TIMEOUT_S)
                if late:
                    for process in group:
                        with contextlib.suppress(ProcessLookupError):
                            process.kill()
                    await asyncio.wait(late)
        if self._readers:
            await asyncio.wait(self._readers, timeout=1)
        await self._page.close()
        for reader in self._readers:
            reader.cancel()
