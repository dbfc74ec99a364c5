"""`make screenshots`: run the demo, look at its page, and write docs/pictures/*.png."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from selenium import webdriver

from tests.browser import DESKTOP, PHONE, Browser
from tests.processes import msgin5g

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
MAX_BYTES = 200_000
# Over a serial line and over BLE: as far as a message of the demo can go.
SENDER, RECIPIENT = "garden", "cellar"
_WARM_UP_S, _DEMO_S, _READY_S = 100.0, 400.0, 60.0


def main() -> int:
    """Write the pictures; returns 0, or 2 if something is missing here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where the pictures go")
    parser.add_argument("--after", type=float, default=_WARM_UP_S, help="seconds of rates to show")
    args = parser.parse_args()
    if shutil.which("pngquant") is None:
        print("pngquant is missing, which makes pictures small; type: apt-get install pngquant")
        return 2
    args.folder.mkdir(parents=True, exist_ok=True)
    demo = msgin5g("demo", "--json", "--ues", "6", "--for", _DEMO_S)
    browser = Browser()
    try:
        page = demo.wait_for("page", _READY_S)["url"]
        take(browser, page, args.folder, args.after)
    finally:
        browser.close()
        demo.stop()
    return 0


def take(browser: Browser, page: str, folder: Path, warm_up_s: float) -> None:
    """Take all pictures of a demo's page once it has run for some seconds."""
    browser.open(page)
    seconds = "return (await (await fetch('view/rates')).json()).samples.length"
    browser.until(
        lambda: browser.run(seconds) >= warm_up_s, f"{warm_up_s} s of rates", 2 * warm_up_s + 30
    )
    for scheme, dark in (("", False), ("-dark", True)):
        browser.look(DESKTOP, dark)
        browser.open(page)
        quiet(browser)
        save(browser, folder / f"page{scheme}.png")
    browser.look(DESKTOP)
    browser.open(page)
    follow_message(browser)
    save(browser, folder / "message.png")
    browser.look(PHONE)
    browser.open(page)
    quiet(browser)
    save(browser, folder / "phone.png")
    browser.click("[data-show=detail]")
    follow_message(browser)
    save(browser, folder / "phone-message.png")


def quiet(browser: Browser) -> None:
    """Wait for a moment when all panels are filled, all are registered, and messages came last."""

    def settled() -> bool:
        newest = browser.texts(".traces .kind")[:5], browser.texts(".traces .badge")[:8]
        return (
            newest[0] == ["MSG"] * 5
            and "under way" not in newest[1]
            and browser.texts("#states b")[:2] == ["8", "8"]
        )

    browser.until(lambda: browser.all(".line") and browser.all("canvas"), "it is filled")
    browser.until(settled, "all are registered and write", 90)


def follow_message(browser: Browser) -> None:
    """Open a message that went over serial and BLE, and its report."""

    def find() -> bool:
        for button in browser.all(".traces button"):
            if f"{SENDER} → {RECIPIENT}" in button.text and "reported" in button.text:
                button.click()
                return True
        return False

    browser.until(find, f"a message of {SENDER} is reported", 60)
    browser.until(lambda: len(browser.texts(".names b")) == 5, "it is drawn")
    # The UEs at both ends tell last.
    reports = "return document.querySelectorAll('.hop.left .via').length"
    browser.until(lambda: browser.run(reports) >= 4, "its report is drawn, too")


def save(browser: Browser, path: Path) -> None:
    """Write a picture of what is shown, small."""
    # Where the pointer was is no part of the picture.
    webdriver.ActionChains(browser.driver).move_to_element(browser.find("h1")).perform()
    browser.driver.save_screenshot(str(path))
    subprocess.run(
        ["pngquant", "--force", "--strip", "--ext", ".png", "128", str(path)], check=True
    )
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
