"""Run one UE with a JSON configuration file: `micropython -m ue.main CONFIG.json`."""

import asyncio
import sys

from ue.clock import Clock
from ue.config import ConfigError, load
from ue.log import Log
from ue.ue import ConstrainedUE, RegistrationRefused


async def live(config):
    """Register and stay so; with `stay_s`, de-register after it, pause `away_s`, repeat."""
    clock = Clock()
    log = Log(config["ue_service_id"], config["json"], clock)
    ue = ConstrainedUE(config, log.event, clock)
    running = asyncio.create_task(ue.run())
    log.event("start", {"link": config["link"], "wanted": ue.wanted})
    while True:
        try:
            await ue.register()
            if not config["stay_s"]:
                await running
            await asyncio.sleep(config["stay_s"])
            await ue.deregister()
            await asyncio.sleep(config["away_s"])
        except RegistrationRefused:
            # The state event said why; the UE itself tries again, rarely.
            await asyncio.sleep(config["refused_retry_s"])


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
