"""A question of who, how many or when prefers texts that hold a name, a number or a date."""

from __future__ import annotations

import pytest

from agent_tools.service.search.answer_kind import Kind, answering_line, is_of_kind, preferred, wanted
from agent_tools.service.search.recall import ScoredEntry
from agent_tools.store import Entry

NAME: Kind = "name"
NUMBER: Kind = "number"
DATE: Kind = "date"


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("Who gave this lecture?", NAME),
        ("Wer hat die Vorlesung gehalten?", NAME),
        ("Qui a fait cette conférence ?", NAME),
        ("¿Quién dio esta clase?", NAME),
        ("Chi ha tenuto la lezione?", NAME),
        ("Quem deu esta aula?", NAME),
        ("Wie gaf dit college?", NAME),
        ("Kto prowadził ten wykład?", NAME),
        ("Bu dersi kim verdi?", NAME),
        ("Кто читал эту лекцию?", NAME),
        ("ใครบรรยายเรื่องนี้", NAME),
        ("누가 이 강의를 했나요?", NAME),
        ("誰がこの講義をしましたか?", NAME),
        ("谁讲了这堂课?", NAME),
        ("How many cups of tea were generated?", NUMBER),
        ("Wie viele Tassen Tee wurden erzeugt?", NUMBER),
        ("¿Cuántas tazas de té se generaron?", NUMBER),
        ("Combien de tasses ?", NUMBER),
        ("Hoeveel kopjes thee zijn er?", NUMBER),
        ("Ile filiżanek herbaty jest na ekranie?", NUMBER),
        ("Kaç fincan çay var?", NUMBER),
        ("كم عدد أكواب الشاي؟", NUMBER),
        ("차가 몇 잔 있나요?", NUMBER),
        ("お茶は何杯ですか、いくつ?", NUMBER),
        ("一共有多少杯茶?", NUMBER),
        ("How many of those who came left early?", NUMBER),
        ("When was the introduction lecture held?", DATE),
        ("Wann fand die Vorlesung statt?", DATE),
        ("Когда была лекция?", DATE),
        ("متى كانت المحاضرة؟", DATE),
        ("この講義はいつですか?", DATE),
        ("Wie hoch ist die Miete der Wohnung?", None),  # "wie" is "who" in Dutch only
        ("Bu ders ile ilgili slayt", None),  # "ile" is "how many" in Polish only
        ("Path expressions", None),
        ("Does XQuery include XPath?", None),
        ("", None),
    ],
)
def test_question_words_say_which_kind_is_wanted(query: str, kind: Kind | None) -> None:
    assert wanted(query) == kind


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Prof. Sonia I. Seneviratne", {NAME}),
        ("Thierry Corti, Martin Hirschi, Eric Jäger", {NAME}),
        ("we thank Randy Koster at NASA", {NAME}),
        ("written by J. R. R. Tolkien", {NAME}),
        ("田中先生の講義です", {NAME}),
        ("Introduction Lecture, December 6, 2007", {NUMBER, DATE}),
        ("Einführung am 6. Dezember", {NUMBER, DATE}),
        ("2007年12月6日", {NUMBER, DATE}),
        ("Cups of Tea 1,042 Generated", {NUMBER}),
        ("Path Expressions", set()),
        ("it may be so", set()),
        ("the house is on the hill", set()),
    ],
)
def test_texts_hold_kinds(text: str, kinds: set[Kind]) -> None:
    assert {kind for kind in (NAME, NUMBER, DATE) if is_of_kind(text, kind)} == kinds


def scored(*rows: tuple[str, float]) -> list[ScoredEntry]:
    return [
        ScoredEntry(Entry(i, "v", "screen_text", "eyes", float(i), i + 1.0, text, {}), score, 0.3, 0.0)
        for i, (text, score) in enumerate(rows)
    ]


def test_of_two_texts_that_are_about_as_near_the_one_with_a_name_comes_first() -> None:
    found = preferred("Who gave this lecture?", scored(("Lecture hall of the day", 0.5), ("Prof. Ada Byron", 0.42)))
    assert [one.entry.text for one in found] == ["Prof. Ada Byron", "Lecture hall of the day"]


def test_a_text_that_is_clearly_nearer_stays_first() -> None:
    rows = scored(("Lecture hall of the day", 0.8), ("Prof. Ada Byron", 0.3))
    assert [one.entry.id for one in preferred("Who gave this lecture?", rows)] == [0, 1]


def test_a_text_far_from_the_question_does_not_rise() -> None:
    rows = scored(("Lecture hall of the day", 0.08), ("Prof. Ada Byron", 0.05))
    assert preferred("Who gave this lecture?", rows) == rows


def test_other_questions_change_nothing() -> None:
    rows = scored(("Lecture hall of the day", 0.5), ("Prof. Ada Byron", 0.42))
    assert preferred("the lecture hall", rows) == rows


SLIDE = (
    "Land and Vegetation / Prof. Sonia I. Seneviratne / Institute for Climate / Lecture of December 6, 2007 / Room 12"
)


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("Who gave this lecture?", "Prof. Sonia I. Seneviratne"),  # "lecture" stands in the date's line
        ("When was the lecture?", "Lecture of December 6, 2007"),
        ("How many people came to the institute?", "Lecture of December 6, 2007"),  # beside the institute's line
        ("Which institute is it?", "Institute for Climate"),
    ],
)
def test_the_line_shown_holds_the_kind_of_answer_asked_for(query: str, line: str) -> None:
    (slide,) = scored((SLIDE, 0.5))
    shown = answering_line(query, slide)
    assert shown is not None
    assert shown.text == line


def test_a_slide_without_such_an_answer_shows_its_nearest_line() -> None:
    (slide,) = scored(("Path Expressions / The lecture goes on / Thank you", 0.5))
    shown = answering_line("Who gave this lecture?", slide)
    assert shown is not None
    assert shown.text == "The lecture goes on"
