"""English is told from other languages where anything tells it, and what tells nothing passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.media.subtitles import parse
from agent_tools.models.text_language import SIXTEEN
from agent_tools.service.search.comparable import (
    ENGLISH_ONLY,
    SIXTEEN_ONLY,
    is_english,
    limit,
    sound_foreign,
    understands,
)


@pytest.mark.parametrize(
    ("language", "text", "english"),
    [
        ("en", "Und so weiter", True),
        ("en-gb", "", True),
        ("de", "and so on", False),
        ("", "and so on", True),
        ("", "そして私たちは", False),
        ("", "Привет, world", False),
        ("", "the α and the ω", True),
        ("", "12:30", True),
        ("", "Überblick", True),
    ],
)
def test_a_text_is_english_by_its_language_or_script(language: str, text: str, english: bool) -> None:
    assert is_english(language, text) == english


@pytest.mark.parametrize(
    ("texts", "foreign"),
    [
        (["Und so gehen wir mit den anderen durch das Haus."], True),
        (["Et nous avons vu les maisons dans la ville."], True),
        (["so we walk on through the quiet rooms"], False),
        (["le roi est mort, said the man to the crowd that was there"], False),
        (["Path Expressions", "XQuery"], False),
        ([], False),
    ],
)
def test_texts_sound_foreign_by_their_commonest_words(texts: list[str], foreign: bool) -> None:
    assert sound_foreign(texts) == foreign


def test_real_subtitles_are_told_apart(real_videos: Path) -> None:
    told = {}
    for path in sorted((real_videos / "edge" / "subtitles").glob("*.vtt")):
        texts = [cue.text for cue in parse(path.read_text(encoding="utf-8"), path.suffix)]
        english = sum(is_english("", text) for text in texts) > len(texts) / 2 and not sound_foreign(texts)
        told[path.name] = (path.stem.rsplit(".", 1)[-1], english)
    assert len(told) > 5
    assert {name for name, (language, english) in told.items() if english != (language == "en")} == set()


@pytest.mark.parametrize(
    ("languages", "language", "text", "understood"),
    [
        ("English", "", "そして私たちは", False),
        ("English", "de", "Und so weiter", False),
        (SIXTEEN, "", "そして私たちは", True),
        (SIXTEEN, "de", "Und so weiter", True),
        (SIXTEEN, "zh-Hant", "", True),
        (SIXTEEN, "sv", "Och så vidare", False),
        (SIXTEEN, "", "Och så går vi med de andra genom huset, som inte är långt från staden.", False),
        (SIXTEEN, "", "Έτσι συνεχίζουμε", False),
        (SIXTEEN, "", "Mitigation", True),
        (SIXTEEN, "und", "12:30", True),
        ("many", "sv", "Och så vidare", True),
    ],
)
def test_what_an_encoder_understands(languages: str, language: str, text: str, understood: bool) -> None:
    assert understands(languages, language, text) == understood


def test_a_limit_is_told_where_there_is_one() -> None:
    assert [limit(one) for one in ("English", SIXTEEN, "many")] == [ENGLISH_ONLY, SIXTEEN_ONLY, ""]
