"""The keys that only a board uses."""

import pytest

from ue.board_keys import check_board
from ue.config import ConfigError, defaults, merge

UE = {"ue_service_id": "urn:example:ue:1"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"wifi_ssid": "x" * 33}, "config: wifi_ssid: at most 32 bytes are wanted"),
        ({"watchdog_s": 1}, "config: watchdog_s: 0 for none, or at least 2 is wanted"),
        ({"sleep_s": 9, "awake_s": 0}, "config: awake_s: at least 1 is wanted with sleep_s"),
        (
            {"led": "D13"},
            "config: led: LED, a pin such as 2, !8 (lit when low) or rgb:48 is wanted, not 'D13'",
        ),
    ],
)
def test_what_is_wrong_is_told(given, text):
    with pytest.raises(ConfigError) as error:
        merge({**UE, **given})
    assert str(error.value) == text


@pytest.mark.parametrize("led", ["", "LED", "2", "!8", "rgb:48"])
def test_the_ways_to_name_an_led(led):
    assert merge({**UE, "led": led})["led"] == led


def test_the_watchdog_of_an_rp2040_holds_eight_seconds():
    config = {**defaults(), "watchdog_s": 9}
    assert check_board(config, "rp2") == "watchdog_s: at most 8 on this board"
    assert check_board(config, "esp32") is None
