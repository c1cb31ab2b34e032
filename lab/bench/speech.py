"""Speech to text by lite's own model: errors, cost, first searchable second, memory; and the choices behind it.

    python -m lab.bench.speech [--videos FOLDER] [--quick]

Four real recordings against their subtitles: word error rate (insertions, deletions and substitutions over the words of
the subtitles, letters and digits only, no case), CPU seconds per second of speech on one thread, and the CPU time until
the first entry. The reference is faster-whisper's own loop over the same weights and voice activity detection, with
windows of 30 s. Its batched pipeline, in batches of four, is a row of its own. Recordings without a voice are counted
by the entries that they must not have."""

from __future__ import annotations

import argparse
import re
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agent_tools.media import audio
from agent_tools.media.streams import probe
from agent_tools.media.subtitles import read_subtitles
from agent_tools.models.devices import Device
from agent_tools.models.speech import Speech
from agent_tools.models.whisper.base_weights import whisper_base
from lab.bench.rows import emit

VIDEOS = (Path(__file__).resolve().parents[3] / "shared" / "videos").resolve()
SPOKEN = ("dev/sonnet_speech.mp3", "edge/wc_jfk.wav", "dev/nasa_webb_mirror.mp4", "dev/friday_film.mp4")
# The one recording that has no subtitles.
JFK = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"
VOICELESS = (
    "dev/chaplin.mp4",
    "dev/motorway.mp4",
    "dev/flower_bloom.mp4",
    "dev/earth_at_night.mp4",
    "dev/bbb_opening.webm",
    "edge/oc_broken_reference_frames.mp4",
)
GOAL_CPU, GOAL_MB = 0.12, 1200.0


@dataclass
class Total:
    """What one way to transcribe gave over all recordings."""

    errors: int = 0
    words: int = 0
    cpu_s: float = 0.0
    speech_s: float = 0.0
    rates: list[str] = field(default_factory=list)

    def add(self, name: str, heard: str, truth: str, cpu_s: float, speech_s: float) -> None:
        wanted = words(truth)
        errors = edits(words(heard), wanted)
        self.errors, self.words = self.errors + errors, self.words + len(wanted)
        self.cpu_s, self.speech_s = self.cpu_s + cpu_s, self.speech_s + speech_s
        self.rates.append(f"{Path(name).stem.split('_')[0]} {errors / len(wanted):.3f}")

    @property
    def summary(self) -> str:
        return f"WER {self.errors / self.words:.3f} ({', '.join(self.rates)}), {self.cost:.3f} CPU s per s"

    @property
    def cost(self) -> float:
        return self.cpu_s / self.speech_s


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower().replace("'", "").replace("’", ""))


def edits(found: list[str], wanted: list[str]) -> int:
    """Insertions, deletions and substitutions between two lists of words (Levenshtein)."""
    row = list(range(len(wanted) + 1))
    for word in found:
        last, row[0] = row[0], row[0] + 1
        for at, other in enumerate(wanted, 1):
            last, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, last + (word != other))
    return row[-1]


def truth(path: Path) -> str:
    tracks = read_subtitles(probe(path))
    return " ".join(cue.text for cue in tracks[0].cues).replace("NAR:", "") if tracks else JFK


def sound(path: Path) -> list[tuple[float, np.ndarray]]:
    return [(block.start_s, block.samples) for block in audio(probe(path))]


def ours(speech: Speech, blocks: Iterable[tuple[float, np.ndarray]]) -> tuple[str, float, float, int]:
    """(text, CPU s, CPU s until the first entry, entries)."""
    begun, first, texts = time.process_time(), 0.0, []
    for one in speech.transcribe(blocks):
        first = first or time.process_time() - begun
        texts.append(one.text)
    return " ".join(texts), time.process_time() - begun, first, len(texts)


def library(model: Any, samples: np.ndarray, batch: int) -> tuple[str, float]:
    """faster-whisper's sequential loop (batch 1) or its batched pipeline, as its documentation calls them."""
    from faster_whisper import BatchedInferencePipeline

    begun = time.process_time()
    options = {"beam_size": 5, "temperature": 0.0, "word_timestamps": True, "condition_on_previous_text": False}
    if batch > 1:
        found, _ = BatchedInferencePipeline(model).transcribe(samples, batch_size=batch, vad_filter=True, **options)
    else:
        found, _ = model.transcribe(samples, vad_filter=True, **options)
    text = " ".join(one.text for one in found)
    return text, time.process_time() - begun


def voiceless(speech: Speech, folder: Path) -> Iterator[tuple[str, int, int]]:
    """(file, entries that look sure, unsure ones) of recordings in which nobody speaks."""
    for name in VOICELESS:
        path = folder / name
        if path.exists() and probe(path).audio:
            found = list(speech.transcribe(sound(path)))
            yield path.name, sum(not one.unsure for one in found), sum(one.unsure for one in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--videos", type=Path, default=VIDEOS)
    parser.add_argument("--quick", action="store_true", help="without the reference runs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        begun = time.process_time()
        whole = whisper_base(Path(made))
        joined_s, begun = time.process_time() - begun, time.process_time()
        speech = Speech(whole.found, device=Device("cpu", "fp32"), threads=1)
        loaded_s = time.process_time() - begun
        mine, sequential, batched = Total(), Total(), Total()
        firsts = []
        for name in SPOKEN:
            blocks, wanted = sound(asked.videos / name), truth(asked.videos / name)
            text, cpu_s, first_s, _ = ours(speech, blocks)
            firsts.append(first_s)
            mine.add(name, text, wanted, cpu_s, speech.heard.speech_s)
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            if asked.quick:
                continue
            samples = np.concatenate([samples for _, samples in blocks])
            for total, batch in ((sequential, 1), (batched, 4)):
                text, cpu_s = library(speech._decoder._model, samples, batch)
                total.add(name, text, wanted, cpu_s, speech.heard.speech_s)
        reference = sequential.summary if sequential.words else "-"
        emit(
            f"speech by whisper-base, {mine.speech_s:.0f} s of it in {len(SPOKEN)} recordings, one thread",
            against="faster-whisper's own loop, same weights",
            ours=mine.summary,
            reference=reference,
            cpu_ratio=mine.cost / sequential.cost if sequential.words else None,
            goal=f"<= {GOAL_CPU} CPU s per s",
            reached=mine.cost <= GOAL_CPU,
            first_entry_cpu_s=[round(first, 2) for first in firsts],
        )
        if batched.words:
            emit("the same, by faster-whisper's batched pipeline, four windows at a time", ours=batched.summary)
        emit(
            "speech model: joined once, loaded, first entry, peak memory of the process",
            ours=f"{joined_s:.1f} s, {loaded_s:.1f} s, {max(firsts):.1f} s CPU; {peak_mb:.0f} MB",
            goal=f"<= {GOAL_MB:.0f} MB",
            reached=peak_mb <= GOAL_MB,
        )
        silent = list(voiceless(speech, asked.videos))
        emit(
            f"entries in {len(silent)} recordings where nobody speaks",
            ours=f"{sum(sure for _, sure, _ in silent)} that look sure, {sum(unsure for *_, unsure in silent)} unsure",
            goal="0 that look sure",
            reached=not any(sure for _, sure, _ in silent),
            files=silent,
        )


if __name__ == "__main__":
    main()
