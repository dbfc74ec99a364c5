"""The figures of a benchmark as one table with targets."""

from typing import Any

Figures = dict[str, Any]

_GROWTH_MIB = 2.0


def targets(result: Figures) -> list[tuple[str, str, str, bool]]:
    """Return (what, target, found, met) for every target."""
    ratios, soak, bulk = result["ratios"], result["soak"], result["bulk"]
    bad = sum(result[kind]["bad"] for kind in ("aiocoap", "exchange", "server"))
    bad += sum(result["paced"][kind]["bad"] for kind in ("aiocoap", "server"))
    return [
        (
            "(a) server REG, durable: rate against stock aiocoap",
            ">= 4 x",
            f"{ratios['server_rate']:.1f} x",
            ratios["server_rate"] >= 4,
        ),
        (
            "(a) its p99 against stock aiocoap's at the same load",
            "< 0.10",
            f"{ratios['server_p99']:.2f}",
            ratios["server_p99"] < 0.1,
        ),
        (
            "(b) exchange layer: rate against stock aiocoap",
            ">= 8 x",
            f"{ratios['exchange_rate']:.1f} x",
            ratios["exchange_rate"] >= 8,
        ),
        (
            "(a) the same with each at its own full rate",
            "-",
            f"{ratios['server_p99_full_load']:.2f}",
            True,
        ),
        (
            f"(c) memory growth after settling, {soak['seconds']:.0f} s at full rate",
            f"< {_GROWTH_MIB:.0f} MiB",
            f"{soak['rss_growth_mib']:.1f} MiB",
            soak["rss_growth_mib"] < _GROWTH_MIB,
        ),
        (
            "(c) longest pause without an answer",
            "< 50 ms",
            f"{soak['longest_gap_ms']:.1f} ms",
            soak["longest_gap_ms"] < 50,
        ),
        (
            "(d) registrations/s in bulk requests of 50, durable",
            "-",
            f"{bulk['registrations_per_s']:,.0f}",
            True,
        ),
        (
            f"(e) bytes to register and leave: CoAP {result['link_bytes']['coap']}, "
            f"L3 {result['link_bytes']['l3']}",
            ">= 5 x",
            f"{ratios['link_bytes']:.1f} x",
            ratios["link_bytes"] >= 5,
        ),
        *_messages(result),
        (
            "answers that were wrong",
            "0",
            str(int(bad + soak["bad"] + bulk["bad"])),
            bad + soak["bad"] + bulk["bad"] == 0,
        ),
    ]


def _messages(result: Figures) -> list[tuple[str, str, str, bool]]:
    through, spread = result["messages"], dict(result["fan_out"])
    scaling = spread.pop("scaling")
    most = max(spread, key=int)
    return [
        (
            "(f) messages/s UE to UE through a gateway, with reports",
            "-",
            f"{through['rate']:,.0f}",
            True,
        ),
        (
            "(f) until the report is back: p50, p99",
            "-",
            f"{through['p50_ms']:.0f}, {through['p99_ms']:.0f} ms",
            True,
        ),
        (
            f"(f) one message to {int(most):,} registered UEs",
            "< 1 s",
            f"{spread[most]:.2f} s",
            spread[most] < 1,
        ),
        (
            f"(f) time per UE at {int(most):,} against {int(min(spread, key=int)):,}",
            "< 2 x",
            f"{scaling:.1f} x",
            scaling < 2,
        ),
    ]


def missed(result: Figures) -> list[str]:
    """Return the targets that were missed."""
    return [what for what, _, _, met in targets(result) if not met]


def as_table(result: Figures) -> str:
    """Return the whole result as text."""
    lines = [
        f"{result['outstanding']} requests outstanding, Python {result['machine']['python']}",
        "",
        f"{'':22}{'requests/s':>12}{'p50 us':>9}{'p99 us':>9}{'CPU us/req':>12}{'lost':>6}",
    ]
    names = {
        "aiocoap": "stock aiocoap",
        "exchange": "exchange layer",
        "server": "server, durable",
    }
    rows = [(name, result[kind]) for kind, name in names.items()]
    rows += [
        (f"{names[kind].partition(',')[0]}, same load", result["paced"][kind])
        for kind in ("aiocoap", "server")
    ]
    rows += [("server, soak", result["soak"]), ("server, BREG of 50", result["bulk"])]
    for name, row in rows:
        cpu = f"{row['cpu_us']:.1f}" if "cpu_us" in row else "-"
        lines.append(
            f"{name:22}{row['rate']:12,.0f}{row['p50_us']:9,.0f}{row['p99_us']:9,.0f}"
            f"{cpu:>12}{row['lost']:6.0f}"
        )
    lines.append("")
    for what, target, found, met in targets(result):
        lines.append(f"{what:58}{target:>9}{found:>12}  {'ok' if met else 'MISSED'}")
    if result["quick"]:
        lines.append("A quick run: the figures only show that it works.")
    return "\n".join(lines)
