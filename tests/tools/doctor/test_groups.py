"""What doctor says of groups."""

import grp
import os

import pytest

from msgin5g_tools.doctor import groups


def test_a_group_that_is_not_there(monkeypatch):
    monkeypatch.setattr(groups, "_WANTED", {"msgin5g-nobody": "make it"})
    (told,) = groups.examine()
    assert (told.state, told.found) == ("note", "there is none")
    assert told.do == "the gateway's systemd unit wants it: type `make it`"


@pytest.mark.parametrize("is_in", [True, False])
def test_a_user_who_is_in_a_group_or_not(monkeypatch, is_in):
    name = grp.getgrgid(os.getegid()).gr_name
    monkeypatch.setattr(groups, "_WANTED", {name: "x"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [])
    if not is_in:
        monkeypatch.setattr(os, "getegid", lambda: -1)
    (told,) = groups.examine()
    assert told.state == ("ok" if is_in else "note")
    assert is_in or f"sudo usermod -aG {name} " in told.do
