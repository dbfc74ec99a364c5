"""Topics as they run in the field: MicroPython on 240 kB, a real gateway and server, kill -9."""

import json
import subprocess
import sys
import time

import pytest

from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.processes import DEADLINE_S, Process, Stack, msgin5g

UE, SPEAKER = "urn:example:ue:1", "urn:example:ue:speaker"
TOPIC = "plant/21/straße"
SCRIPT = """
import asyncio, json, sys
from ue.config import load
from ue.ue import ConstrainedUE, MessageRefused

def tell(event, **fields):
    fields["event"] = event
    print(json.dumps(fields))

async def main():
    ue = ConstrainedUE(load(sys.argv[1]))
    ue.on_message = lambda m: tell("got", text=m.payload.decode(), topic=m.group)
    task = asyncio.create_task(ue.run())
    await ue.register(60)
    tell("registered")
    for name, expires_s in json.loads(sys.argv[2]):
        try:
            await ue.subscribe(name, expires_s=expires_s, timeout_s=60)
            tell("subscribed", topic=name)
        except (MessageRefused, ValueError) as problem:
            tell("refused", topic=name, cause=str(problem))
    if len(sys.argv) > 3:
        await ue.unsubscribe(sys.argv[3], timeout_s=60)
        tell("left")
    await task

asyncio.run(main())
"""


class TopicStack(Stack):
    """A Stack whose UEs run a program of their own."""

    def start_topic_ue(self, ue, topics, *leave, **settings):
        script = self.folder / "topics.py"
        script.write_text(SCRIPT)
        file = self.folder / f"{ue.rpartition(':')[2]}.json"
        state = str(file.with_suffix(".state"))
        config = {"ue_service_id": ue, "link": self.link, "state_file": state, "wait_s": 1}
        file.write_text(json.dumps({**config, "ack_timeout_ms": 300, **settings}))
        argv = [micropython_path(), "-X", "heapsize=240k", str(script), str(file)]
        argv += [json.dumps(topics), *leave]
        self.ues.append(Process(argv, ue_environment()))
        return self.ues[-1]

    def say(self, text, topic=TOPIC):
        """Send to the topic until it was delivered."""
        argv = [sys.executable, "-m", "msgin5g_tools.cli", "send", "--topic", "--to", topic]
        argv += ["--from", SPEAKER, "--server", f"coap://{self.coap}", "--report", "--json"]
        done = subprocess.run([*argv, text], capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stdout + done.stderr

    def listen(self, *arguments):
        server = ("--server", f"coap://{self.coap}")
        return msgin5g("listen", *server, "--json", *arguments)


@pytest.fixture
def stack(tmp_path):
    made = TopicStack(tmp_path, server=["--open"], gateway=["--open"])
    made.start_server()
    made.start_gateway()
    made.gateway.wait_for("own-registered")
    yield made
    made.stop()


def test_a_ue_on_240_kb_hears_its_topics_and_leaves_them(stack):
    ue = stack.start_topic_ue(UE, [["a", None], [TOPIC, 3600], ["/wrong", None]], "a")
    assert ue.wait_for("subscribed")["topic"] == "a"
    assert ue.wait_for("subscribed")["topic"] == TOPIC
    assert "slash" in ue.wait_for("refused")["cause"]
    ue.wait_for("left")
    stack.say("valve open")
    got = ue.wait_for("got")
    assert (got["text"], got["topic"]) == ("valve open", TOPIC)


@pytest.mark.parametrize("victim", ["server", "gateway"])
def test_kill_9_of_either_side_and_the_subscriptions_are_there(stack, victim):
    ue = stack.start_topic_ue(UE, [[TOPIC, None]])
    ue.wait_for("subscribed")
    for number in range(2):
        getattr(stack, victim).kill()
        getattr(stack, f"start_{victim}")()
        if victim == "gateway":
            stack.gateway.wait_for("own-registered")
        stack.say(f"after kill {number}")
        assert ue.wait_for("got", 3 * DEADLINE_S)["text"] == f"after kill {number}"


def test_a_subscription_that_was_answered_survives_a_kill_at_that_moment(stack):
    ue = stack.start_topic_ue(UE, [[TOPIC, None]])
    stack.gateway.wait_for("message", direction="rx", iface="MSGin5G-1", what="2.05")
    stack.server.kill()
    stack.gateway.kill()
    stack.start_server()
    stack.start_gateway()
    stack.gateway.wait_for("own-registered")
    ue.wait_for("subscribed", 3 * DEADLINE_S)
    stack.say("still here")
    assert ue.wait_for("got", 3 * DEADLINE_S)["text"] == "still here"


def test_a_ue_that_is_killed_subscribes_again_by_itself(stack):
    ue = stack.start_topic_ue(UE, [[TOPIC, None]])
    ue.wait_for("subscribed")
    ue.kill()
    again = stack.start_topic_ue(UE, [])
    again.wait_for("registered")
    stack.say("after the reboot")
    assert again.wait_for("got", 3 * DEADLINE_S)["text"] == "after the reboot"


def test_a_board_and_a_shell_hear_the_same(stack):
    ue = stack.start_topic_ue(UE, [[TOPIC, None]])
    ue.wait_for("subscribed")
    shell = stack.listen("--topic", TOPIC, "--topic", "other", "--expires", "600")
    assert shell.wait_for("subscribed")["topic"] == TOPIC
    stack.say("both")
    assert ue.wait_for("got")["text"] == "both"
    got = shell.wait_for("received")
    assert (got["group"], got["payload"]) == (TOPIC, "both")
    assert shell.stop() == 0
    left = [one["topic"] for one in shell.events if one["event"] == "unsubscribed"]
    assert sorted(left) == ["other", TOPIC]
    began = time.monotonic()
    stack.server.wait_for("deregistered", ue="urn:example:ue:shell")
    assert time.monotonic() - began < DEADLINE_S


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--topic", "/x"], "slash"),
        (["--topic", "x", "--expires", "0"], "above 0"),
        (["--as", "urn:example:as:1", "--topic", "x"], "for a UE"),
    ],
)
def test_wrong_use_of_listen_is_one_clear_error(stack, arguments, text):
    process = stack.listen(*arguments)
    assert process.wait() == 2
    assert text in process.events[-1]["text"]


def test_a_refused_subscription_ends_listen_with_the_cause(stack):
    ends = [f"--topic=t{number}" for number in range(17)]
    process = stack.listen(*ends)
    assert process.wait() == 2
    assert "at most 16 topics" in process.events[-1]["text"]
