"""The tiny Whisper is random: its words mean nothing. What holds is loading, times, language, guards."""

from __future__ import annotations

import math
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent_tools.errors import EngineError, ModelMissing, ShapeError
from agent_tools.models import speech as module
from agent_tools.models.devices import Device
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.speech import RATE, Speech
from tests.models import checkpoints

pytest.importorskip("faster_whisper")


def loaded(folder: Path, **more: Any) -> Speech:
    return Speech(locate(Reference.of(str(folder)), [], ""), device=Device("cpu", "fp32"), **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.whisper(tmp_path_factory.mktemp("models") / "tiny-whisper")


@pytest.fixture(scope="module")
def real(folder: Path) -> Speech:
    return loaded(folder)


@pytest.fixture
def speech(real: Speech, monkeypatch: pytest.MonkeyPatch) -> Speech:
    """The tiny model, with loud samples in the place of speech: voice activity detection needs a real voice."""
    monkeypatch.setattr(real, "_speech", loud)
    monkeypatch.setattr(real, "_model", FakeWhisper())
    return real


def loud(samples: np.ndarray) -> list[tuple[int, int]]:
    """Spans of samples over .01, of whole tenths of a second, joined as the real ones are."""
    tenth = RATE // 10
    on = [np.abs(samples[i : i + tenth]).max() > 0.01 for i in range(0, len(samples), tenth)]
    spans: list[tuple[int, int]] = []
    for number, is_loud in enumerate(on):
        begin, end = number * tenth, min(len(samples), (number + 1) * tenth)
        if is_loud and spans and spans[-1][1] == begin and end - spans[-1][0] <= module.LONGEST_S * RATE:
            spans[-1] = (spans[-1][0], end)
        elif is_loud:
            spans.append((begin, end))
    return module._joined(spans)


class FakeWhisper:
    """Hears one segment of two words in each stretch, from .1 s to its end less .1 s, in the language it is set to."""

    def __init__(self) -> None:
        self.model = SimpleNamespace(is_multilingual=True)
        self.heard_s: list[float] = []
        self.asked: list[str | None] = []
        self.languages = [("de", 0.95)]
        self.more: dict[str, Any] = {}

    def detect_language(self, samples: np.ndarray) -> tuple[str, float, list[tuple[str, float]]]:
        name, probability = self.languages.pop(0) if len(self.languages) > 1 else self.languages[0]
        rest = [(f"x{number}", (1 - probability) / 20) for number in range(20)]
        return name, probability, [(name, probability), *rest]

    def transcribe(self, samples: np.ndarray, language: str | None, **options: Any) -> tuple[Iterator[Any], Any]:
        assert options["temperature"] == 0.0
        assert options["condition_on_previous_text"] is False
        self.heard_s.append(len(samples) / RATE)
        self.asked.append(language)
        end = len(samples) / RATE - 0.1
        words = [
            SimpleNamespace(start=0.1, end=end / 2, word=" hallo", probability=0.9),
            SimpleNamespace(start=end / 2, end=end, word=" welt", probability=0.8),
        ]
        segment = {"text": " hallo welt", "words": words, "no_speech_prob": 0.02, "avg_logprob": -0.3}
        segment |= {"compression_ratio": 1.1, **self.more}
        return iter([SimpleNamespace(**segment)]), SimpleNamespace(language=language, language_probability=1.0)


def sound(*spans: tuple[float, float], seconds: float) -> np.ndarray:
    """Silence with noise in the spans."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    rng = np.random.default_rng(0)
    for begin, end in spans:
        piece = slice(round(begin * RATE), round(end * RATE))
        samples[piece] = 0.2 * rng.standard_normal(len(samples[piece])).astype(np.float32)
    return samples


def blocks(samples: np.ndarray, start_s: float = 0.0, block_s: float = 7.0) -> Iterator[tuple[float, np.ndarray]]:
    size = round(block_s * RATE)
    for first in range(0, len(samples), size):
        yield start_s + first / RATE, samples[first : first + size]


def test_segments_and_words_stand_where_the_sound_is(speech: Speech) -> None:
    found = list(speech.transcribe(blocks(sound((3, 6), (20, 31), (95, 99), seconds=120), start_s=100.0)))
    assert [round(one.start_s, 2) for one in found] == [103.1, 120.1, 195.1]
    assert [round(one.end_s, 2) for one in found] == [105.9, 130.9, 198.9]
    assert [word.text for word in found[0].words] == ["hallo", "welt"]
    assert found[0].words[0].end_s == found[0].words[1].start_s == pytest.approx(104.45)
    assert found[0].text == "hallo welt"


def test_what_tells_invented_speech_is_kept(speech: Speech) -> None:
    (one,) = speech.transcribe(blocks(sound((1, 4), seconds=5)))
    assert one.no_speech == 0.02
    assert one.confidence == pytest.approx(math.exp(-0.3))
    assert (one.language, one.language_confidence) == ("de", 0.95)


def test_silence_is_never_shown_to_the_model(speech: Speech) -> None:
    assert list(speech.transcribe(blocks(np.zeros(RATE * 130, np.float32)))) == []
    assert speech._model.heard_s == []
    assert speech.heard.sound_s == pytest.approx(130)
    assert speech.heard.speech_s == 0


def test_only_a_minute_and_a_block_are_ever_held(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0

    def measured(samples: np.ndarray) -> list[tuple[int, int]]:
        nonlocal most
        most = max(most, len(samples))
        return loud(samples)

    monkeypatch.setattr(speech, "_speech", measured)
    list(speech.transcribe(blocks(sound((0, 600), seconds=600))))
    assert most <= module.STRETCH_S * RATE
    assert max(speech._model.heard_s) <= module.LONGEST_S
    assert sum(speech._model.heard_s) == pytest.approx(600, abs=0.5)


def test_speech_across_the_held_minute_is_heard_whole_and_once(speech: Speech) -> None:
    found = list(speech.transcribe(blocks(sound((5, 8), (52, 66), seconds=90))))
    assert [round(one.start_s, 1) for one in found] == [5.1, 52.1]
    assert speech._model.heard_s == pytest.approx([3.0, 14.0], abs=0.2)


def test_short_pauses_are_heard_together_long_ones_apart(speech: Speech) -> None:
    list(speech.transcribe(blocks(sound((1, 3), (4, 6), (12, 14), seconds=20))))
    assert speech._model.heard_s == pytest.approx([5.0, 2.0], abs=0.2)


def test_a_gap_between_blocks_keeps_the_times_of_both_sides(speech: Speech) -> None:
    piece = sound((0.5, 2.5), seconds=3)
    found = list(speech.transcribe([(10.0, piece), (13.0, piece), (300.0, piece)]))
    assert [round(one.start_s, 1) for one in found] == [10.6, 300.6]
    assert found[0].end_s == pytest.approx(15.4, abs=0.05)


def test_the_end_of_each_stretch_is_reported_and_may_stop_it(speech: Speech) -> None:
    told: list[float] = []
    list(speech.transcribe(blocks(sound((5, 8), (70, 75), seconds=100)), on_progress=told.append))
    assert told[-1] == pytest.approx(100)
    assert told == sorted(told)

    class Stop(Exception): ...

    def stop(_: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        list(speech.transcribe(blocks(sound((5, 8), seconds=100)), on_progress=stop))


def test_a_sure_stretch_settles_the_language(speech: Speech) -> None:
    speech._model.languages = [("en", 0.4), ("de", 0.97), ("fr", 0.99)]
    found = list(speech.transcribe(blocks(sound((1, 3), (8, 10), (15, 17), (22, 24), seconds=30))))
    assert [one.language for one in found] == ["en", "de", "de", "de"]
    assert [one.language_confidence for one in found] == pytest.approx([0.4, 0.97, 0.97, 0.97])


def test_unsure_stretches_settle_it_by_their_sum(speech: Speech) -> None:
    speech._model.languages = [("en", 0.5), ("nl", 0.6), ("en", 0.7), ("zh", 0.8)]
    found = list(speech.transcribe(blocks(sound((1, 3), (8, 10), (15, 17), (22, 24), seconds=30))))
    assert [one.language for one in found] == ["en", "nl", "en", "en"]
    assert found[3].language_confidence == pytest.approx((0.5 + 0.7) / 3)


def test_a_language_that_is_given_is_not_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = loaded(folder, language="ko")
    monkeypatch.setattr(speech, "_speech", loud)
    monkeypatch.setattr(speech, "_model", FakeWhisper())
    (one,) = speech.transcribe(blocks(sound((1, 3), seconds=5)))
    assert (one.language, one.language_confidence) == ("ko", 1.0)
    assert speech.producer.endswith("/vad-beam5-ko")


GUARDS = [
    ({"no_speech_prob": 0.9, "avg_logprob": -1.5}, "no speech"),
    ({"compression_ratio": 3.0}, "repeats itself"),
    ({"words": []}, "no words"),
    ({"words": None}, "no words"),
    ({"text": " \u202e "}, "no words"),
]


@pytest.mark.parametrize(("more", "why"), GUARDS)
def test_invented_speech_is_dropped_and_counted(speech: Speech, more: dict[str, Any], why: str) -> None:
    speech._model.more = more
    assert list(speech.transcribe(blocks(sound((1, 3), seconds=5)))) == []
    assert speech.heard.dropped == {why: 1}


@pytest.mark.parametrize("more", [{"no_speech_prob": 0.9, "avg_logprob": -0.2}, {"avg_logprob": -1.5}])
def test_one_bad_sign_alone_drops_nothing(speech: Speech, more: dict[str, Any]) -> None:
    speech._model.more = more
    (one,) = speech.transcribe(blocks(sound((1, 3), seconds=5)))
    assert one.no_speech == more.get("no_speech_prob", 0.02)


@pytest.mark.parametrize("samples", [np.zeros((2, 5), np.float32), np.zeros(5, np.int16)])
def test_sound_of_another_shape_is_refused(speech: Speech, samples: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="float32"):
        list(speech.transcribe([(0.0, samples)]))


def test_memory_that_runs_out_is_told(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    monkeypatch.setattr(speech._model, "transcribe", full)
    with pytest.raises(EngineError, match="ran out of memory"):
        list(speech.transcribe(blocks(sound((1, 3), seconds=5))))


def test_the_real_library_gives_times_inside_the_stretch_and_the_same_text_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through faster-whisper and CTranslate2 with random weights; the guards are lifted, for its text is noise."""
    speech = loaded(folder)
    monkeypatch.setattr(module, "REPEATS", 1e9)
    monkeypatch.setattr(module, "UNSURE", -1e9)
    monkeypatch.setattr(speech, "_speech", loud)
    runs = [list(speech.transcribe(blocks(sound((2, 9), seconds=12), start_s=50.0))) for _ in range(2)]
    assert runs[0]
    assert runs[0] == runs[1]
    for one in runs[0]:
        assert 52.0 <= one.start_s < one.end_s <= 59.02
        assert 0 <= one.no_speech <= 1
        assert 0 <= one.confidence <= 1
        assert all(type(word.start_s) is float for word in one.words)


def test_voice_activity_detection_lets_no_silence_and_no_noise_through(real: Speech) -> None:
    assert real._speech(np.zeros(RATE * 5, np.float32)) == []
    hum = (0.1 * np.sin(2 * np.pi * 50 * np.arange(RATE * 5) / RATE)).astype(np.float32)
    assert real._speech(hum) == []


def test_voice_activity_detection_finds_a_real_voice(real: Speech, real_videos: Path) -> None:
    """A sonnet read aloud, against its own subtitles."""
    from agent_tools.media import audio
    from agent_tools.media.streams import probe
    from agent_tools.media.subtitles import read_subtitles

    opened = probe(real_videos / "dev" / "sonnet_speech.mp3")
    samples = np.concatenate([block.samples for block in audio(opened)])
    spoken = np.zeros(len(samples), bool)
    for begin, end in real._speech(samples):
        assert end - begin <= module.LONGEST_S * RATE + RATE
        spoken[begin:end] = True
    cues = read_subtitles(opened)[0].cues
    middles = [round((cue.start_s + cue.end_s) / 2 * RATE) for cue in cues]
    assert np.mean([spoken[middle] for middle in middles if middle < len(spoken)]) >= 0.9


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_a_folder_without_all_its_files_never_asks_the_hub(folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "cut")
    found = locate(Reference.of(str(copy)), [], "")
    (copy / name).unlink()
    with pytest.raises(ModelMissing, match=f"holds no {name}: it is no Whisper model in CTranslate2's format"):
        Speech(found)


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_broken_files_are_told(folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "broken")
    (copy / name).write_bytes(b"\0\1broken")
    with pytest.raises(ModelMissing, match="broken"):
        loaded(copy)


def test_without_the_package_it_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (wanted,) = project["optional-dependencies"]["standard"]
    with pytest.raises(ModelMissing, match="faster-whisper is not installed") as caught:
        loaded(folder)
    assert str(caught.value).endswith(f"Install it with: pip install '{wanted}'")


@pytest.mark.parametrize("error", [RuntimeError("driver version is insufficient"), ValueError("not compiled for it")])
def test_where_ctranslate2_cannot_use_cuda_the_processor_hears(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    import ctranslate2

    asked = ctranslate2.get_supported_compute_types

    def types(kind: str) -> set[str]:
        if kind == "cuda":
            raise error
        return asked(kind)

    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", types)
    speech = Speech(locate(Reference.of(str(folder)), [], ""), device=Device("cuda:0", "fp16"))
    assert speech._model.model.device == "cpu"
    assert f"CTranslate2 cannot use CUDA here: {error}" in caplog.text
