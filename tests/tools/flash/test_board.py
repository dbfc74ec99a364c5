"""What a board tells of itself, and which boards are refused, with the reason."""

import pytest

from msgin5g_tools.flash.board import LEAST_FREE_BYTES, check, read
from msgin5g_tools.flash.problems import WrongUse
from ue.config import merge

PICO = {
    "name": "micropython",
    "version": (1, 25, 0),
    "machine": "Raspberry Pi Pico with RP2040",
    "mpy": 0x1306,
    "platform": "rp2",
    "free": 240_000,
    "block": 4096,
    "blocks_free": 350,
    "id": b"\x01\x02",
    "network": False,
    "bluetooth": False,
}
PICO_W = {**PICO, "network": True, "bluetooth": True}
CLIENT = {"ue_service_id": "urn:example:ue:1"}
L3 = {"mode": "l3", "credential": "x"}


def test_a_board_in_one_line():
    assert read(PICO).title() == (
        "Raspberry Pi Pico with RP2040, MicroPython 1.25.0, .mpy 6.3 armv6m, "
        "240 kB memory and 1433 kB flash free"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "circuitpython"}, "the board runs circuitpython, not MicroPython"),
        ({"version": (1, 21, 0)}, r"MicroPython 1\.21\.0 is too old; 1\.22 or newer is needed"),
        ({"version": (0, 99, 9)}, r"MicroPython 0\.99\.9 is too old"),
        ({"block": 0}, "the board has no file system"),
    ],
)
def test_what_is_no_board_for_us(change, text):
    with pytest.raises(WrongUse, match=text):
        read({**PICO, **change})


@pytest.mark.parametrize("answer", [None, 5, "x", {}, []])
def test_an_answer_of_something_else(answer):
    with pytest.raises(WrongUse, match="the board runs something else, not MicroPython"):
        read(answer)


def test_a_board_with_too_little_memory_is_refused_for_what_takes_more():
    facts = read({**PICO, "free": LEAST_FREE_BYTES["l3"]})
    check(facts, merge({**L3, "link": "serial://uart0"}))
    with pytest.raises(WrongUse, match="has 70 kB of memory free, a UE in mode 'client' wants"):
        check(facts, merge({**CLIENT, "link": "serial://uart0"}))


@pytest.mark.parametrize(
    ("board", "given", "text"),
    [
        (PICO, {"link": "ble://"}, "link: this board has no BLE; use serial://uart0$"),
        (PICO, {"link": "udp://h:1", "wifi_ssid": "x"}, "link: this board has no Wi-Fi"),
        (PICO, {"link": "serial://uart0", "wifi_ssid": "x"}, "wifi_ssid: this board has no Wi-Fi"),
        (PICO, {"link": "serial:///dev/ttyUSB0"}, "a board has serial://uart0"),
        (PICO_W, {"link": "udp://h:1"}, "add --set wifi_ssid=NAME --set wifi_password=PASSWORD"),
        (PICO_W, {"link": "udp://h:1", "wifi_ssid": "x"}, None),
        (PICO_W, {"link": "ble://"}, None),
        (PICO, {"link": "serial://uart1"}, None),
        (PICO, {"link": "serial://uart2"}, "this board has no uart2; it has uart0 to uart1"),
        ({**PICO, "platform": "esp32"}, {"link": "serial://uart2"}, None),
        ({**PICO, "platform": "esp32"}, {"link": "serial://uart3"}, "no uart3; it has uart0"),
    ],
)
def test_a_link_that_the_board_does_not_have(board, given, text):
    config = merge({**CLIENT, **given})
    if text is None:
        check(read(board), config)
    else:
        with pytest.raises(WrongUse, match=text):
            check(read(board), config)
