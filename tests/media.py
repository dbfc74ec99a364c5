"""Links between a UE and the gateway that a test can cut and mend."""

import contextlib
import select
import socket
import sys
import threading

from tests.processes import Process
from tests.serial_cable import Cable, Port

_DEADLINE_S = 10.0
_LARGE_BYTES = 300


class UdpMedium:
    """A UDP path through a relay that swallows everything while it is cut.

    drop_every: of the datagrams that carry more than a few elements, each so-manieth is lost.
    """

    def __init__(self, folder, drop_every=0):
        self._drop_every = drop_every
        self._large = 0
        self.gateway_link = "udp://127.0.0.1:0"
        self.environment = {}
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for sock in (self._near, self._far):
            sock.bind(("127.0.0.1", 0))
        self._gateway = self._ue = None
        self._is_cut = self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.carried = 0

    @property
    def ue_link(self):
        return f"udp://127.0.0.1:{self._near.getsockname()[1]}"

    def join(self, gateway_url):
        """Begin to carry; gateway_url: the link as the gateway bound it."""
        host, _, port = gateway_url.partition("://")[2].rpartition(":")
        self._gateway = (host, int(port))
        self._thread.start()

    def cut(self):
        self._is_cut = True

    def mend(self):
        self._is_cut = False

    def close(self):
        self._ended = True
        if self._thread.is_alive():
            self._thread.join(_DEADLINE_S)
        self._near.close()
        self._far.close()

    def _run(self):
        while not self._ended:
            for sock in select.select([self._near, self._far], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    data, peer = sock.recvfrom(4096)
                    if sock is self._near:
                        self._ue = peer
                    target = self._gateway if sock is self._near else self._ue
                    if target is not None and not self._is_cut and not self._drops(data):
                        self.carried += len(data)
                        other = self._far if sock is self._near else self._near
                        other.sendto(data, target)

    def _drops(self, data):
        if not self._drop_every or len(data) < _LARGE_BYTES:
            return False
        self._large += 1
        return self._large % self._drop_every == 0


class SerialMedium:
    """A serial cable made of ptys; cut means unplugged on both sides."""

    def __init__(self, folder, rate=0.0, seed=1):
        self._one, self._other = Port(folder / "ttyGW"), Port(folder / "ttyUE")
        self._cable = Cable(self._one, self._other, rate, seed)
        self.gateway_link, self.ue_link = self._one.url, self._other.url
        self.environment = {}

    def join(self, gateway_url):
        """Nothing to do: the cable is there."""

    @property
    def carried(self):
        return self._cable.carried

    @property
    def damaged(self):
        return self._cable.damaged

    def cut(self):
        self._cable.cut()

    def mend(self):
        self._cable.mend()

    def close(self):
        self._cable.close()


class BleMedium:
    """The virtual radio; cut means that it is off the air, with all connections."""

    def __init__(self, folder, loss=0.0, seed=1):
        self._path = str(folder / "air")
        self._options = ["--loss", str(loss), "--seed", str(seed)]
        self.gateway_link = "ble://?backend=msgin5g_tools.radio.bleak_backend"
        self.ue_link = "ble://?interval_ms=20"
        # For the gateway, and for the UE besides where its `bluetooth` module is.
        self.environment = {"MSGIN5G_AIR": self._path}
        self._process = None
        self.mend()

    def join(self, gateway_url):
        """Nothing to do: both sides find the radio by its path."""

    def cut(self):
        self._process.kill()
        self._process = None

    def mend(self):
        argv = [sys.executable, "-m", "msgin5g_tools.radio.air", "--path", self._path]
        self._process = Process([*argv, *self._options])
        self._process.wait_for("ready")

    def close(self):
        if self._process is not None:
            self._process.stop()
