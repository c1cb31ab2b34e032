"""Verdicts on what is near to what is said: each word of an event needs a counterpart, in several languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.models.routed_text import RoutedText
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import Library
from agent_tools.service.verdicts.counterparts import has_words, without_counterpart
from tests.library import lite, opened

SAID = (
    "Der Leuchtturm wurde vor zweihundert Jahren gebaut.",
    "Bis neunzehnhundertachtzig wohnte ein Wärter mit seiner Familie darin.",
    "Die Lampe wird heute von einem Rechner an Land gesteuert.",
    "Bei Nebel ertönt alle dreißig Sekunden ein Horn.",
    "Die Treppe hat einhundertachtundneunzig Stufen.",
    "Einmal im Jahr werden die Fenster von außen geputzt.",
    "Im Winter bringt ein Boot Lebensmittel und Post.",
    "Die Möwen brüten auf dem Felsen vor der Tür.",
)
FILM = Film("lighthouse", 8.0 * len(SAID), tuple(Line(8.0 * i, 8.0 * i + 7, text) for i, text in enumerate(SAID)), ())
THERE = {
    "die Lampe wird von einem Computer gesteuert": 2,
    "the stairs have 198 steps": 4,
    "갈매기가 바위에서 알을 품는다": 7,
    "un barco trae comida y correo en invierno": 6,
}
NOT_THERE = (
    "der Leuchtturm wurde nach einem Brand abgerissen",
    "die Treppe wird durch einen Aufzug ersetzt",
    "the keeper fell from the tower",
    "a gull steals a sandwich",
    "등대가 박물관이 되었다",
    "el faro aparece en una película",
    "la lampe a été vendue à un musée",
    "в маяке открыли ресторан",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, routed: RoutedText) -> Iterator[Library]:
    home: Path = tmp_path_factory.mktemp("home")
    with opened(lite(home)) as opened_library:
        assert opened_library.models.text(120) is not None
        lay_down(opened_library.store, FILM, Remembered(routed))
        opened_library.store.set_channel(FILM.video_id, "subtitles", language="de")
        yield opened_library


def test_what_is_only_of_the_same_matter_is_hardly_called_present(library: Library) -> None:
    """Four of the eight were; `python -m lab.eval near` measures more."""
    replies = [ground_event(library, event=event, video_id=FILM.video_id) for event in NOT_THERE]
    assert sum((reply.probability or 0.0) >= 0.5 for reply in replies) >= 3
    assert sum(reply.verdict == "present" for reply in replies) <= 1


def test_what_is_there_has_its_span_and_is_never_called_absent(library: Library) -> None:
    verdicts = []
    for event, line in THERE.items():
        reply = ground_event(library, event=event, video_id=FILM.video_id)
        verdicts.append(reply.verdict)
        if reply.spans:
            assert reply.spans[0].start_s < 8.0 * line + 7
            assert reply.spans[0].end_s > 8.0 * line
    assert "absent" not in verdicts
    assert verdicts.count("present") >= 2


def test_the_reason_names_the_word_without_a_counterpart(library: Library) -> None:
    reply = ground_event(library, event="der Leuchtturm wurde ein Museum", video_id=FILM.video_id)
    assert reply.probability is not None
    assert reply.probability >= 0.5
    assert reply.verdict == "uncertain"
    assert reply.spans  # where the nearest text is
    assert "'museum'" in reply.why


@pytest.mark.parametrize(
    ("event", "text", "missing"),
    [
        ("the stairs are replaced by a lift", "The stairs have 198 steps.", ["replaced"]),
        ("someone says that the lamp is run by a machine", "The lamp is controlled by a computer.", []),
        ("the birds have 400 nests", "Gulls breed here and build nests.", []),
        ("le pain repose", "Let the bread rest.", []),
        ("who is it", "Let the bread rest.", []),
    ],
)
def test_words_are_compared_one_by_one(routed: RoutedText, event: str, text: str, missing: list[str]) -> None:
    assert sorted(without_counterpart(routed, event, [text])) == sorted(missing)


def test_where_words_are_not_written_apart_they_are_not_compared() -> None:
    assert has_words("Die Möwen brüten, the gulls too, и чайки")
    assert not any(map(has_words, ("茶葉は小さじ一杯です", "갈매기가 바위에서", "นกนางนวล")))
