"""Messages end to end through one gateway, and one message to thousands of UEs."""

import json
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from msgin5g import gaps
from msgin5g import names as n
from msgin5g.message import Message, imdn, msg
from msgin5g_tools.bench.bare_ues import BareUes
from msgin5g_tools.bench.load import BenchError, Server

Figures = dict[str, Any]
_GROUP = "urn:example:group:all"
_SOCKETS = 256
_LIMIT_S = 60.0


def fan_out(counts: tuple[int, ...]) -> Figures:
    """Return, for each number of UEs, the seconds from one message's POST to its last delivery."""
    out: Figures = {}
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="msgin5g-bench-") as folder:
            file = Path(folder) / "server.toml"
            members = json.dumps([_ue(number) for number in range(count)])
            file.write_text(f'[[group]]\ngroup_service_id = "{_GROUP}"\nmembers = {members}\n')
            with Server("server", ["-c", str(file)]) as server:
                out[str(count)] = _one_to_all(server, count)
    first, last = counts[0], counts[-1]
    out["scaling"] = (out[str(last)] / last) / (out[str(first)] / first)
    return out


def _one_to_all(server: Server, count: int) -> float:
    reached: set[str] = set()
    ues = BareUes(
        ("127.0.0.1", server.port), _SOCKETS, lambda got: reached.add(got["recipAddr"]["addr"])
    )
    try:
        ues.register(count, _ue, _LIMIT_S)
        began = time.monotonic()
        ues.post(0, _message(_ue(0), (n.GROUP, _GROUP)))
        if not ues.run(lambda: len(reached) == count - 1, _LIMIT_S):
            raise BenchError(f"{len(reached)} of {count - 1} UEs were reached")
        return time.monotonic() - began
    finally:
        ues.close()


def end_to_end(seconds: float, pairs: int = 32) -> Figures:
    """Return messages/s and the time until the sender has its report, through one gateway.

    pairs: UEs that each send to another, the next message when the report is there.
    """
    with (
        tempfile.TemporaryDirectory(prefix="msgin5g-bench-") as folder,
        Server("server") as server,
    ):
        argv = [
            *("gateway", "--json", "--open", "--data", folder, "--link", "udp://127.0.0.1:0"),
            *("--server", f"coap://127.0.0.1:{server.port}"),
        ]
        with Server("gateway", argv) as gateway:
            return _pairs(gateway.port, seconds, pairs)


def _pairs(port: int, seconds: float, pairs: int) -> Figures:
    sent: dict[str, float] = {}
    took: list[float] = []

    def on_post(got: dict[str, Any]) -> None:
        if got["msgType"] == n.MSG:
            ue = got["destAddr"]["addr"]
            report = Message()
            report.origin, report.destination = (n.UE, ue), (n.UE, got["oriAddr"]["addr"])
            report.message_id, report.status = got["msgId"], n.SUCCESS
            ues.post(_number(ue), imdn(gaps.SERVICE_ID, report))
        elif got["msgType"] == n.IMDN:
            for one in got.get("indMsgList", [got]):
                took.append(time.monotonic() - sent.pop(one["msgId"]))
            if time.monotonic() < end:
                speak(_number(got["destAddr"]["addr"]))

    def speak(ue: int) -> None:
        payload = _message(_ue(ue), (n.UE, _ue(ue + pairs)), report=True)
        sent[json.loads(payload)["msgId"]] = time.monotonic()
        ues.post(ue, payload)

    ues = BareUes(("127.0.0.1", port), 2 * pairs, on_post)
    try:
        ues.register(2 * pairs, _ue, _LIMIT_S, sign_up=True)
        began = time.monotonic()
        end = began + seconds
        for ue in range(pairs):
            speak(ue)
        ues.run(lambda: time.monotonic() > end and not sent, seconds + _LIMIT_S)
        spent = time.monotonic() - began
    finally:
        ues.close()
    took.sort()
    if not took:
        raise BenchError("no report came back")
    return {
        "messages": len(took),
        "rate": len(took) / spent,
        "p50_ms": 1000 * took[len(took) // 2],
        "p99_ms": 1000 * took[len(took) * 99 // 100],
        "unreported": len(sent),
    }


def _message(origin: str, destination: tuple[str, str], report: bool = False) -> bytes:
    message = Message()
    message.message_id = str(uuid.uuid4())
    message.origin, message.destination = (n.UE, origin), destination
    message.payload, message.report, message.store = "21.5", report, True
    payload: bytes = msg(gaps.SERVICE_ID, message)
    return payload


def _ue(number: int) -> str:
    return f"urn:example:ue:{number}"


def _number(ue: str) -> int:
    return int(ue.rpartition(":")[2])
