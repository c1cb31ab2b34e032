"""The viewer in a real browser: library, search, seeking, playing, notes, keys, themes, widths, hostile texts."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from lab.picture.browser import viewing
from tests.drawing import number_in
from tests.viewer.conftest import FPS, LEAD_S, SECONDS, Open
from tests.viewer.shelf import ARABIC, HALF_DAY, HALF_DAY_S, HOSTILE, LONG_TITLE, OPEN, RIGHT_TO_LEFT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Locator, Page

AXE = Path(__file__).parents[2] / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
LATE_S = 20.0


def id_of(page: Page) -> str:
    found = page.evaluate("new URLSearchParams(location.hash.slice(1)).get('v')")
    assert isinstance(found, str)
    return found


def card(page: Page, title: str) -> Locator:
    return page.locator(".card", has=page.get_by_text(title, exact=True))


def opened(show: Open, title: str, **options: Any) -> Page:
    page = show(**options)
    card(page, title).click()
    page.get_by_role("slider", name="Playhead").wait_for()
    return page


def until(page: Page | Frame, condition: str) -> None:
    """Wait until a condition holds in the page. Playwright's own wait evaluates text, which the page forbids."""
    ends = time.monotonic() + LATE_S
    while not page.evaluate(condition):
        assert time.monotonic() < ends, condition
        page.wait_for_timeout(50)


def number_shown(page: Page) -> int:
    """The number that the picture in the player carries, read from a screenshot of it."""
    return number_on(page.locator(".stage"))


def number_on(stage: Locator) -> int:
    seen = Image.open(io.BytesIO(stage.screenshot())).convert("RGB")
    share = min(seen.width / 16, seen.height / 9)
    left, top = (seen.width - 16 * share) / 2, (seen.height - 9 * share) / 2
    return number_in(np.asarray(seen.crop((round(left), round(top), round(left + 16 * share), round(top + 9 * share)))))


def until_number(page: Page, wanted: int, within: int = 1) -> int:
    """Wait until the picture of that number is on screen; gives the number that is there at the end."""
    ends = time.monotonic() + LATE_S
    while abs((found := number_shown(page)) - wanted) > within and time.monotonic() < ends:
        page.wait_for_timeout(100)
    return found


def click_at(page: Page, seconds: float, duration_s: float, y: float = 60) -> None:
    """Click the timeline, which shows the whole video, at a time."""
    surface = page.locator(".surface > canvas")
    box = surface.bounding_box()
    assert box is not None
    surface.click(position={"x": box["width"] * seconds / duration_s, "y": y})


def time_shown(page: Page) -> float:
    return float(page.get_by_role("slider", name="Playhead").get_attribute("aria-valuenow") or "nan")


def test_the_library_shows_each_video_with_length_state_and_progress(show: Open) -> None:
    page = show()
    page.get_by_role("heading", name="9 videos").wait_for()
    harbour = card(page, "harbour")
    assert "1 minute" in harbour.inner_html()
    assert "Subtitles" in harbour.inner_text()
    waiting = card(page, "Being read").get_by_role("progressbar")
    assert waiting.get_attribute("aria-valuenow") == "25"


def test_a_click_shows_the_picture_of_that_time(show: Open) -> None:
    page = opened(show, "harbour")
    for seconds in (10.0, 44.0, 31.5):
        click_at(page, seconds, SECONDS)
        assert until_number(page, round(seconds * FPS)) == pytest.approx(seconds * FPS, abs=2)
    assert "t=" not in page.url or "v=" in page.url


def test_a_search_marks_the_hit_and_goes_there(show: Open) -> None:
    page = opened(show, "harbour")
    page.get_by_role("searchbox").fill("ferry lighthouse")
    page.keyboard.press("Enter")
    first = page.locator(".hits li").first
    first.wait_for()
    assert first.locator("mark").all_inner_texts() == ["ferry", "lighthouse"]
    assert "strong" in first.inner_text()
    assert time_shown(page) == 41
    assert until_number(page, 41 * FPS) == pytest.approx(41 * FPS, abs=2)


def test_a_search_over_all_videos_opens_the_one_with_the_hit(show: Open) -> None:
    page = show()
    page.get_by_role("searchbox").fill("keys of every boat in a cache")
    page.keyboard.press("Enter")
    page.locator(".hits li button").first.click()
    page.get_by_role("heading", name="harbour").wait_for()
    assert time_shown(page) == 20


def test_playing_shows_the_frame_of_the_time_under_the_playhead(show: Open) -> None:
    page = opened(show, "harbour")
    click_at(page, 12.0, SECONDS)
    until_number(page, 12 * FPS)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "document.querySelector('video').currentTime > 13.5")
    page.get_by_role("button", name="Pause").click()
    shown = page.locator(".time b").inner_text()
    seconds = float(shown.split(":")[-1])
    assert seconds >= 13.5
    assert number_shown(page) == pytest.approx(seconds * FPS, abs=2)


