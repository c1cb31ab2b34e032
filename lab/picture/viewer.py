"""The pictures of the viewer in the documentation: `python -m lab.picture.viewer --home DIR`.

DIR is a data folder that holds the demo's hour (`agent-tools demo --home DIR`), better with a few more videos. Writes
docs/images/viewer-library.webp, viewer-hour.webp, viewer-hit.webp and viewer-dark.webp."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from lab.picture.browser import browsing, viewing

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WIDTH, HEIGHT = 1280, 800
QUESTION, EVENT = "gate code of Harwick", "'Gate code' on a card"
REST_MS = 2500  # until pictures have come
PATIENCE_MS = 90_000


def taken(page: Page, name: str) -> None:
    page.wait_for_timeout(REST_MS)
    path = IMAGES / f"viewer-{name}.webp"
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=84, method=6)
    sys.stdout.write(f"docs/images/{path.name}: {path.stat().st_size:,} bytes\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.picture.viewer", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="data folder with the demo's hour")
    parser.add_argument("--allow", type=Path, help="folder of the videos; default: the data folder")
    parser.add_argument("--title", default="demo-0", help="title of the hour")
    given = parser.parse_args()
    home = given.home.resolve()
    with browsing() as browser, viewing(home, given.allow or home) as link:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(link)
        card = page.locator(".card", has=page.get_by_text(given.title, exact=True))
        card.wait_for()
        taken(page, "library")
        card.click()
        page.locator(".text li").first.wait_for()
        taken(page, "hour")
        page.get_by_role("searchbox").fill(QUESTION)
        page.keyboard.press("Enter")
        page.locator(".hits li").first.wait_for()
        page.get_by_role("heading", level=1).click()
        taken(page, "hit")
        page.emulate_media(color_scheme="dark")
        page.get_by_role("searchbox").fill(EVENT)
        page.get_by_role("button", name="Check").click()
        page.locator(".word").wait_for()
        page.get_by_role("heading", level=1).click()
        taken(page, "dark")


if __name__ == "__main__":
    main()
