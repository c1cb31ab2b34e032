"""Titles: taken from the episode's own text; where there is none, they say what it has instead."""

from __future__ import annotations

import numpy as np
import pytest

from agent_tools.ingestion.episodes import TextPiece
from agent_tools.ingestion.titles import TITLE_LENGTH, headline, titles
from agent_tools.timeline import Span


def shown(start_s: float, end_s: float, *lines: str, heights: tuple[float, ...] = ()) -> TextPiece:
    held = tuple(zip(lines, heights, strict=True)) if heights else ()
    return TextPiece(start_s, end_s, " / ".join(lines), "screen_text", lines=held)


def said(start_s: float, end_s: float, text: str, *vector: float, doubtful: bool = False) -> TextPiece:
    held = np.array(vector, np.float32) / np.linalg.norm(vector) if vector else None
    return TextPiece(start_s, end_s, text, "speech", held, doubtful=doubtful)


def title(*pieces: TextPiece, end_s: float = 60.0) -> str:
    return titles([Span(0, end_s)], pieces)[0][0]


def test_a_text_that_spans_several_scenes_names_each_of_them() -> None:
    copyright_line = shown(1, 24, "Copyright 2013", "www.example.org")
    found = titles([Span(0, 8), Span(8, 14), Span(14, 24)], [copyright_line])
    assert [source for _, source in found] == ["screen_text"] * 3


def test_a_span_without_text_says_what_it_has() -> None:
    spans = [Span(0, 60), Span(60, 120)]
    found = titles(spans, [], lambda span: "silent pictures" if span.start_s else "speech, no text")
    assert found == [("speech, no text", "time"), ("silent pictures", "time")]


def test_a_scrap_on_screen_is_no_title() -> None:
    scraps = [shown(0, 4, "1"), shown(4, 8, "(a", "|0")]
    assert titles([Span(0, 8)], scraps) == [("no text", "time")]
    assert titles([Span(0, 12)], [*scraps, shown(8, 12, "FIN")]) == [("FIN", "screen_text")]
    assert titles([Span(0, 12)], [*scraps, shown(8, 12, "\uc6b4\uc601")]) == [("\uc6b4\uc601", "screen_text")]


def test_a_slide_is_titled_by_its_headline_not_by_the_template() -> None:
    read = ("Institute of Things", "lnstitute of Things", "Institute of Th1ngs")  # as OCR does
    pieces = [shown(10.0 * i, 10.0 * (i + 1), "ETH", read[i], name) for i, name in enumerate(NAMES)]
    spans = [Span(10.0 * i, 10.0 * (i + 1)) for i in range(len(NAMES))]
    assert [title for title, _ in titles(spans, pieces)] == list(NAMES)


NAMES = ("Path expressions", "Joins and trees", "Closing remarks")


def test_what_all_slides_share_names_a_video_of_one_chapter() -> None:
    pieces = [
        shown(10.0 * i, 10.0 * (i + 1), "Compliment Bot", name, heights=(0.1, 0.03)) for i, name in enumerate(NAMES)
    ]
    assert title(*pieces, end_s=30) == "Compliment Bot"


def test_the_largest_line_that_stands_is_the_title() -> None:
    slide = shown(
        0, 50, "Institute of Things", "Land and vegetation", "and much more text below it", heights=(0.03, 0.09, 0.04)
    )
    flash = shown(50, 51, "SUBSCRIBE", heights=(0.4,))
    assert title(slide, flash) == "Land and vegetation"


def test_of_lines_of_one_size_the_one_that_stands_longest_is_the_title() -> None:
    first = shown(0, 10, "Path expressions", heights=(0.08,))
    second = shown(10, 60, "Joins and trees", heights=(0.075,))
    assert title(first, second) == "Joins and trees"


def test_icons_are_no_part_of_a_title() -> None:
    assert title(shown(0, 60, "\u54c18 Heart of Gold", heights=(0.1,))) == "Heart of Gold"
    assert title(shown(0, 60, "4\u56de SAM TW", heights=(0.1,))) == "SAM TW"


