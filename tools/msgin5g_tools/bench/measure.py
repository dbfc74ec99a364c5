"""What is measured: (a) server, (b) exchange layer, (c) soak, (d) bulk registration, (e) bytes,
(f) messages."""

import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

from msgin5g_tools.bench.link_bytes import link_bytes
from msgin5g_tools.bench.load import BenchError, Load, Server, build_generator
from msgin5g_tools.bench.messages import end_to_end, fan_out

__all__ = ["BenchError", "measure"]

Figures = dict[str, Any]
_SLOTS = 32
# Enough for a pause of two seconds at the common pace.
_PACED_SLOTS = 8192
_ENTRIES = 50
_SAMPLE_S = 0.5
_SETTLE_S = 10.0
_MEDIANS = ("rate", "p50_us", "p99_us", "cpu_us", "bad", "lost")


def measure(quick: bool, rounds: int, soak_s: float, progress: Callable[[str], None]) -> Figures:
    """Run everything and return the figures. Raises BenchError."""
    build_generator()
    warm_s, run_s = (0.2, 0.5) if quick else (2.0, 10.0)
    if quick:
        rounds, soak_s = 1, 1.0
    kinds = ("aiocoap", "exchange", "server")
    runs: dict[str, list[Figures]] = {kind: [] for kind in kinds}
    for number in range(1, rounds + 1):
        for kind in kinds:
            progress(f"(a, b) round {number} of {rounds}: {kind}")
            with Server(kind) as server:
                runs[kind].append(_run(server, _SLOTS, warm_s, run_s))
    middle = {kind: _medians(found) for kind, found in runs.items()}
    pace = max(int(middle["aiocoap"]["rate"] / 2), 1)
    paced: dict[str, list[Figures]] = {"aiocoap": [], "server": []}
    for number in range(1, rounds + 1):
        for kind, found in paced.items():
            progress(f"(a) at {pace} requests/s, round {number} of {rounds}: {kind}")
            with Server(kind) as server:
                found.append(_run(server, _PACED_SLOTS, warm_s, run_s, rate=pace))
    calm = {kind: _medians(found) for kind, found in paced.items()}
    progress(f"(c) soak for {soak_s:.0f} s")
    soak = _soak(soak_s)
    progress(f"(d) bulk registration, {_ENTRIES} UEs a request")
    with Server("server") as server:
        bulk = _run(server, 8, warm_s, run_s, entries=_ENTRIES)
    bulk["registrations_per_s"] = bulk["rate"] * _ENTRIES
    progress("(f) messages end to end, and one message to thousands")
    through = end_to_end(1.0 if quick else 10.0)
    spread = fan_out((100, 400) if quick else (1000, 4000))
    base = middle["aiocoap"]
    on_link = link_bytes()
    return {
        "machine": {"python": platform.python_version(), "system": platform.platform()},
        "quick": quick,
        "outstanding": _SLOTS,
        **middle,
        "paced": {"offered_per_s": pace, **calm},
        "soak": soak,
        "bulk": bulk,
        "link_bytes": on_link,
        "messages": through,
        "fan_out": spread,
        "ratios": {
            "link_bytes": on_link["coap"] / on_link["l3"],
            "server_rate": middle["server"]["rate"] / base["rate"],
            "server_cpu": base["cpu_us"] / middle["server"]["cpu_us"],
            "server_p99": calm["server"]["p99_us"] / calm["aiocoap"]["p99_us"],
            "server_p99_full_load": middle["server"]["p99_us"] / base["p99_us"],
            "exchange_rate": middle["exchange"]["rate"] / base["rate"],
            "exchange_cpu": base["cpu_us"] / middle["exchange"]["cpu_us"],
        },
    }


def _run(
    server: Server, slots: int, warm_s: float, run_s: float, entries: int = 0, rate: int = 0
) -> Figures:
    load = Load(server.port, slots, warm_s, run_s, entries=entries, rate=rate)
    time.sleep(warm_s)
    before = server.cpu_s()
    began = time.monotonic()
    figures = load.result()
    spent = server.cpu_s() - before
    share = figures["seconds"] / (time.monotonic() - began)
    figures["cpu_us"] = 1e6 * spent * min(share, 1.0) / max(figures["requests"], 1)
    return figures


def _medians(runs: list[Figures]) -> Figures:
    return {name: statistics.median(run[name] for run in runs) for name in _MEDIANS}


def _soak(soak_s: float) -> Figures:
    """Full rate for a while: does memory grow, does the server pause?"""
    settle = min(_SETTLE_S, soak_s / 3)
    with Server("server") as server:
        load = Load(server.port, _SLOTS, 0.5, soak_s, ues=20_000)
        began = time.monotonic()
        samples: list[tuple[float, float]] = []
        while load.running():
            samples.append((time.monotonic() - began, server.rss_mib()))
            time.sleep(_SAMPLE_S)
        figures = load.result()
    settled = [rss for at, rss in samples if at >= settle] or [samples[-1][1]]
    figures["rss_settled_mib"] = settled[0]
    figures["rss_end_mib"] = settled[-1]
    figures["rss_growth_mib"] = settled[-1] - settled[0]
    figures["rss_mib"] = [round(rss, 1) for _, rss in samples]
    return figures
