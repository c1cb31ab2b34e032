"""The language of each window, and windows of two languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_tools.models.speech import DECODING, RATE, Speech
from agent_tools.models.whisper.decoder import Encoded, SpokenWord, Window
from tests.models.fake_speech import FakeDecoder, blocks, loaded, loud, sound

LANGUAGES = [  # what the model thinks of each window of 3 s -> language, confidence, unsure
    ([("en", 0.97)], [("de", 0.95)], [("en", 0.9)]),
    ([("en", 0.97)], [("de", 0.4), ("en", 0.3)], [("de", 0.9)]),
    ([("en", 0.97)], [("de", 0.4), ("en", 0.05)], [("de", 0.9)]),
    ([("nl", 0.4)], [("de", 0.45), ("nl", 0.2)], [("de", 0.9)]),
]
CHOSEN = [
    [("en", 0.97, False), ("de", 0.95, False), ("en", 0.9, False)],
    [("en", 0.97, False), ("en", 0.3, True), ("de", 0.9, False)],
    [("en", 0.97, False), ("de", 0.4, True), ("de", 0.9, False)],
    [("nl", 0.4, True), ("nl", 0.2, True), ("de", 0.9, False)],
]


@pytest.mark.parametrize(
    ("new", "chosen"),
    [([("uk", 0.51), ("ru", 0.4)], "ru"), ([("uk", 0.51), ("ru", 0.1)], "uk"), ([("uk", 0.85), ("ru", 0.15)], "uk")],
)
def test_a_language_that_was_heard_before_is_preferred_to_a_new_one_that_is_not_sure(
    speech: Speech, new: list[tuple[str, float]], chosen: str
) -> None:
    speech._decoder.languages = [[("ru", 0.99)], [("fr", 0.99)], new]
    found = list(speech.transcribe(blocks(sound((1, 4), (8, 11), (15, 18), seconds=30))))
    assert [one.language for one in found] == ["ru", "fr", chosen]


def test_a_blip_in_a_language_of_its_own_is_doubtful(speech: Speech) -> None:
    speech._decoder.languages = [[("en", 0.9)], [("vi", 0.95)], [("en", 0.9)], [("en", 0.9)], [("en", 0.9)]]
    spans = ((1, 2), (5, 6), (10, 13), (16, 17))
    found = list(speech.transcribe(blocks(sound(*spans, seconds=30))))
    assert [(one.language, one.unsure) for one in found] == [("en", False), ("vi", True), ("en", False), ("en", False)]


@pytest.mark.parametrize(("languages", "chosen"), list(zip(LANGUAGES, CHOSEN, strict=True)))
def test_each_window_has_its_own_language_and_an_unsure_one_stays_with_the_window_before(
    speech: Speech, languages: Any, chosen: Any
) -> None:
    speech._decoder.languages = list(languages)
    found = list(speech.transcribe(blocks(sound((1, 4), (8, 11), (15, 18), seconds=30))))
    assert [(one.language, one.language_confidence, one.language_unsure) for one in found] == chosen
    assert speech._decoder.read_as == [language for language, *_ in chosen]


def test_a_guessed_language_is_in_doubt_until_a_window_before_confirms_it(speech: Speech) -> None:
    speech._decoder.languages = [[("de", 0.4)], [("de", 0.9)], [("de", 0.4)], [("en", 0.4)]]
    found = list(speech.transcribe(blocks(sound((1, 4), (8, 11), (15, 18), (22, 25), seconds=30))))
    assert [one.unsure for one in found] == [True, False, False, True]


LETTERS = tuple(SpokenWord(0.1 + n / 4, 0.3 + n / 4, " e", 0.9) for n in range(8))


@pytest.mark.parametrize("more", [{"confidence": 0.4}, {"no_speech": 0.7}, {"words": LETTERS}])
def test_a_window_that_is_itself_in_doubt_confirms_no_language(speech: Speech, more: dict[str, Any]) -> None:
    speech._decoder.languages = [[("la", 0.9)], [("la", 0.3)]]
    heard = iter([more, {}])
    decode = speech._decoder.decode
    speech._decoder.decode = lambda *given: setattr(speech._decoder, "more", next(heard)) or decode(*given)
    found = list(speech.transcribe(blocks(sound((1, 4), (8, 11), seconds=15))))
    assert [one.unsure for one in found] == [True, True]


@pytest.mark.parametrize(("seconds", "language"), [(1.5, "en"), (3.0, "de")])
def test_a_short_window_changes_the_language_only_if_the_model_is_sure(
    speech: Speech, seconds: float, language: str
) -> None:
    speech._decoder.languages = [[("en", 0.97)], [("de", 0.6), ("en", 0.3)]]
    found = list(speech.transcribe(blocks(sound((1, 4), (8, 8 + seconds), seconds=15))))
    assert found[1].language == language


def test_a_language_that_is_given_is_not_asked_for(whisper_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = loaded(whisper_folder, language="ko")
    monkeypatch.setattr(speech, "_speech", loud)
    monkeypatch.setattr(speech, "_decoder", FakeDecoder())
    (one,) = speech.transcribe(blocks(sound((1, 3), seconds=5)))
    assert (one.language, one.language_confidence) == ("ko", 1.0)
    assert speech.producer.endswith(f"/{DECODING}-ko")


class Mixed(FakeDecoder):
    """Two languages in one window of 6 s: it reads the whole badly and each half well, or each half badly, too."""

    def __init__(self, halves: float) -> None:
        super().__init__()
        self.halves = halves

    def encode(self, samples: np.ndarray, *, ask_language: bool) -> Encoded:
        self.languages = [[("de" if samples[0] == 0 else "es", 0.9)]]
        return super().encode(samples, ask_language=ask_language)

    def decode(self, encoded: Encoded, language: str) -> Window:
        self.more = {"confidence": 0.5 if encoded.seconds > 4 else self.halves}
        return super().decode(encoded, language)


@pytest.mark.parametrize(("halves", "read_as"), [(0.8, ["de", "es"]), (0.52, ["de"])])
def test_a_window_of_two_languages_is_read_part_by_part_where_that_is_surer(
    speech: Speech, monkeypatch: pytest.MonkeyPatch, halves: float, read_as: list[str]
) -> None:
    monkeypatch.setattr(speech, "_decoder", Mixed(halves))
    monkeypatch.setattr(speech, "_parts", lambda samples: [(0, 3 * RATE), (3 * RATE, len(samples))])
    samples = sound((1, 7), seconds=10)
    samples[RATE] = 0.0
    found = list(speech.transcribe(blocks(samples)))
    assert [one.language for one in found] == read_as


def test_behind_a_window_of_two_languages_the_parts_are_heard_first_until_they_are_of_one(
    speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "_decoder", Mixed(0.8))
    monkeypatch.setattr(speech, "_parts", lambda samples: [(0, 3 * RATE), (3 * RATE, len(samples))])
    samples = sound((1, 7), (11, 17), (21, 27), (31, 37), seconds=40)
    samples[[1 * RATE, 11 * RATE]] = 0.0  # the first two windows begin in another language
    found = list(speech.transcribe(blocks(samples)))
    assert [one.language for one in found] == ["de", "es", "de", "es", "es", "es", "es", "es"]
    assert speech._decoder.heard_s == pytest.approx([6, 3, 3, 3, 3, 3, 3, 6, 3, 3], abs=0.2)


class Stopping(FakeDecoder):
    """Stops in the middle of a window of 6 s, though it is sure of what it wrote; hears shorter ones whole."""

    def decode(self, encoded: Encoded, language: str) -> Window:
        self.read_as.append(language)
        end = 1.5 if encoded.seconds > 4 else encoded.seconds
        return Window((SpokenWord(0.0, end, " hallo", 0.9),), no_speech=0.02, confidence=0.9)


def test_parts_are_heard_where_the_model_stops_early_and_its_rest_is_not_heard_besides(
    speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "_decoder", Stopping())
    monkeypatch.setattr(speech, "_parts", lambda samples: [(0, 3 * RATE), (3 * RATE, len(samples))])
    found = list(speech.transcribe(blocks(sound((1, 7), seconds=10))))
    assert [round(one.start_s) for one in found] == [1, 4]
    assert speech._decoder.heard_s == pytest.approx([6, 3, 3], abs=0.2)


def test_a_clear_window_is_heard_once(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "_parts", lambda samples: pytest.fail("parted"))
    speech._decoder.more = {"confidence": 0.8}
    list(speech.transcribe(blocks(sound((1, 7), seconds=10))))
    assert speech._decoder.heard_s == pytest.approx([6.0], abs=0.2)


def test_a_long_first_window_of_two_languages_is_not_read_whole_in_vain(
    speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts of 8 s are asked for their languages, then read. One of a single language is heard whole."""
    monkeypatch.setattr(speech, "_decoder", Mixed(0.8))
    monkeypatch.setattr(speech, "_parts", lambda samples: [(0, 8 * RATE), (8 * RATE, len(samples))])
    samples = sound((1, 17), seconds=20)
    samples[RATE] = 0.0
    found = list(speech.transcribe(blocks(samples)))
    assert [one.language for one in found] == ["de", "es"]
    assert speech._decoder.heard_s == pytest.approx([8, 8], abs=0.2)
    assert [round(one.start_s) for one in found] == [1, 9]

    monkeypatch.setattr(speech, "_decoder", FakeDecoder())
    speech._decoder.more = {"confidence": 0.8}
    assert {one.language for one in speech.transcribe(blocks(sound((1, 17), seconds=20)))} == {"de"}
    assert speech._decoder.heard_s == pytest.approx([8, 8, 16], abs=0.2)
