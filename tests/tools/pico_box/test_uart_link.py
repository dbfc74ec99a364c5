"""The gateway's serial link on a box's UART, the board at the other end of the cable."""

import asyncio
import contextlib

import pytest

from msgin5g_gateway import link_serial
from msgin5g_gateway.link_serial import MAX_FRAME_BYTES, SerialCarrier
from msgin5g_tools.pico_box.box import PicoBox

DEADLINE_S = 30.0
ECHO = """
import machine
uart = machine.UART(0, 115200, tx=machine.Pin(0), rx=machine.Pin(1), rxbuf=4096)
while True:
    if uart.any():
        uart.write(uart.read())
"""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(link_serial, "REOPEN_MIN_S", 0.02)
    monkeypatch.setattr(link_serial, "REOPEN_MAX_S", 0.05)


async def until(condition, deadline_s=DEADLINE_S):
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


def test_frames_pass_and_the_link_survives_cable_and_board(box_parts, tmp_path):
    (tmp_path / "main.py").write_text(ECHO)
    box = PicoBox(box_parts, tmp_path / "box")
    frames = [bytes(n % 256 for n in range(size)) for size in (1, 3, 255, 600, MAX_FRAME_BYTES)]
    got = []
    events = []

    async def echo(carrier):
        got.clear()
        # Until the board is up; nothing else is on its way back then.
        for n in range(150):
            assert carrier.send(box.uart_url, probe := b"\x0a%d" % n)
            with contextlib.suppress(TimeoutError):
                await until(lambda probe=probe: probe in got, 0.2)
                break
        got.clear()
        for frame in frames:
            assert carrier.send(box.uart_url, frame)
        await until(lambda: len(got) == len(frames))
        assert got == frames

    async def script():
        carrier = SerialCarrier(
            box.uart_url,
            lambda peer, frame: got.append(frame),
            lambda name, fields: events.append(name),
        )
        task = asyncio.create_task(carrier.run())
        await until(lambda: events == ["link-up"])
        await echo(carrier)
        box.unplug_uart()
        await until(lambda: events == ["link-up", "link-lost"])
        box.plug_uart()
        await until(lambda: events == ["link-up", "link-lost", "link-up"])
        await echo(carrier)
        # An adapter at the board's pins does not notice that the board has no power.
        await asyncio.to_thread(box.unplug)
        assert carrier.send(box.uart_url, b"\x0a lost")
        await asyncio.to_thread(box.plug)
        await echo(carrier)
        assert len(events) == 3
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    box.load(tmp_path)
    with box:
        asyncio.run(script())
