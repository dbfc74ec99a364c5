"""Groups by which a user, or the gateway's systemd unit, may use serial ports and Bluetooth."""

import getpass
import grp
import os
from collections.abc import Iterator

from msgin5g_tools.doctor.findings import NOTE, OK, Finding

# group: what makes it
_WANTED = {"dialout": "sudo groupadd --system dialout", "bluetooth": "sudo apt-get install bluez"}


def examine() -> Iterator[Finding]:
    """Yield for each group whether it is there, and whether this user is in it."""
    ours = {*os.getgroups(), os.getegid()}
    for name, make in _WANTED.items():
        what = f"group {name}"
        try:
            number = grp.getgrnam(name).gr_gid
        except KeyError:
            do = f"the gateway's systemd unit wants it: type `{make}`"
            yield Finding(what, NOTE, "there is none", do)
            continue
        if number in ours or os.geteuid() == 0:
            yield Finding(what, OK, "there, and this user has its rights")
        else:
            do = f"type `sudo usermod -aG {name} {_user()}`, log out and in again"
            yield Finding(what, NOTE, "this user is not in it", do)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "$USER"
