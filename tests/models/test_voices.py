"""Voices: their vectors by Resemblyzer's weights, and which pieces of a recording are of one voice."""

from __future__ import annotations

import shutil
import subprocess
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from agent_tools.errors import InvalidArgument, ModelMissing, ShapeError
from agent_tools.models import profiles
from agent_tools.models.hub import catalogue, weights
from agent_tools.models.voices import clusters, encoder
from agent_tools.models.voices.encoder import VoiceEncoder, mel_spectra

RATE = encoder.RATE
needs_weights = pytest.mark.skipif(
    weights.package_folder(encoder.PACKAGE) is None, reason=f"without {encoder.PACKAGE}: {encoder.REMEDY}"
)
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="without espeak-ng")
SAID = (
    "The committee will meet again on Tuesday to decide who pays for the new bridge.",
    "My grandmother baked bread every Saturday morning before the sun came up.",
)


@pytest.fixture(scope="module")
def voices() -> VoiceEncoder:
    return VoiceEncoder()


def spoken(text: str, voice: str) -> np.ndarray:
    """Samples (n,) float32 at 16 kHz, by a voice of espeak-ng."""
    said = subprocess.run(["espeak-ng", "-v", voice, "--stdout", "--", text], check=True, capture_output=True).stdout
    with wave.open(BytesIO(said)) as sound:
        rate = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16) / np.float32(32768)
    at = np.arange(0, len(samples), rate / RATE)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def slow_mel(samples: np.ndarray, at: int) -> list[float]:
    """One spectrum the long way: a Fourier sum by its definition, and Slaney's triangles one by one."""
    frame = np.pad(samples, 200)[at * 160 : at * 160 + 400] * np.hanning(401)[:400]
    bins = [abs(np.sum(frame * np.exp(-2j * np.pi * k * np.arange(400) / 400))) ** 2 for k in range(201)]
    top = 15 + 27 * np.log(8) / np.log(6.4)

    def hz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    edges = [hz(top * k / 41) for k in range(42)]
    bands = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        weight = [max(0.0, min((k * 40 - low) / (middle - low), (high - k * 40) / (high - middle))) for k in range(201)]
        bands.append(2 / (high - low) * sum(w * b for w, b in zip(weight, bins, strict=True)))
    return bands


def test_mel_spectra_are_those_of_the_definition() -> None:
    samples = np.random.default_rng(0).standard_normal(1600).astype(np.float32)
    found = mel_spectra(samples)
    assert found.shape == (11, 40)
    for at in (0, 5, 10):
        np.testing.assert_allclose(found[at], slow_mel(samples, at), rtol=1e-4)


@needs_weights
@needs_espeak
def test_a_voice_is_more_like_itself_than_another_saying_the_same(voices: VoiceEncoder) -> None:
    one, again = (voices.encode(spoken(text, "en-us")) for text in SAID)
    other = voices.encode(spoken(SAID[0], "en-us+f3"))
    assert one.shape == (256,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert one @ again > one @ other + 0.05


@needs_weights
@needs_espeak
def test_loudness_does_not_change_a_voice(voices: VoiceEncoder) -> None:
    samples = spoken(SAID[0], "en-us")
    quiet = voices.encode(samples * np.float32(0.002))
    assert quiet @ voices.encode(samples * np.float32(0.004)) > 0.999


@needs_weights
def test_sound_of_another_shape_is_refused_and_a_blip_is_padded(voices: VoiceEncoder) -> None:
    for wrong in (np.zeros((2, 100), np.float32), np.zeros(100, np.int16), np.zeros(0, np.float32)):
        with pytest.raises(ShapeError):
            voices.encode(wrong)
    assert np.isfinite(voices.encode(np.full(10, 0.1, np.float32))).all()


def test_without_the_package_the_error_says_how_to_get_only_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "package_folder", lambda name: None)
    with pytest.raises(ModelMissing, match=r"pip install --no-deps resemblyzer==0\.1\.4"):
        VoiceEncoder()


def test_other_bytes_in_the_place_of_the_weights_are_never_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pretrained.pt").write_bytes(b"no weights")
    monkeypatch.setattr(encoder, "package_folder", lambda name: tmp_path)
    with pytest.raises(ModelMissing, match="not loaded"):
        VoiceEncoder()


def test_no_profile_tells_voices_apart_of_itself() -> None:
    for profile in profiles.PROFILES.values():
        assert profile.model("speakers") is None
    assert profiles.voices(profiles.ModelSettings("lite")) is None
    named = profiles.resolve(profiles.ModelSettings("lite", overrides={"speakers": "resemblyzer"}))
    assert named.model("speakers") == catalogue.BUILT_IN["speakers", "resemblyzer"]
    with pytest.raises(InvalidArgument, match="must be resemblyzer, or off"):
        profiles.resolve(profiles.ModelSettings("lite", overrides={"speakers": "org/name"}))


def pieces(rng: np.random.Generator, who: list[int], apart: float, noise: float = 0.35) -> np.ndarray:
    """Vectors (n, 64) of pieces by these people in one room: a large part in common, `apart` of each one's own."""
    room, own = rng.standard_normal(64), rng.standard_normal((8, 64))
    room, own = room / np.linalg.norm(room), own / np.linalg.norm(own, axis=1, keepdims=True)
    rows = room + apart * own[who] + noise * rng.standard_normal((len(who), 64)) / 8
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("people", [1, 2, 3, 5])
def test_people_in_one_room_are_told_apart_in_the_order_in_which_they_are_heard(people: int) -> None:
    rng = np.random.default_rng(people)
    who = [*range(people), *rng.integers(0, people, 60).tolist()]
    found = clusters.voices(pieces(rng, who, 0.8), [3.0] * len(who))
    assert found.tolist() == who


def test_one_voice_stays_one_however_long_it_speaks() -> None:
    rng = np.random.default_rng(7)
    for count in (1, 2, 10, 400):
        assert set(clusters.voices(pieces(rng, [0] * count, 0.8), [3.0] * count).tolist()) == {0}


def test_a_piece_too_short_to_found_a_voice_goes_to_the_nearest() -> None:
    rng = np.random.default_rng(3)
    who = [0, 1] * 10 + [1, 0, 2]
    found = clusters.voices(pieces(rng, who, 0.8), [3.0] * 20 + [0.5, 0.5, 0.5])
    assert found[:22].tolist() == who[:22]
    assert set(found.tolist()) == {0, 1}


def test_no_pieces_have_no_voices() -> None:
    assert clusters.voices(np.empty((0, 4), np.float32), []).tolist() == []
    assert clusters.voices(np.eye(2, dtype=np.float32), [0.5, 0.5]).tolist() == [0, 0]
