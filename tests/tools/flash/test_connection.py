"""What answers that is no board for us: small TCP servers that speak as such devices do."""

import contextlib
import gc
import socket
import threading

import pytest

from msgin5g_tools.cli import main
from msgin5g_tools.flash.connection import connected
from msgin5g_tools.flash.problems import BoardGone, WrongUse

RAW = b"raw REPL; CTRL-B to exit\r\n>"
REBOOT = b"OK\r\nsoft reboot\r\n"
# pyserial leaves a socket open that the other side has closed.
left_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
ANSWER = (
    "{'name': %r, 'version': %r, 'machine': 'X', 'mpy': 4870, 'platform': 'x', "
    "'free': 99999, 'block': 4096, 'blocks_free': 9}"
)


class Device:
    """A device at a TCP port. `answer(data, send)` is called with what comes in."""

    def __init__(self, answer):
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        # A socket that is only closed leaves its accept() waiting.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                with client, contextlib.suppress(OSError):
                    while data := client.recv(4096):
                        if self._answer(data, client.sendall) == "close":
                            break


class RawRepl:
    """A raw REPL without paste mode that prints the same whatever it is told to run."""

    def __init__(self, text):
        self._text = text.encode()
        self._code = b""
        self._skip = 0

    def __call__(self, data, send):
        for octet in data:
            if self._skip:
                self._skip -= 1
                if not self._skip:
                    send(b"R\x00")
            elif octet == 5:
                # Then comes A, and 1: the request for paste mode.
                self._skip = 2
            elif octet == 1:
                self._code = b""
                send(RAW)
            elif octet == 4:
                send(b"OK" + self._text + b"\x04\x04>" if self._code else REBOOT + RAW)
                self._code = b""
            elif octet not in b"\r\x02\x03":
                self._code += bytes([octet])


@pytest.fixture
def device():
    """A function that starts a device."""
    made = []

    def start(answer):
        made.append(Device(answer))
        return made[-1]

    yield start
    for one in made:
        one.close()


def refusal(device):
    with pytest.raises(WrongUse) as error, connected(device.url, 0.3):
        raise AssertionError("it was taken for a board")
    return str(error.value)


def test_silence(device):
    assert "nothing answers at socket://" in refusal(device(lambda data, send: None))


def test_a_modem(device):
    text = refusal(device(lambda data, send: send(b"\r\nERROR\r\n")))
    assert "is not MicroPython's REPL (it says '" in text and "ERROR" in text


def test_a_board_with_circuitpython_that_does_not_reboot(device):
    banner = b"\r\nAdafruit CircuitPython 9.2.1 on 2024-11-20\r\n"
    assert "runs CircuitPython; put MicroPython on it" in refusal(
        device(lambda data, send: send(banner))
    )


@left_open
def test_a_device_that_hangs_up(device):
    assert "nothing answers" in refusal(device(lambda data, send: "close"))
    gc.collect()


def test_nobody_listens(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert main(["flash", "--port", f"socket://127.0.0.1:{port}", "--link", "ble://"]) == 2
    said = capsys.readouterr().err
    assert f"nothing answers at socket://127.0.0.1:{port}; does what listens there" in said


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (ANSWER % ("circuitpython", (9, 2, 1)), "the board runs circuitpython, not MicroPython"),
        (ANSWER % ("micropython", (1, 19, 1)), "MicroPython 1.19.1 is too old"),
        ("pardon?", "the board does not answer as MicroPython does: 'pardon?'"),
    ],
)
def test_another_python(device, capsys, answer, text):
    board = device(RawRepl(answer))
    assert main(["flash", "--port", board.url, "--link", "serial://uart0"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("msgin5g flash: ") and text in told.err
    assert told.err.count("\n") == 1 and told.out == ""


@left_open
def test_a_board_that_goes_away_in_the_middle(device):
    repl = RawRepl("1")

    def answer(data, send):
        return "close" if b"go away" in data else repl(data, send)

    with (
        pytest.raises(BoardGone, match="does not answer any more"),
        connected(device(answer).url, 0.5) as transport,
    ):
        assert transport.exec("1") == b"1"
        transport.exec("go away")
    gc.collect()
