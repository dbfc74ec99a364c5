"""An address that cannot be had is named, with the reason and what to do."""

import socket
import subprocess

import pytest

from msgin5g_host.listening import listening
from msgin5g_host.udp import open_socket
from tests.processes import msgin5g_command


def test_a_name_that_there_is_not():
    with pytest.raises(OSError) as caught, listening("CoAP address x", "--bind"):
        open_socket("no-such-host.invalid", 0)
    text = str(caught.value)
    assert text.startswith("CoAP address x: ") and text.endswith("; choose another with --bind")
    assert "Errno" not in text


@pytest.mark.parametrize(
    ("kind", "arguments", "what", "option"),
    [
        (
            socket.SOCK_DGRAM,
            ["server", "--http", "", "--bind", "{at}"],
            "CoAP address",
            "--bind",
        ),
        (
            socket.SOCK_STREAM,
            ["server", "--bind", "127.0.0.1:0", "--http", "{at}"],
            "HTTP address",
            "--http",
        ),
        (
            socket.SOCK_STREAM,
            ["gateway", "--link", "udp://127.0.0.1:0", "--http", "{at}"],
            "HTTP address",
            "--http",
        ),
        (
            socket.SOCK_DGRAM,
            ["gateway", "--link", "udp://{at}"],
            "link",
            "--link",
        ),
    ],
)
def test_an_address_that_somebody_has(tmp_path, kind, arguments, what, option):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        named = (one.format(at=at) for one in arguments)
        command = msgin5g_command(*named, "--data", tmp_path / "data")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    address = f"udp://{at}" if what == "link" else at
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last == (
        f"msgin5g: {what} {address}: Address already in use; "
        f"stop what uses it or choose another with {option}"
    )