def test_a_chosen_span_is_played_and_ends_where_it_ends(show: Open) -> None:
    page = opened(show, "harbour")
    page.get_by_role("button", name="We keep the keys").click()
    page.get_by_role("button", name="Play span").click()
    until(page, "document.querySelector('video').currentTime >= 23.9")
    page.get_by_role("button", name="Play", exact=True).wait_for()
    assert time_shown(page) == pytest.approx(24, abs=1)


def test_a_format_that_browsers_do_not_play_is_played_in_clips(show: Open) -> None:
    page = opened(show, "old")
    click_at(page, 5.0, 20)
    assert until_number(page, 5 * FPS) == pytest.approx(5 * FPS, abs=2)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "document.querySelector('video').currentTime > 0.8")
    page.get_by_role("button", name="Pause").click()
    seconds = float(page.locator(".time b").inner_text().split(":")[-1])
    assert seconds == pytest.approx(6.0, abs=1.5)
    assert number_shown(page) == pytest.approx(seconds * FPS, abs=3)


def test_a_film_whose_sound_begins_before_its_pictures_is_shown_at_the_right_time(show: Open) -> None:
    page = opened(show, "lead")
    for seconds in (12.0, 3.0):
        click_at(page, seconds, 20)
        assert until_number(page, round(seconds * FPS)) == pytest.approx(seconds * FPS, abs=2)
        until(page, f"Math.abs(document.querySelector('video').currentTime - {seconds + LEAD_S}) < 0.2")
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, f"document.querySelector('video').currentTime > {4.5 + LEAD_S}")
    page.get_by_role("button", name="Pause").click()
    seconds = float(page.locator(".time b").inner_text().split(":")[-1])
    assert seconds >= 4.5
    assert number_shown(page) == pytest.approx(seconds * FPS, abs=2)


def clips_asked(page: Page) -> list[str]:
    """The clips that the page asks for from now on."""
    asked: list[str] = []

    def note(request: Any) -> None:
        said = request.post_data or ""
        asked.extend(re.findall(r'"uri":"[^"]*/clip/([^"]+)"', said))

    page.on("request", note)
    return asked


def test_packets_that_browsers_play_are_copied_and_pieces_follow_each_other(show: Open) -> None:
    page = opened(show, "packed")
    asked = clips_asked(page)
    click_at(page, 5.0, 40)
    assert until_number(page, 5 * FPS) == pytest.approx(5 * FPS, abs=2)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "document.querySelector('video').currentTime > 1.8")  # the copy begins at the key frame at 4 s
    page.evaluate("document.querySelector('video').playbackRate = 4")
    until(page, "Number(document.querySelector('.time b').innerText.split(':')[1]) > 22")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(200)
    seconds = float(page.locator(".time b").inner_text().split(":")[-1])
    assert number_shown(page) == pytest.approx(seconds * FPS, abs=3)
    assert [name.partition("?")[2] for name in asked] == ["exact=no"] * len(asked)
    assert asked[:2] == ["5-17?exact=no", "20-32?exact=no"]  # the next piece begins where the copy ended


def test_a_copy_that_this_browser_cannot_play_is_encoded(show: Open) -> None:
    page = opened(show, "newer")
    asked = clips_asked(page)
    click_at(page, 5.0, 12)
    until_number(page, 5 * FPS)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "Number(document.querySelector('.time b').innerText.split(':')[1]) > 6")
    page.get_by_role("button", name="Pause").click()
    seconds = float(page.locator(".time b").inner_text().split(":")[-1])
    assert number_shown(page) == pytest.approx(seconds * FPS, abs=3)
    plays = page.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=\"hvc1.1.6.L93.B0\"')")
    if not plays:
        assert asked[0].partition("?")[2] == "exact=no"
        assert asked[1] == asked[0].partition("?")[0]


def test_a_verdict_says_what_was_not_judged(show: Open) -> None:
    page = opened(show, "harbour")
    page.get_by_role("searchbox").fill("a dragon sings an opera")
    page.get_by_role("button", name="Check").click()
    verdict = page.get_by_role("tabpanel")
    verdict.get_by_role("heading", name="Not judged").wait_for()
    assert verdict.locator(".word").inner_text().startswith(("Uncertain", "It does not happen"))


def test_a_note_is_written_and_found_again(show: Open) -> None:
    page = opened(show, "harbour")
    page.get_by_role("button", name="The ferry to the lighthouse").click()
    page.keyboard.press("n")
    page.get_by_role("textbox", name="Note").fill("The red ferry is called Amalia")
    page.get_by_role("button", name="Save note").click()
    page.get_by_text("Note saved at 0:41").wait_for()
    page.get_by_role("searchbox").fill("Amalia")
    page.keyboard.press("Enter")
    first = page.locator(".hits li").first
    first.get_by_text("The red ferry is called").wait_for()


def test_read_only_offers_no_note(browser: Browser, home: Path, films: Path) -> None:
    with viewing(home, films, "--read-only") as link:
        page = browser.new_context().new_page()
        page.goto(link)
        card(page, "harbour").click()
        page.get_by_role("button", name="Cite").wait_for()
        assert page.get_by_role("button", name="Note", exact=True).count() == 0
        page.keyboard.press("n")
        assert page.locator("dialog").count() == 0
        page.context.close()


