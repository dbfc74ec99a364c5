"""The bench: `--target` says where, `result` notes what was measured."""

from pathlib import Path

import pytest

from tests.bench.box_fixture import box_parts, pico_box
from tests.bench.results import property_name
from tests.bench.targets import BoardTarget, BoxTarget, UnixTarget

__all__ = ["box_parts", "pico_box"]


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(what, ...): what a target of the bench must be able")


def pytest_generate_tests(metafunc):
    if "target" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--target") or ["unix"]
        metafunc.parametrize("target", chosen, indirect=True)


def board(name):
    """Return the port of a board and the adapter at its UART 0, of serial:PORT?uart=PORT."""
    scheme, _, rest = name.partition(":")
    port, _, query = rest.partition("?")
    key, _, uart = query.partition("=")
    if scheme != "serial" or not port or key != "uart" or not uart:
        text = "unix, pico-box or serial:/dev/ttyACM0?uart=/dev/ttyUSB0 is wanted"
        raise pytest.UsageError(f"--target {name}: {text}")
    for one in (port, uart):
        if not Path(one).exists():
            pytest.skip(f"{one} is not there: plug the board and its UART adapter in")
    return port, uart


@pytest.fixture
def target(request, tmp_path):
    """The target; tests that want more of it than it can are skipped with the reason."""
    name = request.param
    if name == "unix":
        made = UnixTarget(tmp_path)
    elif name == "pico-box":
        made = BoxTarget(tmp_path, request.getfixturevalue("box_parts"))
    else:
        made = BoardTarget(tmp_path, *board(name))
    wanted = {one for mark in request.node.iter_markers("needs") for one in mark.args}
    if wanted - made.can:
        pytest.skip(f"{made.name} has no {', '.join(sorted(wanted - made.can))}")
    yield made
    made.stop()


@pytest.fixture
def result(record_property):
    """A function that notes a measured value: result("heap idle", 12345, "bytes")."""

    def note(what, value, unit):
        record_property(property_name(what, unit), value)

    return note
