"""Of two readings of one picture, each confirms what the other says, and disputes the rest."""

from __future__ import annotations

from agent_tools.ingestion.screen_text.agreement import together
from agent_tools.ingestion.screen_text.trust import Box, TextLine, trusted

HERE: Box = (0.2, 0.2, 0.6, 0.3)
ELSEWHERE: Box = (0.2, 0.7, 0.6, 0.8)
BUSY = 0.3


def line(text: str, score: float = 0.9, box: Box = HERE, texture: float = BUSY) -> TextLine:
    return TextLine(text, score, box, texture)


def sure(read: list[TextLine], found: list[TextLine]) -> list[str]:
    lines = together(read, found)
    return [one.text for one, is_text in zip(lines, trusted(lines), strict=True) if is_text]


def test_words_that_both_readings_show_are_sure() -> None:
    assert sure([line("harbour")], [line("harbour", 0.8)]) == ["harbour"]


def test_the_parts_of_a_line_that_was_found_confirm_it() -> None:
    parts = [line("over", box=(0.2, 0.2, 0.3, 0.3)), line("the harbour", box=(0.35, 0.2, 0.6, 0.3))]
    assert sure([line("over the harbour")], parts) == ["over the harbour"]


def test_a_line_that_reads_otherwise_the_other_time_is_not_sure() -> None:
    assert sure([line("4m SAVW")], [line("wwiwww", 0.85)]) == []


def test_a_line_that_only_the_search_found_has_to_be_read_very_well() -> None:
    assert sure([], [line("www.ww", 0.81)]) == []
    assert sure([], [line("harbour", 0.99)]) == ["harbour"]


def test_what_stands_where_the_search_found_nothing_is_not_disputed() -> None:
    assert sure([line("watermark", 0.85, ELSEWHERE)], [line("harbour")]) == ["watermark"]


def test_on_plain_ground_a_disputed_line_is_text_with_a_wrong_letter() -> None:
    assert sure([line("Crew Manifest", texture=0.02)], [line("Craw Nanitost", texture=0.02)])[0] == "Crew Manifest"
