"""The status LED: one pattern per state.

a flash every five seconds    registered
two flashes                   an outage, trying again
three flashes                 refused
blinking evenly               on the way
off                           de-registered, stopped, or no UE runs
"""

import asyncio

import machine

from ue.states import BACKOFF, DEREGISTERED, REFUSED, REGISTERED

# Milliseconds on, off, on, ... of one round.
_FLASHES = {
    REGISTERED: (40, 4960),
    BACKOFF: (120, 180, 120, 1580),
    REFUSED: (120, 180, 120, 180, 120, 1280),
    DEREGISTERED: (0, 1000),
}
_ON_THE_WAY = (250, 250)
_LONGEST_MS = 250
_RGB = (0, 0, 16)  # green, red, blue as a WS2812 takes them: a faint blue
# Nanoseconds high and low of its bits 0 and 1.
_WS2812_NS = (400, 850, 800, 450)


class Led:
    """An LED that shows `state`.

    name: "LED", a pin as "2", one that is lit when low as "!8", a WS2812 as "rgb:48".
    """

    def __init__(self, name):
        self.state = None
        self._is_rgb = name.startswith("rgb:")
        self._is_low = name.startswith("!")
        name = name[4:] if self._is_rgb else name[1:] if self._is_low else name
        self._pin = machine.Pin(int(name) if name.isdigit() else name, machine.Pin.OUT)
        self.show(False)

    def show(self, is_on):
        """Switch it on or off."""
        if self._is_rgb:
            colours = bytes(_RGB) if is_on else bytes(3)
            machine.bitstream(self._pin, 0, _WS2812_NS, colours)
        else:
            self._pin.value(is_on != self._is_low)

    async def run(self):
        """Show the state for ever."""
        while True:
            state = self.state
            is_on = True
            for part_ms in _FLASHES.get(state, _ON_THE_WAY):
                if part_ms:
                    self.show(is_on)
                is_on = not is_on
                while part_ms > 0 and state == self.state:
                    await asyncio.sleep_ms(min(part_ms, _LONGEST_MS))
                    part_ms -= _LONGEST_MS
