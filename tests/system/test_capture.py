"""Captures of MicroPython UEs on every link, at gateway and server, as Wireshark reads them."""

import json
import socket

import pytest

from msgin5g_tools.cli import main
from msgin5g_tools.micropython import ue_environment
from tests.media import BleMedium, SerialMedium
from tests.processes import Stack, msgin5g
from tests.wireshark import decoded, tshark

GATEWAY = "urn:example:gw:1"
UES = [f"urn:example:ue:{name}" for name in ("udp", "serial", "ble")]
SECRET = "s3cret-of-a-device"
DEVICES = f"""
[[device]]
application_id = 1
credential = "{SECRET}"
[[device]]
application_id = 2
credential = "{SECRET}"
"""


PING = b"\x40\x00\x00\x01"


def follow(stack):
    """Start `msgin5g trace` at the server; returns it when it has shown something."""
    trace = msgin5g("trace", "--http", stack.http, "--json")
    host, _, port = stack.coap.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(100):
            peer.sendto(PING, (host, int(port)))
            try:
                trace.wait_for(None, 0.2, code="0.00")
                return trace
            except AssertionError:
                continue
    raise AssertionError(f"msgin5g trace shows nothing: {trace.events}")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run in which a UE on every link and a device of either form register.

    Returns the folder with the captures, the links, and what `msgin5g trace` printed.
    """
    tshark()
    folder = tmp_path_factory.mktemp("capture")
    serial, ble = SerialMedium(folder), BleMedium(folder)
    stack = Stack(
        folder,
        UES,
        server=["--capture", folder / "server.pcapng"],
        gateway=[
            *("--capture", folder / "gateway.pcapng"),
            *("--link", serial.gateway_link, "--link", ble.gateway_link),
        ],
        bulk=["interval_s = 0.2", "default_wait_s = 0.2"],
    )
    with (folder / "gateway.toml").open("a") as file:
        file.write(DEVICES)
    stack.environment = ble.environment
    trace = None
    try:
        stack.start_server()
        trace = follow(stack)
        stack.start_gateway()
        links = next(one["links"] for one in stack.gateway.events if "links" in one)
        air = ue_environment(ble.environment["MSGIN5G_AIR"])
        for ue, link in zip(UES, (stack.link, serial.ue_link, ble.ue_link), strict=True):
            stack.start_ue(ue, air, link=link, wait_s=1)
        for mode, number, link in (("l3", 1, ble.ue_link), ("coap", 2, stack.link)):
            device = {"mode": mode, "application_id": number, "credential": SECRET}
            stack.start_ue(f"urn:x:{mode}", air, link=link, **device)
        for ue in stack.ues:
            ue.wait_for("state", 60, state="registered")
        # The server's answer to the last of them has been seen when the next one has.
        trace.stop()
        return folder, links, trace.events
    finally:
        stack.stop()
        if trace is not None:
            trace.stop()
        serial.close()
        ble.close()


@pytest.fixture(scope="module")
def frames(run):
    return decoded(run[0] / "gateway.pcapng")


def on(frames, scheme):
    """Return the frames of the links with this scheme."""
    found = []
    for one in frames:
        interface = one["frame"]["frame.interface_id_tree"]
        if interface["frame.interface_name"].startswith(scheme):
            found.append(one)
    return found


def values(layer, name):
    """Return the values of a field, however deep it lies."""
    found = []
    for key, value in layer.items():
        parts = value if isinstance(value, list) else [value]
        if key == name:
            found += parts
        found += [one for part in parts if isinstance(part, dict) for one in values(part, name)]
    return found


def comments(frame):
    return values(frame.get("pkt_comment", {}), "frame.comment")


@pytest.mark.parametrize("scheme", ["udp:", "serial:", "ble:"])
def test_wireshark_reads_coap_and_json_on_every_link_without_settings(frames, scheme):
    found = [one for one in on(frames, scheme) if "coap" in one]
    assert not [one for one in found if "_ws.malformed" in one]
    ue = f"urn:example:ue:{scheme[:-1]}"
    sent = [one for one in found if ue in values(one.get("json", {}), "json.value.string")]
    requests = {
        kind: one
        for one in sent
        for kind in values(one["json"], "json.value.string")
        if kind in ("GWREG", "REG", "REGRESP")
    }
    assert set(requests) == {"GWREG", "REG", "REGRESP"}
    tokens = {kind: one["coap"]["coap.token"] for kind, one in requests.items()}
    # Clause 6.3.4: the answer has the Token of the request.
    assert tokens["REGRESP"] == tokens["REG"]
    for kind, one in requests.items():
        layer = one["coap"]
        assert (layer["coap.code"], layer["coap.type"]) == ("2", "0")
        assert values(layer, "coap.opt.uri_path") == ["msgin5g"]
        assert values(layer, "coap.opt.ctype") == ["application/json"]
        way = "0x00000002" if kind == "REGRESP" else "0x00000001"
        assert values(one["frame"], "frame.packet_flags_direction") == [way]
        if scheme != "udp:":
            (comment,) = comments(one)
            assert comment.partition(" ")[2].startswith(scheme + "//")
        else:
            assert values(one, "ip.src") == values(one, "ip.dst") == ["127.0.0.1"]
    answers = [one["coap"]["coap.code"] for one in found if one["coap"]["coap.type"] == "2"]
    assert "65" in answers and "68" in answers


def test_wireshark_shows_l3_as_messages_of_msgin5g_5_with_their_meaning(frames, run):
    found = [one for one in on(frames, "ble:") if "coap" not in one]
    told = [comment.partition(";")[0] for one in found for comment in comments(one)]
    assert told[0] == "REGISTRATION REQUEST application_id=1 credential=(blanked)"
    assert told[1].startswith("REGISTRATION ACCEPT registration_id=")
    for one in found:
        assert values(one["frame"], "frame.interface_description") == ["MSGin5G-5: L3"]
        assert values(one, "exported_pdu.prot_name") == ["data"]
    data = [bytes.fromhex(one["data"]["data.data"].replace(":", "")) for one in found]
    assert data[0] == b"\x07\x00\x01\x00\x12" + b"*" * len(SECRET)
    assert data[1][0] == 8 and len(data[1]) == 7
    columns = decoded(run[0] / "gateway.pcapng", "-e", "_ws.col.Protocol")
    shown = [one["_ws.col.Protocol"][0] for one in columns]
    assert set(shown) <= {"CoAP", "CoAP/JSON", "MSGin5G-5"} and shown.count("MSGin5G-5") == len(
        data
    )


def test_the_way_to_the_server_is_in_the_capture_of_the_gateway(frames, run):
    found = on(frames, "coap:")
    assert {"REG", "BREG"} <= {kind for one in found for kind in values(one, "json.value.string")}
    # The same datagrams as at the server, which has no other peer but ours.
    server = [one for one in decoded(run[0] / "server.pcapng") if "json" in one]
    ours = {one["exported_pdu"]["exported_pdu.exported_pdu"] for one in found}
    assert {one["exported_pdu"]["exported_pdu.exported_pdu"] for one in server} <= ours


def test_msgin5g_trace_reads_the_file_as_wireshark_does(frames, run, capsys):
    assert main(["trace", "-r", str(run[0] / "gateway.pcapng"), "--json"]) == 0
    read = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert [one["link"] for one in read] == [
        values(one["frame"], "frame.interface_name")[0] for one in frames
    ]
    tokens = [one["token"] for one in read if "token" in one]
    assert tokens == [
        one["coap"]["coap.token"].replace(":", "")
        for one in frames
        if "coap.token" in one.get("coap", {})
    ]


def test_every_link_is_an_interface_by_its_url(frames, run):
    names = {values(one["frame"], "frame.interface_name")[0] for one in frames}
    assert set(run[1]) <= names


def test_no_credential_is_in_any_file(run):
    folder, _, shown = run
    for name in ("gateway.pcapng", "server.pcapng"):
        assert SECRET.encode() not in (folder / name).read_bytes()
    assert SECRET not in json.dumps(shown)
    coap = decoded(folder / "gateway.pcapng", "-Y", 'json.key == "credential"')
    assert [values(one, "json.value.string")[-1] for one in coap] == ["*" * len(SECRET)]


def test_msgin5g_trace_prints_what_passes_at_the_server(run):
    shown = [one for one in run[2] if one.get("code") == "0.02"]
    kinds = [one["payload"]["msgType"] for one in shown]
    assert kinds[0] == "REG" and "BREG" in kinds
    assert all(one["path"] == "/msgin5g" and one["direction"] == "rx" for one in shown)
    assert any(one["code"] == "2.01" and one["direction"] == "tx" for one in run[2])
