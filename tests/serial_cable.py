"""Serial ports made of ptys: plugged and unplugged at one path, joined by a cable that may lie."""

import os
import random
import time

from msgin5g.serial_framing import Deframer, encode
from msgin5g_tools.cable import Cable
from msgin5g_tools.cable import Port as CablePort

__all__ = ["Cable", "Echo", "Port", "wait_until"]

DEADLINE_S = 10.0


def wait_until(condition, deadline_s=DEADLINE_S):
    """Return the condition's value once it is true."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
    return value


class Port(CablePort):
    """A port whose far end is in the test's hand: it writes and reads bytes and frames."""

    def __init__(self, path, plugged=True):
        self._deframer = Deframer(2048)
        super().__init__(path, plugged)

    def unplug(self):
        super().unplug()
        self._deframer.reset()

    def write(self, data):
        """Send bytes to the program."""
        end = time.monotonic() + DEADLINE_S
        while data:
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:
                assert time.monotonic() < end, "the program does not read"
                time.sleep(0.005)

    def send(self, *frames):
        self.write(b"".join(map(encode, frames)))

    def frames(self):
        """Return the frames that the program sent and that were not returned yet."""
        while data := self.read():
            self._deframer.feed(data)
        return list(iter(self._deframer.next_frame, None))

    def wait_for(self, count=1):
        """Return that many frames of the program."""
        found = []
        wait_until(lambda: found.extend(self.frames()) or len(found) >= count)
        return found


class Echo:
    """Sends numbered frames through `send` until each came back; what a lossy line needs above."""

    def __init__(self, send, count, seed=2):
        chosen = random.Random(seed)
        self.wanted = {
            number.to_bytes(2, "big") + chosen.randbytes(chosen.randrange(1, 60))
            for number in range(count)
        }
        self.open = set(self.wanted)
        self.strange = []
        self.rounds = 0
        self._send = send

    def got(self, frame):
        """Take a frame that came back."""
        if frame not in self.wanted:
            self.strange.append(frame)
        self.open.discard(frame)

    def repeat(self):
        """Send what is still missing."""
        self.rounds += 1
        for frame in sorted(self.open):
            self._send(frame)
