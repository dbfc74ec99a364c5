"""The firmware as it runs in the field: MicroPython, a small heap, real sockets and restarts."""

import json
import signal
import socket
import subprocess
import threading

import pytest

from msgin5g import coap, registration
from msgin5g_tools.micropython import ue_command, ue_environment
from tests.firmware.bench import JSON, SERVICE, UE, kind_of
from tests.processes import DEADLINE_S, Process


class Gateway:
    """A hand-made gateway on a UDP port of 127.0.0.1, in a thread of its own.

    deaf: a set of what gets no answer; got: requests without their retransmissions; results:
    what REGRESP and DEREGRESP tell, None for not telling.
    """

    def __init__(self, port=0):
        self.got = []
        self.acks = []
        self.deaf = set()
        self.result = True
        self.cause = None
        self.peer = None
        self._seen = set()
        self._mid = 40_000
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        """Stop and free the port."""
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(DEADLINE_S)
        self._socket.close()

    def wait_for(self, test):
        """Wait until `test()` holds."""
        with self._changed:
            assert self._changed.wait_for(test, DEADLINE_S), [kind_of(one) for one in self.got]

    def send(self, code, payload, token, mid=None):
        """POST to the UE that was heard last; returns its answer."""
        self._mid += 1
        mid = self._mid if mid is None else mid
        known = len(self.acks)
        data = coap.encode(coap.CON, code, mid, token, JSON, payload)
        self._socket.sendto(data, self.peer)
        self.wait_for(lambda: any(one.mid == mid for one in self.acks[known:]))
        return self.acks[-1]

    def _serve(self):
        while True:
            data, peer = self._socket.recvfrom(2048)
            if not data:
                return
            self.peer = peer
            message = coap.decode(data)
            with self._changed:
                if 0 < message.code < 32:
                    self._answer(message)
                else:
                    self.acks.append(message)
                self._changed.notify_all()

    def _answer(self, message):
        if (message.mid, message.token) not in self._seen:
            self._seen.add((message.mid, message.token))
            self.got.append(message)
        kind = kind_of(message)
        if kind in self.deaf:
            return
        if kind == "GWREG":
            payload = registration.gwreg_answer(UE, True, 3600)
        else:
            payload = registration.interim(UE, 1)
        out = [(coap.ACK, coap.CREATED, message.mid, payload)]
        if kind != "GWREG" and self.result is not None:
            build = registration.regresp if kind == "REG" else registration.deregresp
            out.append(
                (coap.CON, coap.POST, message.mid, build(UE, SERVICE, self.result, self.cause))
            )
        for kind, code, mid, body in out:
            self._socket.sendto(coap.encode(kind, code, mid, message.token, JSON, body), self.peer)


class Firmware:
    """Starts UEs on MicroPython with one configuration."""

    def __init__(self, folder, port):
        self.file = folder / "ue.json"
        self.state_file = folder / "ue.state"
        self.port = port
        self._running = []

    def start(self, **settings):
        config = {"ue_service_id": UE, "link": f"udp://127.0.0.1:{self.port}", "json": True}
        config |= {"state_file": str(self.state_file), "ack_timeout_ms": 200, "wait_s": 1}
        config |= {"backoff_min_s": 1, "backoff_max_s": 1}
        self.file.write_text(json.dumps(config | settings))
        self._running.append(Process(ue_command(str(self.file)), ue_environment()))
        return self._running[-1]

    def stop(self):
        for one in self._running:
            one.stop()


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    made.close()


@pytest.fixture
def firmware(tmp_path, gateway):
    made = Firmware(tmp_path, gateway.port)
    yield made
    made.stop()


def numbers(requests):
    return {one.mid for one in requests}, {one.token for one in requests}


@pytest.mark.clause("6.3.5.1-p1", "6.3.0-p4", "6.3.4.2.1-ac", "6.3.4.2.1-p2", "6.3.4.2.3-p1")
def test_sign_up_registration_and_its_result_on_real_sockets(gateway, firmware):
    gateway.result = None
    ue = firmware.start(server_host="server.example")
    waiting = ue.wait_for("state", state="waiting")
    assert waiting["role"] == "ue" and waiting["ue"] == UE and waiting["expected_s"] == 1
    first, second = gateway.got
    assert [kind_of(one) for one in (first, second)] == ["GWREG", "REG"]
    assert (second.type, second.code) == (coap.CON, coap.POST)
    assert second.uint(coap.CONTENT_FORMAT) == 50
    answer = gateway.send(coap.POST, registration.regresp(UE, SERVICE, True), second.token)
    assert (answer.type, answer.code, answer.payload) == (coap.ACK, coap.CHANGED, b"")
    assert answer.token == second.token
    ue.wait_for("state", state="registered")
    told = [(one["direction"], one["what"]) for one in ue.events if one["event"] == "message"]
    assert told == [
        *[("tx", "GWREG"), ("rx", "2.01"), ("tx", "REG"), ("rx", "2.01")],
        *[("rx", "REGRESP"), ("tx", "2.04")],
    ]


