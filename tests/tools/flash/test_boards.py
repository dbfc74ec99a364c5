"""The board folders: what each is, and that its sample configuration can be used."""

import json

import pytest

from msgin5g_tools.flash import boards
from msgin5g_tools.flash.problems import WrongUse
from ue.config import merge


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("Generic ESP32 module with ESP32", "esp32"),
        ("Generic ESP32 module with SPIRAM with ESP32", "esp32"),
        ("Generic ESP32S3 module with ESP32S3", "esp32s3"),
        ("LOLIN S3 with ESP32S3", "esp32s3"),
        ("ESP32C3 module with ESP32C3", "esp32c3"),
        ("Raspberry Pi Pico with RP2040", "rp2040_pico"),
        ("Raspberry Pi Pico W with RP2040", "rp2040_pico_w"),
        ("Raspberry Pi Pico 2 W with RP2350", "rp2350_pico2_w"),
        ("Raspberry Pi Pico 2 W with RP2350-RISCV", "rp2350_pico2_w"),
        ("NodeMCU with ESP8266", None),
        ("", None),
    ],
)
def test_a_board_is_known_by_its_own_words(machine, name):
    found = boards.detect(machine)
    assert (found.name if found else None) == name


def test_a_board_that_is_not_known_names_those_that_are():
    with pytest.raises(WrongUse, match="known are esp32, esp32c3, esp32s3, rp2040_pico, "):
        boards.named("pico")


@pytest.mark.parametrize("name", boards.known())
def test_the_sample_configuration_of_a_board_is_valid(name):
    board = boards.named(name)
    sample = json.loads((board.folder / "config.json").read_text())
    config = merge(sample)
    assert config["link"].startswith("udp://") == bool(config["wifi_ssid"])
    assert board.settings() == {key: sample[key] for key in ("state_file", "led", "watchdog_s")}
