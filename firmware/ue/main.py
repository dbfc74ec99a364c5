"""Run one UE with a JSON configuration file: `micropython -m ue.main CONFIG.json`."""

import asyncio
import sys

from ue.clock import Clock
from ue.errors import ConfigError
from ue.log import Log
from ue.states import REGISTERED
from ue.ue import ConstrainedUE, MessageRefused, RegistrationRefused


async def live(config, board=None):
    """Register and stay so; with `stay_s`, de-register after it, pause `away_s`, repeat.

    board: a `ue.startup.Board`, which may end it.
    """
    clock = Clock()
    name = (
        config["ue_service_id"] or config["ue_id"] or "application:%d" % config["application_id"]
    )
    log = Log(name, config["json"], clock)
    ue = ConstrainedUE(config, log.event if board is None else board.listens(log.event), clock)
    log.event("start", {"link": config["link"], "wanted": ue.wanted})
    tasks = [asyncio.create_task(_come_and_go(ue, config["stay_s"], config["away_s"]))]
    if config["say_to"]:
        tasks.append(asyncio.create_task(_say(ue, config)))
    if board is not None:
        tasks += board.begin(ue)
    try:
        await ue.run()
    finally:
        for task in tasks:
            task.cancel()


async def _come_and_go(ue, stay_s, away_s):
    while True:
        try:
            await ue.register()
        except RegistrationRefused:
            # The state event said why; the UE itself tries again, rarely.
            await ue.until(REGISTERED)
        if not stay_s:
            return
        await asyncio.sleep(stay_s)
        try:
            await ue.deregister()
        except RegistrationRefused:
            pass
        await asyncio.sleep(away_s)


async def _say(ue, config):
    """Send a message once registered and, with `say_every_s`, again and again."""
    count = 1
    while True:
        text = config["say_text"].replace("{n}", str(count))
        try:
            await ue.send(config["say_to"], text, config["say_kind"], report=config["say_report"])
        except MessageRefused:
            pass  # the event of the refusal said why
        if not config["say_every_s"]:
            return
        await asyncio.sleep(config["say_every_s"])
        count += 1


def settings(path):
    """Return the configuration in a file. Raises ConfigError.

    Nobody needs again what has read it, so that its memory is given back.
    """
    import ue
    from ue.config import load

    try:
        return load(path)
    finally:
        for name in ("config", "board_keys"):
            if sys.modules.pop("ue." + name, None):
                delattr(ue, name)


def main(path):
    """Run until interrupted; returns the exit code."""
    try:
        config = settings(path)
    except ConfigError as problem:
        sys.stderr.write("ue: %s\n" % problem)
        return 2
    try:
        asyncio.run(live(config))
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "config.json"))
