"""Who plays in the demo: the UEs and the device, each on its link, and everybody's files."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from msgin5g_tools.cable import Cable, Port

GATEWAY = "urn:example:gw:1"
_NAMES = ("kitchen", "garden", "cellar", "attic", "barn", "gate", "pond", "roof")
_LINKS = ("udp", "serial", "ble")
_METER = 4660
_METER_UE = "urn:example:ue:meter"
_CREDENTIAL = "s3cret"
_READER = "urn:example:as:reader"
_RADIO_LINK = "ble://?backend=msgin5g_tools.radio.bleak_backend"


@dataclass
class Player:
    """One UE or device. name: as its log has it; link: "udp", "serial" or "ble"."""

    name: str
    link: str
    settings: dict[str, object] = field(default_factory=dict)
    port: Port | None = None


class Cast:
    """`count` UEs with an MSGin5G client, the first three on one link each, the others on UDP,
    and a meter without a client that speaks L3 over a second cable.

    folder: where configuration, data, serial ports and the radio's socket go. air: the socket of
    the virtual radio, "" if nobody is on BLE.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self.air = str(folder / "air") if count > _LINKS.index("ble") else ""
        self._cables: list[Cable] = []
        self._gateway_ports: list[Port] = []
        self.players: list[Player] = []
        for number in range(count):
            link = _LINKS[number] if number < len(_LINKS) else "udp"
            ue = f"urn:example:ue:{_name(number)}"
            settings: dict[str, object] = {"ue_service_id": ue, "wait_s": 2, "gateway_time_s": 12}
            self._join(Player(ue, link, settings))
        # Everybody tells the next one how warm it is, the last one an application.
        for number in range(count):
            last = number == count - 1
            self.players[number].settings |= {
                "say_to": _READER if last else self.players[number + 1].name,
                "say_kind": "AS" if last else "UE",
                "say_text": f"{_name(number)}: {{n}} degrees",
                "say_every_s": 6,
                "say_report": True,
            }
        meter: dict[str, object] = {
            "mode": "l3",
            "application_id": _METER,
            "credential": _CREDENTIAL,
            "say_to": self.players[0].name,
            "say_text": "meter: {n} kWh",
            "say_every_s": 6,
            "say_report": True,
        }
        self._join(Player(f"application:{_METER}", "serial", meter))

    def links(self) -> list[str]:
        """Return the gateway's links."""
        links = ["udp://127.0.0.1:0", *(port.url for port in self._gateway_ports)]
        return [*links, _RADIO_LINK] if self.air else links

    def close(self) -> None:
        """Take the cables away."""
        for cable in self._cables:
            cable.close()

    def write_host_files(self) -> tuple[str, str]:
        """Write server.toml and gateway.toml; returns their paths."""
        server = [
            "[server]",
            'bind = "127.0.0.1:0"',
            'http = "127.0.0.1:0"',
            f"data = {json.dumps(str(self._folder / 'server'))}",
            "registration_lifetime_s = 20",
            "[[ue]]",
            f'ue_service_id = "{GATEWAY}"',
            "[[application]]",
            f'as_service_id = "{_READER}"',
        ]
        gateway = [
            "[gateway]",
            f'ue_service_id = "{GATEWAY}"',
            f"data = {json.dumps(str(self._folder / 'gateway'))}",
            f"links = {json.dumps(self.links())}",
            'http = "127.0.0.1:0"',
            "[bulk]",
            "interval_s = 2.0",
            "default_wait_s = 2.0",
        ]
        for player in self.players:
            ue = player.settings.get("ue_service_id", _METER_UE)
            server += ["[[ue]]", f'ue_service_id = "{ue}"', f'gateway = "{GATEWAY}"']
            if ue != _METER_UE:
                gateway += ["[[ue]]", f'ue_service_id = "{ue}"']
        gateway += [
            "[[device]]",
            f"application_id = {_METER}",
            f'credential = "{_CREDENTIAL}"',
            f'ue_service_id = "{_METER_UE}"',
        ]
        files = self._folder / "server.toml", self._folder / "gateway.toml"
        files[0].write_text("\n".join(server) + "\n")
        files[1].write_text("\n".join(gateway) + "\n")
        return str(files[0]), str(files[1])

    def write_ue_file(self, player: Player, udp_link: str) -> str:
        """Write a player's configuration; returns its path."""
        name = player.name.rpartition(":")[2]
        if player.link == "udp":
            link = udp_link
        elif player.port is not None:
            link = player.port.url
        else:
            link = f"ble://?name={name}&interval_ms=50"
        settings = {
            "link": link,
            "refresh_s": 7,
            "stay_s": 13,
            "away_s": 4,
            "backoff_min_s": 1,
            "backoff_max_s": 5,
            "state_file": str(self._folder / f"{name}.state"),
            "json": True,
            **player.settings,
        }
        file = self._folder / f"{name}.json"
        file.write_text(json.dumps(settings, indent=2) + "\n")
        return str(file)

    def _join(self, player: Player) -> None:
        if player.link == "serial":
            number = len(self._cables) + 1
            near = Port(self._folder / f"ttyGW{number}")
            player.port = Port(self._folder / f"ttyUE{number}")
            self._gateway_ports.append(near)
            self._cables.append(Cable(near, player.port))
        self.players.append(player)


def _name(number: int) -> str:
    turn, at = divmod(number, len(_NAMES))
    return _NAMES[at] + (str(turn + 1) if turn else "")
