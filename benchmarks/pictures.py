"""Pictures of a page as it looks in Chromium, at desktop and phone width; says what the page asked for from outside.

    python benchmarks/pictures.py BOARD/leaderboard.html docs/images/leaderboard

Writes NAME.png (1840 pixels wide) and NAME-phone.png (390), each as high as asked. Exits 1 where the page scrolls
sideways, a script fails, or anything but the page itself is asked for.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright


def picture(tab: Page, page: Path, width: int, height: int, out: Path) -> list[str]:
    """Take one picture; returns what is wrong with the page at this width."""
    faults: list[str] = []
    tab.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else faults.append(asked.url))
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    tab.set_viewport_size({"width": width, "height": height})
    tab.goto(page.resolve().as_uri())
    tab.wait_for_timeout(500)
    tab.screenshot(path=out, full_page=False)
    if tab.evaluate("document.documentElement.scrollWidth") > width:
        faults.append(f"{page} is wider than {width} pixels")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("name", type=Path, help="of the pictures, without .png")
    parser.add_argument("--height", type=int, default=1500)
    parser.add_argument("--phone-height", type=int, default=1500)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    faults = []
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"])
        for width, height, end in ((1840, options.height, ""), (390, options.phone_height, "-phone")):
            out = options.name.with_name(options.name.name + end + ".png")
            faults += picture(browser.new_page(), options.page, width, height, out)
            print(out)
        browser.close()
    print("\n".join(faults) or "nothing asked for from outside, no script failed, nothing is wider than the window")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
