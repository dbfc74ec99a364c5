"""Which modules each kind of UE loads: a board has no room for what its mode does not need."""

import subprocess

import pytest

from msgin5g_tools.micropython import micropython_path, ue_environment

SCRIPT = """
import sys
from ue.config import merge
from ue.modes import make_core
given = {"mode": "%(mode)s", "credential": "x", "ue_service_id": "urn:example:ue:1"}
core = make_core(merge(given), {}, lambda limit: 0, 1280)
core.register(0)
if %(talks)r:
    core.messages().send("urn:example:ue:2", "x", ("UE", False, True, "NORMAL", None), 0)
print(" ".join(sorted([name for name in sys.modules if "." in name])))
"""
JSON = {"msgin5g.jsontext", "msgin5g.app_client", "msgin5g.message_parse", "msgin5g.message_build"}
COAP = {"msgin5g.coap", "msgin5g.receiving", "msgin5g.sending"}
CLIENT = {"ue.core", "ue.messaging", "ue.inbox", "ue.compose", "msgin5g.registration"}
MESSAGES = {"ue.postman", "ue.outbox", "msgin5g.octets"}


def modules(mode, talks):
    done = subprocess.run(
        [micropython_path(), "-c", SCRIPT % {"mode": mode, "talks": talks}],
        env=ue_environment(),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("talks", [False, True])
def test_a_device_in_the_l3_form_has_neither_coap_nor_json(talks):
    loaded = modules("l3", talks)
    assert not loaded & (JSON | COAP | CLIENT)
    assert bool(loaded & MESSAGES) == talks and ("ue.messages_l3" in loaded) == talks


def test_a_device_in_the_coap_form_has_no_client():
    assert not modules("coap", True) & CLIENT


@pytest.mark.parametrize("talks", [False, True])
def test_a_client_loads_messages_when_the_first_one_goes(talks):
    loaded = modules("client", talks)
    assert bool(loaded & MESSAGES) == talks
    assert not loaded & {"ue.inbox", "msgin5g.message_parse", "msgin5g.assembling", "ue.several"}
    assert not loaded & {"ue.messages_l3", "ue.messages_coap", "msgin5g.l3", "msgin5g.moments"}
