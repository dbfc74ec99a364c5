"""The Wi-Fi of a board: joined, and joined again when it is lost, with growing pauses."""

import asyncio

import network

_JOIN_MS = 20000
_LOOK_MS = 500
_MIN_PAUSE_MS = 1000
_MAX_PAUSE_MS = 60000


class WiFi:
    """The way to a network. password: "" for an open one; tell(name, info) hears of changes."""

    def __init__(self, ssid, password, tell):
        self._ssid = ssid
        self._password = password
        self._tell = tell
        self._wlan = network.WLAN(network.STA_IF)

    async def run(self):
        """Stay in the network for ever."""
        pause_ms = _MIN_PAUSE_MS
        while True:
            problem = await self._join()
            if problem is None:
                pause_ms = _MIN_PAUSE_MS
                self._tell("wifi", {"joined": self._ssid, "address": self._wlan.ifconfig()[0]})
                while self._wlan.isconnected():
                    await asyncio.sleep_ms(_LOOK_MS)
                problem = "lost"
            self._tell("wifi", {"ssid": self._ssid, "reason": problem, "retry_ms": pause_ms})
            await asyncio.sleep_ms(pause_ms)
            pause_ms = min(2 * pause_ms, _MAX_PAUSE_MS)

    async def _join(self):
        """Return None once joined, else what the trouble is."""
        wlan = self._wlan
        try:
            # Off and on again: some ports remember a join that failed and refuse the next one.
            wlan.active(False)
            wlan.active(True)
            if self._password:
                wlan.connect(self._ssid, self._password)
            else:
                wlan.connect(self._ssid)
            for _ in range(_JOIN_MS // _LOOK_MS):
                if wlan.isconnected():
                    return None
                await asyncio.sleep_ms(_LOOK_MS)
        except OSError as problem:
            return str(problem)
        return "no answer (status %s); are name and password right?" % wlan.status()
