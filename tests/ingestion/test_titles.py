"""Titles: taken from the episode's own text, by its time where that says nothing."""

from __future__ import annotations

from agent_tools.ingestion.episodes import TextPiece
from agent_tools.ingestion.titles import headline, titles
from agent_tools.timeline import Span


def shown(start_s: float, end_s: float, *lines: str) -> TextPiece:
    return TextPiece(start_s, end_s, " / ".join(lines), "screen_text")


def test_a_text_that_spans_several_scenes_names_each_of_them() -> None:
    copyright_line = shown(1, 24, "Copyright 2013", "www.example.org")
    found = titles([Span(0, 8), Span(8, 14), Span(14, 24)], [copyright_line])
    assert [source for _, source in found] == ["screen_text"] * 3


def test_a_span_without_text_is_titled_by_its_time() -> None:
    assert titles([Span(720, 780)], []) == [("0:12:00, no text", "time")]


def test_a_scrap_on_screen_is_no_title() -> None:
    scraps = [shown(0, 4, "1"), shown(4, 8, "(a", "|0")]
    assert titles([Span(0, 8)], scraps) == [("0:00:00, no words", "time")]
    assert titles([Span(0, 12)], [*scraps, shown(8, 12, "FIN")]) == [("FIN", "screen_text")]
    assert titles([Span(0, 12)], [*scraps, shown(8, 12, "\uc6b4\uc601")]) == [("\uc6b4\uc601", "screen_text")]


def test_a_slide_is_titled_by_its_headline_not_by_the_template() -> None:
    read = ("Institute of Things", "lnstitute of Things", "Institute of Th1ngs")  # as OCR does
    pieces = [shown(10.0 * i, 10.0 * (i + 1), "ETH", read[i], name) for i, name in enumerate(NAMES)]
    spans = [Span(10.0 * i, 10.0 * (i + 1)) for i in range(len(NAMES))]
    assert [title for title, _ in titles(spans, pieces)] == list(NAMES)


NAMES = ("Path expressions", "Joins and trees", "Closing remarks")


def test_a_headline_is_found_even_where_every_line_is_short_or_shared() -> None:
    assert headline("ARE") == "ARE"
    assert headline("ETH / Institute of Things", frozenset({"lnstltuteofthlngs"})) == "Institute of Things"
