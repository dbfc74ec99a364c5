"""Run one UE with a JSON configuration file: `micropython -m ue.main CONFIG.json`."""

import asyncio
import sys

from ue.clock import Clock
from ue.config import ConfigError, load
from ue.log import Log
from ue.states import REGISTERED
from ue.ue import ConstrainedUE, RegistrationRefused


async def live(config):
    """Register and stay so; with `stay_s`, de-register after it, pause `away_s`, repeat."""
    clock = Clock()
    name = config["ue_service_id"] or "application:%d" % config["application_id"]
    log = Log(name, config["json"], clock)
    ue = ConstrainedUE(config, log.event, clock)
    log.event("start", {"link": config["link"], "wanted": ue.wanted})
    life = asyncio.create_task(_come_and_go(ue, config["stay_s"], config["away_s"]))
    try:
        await ue.run()
    finally:
        life.cancel()


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


def main(path):
    """Run until interrupted; returns the exit code."""
    try:
        config = load(path)
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
