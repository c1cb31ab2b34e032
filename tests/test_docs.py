"""The pages say what the code says: tables, drawings and links are right, README stays short, the site builds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from lab import docs
from lab.docs import drawings
from lab.docs.pages import replaced
from lab.picture.scenes import HEIGHT, WIDTH, Step, scenes

ROOT = Path(__file__).resolve().parents[1]
OTHERS = ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md")
EVERY_PAGE = [*docs.pages(), ROOT / "docs" / "index.md", *(ROOT / name for name in OTHERS)]
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
LARGEST_PICTURE = 1_500_000  # bytes


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links(page: Path) -> list[str]:
    """The links of a page to other files and headings, outside blocks of code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    text = re.sub(r"`[^`\n]*`", "", text)
    found = [first or second for first, second in LINK.findall(text)]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """The names that a site gives to the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", head).strip().lower()) for head in heads}


@pytest.mark.parametrize("name", sorted(docs.TABLES))
def test_a_table_is_what_the_code_says_on_every_page_that_shows_it(name: str) -> None:
    shown = [page for page in docs.pages() if name in docs.tables_of(page)]
    assert shown, f"no page shows the table {name}"
    made = docs.TABLES[name]()
    for page in shown:
        assert docs.standing(page, name) == docs.placed(made, page), f"run: python -m lab.docs ({named(page)}, {name})"


@pytest.mark.parametrize("held", ["\n", "\n\n", "\nold\n", ""])
def test_a_table_is_replaced_and_what_follows_it_stays(held: str) -> None:
    page = f"before\n<!-- x -->{held}<!-- /x -->\nafter\n"
    assert replaced(page, "x", "new") == "before\n<!-- x -->\nnew\n<!-- /x -->\nafter\n"
    with pytest.raises(ValueError, match="/x"):
        replaced("<!-- x -->\nold\nafter", "x", "new")


def test_every_mark_on_a_page_names_a_table() -> None:
    marks = {name for page in docs.pages() for name in docs.tables_of(page)}
    assert marks == set(docs.TABLES)


def test_the_front_page_of_the_site_is_readme() -> None:
    assert (ROOT / "docs" / "index.md").read_text(encoding="utf-8") == docs.front_page(), "run: python -m lab.docs"


@pytest.mark.parametrize("path", sorted(drawings.DRAWINGS))
def test_a_drawing_is_what_the_import_contract_says(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == drawings.DRAWINGS[path](), "run: python -m lab.docs"


def test_every_layer_of_the_contract_has_words_in_the_drawing() -> None:
    assert {name for row in drawings.layers() for name in row} <= set(drawings.WORDS)


def test_readme_is_short_enough_to_be_finished() -> None:
    text = (ROOT / "README.md").read_bytes()
    assert len(text) <= 9_216
    assert text.count(b"\n") <= 150


def test_readme_shows_the_two_commands_first() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.index("make demo") < text.index("make test") < text.index("<!-- tools -->")


def test_the_table_of_results_has_at_most_eight_rows_with_a_link_each() -> None:
    rows = docs.TABLES["results"]().splitlines()[2:]
    assert 0 < len(rows) <= 8
    assert all("](docs/evaluation/" in row for row in rows)


@pytest.mark.parametrize("page", EVERY_PAGE, ids=named)
def test_every_link_leads_to_a_file_or_heading_that_is_there(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


def test_every_page_stands_in_the_navigation() -> None:
    config = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    listed = re.findall(r'= "([\w/.-]+\.md)"', config)
    there = [path.relative_to(docs.DOCS).as_posix() for path in docs.DOCS.rglob("*.md")]
    assert sorted(listed) == sorted(there)
    assert tomllib.loads(config)["project"]["theme"]["font"] is False


@pytest.mark.parametrize("name", ["demo.webp", "sheet.webp", "viewer-hit.webp"])
def test_a_picture_of_the_front_page_opens_and_is_small(name: str) -> None:
    path = ROOT / "docs" / "images" / name
    assert path.stat().st_size <= LARGEST_PICTURE
    with Image.open(path) as picture:
        assert picture.width >= 640
        assert getattr(picture, "n_frames", 1) > 1 or name != "demo.webp"
        picture.load()


def test_the_animation_shows_each_call_then_its_reply_and_the_frame_last() -> None:
    steps = [Step("retrieve_memory", "query", "keys", "2 hits", 300), Step("zoom_segment", "video_id", "x", "KV", 200)]
    frame = Image.new("RGB", (320, 180), "#ff0000")
    pictures, durations_ms = scenes("Why keys?", steps, "they are kept", frame, "0:30:31")
    assert len(pictures) == len(durations_ms) == 1 + 2 * len(steps) + 1
    assert all(picture.size == (WIDTH, HEIGHT) for picture in pictures)
    assert all(one.tobytes() != other.tobytes() for one, other in pairwise(pictures))
    reds = [sum(count for count, colour in p.getcolors(1 << 24) if colour == (255, 0, 0)) for p in pictures]
    assert reds[-1] > 100_000
    assert not any(reds[:-1])


def test_the_site_builds_strictly_and_loads_nothing_from_the_network(tmp_path: Path) -> None:
    shutil.copytree(docs.DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "warning" not in (done.stdout + done.stderr).lower()
    built = list((tmp_path / "build" / "docs").rglob("*.html"))
    assert len(built) > 40
    for page in built:
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?([^\"\s>]+)", page.read_text("utf-8"))
        away = [address for address in loaded if re.match(r"(?:https?:)?//", address)]
        assert not away, f"{page.name} loads {away}"


def test_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, re.M)
    assert versions[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    groups = set(re.findall(r"^### (.+)$", text, re.M))
    assert groups <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_package_says_that_it_is_typed() -> None:
    import agent_tools

    assert (Path(agent_tools.__file__).parent / "py.typed").is_file()
