"""The air between virtual adapters: one process, one socket for peripherals, one HCI per central.

    python -m msgin5g_tools.radio.air --path /tmp/air [--loss 0.01] [--seed 1]

PATH takes peripherals (`micropython/bluetooth.py`), PATH.hci one central (`bleak_backend`).
Prints one line when it is ready. There is no connection interval and no airtime: what is measured
here says nothing about a radio.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
from typing import Any

from bumble import hci
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink
from bumble.transport import open_transport

from msgin5g_tools.radio.peripheral import Peripheral

# As a real link's: a host that has died is noticed by its peers after this.
SUPERVISION_S = 0.5
_ACL_BYTES = 251
_CENTRAL_ADDRESS = "AA:00:00:00:00:01"
_L2CAP_ATT = 4
_NOTIFICATION, _WRITE_COMMAND = 0x1B, 0x52


class Ether(LocalLink):
    """A link bus that may lose ATT notifications and write commands, which nobody confirms."""

    def __init__(self, loss: float = 0.0, seed: int = 1) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.loss = loss
        self.lost = 0
        self._random = random.Random(seed)

    def send_acl_data(self, sender: Any, destination: Any, transport: Any, data: bytes) -> None:
        """Carry one packet, under the address that the connection was made with."""
        if transport != PhysicalTransport.LE:
            super().send_acl_data(sender, destination, transport, data)
            return
        if self._loses(data):
            self.lost += 1
            return
        connection = sender.le_connections.get(destination)
        other = self.find_le_controller(destination)
        if connection is not None and other is not None:
            asyncio.get_running_loop().call_soon(
                other.on_link_acl_data, connection.self_address, transport, data
            )

    def _loses(self, data: bytes) -> bool:
        if not self.loss or len(data) < 5 or data[2] | data[3] << 8 != _L2CAP_ATT:
            return False
        return data[4] in (_NOTIFICATION, _WRITE_COMMAND) and self._random.random() < self.loss

    def drop(self, controller: Any) -> None:
        """A host has died: its peers lose the connection, and it advertises no more."""
        controller.le_legacy_advertiser.stop()
        for advertising in controller.advertising_sets.values():
            advertising.stop()
        for peer, connection in list(controller.le_connections.items()):
            other = self.find_le_controller(peer)
            if other is not None and connection.self_address in other.le_connections:
                other.on_le_disconnected(
                    other.le_connections[connection.self_address],
                    hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR,
                )
        controller.le_connections.clear()


class Air:
    """The virtual radio: peripherals come and go at `path`, a central at `path` + ".hci"."""

    def __init__(self, path: str, loss: float = 0.0, seed: int = 1) -> None:
        self.path = path
        self.ether = Ether(loss, seed)
        self._addresses = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None
        self._central: Any = None

    async def start(self) -> None:
        """Begin to listen."""
        for path in (self.path, self.path + ".hci"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self._central = await open_transport(f"unix-server:{self.path}.hci")
        controller = self._controller("central", _CENTRAL_ADDRESS, self._central)
        self._keep(asyncio.create_task(self._watch(controller)))
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def close(self) -> None:
        """Take everything off the air."""
        if self._server is not None:
            self._server.close()
        # Again and again: Python 3.11's wait_for, which bumble uses, may swallow a cancellation.
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.1)
        if self._central is not None:
            connection = getattr(self._central.sink, "transport", None)
            if connection is not None:
                connection.close()
            await self._central.close()
        for path in (self.path, self.path + ".hci"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _controller(self, name: str, address: str, transport: Any = None) -> Any:
        source, sink = (transport.source, transport.sink) if transport else (None, None)
        controller = Controller(
            name, host_source=source, host_sink=sink, link=self.ether, public_address=address
        )
        controller.le_acl_data_packet_length = _ACL_BYTES
        controller.acl_data_packet_length = _ACL_BYTES
        return controller

    async def _watch(self, controller: Any) -> None:
        """Notice when the central's host goes away."""
        was_up = False
        while True:
            await asyncio.sleep(0.05)
            is_up = getattr(self._central.sink, "transport", None) is not None
            if was_up and not is_up:
                await asyncio.sleep(SUPERVISION_S)
                self.ether.drop(controller)
            was_up = is_up

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        self._addresses += 1
        address = f"C4:00:00:00:{self._addresses >> 8 & 255:02X}:{self._addresses & 255:02X}"
        controller = self._controller(f"peripheral {self._addresses}", "00:00:00:00:00:00")
        peripheral = Peripheral(controller, address, reader, writer)
        # A cancelled handler is an error to asyncio's streams, and no news to us.
        with contextlib.suppress(asyncio.CancelledError):
            await peripheral.run()
            # A process that was killed leaves its peers in the dark for a while.
            await asyncio.sleep(0 if peripheral.said_goodbye else SUPERVISION_S)
        writer.close()
        self.ether.drop(controller)
        self.ether.remove_controller(controller)

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _main(path: str, loss: float, seed: int) -> None:
    air = Air(path, loss, seed)
    await air.start()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f'{{"event": "ready", "role": "air", "path": "{path}"}}', flush=True)
    await stop.wait()
    await air.close()


def main() -> None:
    """Run the virtual radio until SIGTERM."""
    parser = argparse.ArgumentParser(description="A virtual BLE radio for tests and demos.")
    parser.add_argument("--path", required=True, help="its socket; PATH.hci is a central's")
    parser.add_argument("--loss", type=float, default=0.0, help="share of lost values, 0 to 1")
    parser.add_argument("--seed", type=int, default=1, help="which ones are lost")
    args = parser.parse_args()
    asyncio.run(_main(args.path, args.loss, args.seed))


if __name__ == "__main__":
    main()
