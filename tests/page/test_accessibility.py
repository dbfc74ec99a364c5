"""axe-core finds nothing serious, in light, dark and on a phone, wherever the page may be."""

import pytest

from tests.browser import DESKTOP, PHONE
from tests.page.test_page import open_ue
from tests.page.test_vendor import libraries
from tests.page.world import GARDEN, PageWorld

LOOKS = {"light": (DESKTOP, False), "dark": (DESKTOP, True), "phone": (PHONE, False)}
AXE = """
const found = await axe.run(document, {resultTypes: ["violations"]});
return found.violations.map(({id, impact, help, nodes}) =>
  [impact, id, help, nodes.slice(0, 3).map((one) => [one.target, one.failureSummary])]);
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = PageWorld(tmp_path_factory.mktemp("axe"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def axe():
    return (libraries() / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(params=LOOKS)
def page(request, world, browser):
    browser.look(*LOOKS[request.param])
    browser.open(world.page)
    browser.until(lambda: browser.texts(".rows .row .id"), "UEs are listed")
    return browser


def check(page, axe):
    page.driver.execute_script(axe)
    found = page.run(AXE)
    bad = [one for one in found if one[0] in ("serious", "critical")]
    assert not bad, bad
    for impact, name, help_text, _ in found:
        print(f"axe-core, {impact}: {name}, {help_text}")


def show(page, part):
    """Show a part of the page, on a phone."""
    if page.find(".tabs").is_displayed():
        page.click(f"[data-show={part}]")


def test_the_list_and_the_parts_beside_it(page, axe):
    for part in ("ues", "detail", "log", "rates"):
        show(page, part)
        if part == "log":
            page.click(".line")
        check(page, axe)


def test_a_ue_a_message_and_the_questions(page, axe):
    open_ue(page, GARDEN)
    check(page, axe)
    page.click("[data-act=deregister]")
    check(page, axe)
    page.click("dialog button:not([type=submit])")
    page.click("[data-act=send]")
    check(page, axe)
    page.click("dialog button:not([type=submit])")
    page.click(".traces button")
    page.click(".hop")
    check(page, axe)


@pytest.mark.parametrize("width", [320, 600, 900, 1024, 1280, 1920])
def test_nothing_is_cut_off_at_any_width(world, browser, width):
    browser.look((width, 800))
    browser.open(world.page)
    browser.until(lambda: browser.texts(".traces button"), "messages are listed")
    for part in ("ues", "detail", "log", "rates"):
        show(browser, part)
        wide = (
            "return [document.documentElement, ...document.querySelectorAll("
            "'.grid, .messages, .scroll, .plots')].filter(e => e.scrollWidth > e.clientWidth + 1)"
            ".map(e => e.id || e.className || e.tagName)"
        )
        assert browser.driver.execute_script(wide) == [], part
