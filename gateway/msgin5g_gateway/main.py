"""`msgin5g gateway`: the MSGin5G Gateway UE as a process."""

import argparse
import asyncio
import os
import sys

from msgin5g_gateway.config import KEYS, TABLES, leave_to_server
from msgin5g_gateway.own_configuration import configure
from msgin5g_gateway.relay_shell import RelayUe
from msgin5g_gateway.shell import Gateway
from msgin5g_gateway.store import Store
from msgin5g_gateway.view import GatewayHttp, check_access, reporter
from msgin5g_host import daemon
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
from msgin5g_host.journal import Journal
from msgin5g_host.log import EventLog
from msgin5g_host.supervised import supervised


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g gateway`."""
    parser.description = (
        "Run the MSGin5G Gateway UE: links towards constrained UEs (MSGin5G-6), CoAP towards the "
        "server (MSGin5G-1)."
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration, see gateway.toml")
    parser.add_argument("--json", action="store_true", help="log one JSON object per event")
    parser.add_argument(
        "--print-config", action="store_true", help="print the merged configuration and end"
    )
    # Others see a command line: secrets come from the file or the environment.
    add_flags(parser, [key for key in KEYS if not key.secret])


def run(args: argparse.Namespace) -> int:
    """Run the gateway until SIGTERM; returns the exit code."""
    try:
        settings = load(KEYS, TABLES, args.config, os.environ, given_flags(args, KEYS))
        check_access(settings)
        leave_to_server(settings)
    except ConfigError as problem:
        print(f"msgin5g gateway: {problem}", file=sys.stderr)
        return 2
    if args.print_config:
        print(settings.describe())
        return 0
    serve = _relay if settings["gateway.relay"] else _serve
    return daemon.run(lambda stop: serve(settings, args.json, stop))


async def _relay(settings: Settings, as_json: bool, stop: asyncio.Event) -> None:
    clock = Clock()
    log = EventLog("relay", as_json, clock=clock)
    relay = RelayUe(settings, log, clock)
    file = None
    try:
        file = open_capture(settings, "gateway.capture", relay.capture, log)
        log.event(
            "ready",
            links=[link.url for link in relay.links],
            server=settings["gateway.server"],
            data=settings["gateway.data"],
        )
        with supervised(lambda: f"relay to {settings['gateway.server']}"):
            await stop.wait()
    finally:
        relay.close()
        if file is not None:
            file.close()
        log.event("stopped", **relay.counters)


async def _serve(settings: Settings, as_json: bool, stop: asyncio.Event) -> None:
    clock = Clock()
    messages = settings["gateway.log_messages"]
    log = EventLog("gateway", as_json, messages=messages, clock=clock)
    store = Store(settings["gateway.data"])
    file = http = reports = None
    try:
        if not await configure(settings, log, clock, stop):
            return
        where, at = settings["gateway.http"], settings["gateway.ue_service_id"]
        journal = Journal() if where or settings["view.report_to"] else None
        log = EventLog("gateway", as_json, None, messages, clock, at, journal)
        gateway = Gateway(settings, store, log, clock)
        file = open_capture(settings, "gateway.capture", gateway.capture, log)
        if journal is not None:
            reports = reporter(settings, journal, log)
            if where:
                http = GatewayHttp(gateway, store, settings, journal, clock, reports)
                await http.start(*parse_address(where))
        if reports is not None:
            reports.start()
        log.event(
            "ready",
            links=[link.url for link in gateway.links],
            server=settings["gateway.server"],
            ue=settings["gateway.ue_service_id"],
            data=settings["gateway.data"],
            cached=gateway.core.bulk.cached(),
            open=settings["gateway.open"] or None,
            http=show_address(http.address) if http else None,
            tls=bool(http and settings["http.tls_cert"]) or None,
        )
        gateway.start()
        with supervised(lambda: _status(gateway)):
            await stop.wait()
        await gateway.close()
    finally:
        if http is not None:
            await http.close()
        if reports is not None:
            await reports.close()
        if file is not None:
            file.close()
        store.close()
        log.event("stopped")


def _status(gateway: Gateway) -> str:
    core = gateway.core
    own = "registered" if core.own.registered else "not registered"
    return f"{own} at the server, {core.bulk.cached()} requests cached"
