"""The live page of a real server and gateway with real UEs, as a person uses it."""

import re

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.page.world import ATTIC, GARDEN, GATEWAY, KITCHEN, PageWorld


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = PageWorld(tmp_path_factory.mktemp("page"))
    yield made
    made.stop()


@pytest.fixture
def page(world, browser):
    browser.open(world.page)
    browser.until(lambda: row(browser, KITCHEN)["state"] == "registered", "kitchen is there")
    return browser


def rows(browser):
    """Return what the list shows: {UE: {column: text}}."""
    found = browser.driver.execute_script(
        "return [...document.querySelectorAll('.rows .row')].map((row) => "
        "Object.fromEntries([...row.children].map((cell) => [cell.className, cell.innerText])))"
    )
    return {one["id"]: one for one in found}


def row(browser, ue):
    return rows(browser).get(ue, {"state": "", "last": ""})


def open_ue(browser, ue):
    browser.until(lambda: ue in rows(browser), f"{ue} is listed")
    at = list(rows(browser)).index(ue)
    browser.all(".rows .row")[at].click()
    browser.until(lambda: browser.text(".messages h3") == ue, f"{ue} is opened")


def focused(browser):
    return browser.driver.switch_to.active_element


def test_ues_are_listed_with_state_gateway_link_and_last_message(page):
    page.until(lambda: "degrees" in row(page, GARDEN)["last"], "a message has come")
    for ue, link in ((GARDEN, "serial"), (KITCHEN, "udp")):
        page.until(lambda ue=ue, link=link: row(page, ue)["link"] == link, f"{ue} is on {link}")
    shown = rows(page)
    assert set(shown) == {ATTIC, GARDEN, GATEWAY, KITCHEN}
    assert shown[GARDEN]["id via"] == shown[KITCHEN]["id via"] == GATEWAY
    assert shown[ATTIC]["state"] == "expected"
    # The shape of each state is its own.
    drawn = "return [...document.querySelectorAll('#states path')].map(e => e.getAttribute('d'))"
    assert len(set(page.driver.execute_script(drawn))) == 4
    counts = ["4", "3", "1", "0", "0"]
    page.until(lambda: page.texts("#states b") == counts, "they are counted by state")


def test_the_list_changes_by_itself(page):
    before = row(page, GARDEN)["last"]
    page.until(lambda: row(page, GARDEN)["last"] not in ("", before), "another message comes")
    streams = "return performance.getEntriesByType('resource').map(e => e.name)"
    asked = [one for one in page.driver.execute_script(streams) if "/view/" in one]
    assert not [one for one in asked if "/view/log" in one][1:], "the log is not asked for again"
    assert not [one for one in asked if "/view/rates" in one][1:]


def click_last(page, is_wanted):
    """Click the last trace whose text is wanted, when there is one."""

    def click():
        found = [one for one in page.all(".traces button") if is_wanted(one.text)]
        if found:
            found[-1].click()
        return found

    page.until(click, "it is listed")


def test_a_message_is_followed_hop_by_hop_and_back(page):
    open_ue(page, GARDEN)
    click_last(page, lambda text: "reported" in text)
    lanes = ["kitchen", "gw:1", "server", "gw:1", "garden"]
    page.until(lambda: page.texts(".names b") == lanes, "its lanes are drawn")
    told = page.texts(".hop .unseen")
    path = [KITCHEN, GATEWAY, "server", GATEWAY, GARDEN]
    links = [" over udp", "", "", " over serial"]
    at = -1
    for what, way, over in (("MSG", path, links), ("IMDN", path[::-1], links[::-1])):
        for one, other, link in zip(way, way[1:], over, strict=False):
            wanted = f": {what} from {one} to {other}{link}"
            found = [number for number, text in enumerate(told) if wanted in text]
            assert found and found[0] > at, (wanted, told)
            at = found[0]
            # Both ends tell, so that the time between them is known.
            assert told[at].rpartition(", in ")[2].endswith((" ms", " s")), told[at]
    assert all(text.startswith("after ") for text in told)
    assert page.text(".quote").endswith(" degrees") and "reported" in page.text(".trace .badge")
    page.click(".hop")
    assert '"event": "message"' in page.text(".hops pre")
    page.press(Keys.ESCAPE)
    page.until(lambda: page.text(".messages h3") == GARDEN, "Escape leads back to the UE")


