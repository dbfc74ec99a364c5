"""What may stand in the configuration of a board, and nowhere else."""

import sys

# What the timer of an RP2040 holds; one turn of the loop needs its time as well.
_MAX_RP2_WATCHDOG_S = 8
_MIN_WATCHDOG_S = 2


def check_board(config, platform=sys.platform):
    """Return what is wrong with the values that only a board uses, or None."""
    if len(config["wifi_ssid"].encode()) > 32:
        return "wifi_ssid: at most 32 bytes are wanted"
    led = config["led"]
    pin = led[4:] if led.startswith("rgb:") else led[1:] if led.startswith("!") else led
    if led and led != "LED" and not pin.isdigit():
        return "led: LED, a pin such as 2, !8 (lit when low) or rgb:48 is wanted, not '%s'" % led
    if 0 < config["watchdog_s"] < _MIN_WATCHDOG_S:
        return "watchdog_s: 0 for none, or at least %d is wanted" % _MIN_WATCHDOG_S
    if platform == "rp2" and config["watchdog_s"] > _MAX_RP2_WATCHDOG_S:
        return "watchdog_s: at most %d on this board" % _MAX_RP2_WATCHDOG_S
    if config["sleep_s"] and not config["awake_s"]:
        return "awake_s: at least 1 is wanted with sleep_s"
    return None