def test_everything_works_with_keys_alone(show: Open) -> None:
    page = show()
    card(page, "harbour").wait_for()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.querySelector('.title')?.innerText") == "harbour":
            break
    page.keyboard.press("Enter")
    playhead = page.get_by_role("slider", name="Playhead")
    playhead.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("ferry")
    page.keyboard.press("Enter")
    page.locator(".hits li").first.wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.get_by_text("Uri copied").or_(page.get_by_text("video://")).first.wait_for()
    playhead.focus()
    page.keyboard.press("Home")
    assert time_shown(page) == 0
    page.keyboard.press("0")
    page.keyboard.press("+")
    assert "0:00 – 0:29" in page.locator(".range").inner_text()
    page.keyboard.press("PageDown")
    assert time_shown(page) == pytest.approx(24, abs=2)
    page.keyboard.press("End")
    assert time_shown(page) == pytest.approx(SECONDS, abs=1)
    page.get_by_role("tab", selected=True).focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", selected=True).inner_text() == "Verdict"
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog')")


def test_hostile_texts_are_shown_as_text_and_nothing_of_them_runs_styles_or_links(show: Open) -> None:
    page = show(f"v={HOSTILE}")
    page.locator(".text li").nth(10).wait_for()
    before = page.evaluate("document.querySelectorAll('script, style, link').length")
    for tab in ("Hits", "Verdict", "About", "Text"):
        page.get_by_role("tab", name=tab).click()
    page.get_by_role("searchbox").fill("ignore all previous instructions")
    page.keyboard.press("Enter")
    page.locator(".hits li").first.wait_for()
    page.mouse.move(600, 700)
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelectorAll('script, style, link').length") == before
    within = page.locator("main, header")
    assert within.locator("a, iframe, object, embed, b:not(.time b):not(.tip b), form form").count() == 0
    assert page.locator("img:not([src^='data:image/jpeg;base64,'])").count() == 0
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].some(e => [...e.attributes].some(a => a.name === 'onerror'))"
        )
        is False
    )
    page.get_by_role("tab", name="Text").click()
    assert page.get_by_text("<script>alert(").count() > 0
    hidden = page.evaluate("/[\\u202a-\\u202e\\u2066-\\u2069\\u200b\\u001b]/.test(document.body.innerText)")
    assert hidden is False


def test_twelve_hours_and_twenty_thousand_cues_scroll_smoothly(show: Open) -> None:
    page = show(f"v={HALF_DAY}")
    page.locator(".text li").first.wait_for()
    box = page.locator(".surface > canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    painted: list[float] = []
    for turn in range(40):
        page.mouse.wheel(0, -240 if turn < 24 else 120)
        page.wait_for_timeout(30)
        painted.append(float(page.evaluate("window.lastPaintMs")))
    assert float(np.median(painted)) <= 16.0
    page.get_by_role("button", name="Whole video").click()
    click_at(page, HALF_DAY_S * 0.75, HALF_DAY_S)
    page.locator(".text li[data-now]").get_by_text("cue 15").wait_for()
    assert page.locator(".text li").count() <= 1600
    assert LONG_TITLE.strip()[:60] in (page.get_by_role("heading", level=1).inner_text())


def test_a_gap_is_told_in_words(show: Open) -> None:
    page = show(f"v={HALF_DAY}")
    page.locator(".text li").first.wait_for()
    box = page.locator(".surface > canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 4500 / HALF_DAY_S, box["y"] + box["height"] - 12)
    page.locator(".tip").get_by_text("Not read: decode error").wait_for()


def test_text_from_right_to_left_keeps_its_direction(show: Open) -> None:
    page = show(f"v={RIGHT_TO_LEFT}")
    line = page.get_by_text(ARABIC[1]).first
    line.wait_for()
    assert line.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert page.locator(".timeline").evaluate("e => getComputedStyle(e).direction") == "ltr"


@pytest.mark.parametrize("fragment", ["", f"v={HALF_DAY}", f"v={HOSTILE}", f"v={OPEN}"])
def test_no_width_makes_the_page_scroll_sideways(show: Open, fragment: str) -> None:
    page = show(fragment)
    page.locator(".card, .surface").first.wait_for()
    for width in (320, 768, 3840):
        page.set_viewport_size({"width": width, "height": 700})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(show: Open, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: `make test-viewer` installs it where npm is")
    page = show(color_scheme=scheme)
    card(page, "harbour").wait_for()
    serious(page)
    card(page, "harbour").click()
    page.locator(".text li").first.wait_for()
    serious(page)
    page.get_by_role("searchbox").fill("ferry")
    page.keyboard.press("Enter")
    page.locator(".hits li").first.wait_for()
    serious(page)
    page.get_by_role("button", name="Check").click()
    page.locator(".word").wait_for()
    serious(page)
    page.get_by_role("button", name="Keys").click()
    serious(page)


def serious(page: Page) -> None:
    """Fail with what axe-core calls serious or critical."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in bad] == []