@pytest.mark.clause("6.3.4.2.2-a-c", "6.3.4.2.2-d1-d3", "6.3.4.2.2-p2", "6.3.4.2.4-p1")
def test_a_ue_with_little_time_comes_and_goes(gateway, firmware):
    ue = firmware.start(stay_s=1, away_s=1)
    for _ in range(2):
        ue.wait_for("state", state="registered")
        ue.wait_for("state", state="deregistered")
    gateway.wait_for(lambda: [one.code for one in gateway.acks].count(coap.CHANGED) >= 4)
    assert [kind_of(one) for one in gateway.got[:3]] == ["GWREG", "REG", "DEREG"]


def test_kill_9_and_restart_never_repeat_a_number(gateway, firmware):
    for _ in range(3):
        before = list(gateway.got)
        ue = firmware.start()
        ue.wait_for("state", state="registered")
        ue.kill()
        now = gateway.got[len(before) :]
        for old, new in zip(numbers(before), numbers(now), strict=True):
            assert len(new) == 2 and not old & new
    state = json.loads(firmware.state_file.read_text())
    assert state["wanted"] == "registered" and state["known"] is True


def test_a_truncated_state_file_is_survived_and_reported(gateway, firmware):
    firmware.state_file.write_text('{"wanted": "regis')
    ue = firmware.start()
    assert "starting afresh" in ue.wait_for("storage")["reason"]
    ue.wait_for("state", state="registered")
    assert json.loads(firmware.state_file.read_text())["wanted"] == "registered"


def test_a_flash_that_takes_nothing_is_reported_and_the_ue_registers(gateway, firmware):
    ue = firmware.start(state_file="/no/such/folder/ue.state")
    assert "cannot be written" in ue.wait_for("storage")["reason"]
    ue.wait_for("state", state="registered")


def test_a_gateway_that_starts_later_is_found(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    firmware = Firmware(tmp_path, port)
    ue = firmware.start(max_retransmit=1)
    ue.wait_for("state", state="backoff")
    gateway = Gateway(port)
    ue.wait_for("state", state="registered")
    firmware.stop()
    gateway.close()


def test_a_gateway_that_goes_and_comes_back_is_found(gateway, firmware):
    ue = firmware.start(refresh_s=1, max_retransmit=1)
    ue.wait_for("state", state="registered")
    gateway.deaf = {"GWREG", "REG"}
    assert ue.wait_for("state", state="backoff")["reason"] == "timeout"
    gateway.deaf = set()
    ue.wait_for("state", state="registered")


def test_a_refusal_keeps_its_cause_and_is_not_repeated_at_once(gateway, firmware):
    gateway.result, gateway.cause = False, "unknown UE Service ID"
    ue = firmware.start(refused_retry_s=2)
    assert ue.wait_for("state", state="refused")["cause"] == "unknown UE Service ID"
    gateway.result, gateway.cause = True, None
    ue.wait_for("state", state="registered")
    assert [kind_of(one) for one in gateway.got] == ["GWREG", "REG"] * 2


def test_rubbish_on_the_socket_is_survived(gateway, firmware):
    ue = firmware.start()
    ue.wait_for("state", state="registered")
    for data in (b"\x00", b"\x40", b"\xff" * 1400, b"\x60\x44\x00\x00", b"\x40\x02\x11\x11\xff"):
        gateway._socket.sendto(data, gateway.peer)
    payload = registration.regresp("urn:example:ue:2", SERVICE, True)
    assert gateway.send(coap.POST, payload, b"t").code == coap.BAD_REQUEST
    assert gateway.send(coap.GET, b"", b"u").code == coap.METHOD_NOT_ALLOWED


def test_ctrl_c_ends_it_with_exit_code_0_and_no_traceback(gateway, firmware):
    ue = firmware.start()
    ue.wait_for("state", state="registered")
    assert ue.stop(signal.SIGINT) == 0
    assert not [one for one in ue.events if one["event"] == "output"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"ue_service_id": "urn:x:1", "lnk": ""}', "unknown key 'lnk'; did you mean 'link'?"),
        ('{"ue_service_id": "urn:x:1", "wait_s": "5"}', "wait_s: a whole number is wanted"),
        ("{", "is not valid JSON"),
    ],
)
def test_a_configuration_that_cannot_be_used_ends_with_2_and_one_line(tmp_path, text, said):
    file = tmp_path / "ue.json"
    file.write_text(text)
    done = subprocess.run(
        ue_command(str(file)), env=ue_environment(), capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and len(done.stderr.splitlines()) == 1
