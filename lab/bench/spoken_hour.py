"""An hour with many voices in it, ingested by lite without subtitles, and asked about in four languages.

    python -m lab.bench.spoken_hour [--videos FOLDER] [--minutes 60]

Three real recordings, sentences by espeak-ng (Debian: espeak-ng) in English, German and Spanish, and passages of a
novel that nobody asks about stand between silence, noise and a tune. The hour is assembled: cuts are easier to hear
than a natural hour's. Events that nobody speaks of must never be present. spoken_hour.json holds sentences and
questions."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import tempfile
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np

from agent_tools.ingestion.channels import speech
from agent_tools.ingestion.worker import work
from agent_tools.media import audio, probe
from agent_tools.models.speech import RATE
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.settings import Settings
from agent_tools.store import Entry
from lab.bench.inventions import SECONDS, drawn
from lab.bench.prompts import words
from lab.bench.rows import emit
from lab.bench.speech import GOAL_CPU, GOAL_MB, VIDEOS, edits, truth

LANGUAGES = ("en", "de", "ko", "es")
MATERIAL: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
SAID: list[dict[str, Any]] = MATERIAL["asked"]  # a file or a sentence with its voice; its question in each of LANGUAGES
PASSAGE = 6  # sentences of a novel after each of SAID, so that an answer has others beside it
PASSAGE_VOICES = (*("en-us", "en-gb", "en-us+f3", "en-gb-scotland", "en-gb+f2", "en-us+m5", "en-gb-x-rp", "en-029"),)
BETWEEN = ("silence", "brown noise", "a tune with drums", "faint white noise")
PAUSE_S = 1.0  # of silence around each voice


@dataclass(frozen=True)
class Placed:
    """One of SAID, or of the passages, in the hour."""

    start_s: float
    end_s: float
    text: str  # that is said
    real: bool  # by a person


@dataclass
class Cost:
    """What the ingest took."""

    cpu_s: float = 0.0
    speech_cpu_s: float = 0.0
    first_cpu_s: float = 0.0  # of the speech channel, until its first entry can be found
    first_wall_s: float = 0.0


def sound(what: str, voice: str, videos: Path) -> np.ndarray:
    """Samples (n,) float32 at 16 kHz: of a file, or of a sentence that espeak-ng says."""
    if not voice:
        return np.concatenate([block.samples for block in audio(probe(videos / what))])
    spoken = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", "150", "--stdout", "--", what], capture_output=True, check=True
    )
    with av.open(io.BytesIO(spoken.stdout)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        parts = []
        for frame in (*container.decode(audio=0), None):
            if frame is not None:
                frame.pts = None
            parts += [one.to_ndarray().reshape(-1) for one in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def assemble(path: Path, videos: Path, minutes: float) -> list[Placed]:
    """Write the hour as a WAV file; where each of SAID is, in their order, and then the passages."""
    size = round(minutes * 60 * RATE)
    fillers = drawn()
    whole = np.zeros(size, np.float32)
    for number, begin in enumerate(range(0, size, SECONDS * RATE)):
        piece = fillers[BETWEEN[number % len(BETWEEN)]][: size - begin]
        whole[begin : begin + len(piece)] = piece
    novel = [line.strip() for line in (videos / "filler.txt").read_text("utf-8").splitlines()]
    lines = iter([line for line in novel if 60 <= len(line) <= 160])
    asked, passages = [], []
    for number, one in enumerate(SAID):
        at = round(size * number / len(SAID)) + SECONDS * RATE
        said = one.get("text") or truth(videos / one["file"])
        voice = one.get("voice", "")
        placed, at = _put(whole, at, sound(one.get("text") or one["file"], voice, videos), said, real=not voice)
        asked.append(placed)
        at += SECONDS * RATE
        for _ in range(PASSAGE):
            line = next(lines)
            samples = sound(line, PASSAGE_VOICES[number % len(PASSAGE_VOICES)], videos)
            if at + len(samples) < round(size * (number + 1) / len(SAID)):
                placed, at = _put(whole, at, samples, line, real=False)
                passages.append(placed)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((whole.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return [*asked, *passages]


def _put(whole: np.ndarray, at: int, samples: np.ndarray, text: str, *, real: bool) -> tuple[Placed, int]:
    """Lay a voice with silence around it into the hour; returns where it is, and the sample behind it."""
    pause, end = round(PAUSE_S * RATE), at + len(samples)
    whole[at - pause : end + pause] = 0.0
    whole[at:end] = samples
    return Placed(at / RATE, end / RATE, text, real), end + pause


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--videos", type=Path, default=VIDEOS)
    parser.add_argument("--minutes", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        placed = assemble(path, asked.videos, asked.minutes)
        settings = Settings.load({}, home=Path(folder) / "home", allow=(Path(folder),), profile="lite")
        with (
            contextlib.closing(Library(settings)) as library,
            patch.object(Workers, "ensure", lambda self, store: False),
        ):
            ingest_video(library, str(path), wait_s=0)
            cost = ingested(settings)
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            _report(library, placed, asked.minutes, cost, peak_mb)


def ingested(settings: Settings) -> Cost:
    """Run the queued job in this process."""
    cost, begun = Cost(), 0.0
    run = speech.Speech.run

    def timed_run(maker: speech.Speech) -> None:
        nonlocal begun
        begun, wall, add = time.process_time(), time.monotonic(), maker.store.add_entries

        def timed_add(*entries: Any) -> list[int]:
            found = add(*entries)
            if found and not cost.first_cpu_s:
                cost.first_cpu_s, cost.first_wall_s = time.process_time() - begun, time.monotonic() - wall
            return found

        with patch.object(maker.store, "add_entries", timed_add):
            run(maker)
        cost.speech_cpu_s = time.process_time() - begun

    whole = time.process_time()
    with patch.object(speech.Speech, "run", timed_run):
        work(settings)
    cost.cpu_s = time.process_time() - whole
    return cost


def _report(library: Library, placed: list[Placed], minutes: float, cost: Cost, peak_mb: float) -> None:
    (video,) = library.store.videos()
    heard = library.store.entries(video.id, channels=("speech",))
    spoken_s = sum(one.end_s - one.start_s for one in placed)
    per_s = cost.speech_cpu_s / spoken_s
    emit(
        f"{minutes:g} minutes, {spoken_s:.0f} s of speech in {len(placed)} pieces: an ingest by lite",
        ours=f"{cost.cpu_s:.0f} CPU s, {per_s:.3f} CPU s per s of speech, first entry after {cost.first_cpu_s:.1f} "
        f"CPU s, peak {peak_mb:.0f} MB, {len(heard)} entries",
        goal=f"<= {GOAL_CPU} CPU s per s, <= {GOAL_MB:.0f} MB",
        reached=per_s <= GOAL_CPU and peak_mb <= GOAL_MB,
        entries=[(e.start_s, e.end_s, e.text, e.extra.get("language"), e.extra.get("doubtful")) for e in heard],
        first_wall_s=cost.first_wall_s,
    )
    for what, chosen in (
        ("real recordings", [one for one in placed if one.real]),
        ("espeak-ng's voices", [one for one in placed if not one.real]),
    ):
        rates = [error_rate(one, heard) for one in chosen]
        errors, count = (sum(column) for column in zip(*rates, strict=True))
        emit(f"words of {len(chosen)} pieces by {what}", ours=f"WER {errors / count:.3f} of {count} words")
    assert library.models.text(3600) is not None
    for place, language in enumerate(LANGUAGES):
        ranks = [_rank(library, said["questions"][place], where) for said, where in zip(SAID, placed, strict=False)]
        emit(
            f"{len(ranks)} questions in {language} about what is said",
            ours=f"first {sum(rank == 1 for rank in ranks)}, among five {sum(0 < rank <= 5 for rank in ranks)}",
            ranks=ranks,
        )
    asked = [said["questions"][place] for said in SAID for place in range(len(LANGUAGES))]
    for what, events, absent in (
        ("events that somebody speaks of, by meaning", asked, False),
        ("events that nobody speaks of, by meaning", MATERIAL["not_said"], True),
        ("events near to what is said, which nobody speaks of", MATERIAL["nearly_said"], True),
        ("quotations that nobody says", [quoted(said) for said in MATERIAL["not_said"]], True),
        ("quotations that somebody says", [quoted(said) for said in MATERIAL["quoted"]], False),
    ):
        verdicts = [ground_event(library, event=event, video_id=video.id) for event in events]
        counts = {name: sum(v.verdict == name for v in verdicts) for name in ("present", "absent", "uncertain")}
        emit(
            f"{len(events)} {what}",
            ours=", ".join(f"{count} {name}" for name, count in counts.items()),
            goal="0 present" if absent else "-",
            reached=counts["present"] == 0 if absent else None,
            told=[
                (event, v.verdict, v.probability, v.why, [s.model_dump() for s in v.spans or ()][:1])
                for event, v in zip(events, verdicts, strict=True)
            ],
        )


def quoted(said: str) -> str:
    return f"the speaker says '{said}'"


def error_rate(one: Placed, heard: list[Entry]) -> tuple[int, int]:
    """(wrong words, words) of a piece, by the entries whose middle lies in it."""
    text = " ".join(e.text for e in heard if one.start_s - PAUSE_S <= (e.start_s + e.end_s) / 2 < one.end_s + PAUSE_S)
    wanted = words(one.text)
    return edits(words(text), wanted), len(wanted)


def _rank(library: Library, question: str, where: Placed) -> int:
    """The place of the first hit that overlaps the piece; 0 if there is none among ten."""
    hits = retrieve_memory(library, SearchRequest(query=question, limit=10, max_tokens=8000), wait_s=60).hits
    return next((hit.rank for hit in hits if hit.start_s < where.end_s and hit.end_s > where.start_s), 0)


if __name__ == "__main__":
    main()