def test_a_sentence_is_the_title_where_text_stands_only_for_a_moment() -> None:
    logo = shown(0, 3, "ACME Pictures", heights=(0.2,))
    talk = [
        said(5, 15, "The heart moves blood through the body.", 1, 0),
        said(15, 50, "Its walls are made of muscle.", 1, 0.2),
    ]
    assert title(logo, *talk) in ("The heart moves blood through the body.", "Its walls are made of muscle.")


def test_the_title_is_the_sentence_nearest_to_what_is_said() -> None:
    pieces = [
        said(0, 5, "Good morning and welcome to everybody.", 0, 1),
        said(5, 20, "The heart moves blood", 1, 0.1),
        said(20, 25, "through the whole body.", 1, 0.1),
        said(25, 40, "Its walls are made of strong muscle.", 1, -0.5),
        said(40, 42, "Right.", 1, 0.1),
    ]
    assert title(*pieces) == "The heart moves blood through the whole body."


@pytest.mark.parametrize(
    ("spoken", "titled"),
    [
        ("- and so the heart moves the blood around.", "The heart moves the blood around."),
        ("[music] the heart moves the blood around.", "The heart moves the blood around."),
        ("(Anna) And the Andes are a long range.", "The Andes are a long range."),
        ("Andes and Alps are two long ranges.", "Andes and Alps are two long ranges."),
    ],
)
def test_a_title_begins_with_its_subject(spoken: str, titled: str) -> None:
    assert title(said(0, 50, spoken)) == titled


def test_a_long_sentence_is_cut_between_words() -> None:
    text = "The heart of every living animal " * 5
    cut = title(said(0, 50, text))
    assert TITLE_LENGTH - 10 < len(cut) <= TITLE_LENGTH
    assert text.startswith(f"{cut[:-1]} ")
    assert cut.endswith("\u2026")


def test_what_its_reader_doubts_is_no_title() -> None:
    assert title(said(0, 50, "I'm going to be a little bit of a.", doubtful=True)) == "no text"


def test_a_headline_is_found_even_where_every_line_is_short_or_shared() -> None:
    span = Span(0, 10)
    assert headline([shown(0, 10, "ARE")], span) == "ARE"
    slide = shown(0, 10, "ETH", "Institute of Things")
    assert headline([slide], span, frozenset({"lnstltuteofthlngs"})) == "Institute of Things"


def test_a_cue_with_a_capital_letter_begins_a_sentence_although_no_full_stop_stands_before_it() -> None:
    cues = [
        said(0, 2, "Yes, he is in a bad humour", 0, 1, 0),
        said(2, 4, "Somebody must have stolen the jewels", 1, 0, 0),
        said(4, 6, "that were kept in the tower", 1, 0, 0),
    ]
    assert title(*cues, end_s=6) == "Somebody must have stolen the jewels that were kept in the tower"
    german = [
        said(0, 2, "Hier haben wir also den Vergleich der", 1, 0, 0),
        said(2, 4, "Maschinen mit einer Kapsel und einem Motor", 1, 0, 0),
    ]
    assert title(*german, end_s=4) == "Hier haben wir also den Vergleich der Maschinen mit einer Kapsel und einem Motor"


def test_a_long_sentence_is_taken_before_half_of_a_short_one() -> None:
    """A clip may end in the middle of a sentence."""
    words = "MARA: This is the optical and science segment of the telescope, in one of the largest cleanrooms of all."
    pieces = [said(0, 8, words, 1, 0), said(8, 9, "The first half of it successfully", 0, 1)]
    assert title(*pieces).startswith("This is the optical and science segment of the telescope")
    assert title(*pieces).endswith("\u2026")
    assert title(said(0, 8, words.rstrip("."), 1, 0), pieces[1]) == "The first half of it successfully"