def test_a_registration_is_followed_too(page):
    open_ue(page, KITCHEN)
    click_last(page, lambda text: "REG" in text.split())
    page.until(lambda: "BREG" in page.texts(".hop .what"), "the bulk that carried it is drawn too")
    assert page.text(".trace h3") == "REG"
    assert page.texts(".names b") == ["kitchen", "gw:1", "server"]
    told = page.texts(".hop .unseen")
    assert any(f"BREG from {GATEWAY} to server" in one for one in told), told
    assert any(f"2.01 from server to {GATEWAY}" in one for one in told), told


@pytest.mark.parametrize(
    ("act", "shown"),
    [
        (lambda page: page.write("#q", "GARDEN"), {GARDEN}),
        (lambda page: page.click("#states label:nth-of-type(3)"), {ATTIC}),
        (
            lambda page: Select(page.find("#via")).select_by_visible_text(GATEWAY),
            {ATTIC, GARDEN, KITCHEN},
        ),
        (lambda page: Select(page.find("#link")).select_by_visible_text("serial"), {GARDEN}),
    ],
    ids=["name", "state", "gateway", "link"],
)
def test_the_list_is_filtered(page, act, shown):
    page.until(lambda: row(page, GARDEN).get("link") == "serial", "the link is known")
    act(page)
    page.until(lambda: set(rows(page)) == shown, f"only {shown} are listed")
    page.until(lambda: page.text("#found") == f"{len(shown)} found", "and counted")


def test_nothing_that_fits_is_said_in_words(page):
    page.write("#q", "nobody")
    page.until(lambda: page.text("#no-ues") == "No UE fits these filters.", "it is said")


def test_all_of_it_works_by_keyboard(page):
    page.press(Keys.TAB)
    assert focused(page).text == "Skip to the list of UEs" and focused(page).location["y"] >= 0
    page.press(Keys.ENTER)
    assert focused(page).get_attribute("id") == "grid"
    outline = focused(page).value_of_css_property("outline-style")
    assert outline == "solid", "the focus can be seen"
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    wanted = list(rows(page))[2]
    assert wanted in page.text("#" + focused(page).get_attribute("aria-activedescendant"))
    page.press(Keys.ENTER)
    page.until(lambda: page.text(".messages h3") == wanted, "Enter opens the UE")
    assert focused(page).tag_name == "h3", "and the focus is there"
    page.press(Keys.ESCAPE)
    page.until(lambda: page.text(".messages h3") == "Latest messages", "Escape closes it")
    assert focused(page).get_attribute("id") == "grid"
    page.press("/")
    assert focused(page).get_attribute("id") == "q"
    page.press("kitchen", Keys.ENTER)
    page.until(lambda: set(rows(page)) == {KITCHEN}, "it is searched")
    page.press(Keys.ENTER)
    page.until(lambda: page.text(".messages h3") == KITCHEN, "and opened")
    page.press("?")
    assert "Keys" in page.text("dialog")
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.all("dialog"), "Escape closes the help only")
    assert page.text(".messages h3") == KITCHEN


def test_messages_and_registrations_are_listed_apart(page):
    open_ue(page, KITCHEN)
    for kind, wanted, other in (("requests", "REG", "MSG"), ("messages", "MSG", "REG")):
        Select(page.find(".messages select")).select_by_value(kind)
        page.until(
            lambda wanted=wanted: wanted in page.texts(".traces .kind"), f"{kind} are listed"
        )
        page.until(
            lambda other=other: other not in page.texts(".traces .kind"), f"only {kind} are"
        )


def test_a_message_is_sent_after_a_question_and_followed(page, world):
    open_ue(page, GARDEN)
    page.click("[data-act=send]")
    assert page.find("dialog [name=to]").get_attribute("value") == GARDEN
    page.write("dialog textarea", "water <b>now</b>")
    page.click("dialog [type=submit]")
    got = world.garden.wait_for("received", payload="water <b>now</b>")
    assert got["origin"], "it is really there"
    page.until(lambda: f"Sent to {GARDEN}" in page.text("#toast"), "the result is shown")
    page.click("#toast button")
    page.until(lambda: page.text(".quote") == "water <b>now</b>", "it is followed")
    page.until(lambda: "reported" in page.text(".trace .badge"), "as it goes on")
    assert page.texts(".names b")[-1] == "garden"


