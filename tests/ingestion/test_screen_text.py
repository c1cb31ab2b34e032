"""Readings become entries: one for as long as the same is shown, another as soon as something else is."""

from __future__ import annotations

import pytest

from agent_tools.ingestion.screen_text.merge import GROWS_S, Reading, merge_readings

HEAD = ("ETH", "Eidgenössische Technische Hochschule Zürich", "Swiss Federal Institute of Technology Zurich")
BODY = ("Einige Punkte", "Damit die folgenden Folien als Verschieden erkannt werden")
FOOT = ("© ETH Zürich, 2007", "REPLAY - Multimedia Portal System")
BUILT = ("Path Expressions", "XQuery includes XPath", "Second order expression")


def texts_of(readings: list[Reading]) -> list[tuple[float, float, str]]:
    return [(shown.start_s, shown.end_s, shown.text) for shown in merge_readings(readings)]


def slide(start_s: float, end_s: float, *lines: str) -> Reading:
    return Reading(start_s, end_s, lines)


def test_slides_of_one_template_are_entries_of_their_own() -> None:
    names = ("Folie Nummer 1", "Folie Nummer 2", "Folie nummer drei")
    readings = [slide(8.0 * i, 8.0 * (i + 1), *HEAD, name, *BODY, *FOOT) for i, name in enumerate(names)]
    found = texts_of(readings)
    assert [(start_s, end_s) for start_s, end_s, _ in found] == [(0.0, 8.0), (8.0, 16.0), (16.0, 24.0)]
    assert all(name in text for name, (_, _, text) in zip(names, found, strict=True))


SAME_SHOWN = [
    ("read twice alike", BUILT, BUILT),
    ("a letter misread", BUILT, ("Path Expressions", "XQuery inc1udes XPath".replace("1", "l"), BUILT[2])),
    ("a line read as two", BUILT, ("Path", "Expressions", *BUILT[1:])),
    ("a clock that runs", (*BUILT, "12:05"), (*BUILT, "12:06")),
    ("an icon read as a letter", (*BUILT, "Q"), BUILT),
]


@pytest.mark.parametrize(("case", "first", "second"), SAME_SHOWN, ids=[case for case, _, _ in SAME_SHOWN])
def test_the_same_read_twice_is_one_entry(case: str, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    found = texts_of([slide(0, 4, *first), slide(4, 9, *second), slide(9, 12, *first)])
    assert [(start_s, end_s) for start_s, end_s, _ in found] == [(0, 12)], case


OTHER_SHOWN = [
    ("another number", ("Chapter 2", *BODY), ("Chapter 3", *BODY)),
    ("another title", ("Momentum of light", *BODY), ("Energy", *BODY)),
    ("a line that went", BUILT, BUILT[:1] + BUILT[2:]),
    ("one short word for another", ("ARE",), ("HERE",)),
]


@pytest.mark.parametrize(("case", "first", "second"), OTHER_SHOWN, ids=[case for case, _, _ in OTHER_SHOWN])
def test_another_text_is_another_entry(case: str, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert len(texts_of([slide(0, 4, *first), slide(4, 9, *second)])) == 2, case


def test_a_slide_that_builds_up_quickly_is_one_entry_with_all_its_lines() -> None:
    found = texts_of([slide(i, i + 1, *BUILT[: i + 1]) for i in range(3)])
    assert found == [(0, 3, " / ".join(BUILT))]


def test_a_line_that_came_late_does_not_count_from_the_start() -> None:
    late = GROWS_S + 5
    found = texts_of([slide(0, late, *BUILT[:2]), slide(late, 30, *BUILT)])
    assert [(start_s, end_s) for start_s, end_s, _ in found] == [(0, late), (late, 30)]
    assert BUILT[2] not in found[0][2]
    assert BUILT[2] in found[1][2]


def test_a_picture_without_text_ends_an_entry() -> None:
    found = texts_of([slide(0, 4, *BUILT), Reading(4, 5, ()), slide(5, 9, *BUILT)])
    assert [(start_s, end_s) for start_s, end_s, _ in found] == [(0, 4), (5, 9)]
