"""The files that a UE needs: worked out from its sources, and compared with what it loads."""

import json
import shutil
import subprocess

import pytest

from msgin5g_tools.flash.files import sources
from msgin5g_tools.micropython import micropython_path
from ue.config import merge

MODES = {
    "client": {"mode": "client", "ue_service_id": "urn:example:ue:1"},
    "blank": {"mode": "client", "ue_id": "urn:example:device:1"},
    "coap": {"mode": "coap", "application_id": 1, "credential": "x"},
    "l3": {"mode": "l3", "application_id": 1, "credential": "x"},
}
LINKS = {"udp": "udp://127.0.0.1:9", "serial": "serial:///dev/null", "ble": "ble://"}
# Modules for which the Unix port has no machine.
BOARD_ONLY = {"ue.led", "ue.nap", "ue.startup", "ue.watchdog", "ue.wifi"}
# Register, send and receive what that mode can; then everything has been loaded that ever is.
SCRIPT = """
import sys
from ue.main import live
from ue.config import load
from ue.modes import make_core
from ue.talk import Talk
config = load("config.json")
core = make_core(config, {}, lambda limit: 0, 1280)
core.register(0)
core.poll(0)
messages = core.messages()
mode = config["mode"]
if mode == "client":
    options = ("UE", True, True, "NORMAL", None)
    messages.send("urn:example:ue:2", "x" * 2000, options, 0)
    messages.send_several("urn:example:ue:2", ["a", "b"], options, 0)
    messages.topics()
    __import__("ue.inbox")
    __import__("msgin5g.assembling")
    from msgin5g.message_build import msg
    __import__("msgin5g.moments")
else:
    messages.send("urn:example:ue:2", "x", ("UE", False, True, "NORMAL", None), 0)
print(" ".join(sorted([name for name in sys.modules if name.split(".")[0] in ("ue", "msgin5g")])))
"""


def names(found):
    return {one.removesuffix(".py").replace("/", ".").replace(".__init__", "") for one in found}


def configuration(mode, link, **more):
    return merge({**MODES[mode], "link": LINKS[link], **more})


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("mode", MODES)
def test_a_ue_has_what_it_loads_and_no_more(mode, link, tmp_path):
    """The UE runs on nothing but these files, and each of them is one that it loads."""
    found = sources(configuration(mode, link))
    for name, path in found.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / name)
    (tmp_path / "config.json").write_text(json.dumps({**MODES[mode], "link": LINKS[link]}))
    done = subprocess.run(
        [micropython_path(), "-c", SCRIPT],
        cwd=tmp_path,
        env={"MICROPYPATH": ":.frozen"},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == names(found) - BOARD_ONLY


def test_what_a_configuration_asks_for_comes_with_it():
    plain = names(sources(configuration("client", "udp")))
    assert plain & BOARD_ONLY == {"ue.startup"}
    for key, value, *modules in (
        ("led", "LED", "ue.led", "ue.board_keys"),
        ("wifi_ssid", "x", "ue.wifi", "ue.board_keys"),
        ("watchdog_s", 8, "ue.watchdog", "ue.board_keys"),
        ("sleep_s", 60, "ue.nap", "ue.board_keys"),
        ("messages", True, "ue.preload"),
        ("say_to", "urn:example:ue:2", "ue.preload"),
    ):
        found = names(sources(configuration("client", "udp", **{key: value})))
        assert found == plain | set(modules)


def test_only_a_ue_without_a_name_has_what_asks_for_it():
    plain = names(sources(configuration("client", "udp")))
    found = names(sources(configuration("blank", "udp")))
    assert found - plain == {"ue.blank", "msgin5g.awaiting", "msgin5g.configuration"}
    named = {"ue_id": "urn:example:device:1"}
    assert names(sources(configuration("client", "udp", **named))) == plain


def test_without_a_configuration_every_module_of_the_ue_is_there():
    every = names(sources(None))
    for mode in MODES:
        for link in LINKS:
            assert names(sources(configuration(mode, link))) < every
    folder = sources(None)["ue/ue.py"].parent
    assert {f"ue.{path.stem}" for path in folder.glob("*.py")} - {"ue.__init__"} <= every
