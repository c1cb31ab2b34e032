"""Which files beside a film are its subtitles, by their names alone."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from agent_tools.media import sidecars
from agent_tools.media.sidecars import beside


def found(folder: Path, film: str, *names: str) -> dict[str, str | None]:
    """Label -> language of what lies beside the film."""
    for name in (film, *names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return {sidecar.label: sidecar.language for sidecar in beside(folder / film)}


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("talk.srt", None),
        ("talk.hi.srt", "hi"),
        ("talk.en.hi.srt", "en"),
        ("talk.English.hi.srt", "en"),
        ("talk.eng.sdh.srt", "en"),
        ("talk.en.cc.forced.srt", "en"),
        ("talk.en-orig.vtt", "en"),
        ("talk.en-nP7-2PuUl7o.vtt", "en"),
        ("talk.pt-BR.vtt", "pt-br"),
        ("talk.zh-Hans.srt", "zh-hans"),
        ("talk_German.srt", "de"),
        ("talk-en-US.vtt", "en-us"),
        ("talk (French).srt", "fr"),
        ("talk.transcript.vtt", None),
        ("talk.de.ttml", "de"),
        ("talk.json3", None),
    ],
)
def test_names_say_the_language(tmp_path: Path, name: str, language: str | None) -> None:
    assert found(tmp_path, "talk.mp4", name) == {name: language}


@pytest.mark.parametrize(
    "name",
    [
        "talk2.srt",
        "other.en.srt",
        "talk-two.srt",
        "talk.chapters.vtt",
        "talk.info.json",
        "talk.live_chat.json",
        "talk.jpg",
    ],
)
def test_other_names_are_not_the_films(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, "talk.mp4", name) == {}


def test_a_longer_film_name_keeps_its_own_subtitles(tmp_path: Path) -> None:
    assert found(tmp_path, "talk.mp4", "talk.part2.mp4", "talk.part2.en.srt", "talk.en.srt") == {"talk.en.srt": "en"}


def test_names_in_composed_and_decomposed_letters_are_the_same(tmp_path: Path) -> None:
    film, beside_it = unicodedata.normalize("NFC", "Gespräch.mp4"), unicodedata.normalize("NFD", "Gespräch.de.srt")
    assert list(found(tmp_path, film, beside_it).values()) == ["de"]


def test_a_zoom_transcript_belongs_to_every_view_of_the_meeting(tmp_path: Path) -> None:
    meeting = "GMT20261103-143000_Recording"
    names = found(tmp_path, f"{meeting}_gallery_1920x1080.mp4", f"{meeting}.transcript.vtt", f"{meeting}.chat.txt")
    assert names == {f"{meeting}.transcript.vtt": None}


def test_a_folder_of_subtitles_is_looked_into(tmp_path: Path) -> None:
    names = found(
        tmp_path, "film.mp4", "Subs/2_English.srt", "Subs/film.de.srt", "Subs/film/3_French.srt", "Subs/cover.jpg"
    )
    assert names == {"Subs/2_English.srt": "en", "Subs/film.de.srt": "de", "Subs/film/3_French.srt": "fr"}


def test_with_several_films_a_folder_of_subtitles_needs_their_names(tmp_path: Path) -> None:
    names = found(tmp_path, "film.mp4", "other.mp4", "Subs/2_English.srt", "Subs/film.de.srt", "Subs/other.de.srt")
    assert names == {"Subs/film.de.srt": "de"}


def test_a_format_that_is_not_read_is_named_with_the_reason(tmp_path: Path) -> None:
    found(tmp_path, "film.mp4", "film.en.sup", "film.docx")
    assert {sidecar.label: bool(sidecar.unread) for sidecar in beside(tmp_path / "film.mp4")} == {
        "film.docx": True,
        "film.en.sup": True,
    }


def test_the_mark_changes_with_what_lies_beside(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.touch()
    assert sidecars.mark(film) == ""
    (tmp_path / "film.srt").write_text("1")
    first = sidecars.mark(film)
    (tmp_path / "Subs").mkdir()
    (tmp_path / "Subs" / "1_English.srt").write_text("1")
    assert first
    assert sidecars.mark(film) not in ("", first)
