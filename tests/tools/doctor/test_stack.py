"""`msgin5g doctor -c FILE …`: a stack that is well, and prepared faults that are found."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from tempfile import gettempdir

import pytest
from aiohttp import web

from msgin5g_tools.cli import main
from msgin5g_tools.doctor import bluetooth, clock, reach
from tests.http_answers import serving
from tests.processes import DEADLINE_S, Stack
from tests.serial_cable import Port

GW, UE = "urn:example:gw:1", "urn:example:ue:1"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server and a gateway that run, and fit each other."""
    stack = Stack(tmp_path_factory.mktemp("stack"), [UE])
    stack.start_server()
    stack.start_gateway()
    yield stack
    stack.stop()


class Files:
    """The files of the running stack, to be changed."""

    def __init__(self, folder, stack):
        self.folder = folder
        self.server, self.gateway, self.ue = (
            folder / name for name in ("server.toml", "gateway.toml", "ue.json")
        )
        server, gateway = (
            (stack.folder / name).read_text() for name in ("server.toml", "gateway.toml")
        )
        keys = {"bind": stack.coap, "http": stack.http, "data": f"{stack.folder}/server"}
        self.server.write_text(_with(server, "server", keys))
        url = f"coap://{stack.coap}"
        keys = {"server": url, "links": [stack.link], "data": f"{stack.folder}/gateway"}
        self.gateway.write_text(_with(gateway, "gateway", keys))
        self.ue.write_text(json.dumps({"ue_service_id": UE, "link": stack.link}))

    def set(self, file, **keys):
        """Change keys of the file's own table."""
        text = file.read_text()
        for key, value in keys.items():
            text = re.sub(rf"^{key} = .*\n", "", text, flags=re.M)
            text = _with(text, file.stem, {key: value})
        file.write_text(text)

    def drop_account(self, ue):
        text = re.sub(rf'\[\[ue\]\]\nue_service_id = "{ue}"\n', "", self.server.read_text())
        self.server.write_text(text)

    def arguments(self):
        return ["--server-config", self.server, "--gateway-config", self.gateway, "-c", self.ue]


def _with(text, table, keys):
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return text.replace(f"[{table}]\n", f"[{table}]\n{lines}", 1)


@pytest.fixture
def files(tmp_path, running, monkeypatch):
    # Those who say nothing are not waited for.
    monkeypatch.setattr(reach, "_TRY_S", 0.3)
    return Files(tmp_path, running)


@pytest.fixture
def examine(files, capsys):
    def run():
        code = main(["doctor", "--json", *map(str, files.arguments())])
        answer = json.loads(capsys.readouterr().out)
        assert answer["ok"] == (code == 0)
        return code, answer["checks"]

    return run


def test_a_stack_that_runs_and_fits_has_no_fault(examine):
    code, checks = examine()
    found = [one["found"] for one in checks]
    assert code == 0, [one for one in checks if one["state"] not in ("ok", "note")]
    assert any(text.endswith("they fit") for text in found)
    assert sum("answers: it runs" in text for text in found) == 3
    assert any(re.fullmatch(r"coap://127.0.0.1:\d+ answers", text) for text in found)


def test_a_gateway_that_asks_who_it_is_has_no_fault(examine, files):
    files.set(files.gateway, ue_id="box-7")
    account = f'ue_service_id = "{GW}"\n'
    text = files.server.read_text()
    files.server.write_text(text.replace(account, account + 'ue_id = "box-7"\n', 1))
    code, checks = examine()
    assert code == 0, [one for one in checks if one["state"] == "fault"]


def test_a_stack_that_does_not_run_yet_is_no_fault(examine, files, running):
    files.set(files.server, bind=f"127.0.0.1:{free()}", http="127.0.0.1:0")
    port = re.search(r'bind = "(.*)"', files.server.read_text())[1]
    files.set(files.gateway, server=f"coap://{port}")
    code, checks = examine()
    assert code == 0, [one for one in checks if one["state"] == "fault"]
    told = next(one for one in checks if one["what"] == "gateway to server")
    assert told["state"] == "note" and "does not run yet" in told["found"]
    assert f"msgin5g server -c {files.server}" in told["do"]


