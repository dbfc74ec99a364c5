"""The event log: one line per event, for people or for programs."""

import io
import json
import math
import subprocess
import sys

from msgin5g_host.log import EventLog


class FixedClock:
    def now(self) -> int:
        return 1_700_000_000_007


def lines(json_lines=False, messages=False):
    stream = io.StringIO()
    log = EventLog("gateway", json_lines, stream, messages, FixedClock())
    return log, stream


def test_human_line_has_time_role_event_and_fields() -> None:
    log, stream = lines()
    log.event("ready", coap="127.0.0.1:65401", ues=3, wait_s=2.0, cause=None)
    assert stream.getvalue() == (
        "22:13:20.007 gateway  ready           coap=127.0.0.1:65401 ues=3 wait_s=2\n"
    )


def test_human_lines_are_aligned() -> None:
    log, stream = lines()
    log.event("ready", a=1)
    log.event("registered", a=1)
    first, second = stream.getvalue().splitlines()
    assert first.index("a=1") == second.index("a=1")


def test_event_without_fields_has_no_trailing_space() -> None:
    log, stream = lines()
    log.event("end")
    assert stream.getvalue() == "22:13:20.007 gateway  end\n"


def test_human_values_cannot_forge_lines_or_control_a_terminal() -> None:
    log, stream = lines()
    log.event("x", a="two words", b="line\nbreak \x1b[2J\x9b", c="", d=["a", "b c"], e=b"\x01\xff")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith(
        'a="two words" b="line\\nbreak \\u001b[2J\\u009b" c="" d=a,"b c" e=01ff\n'
    )


def test_human_values_are_cut() -> None:
    log, stream = lines()
    log.event("x", a="y" * 5000)
    assert len(stream.getvalue()) < 500


def test_json_line_is_one_object_in_order() -> None:
    log, stream = lines(True)
    log.event("ready", coap="127.0.0.1:65401", ues=3, cause=None, ok=True)
    assert list(json.loads(stream.getvalue()).items()) == [
        ("t", "2023-11-14T22:13:20.007Z"),
        ("role", "gateway"),
        ("event", "ready"),
        ("coap", "127.0.0.1:65401"),
        ("ues", 3),
        ("ok", True),
    ]


def test_json_values_are_made_safe() -> None:
    log, stream = lines(True)
    log.event("x", a=math.nan, b=b"\x00\xff", c={"k": (1, b"\x02")}, d={3}, e=ValueError("no"))
    got = json.loads(stream.getvalue(), parse_constant=lambda _: 1 / 0)
    assert {key: got[key] for key in "abcde"} == {
        "a": "nan",
        "b": "00ff",
        "c": {"k": [1, "02"]},
        "d": [3],
        "e": "no",
    }


def test_fields_never_replace_time_role_or_event() -> None:
    log, stream = lines(True)
    log.event("x", role="liar", t="never", event="other", name="fine")
    got = json.loads(stream.getvalue())
    assert (got["role"], got["event"], got["name"]) == ("gateway", "x", "fine")
    assert got["t"].startswith("2023")


def test_messages_are_printed_only_when_asked_for() -> None:
    log, stream = lines(True)
    log.message("rx", "MSGin5G-6", "REG", ue="urn:example:ue:1")
    assert stream.getvalue() == ""
    log, stream = lines(True, messages=True)
    log.message("rx", "MSGin5G-6", "REG", ue="urn:example:ue:1")
    got = json.loads(stream.getvalue())
    assert (got["event"], got["direction"], got["iface"], got["what"], got["ue"]) == (
        "message",
        "rx",
        "MSGin5G-6",
        "REG",
        "urn:example:ue:1",
    )


def test_text_that_the_stream_cannot_encode_is_escaped() -> None:
    raw = io.BytesIO()
    log = EventLog("server", stream=io.TextIOWrapper(raw, "ascii"), clock=FixedClock())
    log.event("x", a="müll")
    log.event("y")
    assert raw.getvalue().splitlines()[0].endswith(b"a=m\\xfcll")
    assert len(raw.getvalue().splitlines()) == 2


def test_closed_stream_is_no_error() -> None:
    log, stream = lines()
    stream.close()
    log.event("x")
    log.event("y")


def test_full_disk_costs_lines_only() -> None:
    class Full(io.StringIO):
        full = True

        def flush(self) -> None:
            if self.full:
                raise OSError(28, "No space left on device")

    stream = Full()
    log = EventLog("server", stream=stream, clock=FixedClock())
    log.event("lost")
    stream.full = False
    log.event("kept")
    assert "kept" in stream.getvalue()


def test_reader_that_goes_away_ends_quietly() -> None:
    code = (
        "from msgin5g_host.log import EventLog\n"
        "log = EventLog('server')\n"
        "for number in range(100_000): log.event('x', number=number)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(30), errors) == (0, b"")
