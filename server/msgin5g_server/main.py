"""`msgin5g server`: the MSGin5G Server as a process."""

import argparse
import asyncio
import gc
import os
import sys

from msgin5g_host import daemon
from msgin5g_host.capture import Capture
from msgin5g_host.capture_file import open_capture
from msgin5g_host.clock import Clock
from msgin5g_host.config import (
    ConfigError,
    Settings,
    add_flags,
    given_flags,
    load,
    parse_address,
    show_address,
)
from msgin5g_host.folder import StoreError
from msgin5g_host.http_access import client_tls
from msgin5g_host.journal import Journal
from msgin5g_host.log import EventLog
from msgin5g_host.supervised import supervised
from msgin5g_server.calls import Calls
from msgin5g_server.coap import CoapServer
from msgin5g_server.config import KEYS, TABLES, check_roles
from msgin5g_server.core import ServerCore
from msgin5g_server.http import HttpServer
from msgin5g_server.http_access import check_access
from msgin5g_server.metrics import sources
from msgin5g_server.network_http import NetworkCalls
from msgin5g_server.registry import Registry
from msgin5g_server.ue_ids import accounts_by_ue_id

_EXPIRY_CHECK_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g server`."""
    parser.description = (
        "Run the MSGin5G Server: CoAP for UEs and gateways (MSGin5G-1), HTTP for people."
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration, see server.toml")
    parser.add_argument("--json", action="store_true", help="log one JSON object per event")
    parser.add_argument(
        "--print-config", action="store_true", help="print the merged configuration and end"
    )
    # Others see a command line: secrets come from the file or the environment.
    add_flags(parser, [key for key in KEYS if not key.secret])


def run(args: argparse.Namespace) -> int:
    """Run the server until SIGTERM; returns the exit code."""
    try:
        settings = load(KEYS, TABLES, args.config, os.environ, given_flags(args, KEYS))
        check_access(settings)
        accounts_by_ue_id(settings.rows["ue"])
        check_roles(settings)
    except ConfigError as problem:
        print(f"msgin5g server: {problem}", file=sys.stderr)
        return 2
    if args.print_config:
        print(settings.describe())
        return 0
    try:
        return daemon.run(lambda stop: _serve(settings, args.json, stop))
    except StoreError as problem:
        print(f"msgin5g server: {problem}", file=sys.stderr)
        return 1


async def _serve(settings: Settings, as_json: bool, stop: asyncio.Event) -> None:
    clock = Clock()
    journal = Journal()
    log = EventLog(
        *("server", as_json, None, settings["server.log_messages"], clock),
        at="server",
        journal=journal if settings["server.http"] else None,
    )
    registry = Registry(settings["server.data"], settings["server.max_registrations"])
    core = ServerCore(settings, registry, log)
    coap = http = calls = file = None
    try:
        coap = CoapServer(*parse_address(settings["server.bind"]), core, clock, log)
        capture = Capture("server", clock)
        coap.capture(capture)
        file = open_capture(settings, "server.capture", capture, log)
        tls, deadline_s = client_tls(settings), settings["http.deadline_s"]
        calls = Calls(core.messages, coap.durably, tls, deadline_s, log)
        asks = NetworkCalls(core.messages.network, calls, coap.durably, settings)
        coap.on_calls, coap.on_asks = calls.start, asks.start
        where = settings["server.http"]
        if where:
            http = HttpServer(
                *(core, clock, lambda: coap.endpoint.counters, coap.durably, journal, capture),
                sources(core, coap, journal, capture),
            )
            await http.start(*parse_address(where))
        log.event(
            "ready",
            coap=show_address(coap.address),
            http=show_address(http.address) if http else None,
            tls=http is not None and http.scheme == "https" or None,
            data=settings["server.data"],
            registered=len(registry),
            open=settings["server.open"] or None,
        )
        _tune_collector()
        with supervised(lambda: f"{len(registry)} UEs registered"):
            await _expire_until(stop, coap, clock)
    finally:
        if http is not None:
            await http.close()
        if calls is not None:
            await calls.close()
        if coap is not None:
            await coap.close()
        if file is not None:
            file.close()
        core.close()
        registry.close()
        log.event("stopped")


async def _expire_until(stop: asyncio.Event, coap: CoapServer, clock: Clock) -> None:
    while not stop.is_set():
        more = coap.expire(clock.now())
        try:
            await asyncio.wait_for(stop.wait(), 0.01 if more else _EXPIRY_CHECK_S)
        except TimeoutError:
            continue


def _tune_collector() -> None:
    """Keep what lives for the whole run out of the collector, and collect the old rarely.

    Requests leave no reference cycles; a full pass over the registry would only stall the loop.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
