"""What all tests share: the conformance marks, and the option that says where the bench runs."""

from tests.conformance import plugin
from tests.conformance.plugin import pytest_configure

__all__ = ["pytest_addoption", "pytest_configure"]


def pytest_addoption(parser):
    plugin.pytest_addoption(parser)
    parser.addoption(
        "--target",
        action="append",
        metavar="TARGET",
        help="where tests/bench runs: unix (default), pico-box, or serial:/dev/ttyACM0 with "
        "?uart=/dev/ttyUSB0 for the adapter at the board's UART 0 (repeatable)",
    )
