"""Headless Chromium of Debian, for tests of what a person sees."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

FAILURE = Path(__file__).resolve().parents[1] / "build" / "page-failure.png"
DEADLINE_S = 30.0
DESKTOP, PHONE = (1440, 900), (390, 844)


def chromium():
    """Return (browser, driver); without them the test is skipped, in CI it fails."""
    paths = shutil.which("chromium"), shutil.which("chromedriver")
    if None in paths:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("Chromium is missing; apt-get install chromium chromium-driver")
    return paths


class Browser:
    """One Chromium. `driver` is selenium's; elements are named by CSS selectors."""

    def __init__(self):
        browser, driver = chromium()
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for one in (
            "--headless=new",
            # Tests may be root; the page that is opened is our own.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--force-color-profile=srgb",
        ):
            options.add_argument(one)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # It leaves things behind when it is ended.
        self._folder = tempfile.TemporaryDirectory(prefix="msgin5g-", ignore_cleanup_errors=True)
        environment = {**os.environ, "TMPDIR": self._folder.name, "HOME": self._folder.name}
        service = webdriver.ChromeService(driver, env=environment)
        self.driver = webdriver.Chrome(options, service)
        self.driver.set_page_load_timeout(DEADLINE_S)
        self.look()

    def look(self, size=DESKTOP, dark=False):
        """Be a screen of this size in CSS pixels, light or dark."""
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
        self._devtools("Emulation.setDeviceMetricsOverride", mobile=size == PHONE, **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url):
        """Open a page anew, with nothing kept from before; waits until it is live."""
        self.driver.get("about:blank")
        self.driver.get(url)
        self.until(lambda: self.text("#stream") == "live", "the page is live")

    def all(self, selector):
        """Return the elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector):
        """Return the first element when it is there."""
        return self.until(lambda: next(iter(self.all(selector)), None), f"there is {selector}")

    def click(self, selector):
        """Click the first element when it can be seen."""

        def click():
            found = next((one for one in self.all(selector) if one.is_displayed()), None)
            if found is not None:
                found.click()
            return found is not None

        self.until(click, f"{selector} can be clicked")

    def press(self, *keys):
        """Press keys where the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def write(self, selector, text):
        """Replace the text of a field."""
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def text(self, selector):
        """Return the text of the first element as a person sees it, "" if it is not there."""
        script = (
            "const e = document.querySelector(arguments[0]);"
            "return e && e.checkVisibility() ? e.innerText.trim() : ''"
        )
        return self.driver.execute_script(script, selector)

    def texts(self, selector):
        """Return the texts of all elements, of one moment."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)"
        return self.driver.execute_script(script, selector)

    def run(self, script, *arguments):
        """Return what the body of an asynchronous JavaScript function returns."""
        wrapped = (
            "const args = [...arguments], done = args.pop();"
            f"(async (...args) => {{ {script} }})(...args)"
            ".then((value) => done([value]), (error) => done([null, String(error)]))"
        )
        value, *failed = self.driver.execute_async_script(wrapped, *arguments)
        assert not failed, failed
        return value

    def until(self, check, what, deadline_s=DEADLINE_S):
        """Return what `check` returns as soon as that is true."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                found = check()
            except StaleElementReferenceException:
                found = None  # the page has drawn it anew meanwhile
            if found:
                return found
            if time.monotonic() > end:
                FAILURE.parent.mkdir(exist_ok=True)
                self.driver.save_screenshot(str(FAILURE))
                pytest.fail(
                    f"not within {deadline_s:.0f} s: {what}; see {FAILURE}; {self.complaints()}"
                )
            time.sleep(0.05)

    def complaints(self):
        """Return what the browser complained about since the last call."""
        return [one["message"] for one in self.driver.get_log("browser")]

    def close(self):
        """End it."""
        self.driver.quit()
        self._folder.cleanup()

    def _devtools(self, command, **arguments):
        self.driver.execute_cdp_cmd(command, arguments)
