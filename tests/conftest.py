"""What all tests share: the conformance marks, what the bench measured, and where it runs."""

from tests.bench.results import Results
from tests.conformance import plugin


def pytest_configure(config):
    plugin.pytest_configure(config)
    config.pluginmanager.register(Results(), "bench-results")


def pytest_addoption(parser):
    plugin.pytest_addoption(parser)
    parser.addoption(
        "--target",
        action="append",
        metavar="TARGET",
        help="where tests/bench runs: unix (default), pico-box, or serial:/dev/ttyACM0 with "
        "?uart=/dev/ttyUSB0 for the adapter at the board's UART 0 (repeatable)",
    )