def free():
    """Return a UDP port that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


# Each prepares a fault; what it opens is closed by the ExitStack.


def port_is_taken(files, _patch, opened):
    sock = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1", 0))
    files.set(files.server, bind=f"127.0.0.1:{sock.getsockname()[1]}")


def link_is_taken(files, _patch, opened):
    sock = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1", 0))
    files.set(files.gateway, links=[f"udp://127.0.0.1:{sock.getsockname()[1]}"])


def http_is_taken(files, _patch, opened):
    files.set(files.server, http=opened.enter_context(serving({})))


def address_is_not_ours(files, _patch, _opened):
    files.set(files.server, bind="192.0.2.1:65401")


def folder_cannot_be_written(files, _patch, _opened):
    files.set(files.server, data="/proc/msgin5g")


def folder_is_a_file(files, _patch, _opened):
    files.set(files.gateway, data=str(files.server))


def gateway_has_no_account(files, _patch, _opened):
    files.drop_account(GW)


def gateways_ue_id_has_no_account(files, _patch, _opened):
    files.set(files.gateway, ue_id="box-7")


def ue_is_missing_at_the_server(files, _patch, _opened):
    text = files.server.read_text().replace(f'"{UE}"', '"urn:example:ue:other"')
    files.server.write_text(text)


def service_ids_differ(files, _patch, _opened):
    files.set(files.gateway, service_id="urn:example:other")


def server_is_elsewhere(files, _patch, _opened):
    files.set(files.gateway, server=f"coap://127.0.0.1:{free()}")


def server_has_no_such_name(files, _patch, _opened):
    files.set(files.gateway, server="coap://no-such-host.invalid:65401")


def serial_port_is_missing(files, _patch, _opened):
    files.set(files.gateway, links=["serial:///dev/ttyNOBODY0"])


def serial_port_is_none(files, _patch, _opened):
    files.set(files.gateway, links=["serial:///dev/null"])


def there_is_no_adapter(files, patch, _opened):
    files.set(files.gateway, links=["ble://"])
    patch.setattr(bluetooth, "_SYSFS", files.folder / "none")
    patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={files.folder}/none")


def gateway_http_is_taken(files, _patch, opened):
    files.set(files.gateway, http=opened.enter_context(serving({})))


def reports_reach_nobody(files, _patch, opened):
    with serving({}) as gone:
        pass
    files.gateway.write_text(files.gateway.read_text() + f'[view]\nreport_to = "http://{gone}"\n')


def clock_of_the_server_is_off(files, _patch, opened):
    def answer(_request):
        return web.json_response({}, headers={"Date": "Thu, 01 Jan 2026 00:00:00 GMT"})

    there = opened.enter_context(serving({"/health": answer}))
    files.set(files.server, http=there)
    text = files.gateway.read_text() + f'[view]\nreport_to = "http://{there}"\n'
    files.gateway.write_text(text)


def clock_is_not_synchronized(_files, patch, _opened):
    patch.setattr(clock, "is_synchronized", lambda: False)


def ue_has_an_unknown_key(files, _patch, _opened):
    files.ue.write_text(json.dumps({"ue_service_id": UE, "linc": "ble://"}))


FAULTS = [
    (port_is_taken, "fault", "another program has this port", "or change bind in"),
    (link_is_taken, "fault", "another program has this port", "or change links in"),
    (http_is_taken, "fault", "another program has this port", "or change http in"),
    (gateway_http_is_taken, "fault", "another program has this port", "or change http in"),
    (reports_reach_nobody, "note", "no server answers at http://127", "start the server, or"),
    (clock_of_the_server_is_off, "fault", " s behind this one", "timedatectl set-ntp true"),
    (address_is_not_ours, "fault", "this machine has no such address", "or change bind in"),
    (
        folder_cannot_be_written,
        "fault",
        "/proc: ",
        "choose a folder that may be written with data",
    ),
    (folder_is_a_file, "fault", "server.toml: is a file", "choose a folder with data in"),
    (gateway_has_no_account, "fault", f"the gateway {GW} has no account", "server.toml a [[ue]]"),
    (
        gateways_ue_id_has_no_account,
        "fault",
        "has the gateway's ue_id box-7",
        'add ue_id = "box-7"',
    ),
    (ue_is_missing_at_the_server, "fault", f"{UE} may use the gateway and has no", "add to"),
    (service_ids_differ, "fault", "service_id is urn:example:other", "give both the same"),
    (server_is_elsewhere, "fault", "nobody listens there", "set server in"),
    (server_has_no_such_name, "fault", "no-such-host.invalid is not known", "set server in"),
    (serial_port_is_missing, "fault", "there is no /dev/ttyNOBODY0", "plug it in"),
    (serial_port_is_none, "fault", "/dev/null is no serial port", "name a serial port in links"),
    (there_is_no_adapter, "fault", "no Bluetooth adapter", "plug one in; on a Raspberry Pi"),
    (clock_is_not_synchronized, "note", "not synchronized", "timedatectl set-ntp true"),
    (ue_has_an_unknown_key, "fault", "unknown key 'linc'; did you mean 'link'?", "correct"),
]


@pytest.mark.parametrize(
    ("prepare", "state", "found", "do"), FAULTS, ids=[one[0].__name__ for one in FAULTS]
)
def test_a_prepared_fault_is_found_with_what_to_do(
    files, examine, monkeypatch, prepare, state, found, do
):
    with ExitStack() as opened:
        prepare(files, monkeypatch, opened)
        code, checks = examine()
    told = [one for one in checks if found in one["found"] and do in one["do"]]
    assert [one["state"] for one in told][:1] == [state], checks
    assert code == 1 or state != "fault"


def test_a_serial_port_that_is_there(files, examine, tmp_path):
    port = Port(str(tmp_path / "tty"))
    try:
        files.set(files.gateway, links=[port.url])
        _, checks = examine()
    finally:
        port.unplug()
    told = next(one for one in checks if one["what"] == "serial link")
    assert (told["state"], told["found"]) == ("ok", f"{tmp_path}/tty: may be opened")


def test_a_serial_port_is_not_opened_for_that(files, examine, tmp_path):
    """Opening would pull DTR and RTS, and a board at work would be reset."""
    port = Port(str(tmp_path / "tty"))
    files.set(files.gateway, links=[port.url])
    opened = []

    def note(event, arguments):
        if event == "open" and is_watching and os.fspath(port.path) == str(arguments[0]):
            opened.append(arguments)

    is_watching = True
    sys.addaudithook(note)
    try:
        _, checks = examine()
    finally:
        is_watching = False
        port.unplug()
    assert any(one["found"].endswith("tty: may be opened") for one in checks)
    assert opened == []


def test_who_answers_http_byte_by_byte_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(reach, "_HTTP_S", 0.3)
    done = threading.Event()

    def trickle(listener):
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not done.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = threading.Thread(target=trickle, args=(listener,), daemon=True)
        other.start()
        asked = threading.Thread(
            target=reach.ping_http, args=("http", *listener.getsockname(), "/health"), daemon=True
        )
        asked.start()
        asked.join(DEADLINE_S)
        is_over = not asked.is_alive()
        done.set()
        other.join(DEADLINE_S)
    assert is_over


AS_SOMEBODY = """
import os, sys
from msgin5g_tools.doctor.serial_ports import examine
import msgin5g_tools.flash.ports
# Root may everything.
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for one in examine(["serial://" + sys.argv[1]]):
    print(one.state, one.found, one.do, sep="; ")
"""


def test_a_serial_port_without_permission(tmp_path):
    port = tmp_path / "tty"
    port.touch()
    port.chmod(0o000)
    # pytest's folders are for their owner only.
    for folder in (tmp_path, *tmp_path.parents):
        if Path(gettempdir()) in folder.parents:
            folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", AS_SOMEBODY, str(port)], capture_output=True, text=True
    )
    assert done.stdout.startswith(f"fault; {port}: permission denied; it belongs to the group ")
    assert "type `sudo usermod -aG " in done.stdout


def test_the_table_says_what_is_wrong(files, capsys):
    service_ids_differ(files, None, None)
    assert main(["doctor", *map(str, files.arguments())]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "this will not work yet, see above"
    assert sum(line.startswith("FAULT ") for line in lines) >= 1


def test_no_secret_is_shown(files, capsys):
    secret = "a-secret-that-nobody-sees"
    with files.gateway.open("a") as file:
        file.write(f'[[device]]\napplication_id = 7\ncredential = "{secret}"\n')
    for flag in ([], ["--json"]):
        main(["doctor", *flag, *map(str, files.arguments())])
    assert secret not in capsys.readouterr().out