def test_what_cannot_be_sent_is_said_in_the_dialog(page):
    page.click("#compose")
    page.write("dialog [name=to]", "urn:example:nobody")
    page.write("dialog textarea", "hello")
    page.click("dialog [type=submit]")
    page.until(lambda: "urn:example:nobody" in page.text("dialog .wrong"), "it says why not")
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.all("dialog"), "and can be left")


def test_a_ue_is_deregistered_only_after_a_yes(page, world):
    open_ue(page, KITCHEN)
    page.click("[data-act=deregister]")
    assert KITCHEN in page.text("dialog") and focused(page).text == "Cancel"
    page.press(Keys.ENTER)
    page.until(lambda: not page.all("dialog"), "Enter alone says no")
    assert row(page, KITCHEN)["state"] == "registered"
    page.click("[data-act=deregister]")
    page.click("dialog [type=submit]")
    page.until(lambda: "is de-registered" in page.text("#toast"), "the result is shown")
    world.server.wait_for("deregistered", ue=KITCHEN)


def test_the_log_is_filtered_paused_and_opened(page):
    page.until(lambda: "MSG" in page.texts(".line b"), "entries come")
    page.write("#log-q", "imdn garden")
    page.until(lambda: set(page.texts(".line b")) >= {"IMDN"}, "the filter is done")
    page.until(
        lambda: all("garden" in one for one in page.texts(".line")), "only what fits is shown"
    )
    page.click("#pause")
    before = page.texts(".line")
    page.until(lambda: "new)" in page.text("#pause"), "what comes meanwhile is counted")
    assert page.texts(".line") == before
    page.click("#pause")
    page.until(lambda: page.texts(".line") != before, "and shown afterwards")
    page.click(".line:has(b)")
    page.until(lambda: '"trace"' in page.text(".opened pre"), "an entry opens to its JSON")
    page.click(".opened button")
    page.until(lambda: page.all(".hop"), "and leads to its trace")


def test_rates_are_plotted_and_said(page):
    page.until(lambda: len(page.all(".plot canvas")) == 3, "three plots are drawn")
    told = "return [...document.querySelectorAll('.plot')].map(e => e.ariaLabel).join()"
    page.until(
        lambda: "–" not in page.driver.execute_script(told).partition("Trouble")[0],
        "deliveries have been timed",
    )
    text = page.driver.execute_script(told)
    for name in ("messages", "registrations", "p50", "p99", "queue", "retransmissions"):
        assert name in text


def test_the_pointer_in_a_plot_tells_what_was_then(page):
    page.until(
        lambda: page.run("return (await (await fetch('view/rates')).json()).samples.length > 3"),
        "some seconds have passed",
    )
    page.open(page.driver.current_url)
    page.until(lambda: "/s" in page.text("figcaption"), "rates are there")
    over = page.find(".plot .u-over")
    right = over.size["width"] // 2 - 2
    webdriver.ActionChains(page.driver).move_to_element_with_offset(over, right, 0).perform()
    page.until(lambda: re.fullmatch(r"\d\d:\d\d:\d\d", page.text("#rates-when")), "its time")
    webdriver.ActionChains(page.driver).move_to_element(page.find("h1")).perform()
    page.until(lambda: page.text("#rates-when") == "last 5 minutes", "and no longer than that")


def test_the_address_leads_back_to_what_was_open(page, world):
    open_ue(page, GARDEN)
    here = page.driver.current_url
    assert here.startswith(world.page + "#ue=")
    page.open(here)
    page.until(lambda: page.text(".messages h3") == GARDEN, "it is open again")
    page.driver.back()


def test_the_gateway_has_the_same_page_for_its_own_side(world, browser):
    browser.open(world.gateway_page)
    browser.until(lambda: "registered" in row(browser, GARDEN)["state"], "its UEs are listed")
    assert browser.text("#role") == "gateway" and browser.text("#at") == GATEWAY
    assert not browser.find("#compose").is_displayed(), "nothing is sent from here"
    open_ue(browser, GARDEN)
    assert not browser.all("[data-act=send], [data-act=deregister]")
    browser.until(lambda: browser.all(".traces button"), "what passed here is listed")
