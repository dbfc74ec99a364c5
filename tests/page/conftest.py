"""The browser of the page's tests, and what must hold after each."""

import pytest

from tests.browser import Browser


@pytest.fixture(scope="package")
def chromium():
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def browser(chromium):
    """A browser; nothing in the page may have failed or been refused by its policy meanwhile."""
    chromium.complaints()
    chromium.look()
    yield chromium
    # Refusals, and a server that is away, are answers that the page has to live with.
    expected = ("the server responded with a status of 40", "net::ERR_")
    bad = [one for one in chromium.complaints() if not any(word in one for word in expected)]
    assert not bad, bad
