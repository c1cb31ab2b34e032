"""The tiny Whisper is random: its words mean nothing. What holds is loading, times, language, guards."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ctranslate2
import numpy as np
import pytest

from agent_tools.errors import EngineError, ModelMissing, ShapeError
from agent_tools.models.devices import Device
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.speech import RATE, Speech, Unheard
from agent_tools.models.whisper import stretches
from agent_tools.models.whisper.decoder import Encoded, SpokenWord, Window
from tests.models.fake_speech import FakeDecoder, blocks, loaded, loud, sound


def test_segments_and_words_stand_where_the_sound_is(speech: Speech) -> None:
    found = list(speech.transcribe(blocks(sound((3, 6), (20, 27), (95, 99), seconds=120), start_s=100.0)))
    assert [round(one.start_s, 2) for one in found] == [103.1, 120.1, 195.1]
    assert [round(one.end_s, 2) for one in found] == [105.9, 126.9, 198.9]
    assert [word.text for word in found[0].words] == ["hallo", "welt"]
    assert found[0].words[0].end_s == found[0].words[1].start_s == pytest.approx(104.5)
    assert found[0].text == "hallo welt"
    assert not any(word.glued for word in found[0].words)


def test_what_tells_invented_speech_is_kept(speech: Speech) -> None:
    (one,) = speech.transcribe(blocks(sound((1, 4), seconds=5)))
    assert (one.no_speech, one.confidence, one.unsure) == (0.02, 0.7, False)
    assert (one.language, one.language_confidence, one.language_unsure) == ("de", 0.95, False)


@pytest.mark.parametrize(("confidence", "unsure"), [(0.29, True), (0.499, True), (0.5, False), (0.9, False)])
def test_an_entry_is_unsure_below_a_confidence_of_half(speech: Speech, confidence: float, unsure: bool) -> None:
    speech._decoder.more = {"confidence": confidence}
    (one,) = speech.transcribe(blocks(sound((1, 4), seconds=5)))
    assert one.unsure is unsure


def test_silence_is_never_shown_to_the_model(speech: Speech) -> None:
    assert list(speech.transcribe(blocks(np.zeros(RATE * 130, np.float32)))) == []
    assert speech._decoder.heard_s == []
    assert speech.heard.sound_s == pytest.approx(130)
    assert speech.heard.speech_s == 0
    assert speech.heard.gaps == []


def test_only_a_minute_and_a_block_are_ever_held(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0

    def measured(samples: np.ndarray) -> list[tuple[int, int]]:
        nonlocal most
        most = max(most, len(samples))
        return loud(samples)

    monkeypatch.setattr(speech, "_speech", measured)
    list(speech.transcribe(blocks(sound((0, 600), seconds=600))))
    assert most <= stretches.HELD_S * RATE
    assert max(speech._decoder.heard_s) <= stretches.LONGEST_S
    assert sum(speech._decoder.heard_s) == pytest.approx(600, abs=0.5)


def test_speech_across_the_held_minute_is_heard_whole_and_once(speech: Speech) -> None:
    found = list(speech.transcribe(blocks(sound((5, 8), (52, 66), seconds=90))))
    assert round(found[0].start_s, 1) == 5.1
    assert speech._decoder.heard_s == pytest.approx([3.0, 14.0], abs=0.2)


def test_short_pauses_are_heard_together_long_ones_apart(speech: Speech) -> None:
    list(speech.transcribe(blocks(sound((1, 3), (3.6, 6), (12, 14), seconds=20))))
    assert speech._decoder.heard_s == pytest.approx([5.0, 2.0], abs=0.2)


def test_a_gap_between_blocks_keeps_the_times_of_both_sides(speech: Speech) -> None:
    piece = sound((0.5, 2.5), seconds=3)
    found = list(speech.transcribe([(10.0, piece), (13.0, piece), (300.0, piece)]))
    assert [round(one.start_s, 1) for one in found] == [10.6, 13.6, 300.6]
    assert found[1].end_s == pytest.approx(15.4, abs=0.05)


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


def test_a_model_of_english_alone_says_so_and_claims_no_confidence(speech: Speech) -> None:
    assert speech.languages == "many"
    speech._decoder.english_only = True
    (one,) = speech.transcribe(blocks(sound((1, 4), seconds=5)))
    assert speech.languages == "English only"
    assert (one.language, one.language_confidence, one.language_unsure) == ("en", 0.0, True)


SPACES = SpokenWord(0.1, 0.5, " \u202e ", 0.9)
GUARDS = [
    ({"no_speech": 0.9, "confidence": 0.55}, "probably no speech (0.90)"),
    ({"words": ()}, "a sound like speech, without words"),
    ({"words": (SPACES,)}, "a sound like speech, without words"),
]


@pytest.mark.parametrize(("more", "why"), GUARDS)
def test_whatever_is_dropped_is_a_gap_with_its_reason(speech: Speech, more: dict[str, Any], why: str) -> None:
    speech._decoder.more = more
    gaps: list[Unheard] = []
    reached: list[tuple[float, int]] = []
    samples = blocks(sound((1, 3), seconds=5), start_s=40.0)
    assert list(speech.transcribe(samples, lambda to_s: reached.append((to_s, len(gaps))), gaps.append)) == []
    assert gaps == speech.heard.gaps == [Unheard(pytest.approx(41.0), pytest.approx(43.0), why)]
    assert reached == [(pytest.approx(45.0), 1)]  # the gap is known before its time counts as heard


def test_clear_words_are_kept_as_unsure_where_the_model_thinks_that_nobody_speaks(speech: Speech) -> None:
    speech._decoder.more = {"no_speech": 0.7, "confidence": 0.8}
    (one,) = speech.transcribe(blocks(sound((1, 3), seconds=5)))
    assert one.unsure
    assert speech.heard.gaps == []


@pytest.mark.parametrize("more", [{"no_speech": 0.6}, {"confidence": 0.1}])
def test_what_may_be_speech_is_kept(speech: Speech, more: dict[str, Any]) -> None:
    speech._decoder.more = more
    assert len(list(speech.transcribe(blocks(sound((1, 3), seconds=5))))) == 1
    assert speech.heard.gaps == []


def phrase(times: int, each_s: float, at_s: float = 0.0) -> tuple[SpokenWord, ...]:
    words = " the door is open".split()
    step = each_s / len(words)
    return tuple(
        SpokenWord(at_s + each_s * n + step * k, at_s + each_s * n + step * (k + 1), f" {word}", 0.9)
        for n in range(times)
        for k, word in enumerate(words)
    )


def test_a_sentence_said_nine_times_is_one_entry_that_says_so(speech: Speech) -> None:
    speech._decoder.more = {"words": phrase(9, 1.5)}
    (one,) = speech.transcribe(blocks(sound((1, 15), seconds=20)))
    assert (one.text, one.repeats) == ("the door is open (×9)", 9)
    assert (one.start_s, one.end_s) == (pytest.approx(1.0), pytest.approx(14.5))
    assert [word.text for word in one.words] == ["the", "door", "is", "open"]


class Looping(FakeDecoder):
    """Falls into a loop behind the first sentence, and hears nothing in what is left."""

    def decode(self, encoded: Encoded, language: str) -> Window:
        looped = {"words": (*phrase(1, 1.5), *phrase(20, 0.02, at_s=1.5)), "full": True}
        self.more = {"words": ()} if self.read_as else looped
        return super().decode(encoded, language)


def test_a_loop_of_the_decoder_is_cut_and_the_sound_behind_it_is_a_gap(
    speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "_decoder", Looping())
    (one,) = speech.transcribe(blocks(sound((1, 9), seconds=12)))
    assert (one.text, one.repeats, one.end_s) == ("the door is open", 1, pytest.approx(2.5))
    assert speech.heard.gaps == [Unheard(pytest.approx(2.5), pytest.approx(9.0), "the speech model repeated itself")]


class Forgetful(FakeDecoder):
    """Writes down the first 4 s of a window, and nothing that is shorter."""

    def decode(self, encoded: Encoded, language: str) -> Window:
        self.read_as.append(language)
        words = () if encoded.seconds < 4 else (SpokenWord(0.0, 2.0, " hallo", 0.9), SpokenWord(2.0, 4.0, " welt", 0.9))
        return Window(words=words, no_speech=0.02, confidence=0.9)


def test_what_the_model_left_out_at_the_end_of_a_window_is_heard_again(
    speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "_decoder", Forgetful())
    found = list(speech.transcribe(blocks(sound((1, 16), seconds=20))))
    assert [round(one.start_s, 2) for one in found] == [1.0, 5.0, 9.0]
    assert speech._decoder.heard_s == pytest.approx([15.0, 11.0, 7.0, 3.0], abs=0.2)
    assert speech.heard.gaps == [
        Unheard(pytest.approx(13.0), pytest.approx(16.0), "the speech model stopped before the voice did")
    ]


@pytest.mark.parametrize("samples", [np.zeros((2, 5), np.float32), np.zeros(5, np.int16)])
def test_sound_of_another_shape_is_refused(speech: Speech, samples: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="float32"):
        list(speech.transcribe([(0.0, samples)]))


def test_memory_that_runs_out_is_told(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    monkeypatch.setattr(speech._decoder, "decode", full)
    with pytest.raises(EngineError, match="ran out of memory"):
        list(speech.transcribe(blocks(sound((1, 3), seconds=5))))


def test_the_real_library_gives_times_inside_the_window_and_the_same_text_twice(
    whisper_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through faster-whisper and CTranslate2 with random weights, so the text is noise."""
    speech = loaded(whisper_folder, max_no_speech=1.0)
    monkeypatch.setattr(speech, "_speech", loud)
    runs = [list(speech.transcribe(blocks(sound((2, 9), seconds=12), start_s=50.0))) for _ in range(2)]
    assert runs[0]
    assert runs[0] == runs[1]
    for one in runs[0]:
        assert 52.0 <= one.start_s < one.end_s <= 59.02
        assert 0 <= one.no_speech <= 1
        assert 0 <= one.confidence <= 1
        assert all(type(word.start_s) is float for word in one.words)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 7.0])
