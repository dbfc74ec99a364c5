"""What the board's log says of its state."""

import pytest

from msgin5g_tools.flash.follow import read_state


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("     5.074 ue urn:example:ue:1 state state=registered", {"state": "registered"}),
        (
            "    12.000 ue application:7 state cause=no such account retry_s=9 state=refused",
            {"state": "refused", "cause": "no such account", "retry_s": "9"},
        ),
        (
            '{"t": "1", "role": "ue", "event": "state", "state": "waiting"}',
            {"t": "1", "role": "ue", "event": "state", "state": "waiting"},
        ),
        ("     0.575 ue urn:example:ue:1 message direction=rx what=2.01", None),
        ('{"event": "message"}', None),
        ("{", None),
        ("[1]", None),
        ("MPY: soft reboot", None),
        ("", None),
    ],
)
def test_a_line_is_read(line, state):
    assert read_state(line) == state
