"""10,000 UEs are listed, found, and scrolled through without a stutter that one would see."""

import itertools
import json
import threading
import uuid

import pytest
from selenium.webdriver.common.keys import Keys

from msgin5g_host.clock import Clock, iso
from tests.page.world import GATEWAY, Alone, accounts, post

MANY = 10_000
NAMES = [f"urn:example:lab:{number:05}" for number in range(MANY)]
# One frame in a hundred may be late; none so late that a person would call it stuck.
MOST_ROWS, MOST_MS = 120, 2_000.0
SCROLL = """
const grid = document.getElementById("grid");
const times = [];
let before = performance.now(), rows = 0;
const [steps] = args;
for (let step = 0; step <= steps; step += 1) {
  grid.scrollTop = (grid.scrollHeight - grid.clientHeight) * step / steps;
  const now = await new Promise(requestAnimationFrame);
  times.push(now - before);
  before = now;
  rows = Math.max(rows, document.querySelectorAll(".rows .row").length);
}
times.sort((one, other) => one - other);
const at = (part) => times[Math.floor((times.length - 1) * part)];
return {frames: times.length, p50_ms: at(0.5), p99_ms: at(0.99), most_ms: at(1), rows};
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Alone(tmp_path_factory.mktemp("many"), accounts(*NAMES))
    yield made
    made.stop()


@pytest.fixture
def page(server, browser):
    browser.open(server.page)
    browser.until(lambda: browser.texts("#states b")[:1] == ["10,000"], "all are counted")
    return browser


def listed(browser):
    return browser.texts(".rows .row:not(.blank) .id:not(.via)")


def test_ten_thousand_ues_scroll_smoothly(page, record_property):
    figures = page.run(SCROLL, 600)
    print(f"\n10,000 UEs, top to bottom in 600 steps: {json.dumps(figures)}")
    for name, value in figures.items():
        record_property(name, value)
    assert figures["frames"] == 601
    assert figures["rows"] <= MOST_ROWS, "only what is in sight is made"
    assert figures["most_ms"] < MOST_MS
    page.until(lambda: NAMES[-1] in listed(page), "the last one is there at the end")
    grid = page.find("#grid")
    assert grid.get_attribute("aria-rowcount") == str(MANY + 1)
    last = page.run("return document.querySelector('.rows').lastChild.parentNode.clientHeight")
    assert last == MANY * 30


def test_they_scroll_smoothly_while_all_of_them_change(page, server, record_property):
    ended = threading.Event()

    def report():
        names = itertools.cycle(NAMES)
        while not ended.wait(0.05):
            entries = [
                {
                    **{"t": iso(Clock().now()), "role": "gateway", "event": "message"},
                    **{"direction": "rx", "iface": "MSGin5G-6", "what": "MSG", "ue": next(names)},
                    **{"peer": "udp://127.0.0.1:1", "trace": str(uuid.uuid4()), "text": "21.5"},
                }
                for _ in range(50)
            ]
            post(server.http, "reports", {"at": GATEWAY, "role": "gateway", "entries": entries})

    reporter = threading.Thread(target=report)
    reporter.start()
    try:
        page.until(lambda: "21.5" in page.text("#rows"), "the first of them change")
        figures = page.run(SCROLL, 600)
    finally:
        ended.set()
        reporter.join()
    print(f"\nthe same with about 1,000 entries a second: {json.dumps(figures)}")
    for name, value in figures.items():
        record_property(name, value)
    assert figures["rows"] <= MOST_ROWS and figures["most_ms"] < MOST_MS
    lines = page.run("return document.querySelectorAll('#entries li').length")
    assert lines <= 2_000, "the log is bounded"


def test_any_of_them_is_reached_by_keyboard_and_found_by_name(page):
    page.find("#grid").send_keys(Keys.END)
    page.until(lambda: NAMES[-1] in listed(page), "End shows the last one")
    page.press(Keys.PAGE_UP, Keys.ARROW_DOWN, Keys.HOME)
    page.until(lambda: NAMES[0] in listed(page), "Home shows the first one")
    page.write("#q", "lab:0777")
    page.until(lambda: listed(page) == NAMES[7770:7780], "ten are found at the server")
    assert page.text("#found") == "10 found"


def test_what_is_in_sight_is_fetched_and_little_else(page):
    page.driver.execute_script(
        "performance.clearResourceTimings(); document.getElementById('grid').scrollTop = 5000 * 30"
    )
    page.until(lambda: NAMES[5000] in listed(page), "the middle is there")
    asked = page.driver.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    pages = [one for one in asked if "/view/ues?" in one and "offset=5000" in one]
    assert len(pages) == 1 and len([one for one in asked if "/view/ues?" in one]) <= 3, asked