def test_tokens_are_bounded_by_the_length_of_the_sound(
    real_speech: Speech, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    inner, bounds = real_speech._decoder._model.model, []

    def generate(features: Any, prompts: Any, **options: Any) -> Any:
        bounds.append(options["max_length"] - len(prompts[0]))
        return inner.generate(features, prompts, **options)

    watched = SimpleNamespace(generate=generate, align=inner.align, is_multilingual=True)
    monkeypatch.setattr(real_speech._decoder._model, "model", watched)
    monkeypatch.setattr(type(real_speech._decoder._model), "encode", lambda self, mel: encoded)
    whole = sound((0, seconds), seconds=seconds)
    mel = np.zeros((1, 80, 3000), np.float32)
    encoded = inner.encode(ctranslate2.StorageView.from_array(mel))
    window = real_speech._decoder.decode(real_speech._decoder.encode(whole, ask_language=False), "en")
    assert bounds == [16 + 8 * seconds]
    assert len(window.words) <= bounds[0]


def test_voice_activity_detection_lets_no_silence_and_no_noise_through(real_speech: Speech) -> None:
    assert real_speech._speech(np.zeros(RATE * 5, np.float32)) == []
    hum = (0.1 * np.sin(2 * np.pi * 50 * np.arange(RATE * 5) / RATE)).astype(np.float32)
    assert real_speech._speech(hum) == []


def test_voice_activity_detection_finds_a_real_voice(real_speech: Speech, real_videos: Path) -> None:
    """A sonnet read aloud, against its own subtitles."""
    from agent_tools.media import audio
    from agent_tools.media.streams import probe
    from agent_tools.media.subtitles import read_subtitles

    opened = probe(real_videos / "dev" / "sonnet_speech.mp3")
    samples = np.concatenate([block.samples for block in audio(opened)])
    spoken = np.zeros(len(samples), bool)
    for begin, end in real_speech._speech(samples):
        assert end - begin <= stretches.LONGEST_S * RATE + RATE
        spoken[begin:end] = True
    cues = read_subtitles(opened)[0].cues
    middles = [round((cue.start_s + cue.end_s) / 2 * RATE) for cue in cues]
    assert np.mean([spoken[middle] for middle in middles if middle < len(spoken)]) >= 0.9


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_a_folder_without_all_its_files_never_asks_the_hub(whisper_folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(whisper_folder, tmp_path / "cut")
    found = locate(Reference.of(str(copy)), [], "")
    (copy / name).unlink()
    with pytest.raises(ModelMissing, match=f"holds no {name}: it is no Whisper model in CTranslate2's format"):
        Speech(found)


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_broken_files_are_told(whisper_folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(whisper_folder, tmp_path / "broken")
    (copy / name).write_bytes(b"\0\1broken")
    with pytest.raises(ModelMissing, match="broken"):
        loaded(copy)


def test_without_the_package_it_says_how_to_get_it(whisper_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (wanted,) = [one for one in project["dependencies"] if one.startswith("faster-whisper")]
    with pytest.raises(ModelMissing, match="faster-whisper is not installed") as caught:
        loaded(whisper_folder)
    assert str(caught.value).endswith(f"Install it with: pip install '{wanted}'")


@pytest.mark.parametrize("error", [RuntimeError("driver version is insufficient"), ValueError("not compiled for it")])
def test_where_ctranslate2_cannot_use_cuda_the_processor_hears(
    whisper_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    import ctranslate2

    asked = ctranslate2.get_supported_compute_types

    def types(kind: str) -> set[str]:
        if kind == "cuda":
            raise error
        return asked(kind)

    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", types)
    speech = Speech(locate(Reference.of(str(whisper_folder)), [], ""), device=Device("cuda:0", "fp16"))
    assert speech._decoder._model.model.device == "cpu"
    assert f"CTranslate2 cannot use CUDA here: {error}" in caplog.text
