"""`msgin5g group` against a real server on disk, killed at will; messages to what it made."""

import asyncio
import json
import subprocess
import sys

import aiocoap
import pytest

from msgin5g import cbor, gaps
from tests.processes import Stack, msgin5g

GROUP = "urn:example:group:x"
A, B, C = (f"urn:example:ue:{one}" for one in "abc")
STRANGER = "urn:example:ue:stranger"


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path)
    with (tmp_path / "server.toml").open("a") as file:
        for ue in (A, B, C):
            file.write(f'[[ue]]\nue_service_id = "{ue}"\n')
    made.start_server()
    yield made
    made.stop()


def group(stack, what, *arguments, as_json=True):
    """Return (exit code, groups or standard error)."""
    argv = [sys.executable, "-m", "msgin5g_tools.cli", "group", what]
    argv += ["--server", f"coap://{stack.coap}", *(["--json"] if as_json else []), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if done.returncode:
        return done.returncode, done.stderr.strip()
    return 0, json.loads(done.stdout)["groups"] if as_json else done.stdout


def send(stack, text):
    argv = [sys.executable, "-m", "msgin5g_tools.cli", "send", "--group", "--to", GROUP, text]
    argv += ["--from", A, "--server", f"coap://{stack.coap}", "--report"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def listen(stack, ue):
    process = msgin5g("listen", "--server", f"coap://{stack.coap}", "--json", "--ue", ue)
    process.wait_for("ready")
    return process


def test_a_group_from_its_creation_to_its_end_with_a_kill_after_each_step(stack):
    def again():
        stack.server.kill()
        stack.start_server()

    code, (made,) = group(stack, "create", GROUP, A, B, "--name", "Schicht ä")
    assert code == 0 and made["members"] == [A, B] and made["groupName"] == "Schicht ä"
    again()
    assert group(stack, "show", GROUP)[1][0]["members"] == [A, B]
    assert group(stack, "add", GROUP, C)[1][0]["members"] == [A, B, C]
    again()
    assert group(stack, "remove", GROUP, B)[1][0]["members"] == [A, C]
    again()
    assert [one["valGroupId"] for one in group(stack, "list", "--member", C)[1]] == [GROUP]
    assert group(stack, "list", "--member", B)[1] == []
    assert group(stack, "delete", GROUP) == (0, [])
    again()
    assert group(stack, "list") == (0, [])


def test_members_get_what_is_sent_to_the_group_and_hear_that_they_are_in_it(stack):
    reader = listen(stack, B)
    group(stack, "create", GROUP, A, B)
    told = reader.wait_for("received")
    assert told["from"] == gaps.GROUP_MANAGEMENT_ID
    assert json.loads(told["payload"]) == {"event": "created", "valGroupId": GROUP}
    send(stack, "all together")
    got = reader.wait_for("received")
    assert (got["group"], got["payload"]) == (GROUP, "all together")
    reader.stop()


def test_for_people_there_is_text(stack):
    group(stack, "create", GROUP, "--name", "Nobody")
    assert group(stack, "list", as_json=False) == (0, f"{GROUP} (Nobody): no members\n")
    assert group(stack, "add", GROUP, A, as_json=False)[1] == f"{GROUP} (Nobody): {A}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["show", GROUP], 1, "no such group"),
        (["create", "x"], 2, "a URI is wanted"),
        (["create", GROUP, "x"], 2, "a URI is wanted"),
        (["create", GROUP, STRANGER], 1, f"4.22 members: {STRANGER} is not known here"),
        (["create", GROUP, A, A], 1, "4.00 members: a member twice"),
        (["list", "--server", "coap://127.0.0.1:9"], 1, "Give --server"),
        (["list", "--server", "http://x"], 2, "coap://host:port"),
        (["what"], 2, "invalid choice"),
    ],
)
def test_wrong_use_is_one_clear_error(stack, arguments, code, text):
    found, message = group(stack, *arguments)
    assert found == code and text in message


def test_removing_who_is_no_member_says_so(stack):
    group(stack, "create", GROUP, A)
    assert group(stack, "remove", GROUP, B) == (1, f"msgin5g group: 4.04 {B} is no member")


def test_from_another_host_it_is_forbidden(tmp_path):
    stack = Stack(tmp_path, server=["--group-manager", "192.0.2.1"])
    stack.start_server()
    code, message = group(stack, "create", GROUP)
    assert code == 1 and "4.03" in message and "group_managers" in message
    stack.stop()


async def ask(stack, code, path, value=None, **options):
    context = await aiocoap.Context.create_client_context()
    try:
        payload = b"" if value is None else cbor.dumps(value)
        request = aiocoap.Message(code=code, uri=f"coap://{stack.coap}", payload=payload)
        request.opt.uri_path = path
        for name, option in options.items():
            setattr(request.opt, name, option)
        return await asyncio.wait_for(context.request(request).response, 20)
    finally:
        await context.shutdown()


def test_stock_aiocoap_makes_a_group_that_needs_blocks_and_finds_it_by_its_location(tmp_path):
    stack = Stack(tmp_path, server=["--open"])
    stack.start_server()
    members = [f"urn:example:ue:{number:04}" for number in range(400)]
    value = {"valGroupId": GROUP, "category": "x", "members": members}
    root = ["su-gm", "v1", "group-documents"]
    made = asyncio.run(ask(stack, aiocoap.POST, root, value, content_format=60))
    assert str(made.code) == "2.01 Created" and made.opt.content_format == 60
    assert len(made.payload) > 4096
    location = list(made.opt.location_path)
    assert location[:3] == root
    found = asyncio.run(ask(stack, aiocoap.GET, location, accept=50))
    assert json.loads(found.payload)["members"] == members
    gone = asyncio.run(ask(stack, aiocoap.DELETE, [*location, "members", members[7]]))
    assert str(gone.code) == "2.02 Deleted" and not gone.payload
    found = asyncio.run(ask(stack, aiocoap.GET, location))
    assert len(cbor.loads(found.payload)["members"]) == 399
    wrong = asyncio.run(ask(stack, aiocoap.GET, ["su-gm", "v1", "nothing"], observe=0))
    assert str(wrong.code) == "4.04 Not Found" and wrong.opt.content_format == 257
    stack.stop()
