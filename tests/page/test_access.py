"""Who may look, what hostile names become, and what happens when the server is away."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests.page.world import Alone, accounts, post

TOKEN = "0123456789abcdef-operator"
HOSTILE = [
    'urn:x:<img/src=x/onerror="window.hacked=1">',
    "urn:x:'\"><script>window.hacked=1</script>",
    "urn:x:__proto__",
    "urn:x:{{7*7}}${7*7}",
    "urn:x:" + "w" * 200,
    "javascript:window.hacked=1",
]
PAYLOAD = "<svg onload=window.hacked=1> <b>bold</b> \u202e&amp;"


@pytest.fixture
def alone(tmp_path):
    made = []

    def start(text, *flags):
        made.append(Alone(tmp_path, text, *flags))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def names(browser):
    return browser.texts(".rows .row .id:not(.via)")


def open_locked(browser, server, token):
    """Open a page that asks for the token and give one; its dialog is still open then."""
    browser.driver.get("about:blank")
    browser.driver.get(server.page)
    browser.write("dialog [name=token]", token)
    browser.click("dialog [type=submit]")


def test_a_page_with_a_token_asks_for_it_until_it_is_right(browser, alone):
    server = alone(accounts("urn:example:ue:1") + f'\n[http]\ntoken = "{TOKEN}"\n')
    open_locked(browser, server, "0123456789abcdef-wrong")
    wrong = "this token is not the operator's"
    browser.until(lambda: wrong in browser.text("dialog .wrong"), "it says what is wrong")
    assert names(browser) == []
    browser.press(Keys.ESCAPE)
    assert browser.all("dialog"), "there is no way around it"
    browser.write("dialog [name=token]", TOKEN)
    browser.click("dialog [type=submit]")
    browser.until(lambda: browser.text("#stream") == "live", "events come, with the token")
    browser.until(lambda: names(browser) == ["urn:example:ue:1"], "the list is there")
    browser.open(server.page)
    assert not browser.all("dialog"), "the tab remembers it"
    stored = "return [localStorage.length, document.cookie, document.body.innerHTML]"
    local, cookie, body = browser.driver.execute_script(stored)
    assert (local, cookie) == (0, "") and TOKEN not in body
    browser.driver.execute_script("sessionStorage.clear()")


def test_a_token_that_no_header_can_carry_is_asked_for_again(browser, alone):
    server = alone(accounts("urn:example:ue:1") + f'\n[http]\ntoken = "{TOKEN}"\n')
    open_locked(browser, server, f"“{TOKEN}”")
    browser.until(lambda: "ASCII" in browser.text("dialog .wrong"), "it says what is wrong")
    browser.write("dialog [name=token]", TOKEN)
    browser.click("dialog [type=submit]")
    browser.until(lambda: names(browser) == ["urn:example:ue:1"], "the list is there")
    browser.driver.execute_script("sessionStorage.clear()")


def test_nothing_is_made_up_of_who_was_never_here(browser, alone):
    browser.open(alone(accounts("urn:example:ue:1")).page)
    browser.until(lambda: names(browser) == ["urn:example:ue:1"], "it is listed")
    assert browser.texts(".rows .via, .rows .link") == ["", ""]


def test_hostile_names_and_payloads_are_text(browser, alone):
    server = alone(accounts(*HOSTILE))
    browser.open(server.page)
    browser.until(lambda: len(names(browser)) == len(HOSTILE), "all are listed")
    assert sorted(names(browser)) == sorted(HOSTILE)
    for name in HOSTILE:
        body = {"to": name, "text": PAYLOAD, "kind": "UE", "report": True}
        trace = post(server.http, "send", body)["trace"]
        browser.driver.execute_script(
            "location.hash = new URLSearchParams({ue: arguments[0], trace: arguments[1]})",
            name,
            trace,
        )
        browser.until(lambda: "onload" in browser.text(".quote"), "its text is shown")
        assert browser.text(".quote").startswith("<svg onload=window.hacked=1> <b>bold</b>")
        browser.until(lambda name=name: name in browser.text(".facts"), name)
        browser.press(Keys.ESCAPE)
        browser.until(lambda name=name: browser.text(".messages h3") == name, name)
        browser.until(lambda: "onload" in browser.text(".traces"), "and in its messages")
    made = "return document.querySelectorAll('main script, main img, main b > b').length"
    assert browser.driver.execute_script(made) == 0
    assert browser.driver.execute_script("return window.hacked") is None


def test_the_policy_lets_nothing_inline_run(browser, alone):
    browser.open(alone(accounts()).page)
    refused = browser.run(
        "const told = new Promise((done) => addEventListener('securitypolicyviolation', (event) =>"
        " done(event.violatedDirective), {once: true}));"
        "const made = document.createElement('div');"
        "made.innerHTML = '<img src=x onerror=\"window.hacked=1\">';"
        "document.body.append(made); return told"
    )
    assert refused.startswith("script-src")
    assert browser.driver.execute_script("return window.hacked") is None
    browser.complaints()


def test_the_page_comes_back_when_the_server_does(browser, alone):
    server = alone(accounts("urn:example:ue:1"))
    post(server.http, "send", {"to": "urn:example:ue:1", "text": "before", "kind": "UE"})
    browser.open(server.page)
    browser.until(lambda: "before" in browser.text(".traces"), "it is followed")
    server.stop()
    browser.until(lambda: "not connected" in browser.text("#stream"), "it says so")
    server.start()
    browser.until(lambda: browser.text("#stream") == "live", "it has found it again")
    browser.until(lambda: "before" not in browser.text(".traces"), "what is gone is gone")
    post(server.http, "send", {"to": "urn:example:ue:1", "text": "after", "kind": "UE"})
    browser.until(lambda: "after" in browser.text(".traces"), "events come again")
    browser.until(lambda: "stored" in browser.text("#entries"), "in the log as well")


def test_what_was_missed_meanwhile_comes_once_the_stream_is_back(browser, alone):
    server = alone(accounts("urn:example:ue:1"))
    browser.open(server.page)
    browser.driver.execute_cdp_cmd("Network.enable", {})
    away = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", away)
    browser.driver.execute_script("dispatchEvent(new Event('pagehide'))")
    browser.until(lambda: "not connected" in browser.text("#stream"), "it is cut off")
    post(server.http, "send", {"to": "urn:example:ue:1", "text": "the pump is on", "kind": "UE"})
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**away, "offline": False})
    browser.until(lambda: "the pump is on" in browser.text("#entries"), "the entry is there")
    browser.until(lambda: "stored" in browser.texts(".line b"), "and what became of it")
    assert browser.texts(".line b").count("stored") == 1
