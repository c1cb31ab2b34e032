"""Which frames each rule keeps of films with known moments, and which moments it still shows.

    python -m lab.bench.keep [--hour] [--encoder NAME] [--cache DIR] [--write]

Sets: the development clips as one reel; with --hour the assembled hour (lab.bench.assembled, which builds it where it
is missing); drawn lectures, also with a pointer and a talking head. Beside each rule stands uniform sampling with as
many frames, the mean over all places where it can begin. NAME is a judge of `agent-tools eval compare`. --write puts
the rows into lab/measured/keep.json. A run decodes each film once; with --cache it does so only the first time."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agent_tools.compression import KeepRule, keep_frames, prune_frames
from agent_tools.evals.compression.judges import judge
from agent_tools.evals.films.real_clips import read_clips, shown
from agent_tools.media import probe, sample
from agent_tools.models.profiles import FrameEncoder
from agent_tools.timeline import Span
from lab.bench import lectures
from lab.bench.assembled import SHARED_VIDEOS, assembled_hour

MEASURED = Path(__file__).parents[1] / "measured" / "keep.json"
LEAST_TEXT_S = 1.0  # texts that stand shorter are not counted: at one frame a second nobody can promise them
LEAST_STATE_S = 2.0
LECTURE_S = 900
STARTS = 8  # places where uniform sampling begins
LECTURES = tuple(
    lectures.Lecture(name, seed, pointer, head)
    for name, pointer, head, seeds in (
        ("slides", False, False, (1, 11)),
        ("slides with a pointer", True, False, (2, 12)),
        ("slides with a talking head", False, True, (3, 14)),
        ("slides with both", True, True, (4, 8)),
    )
    for seed in seeds
)

Features = NDArray[np.float32]
Rule = Callable[[Features, NDArray[np.float64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Film:
    """Frames at one a second, and what was to be seen when."""

    name: str
    times_s: NDArray[np.float64]
    features: Features  # (T, D)
    events: tuple[Span, ...]
    texts: tuple[Span, ...]


@dataclass(frozen=True)
class Row:
    """What one rule keeps of one set, and the share of moments that it shows."""

    films: str
    rule: str
    frames: int
    kept: int
    events: float | None
    texts: float | None
    uniform_events: float | None  # of as many frames at even distances
    uniform_texts: float | None


def rules(encoder: FrameEncoder) -> dict[str, Rule]:
    """Each rule by the name that the table gives it; the prototypes are those that led to KeepRule."""
    never = KeepRule(same=0.98, cut=-2.0, gap_s=0.0, long_gap_s=0.0, change_s=0.0)
    parts = getattr(encoder, "parts", None)

    def window(features: Features, _: NDArray[np.float64]) -> NDArray[np.int64]:
        return prune_frames(torch.from_numpy(features), 16, encoder.threshold).numpy()

    def paced(gap_s: float) -> Rule:
        rule = KeepRule(same=0.98, cut=0.5, gap_s=gap_s, long_gap_s=gap_s, change_s=0.0)
        return lambda features, times_s: keep_frames(features, times_s, rule)

    return {
        f"window of 16, {encoder.threshold:g} (LongVU)": window,
        "cosine to the last kept < .98": lambda features, times_s: keep_frames(features, times_s, never),
        **{f"that, and in motion one per {gap_s} s": paced(gap_s) for gap_s in (2, 3, 4)},
        "KeepRule": lambda features, times_s: keep_frames(features, times_s, KeepRule(), parts),
    }


def rows_of(name: str, films: Sequence[Film], every: dict[str, Rule]) -> list[Row]:
    """A row for each rule over all films of a set."""
    found = []
    for rule, choose in every.items():
        kept = [choose(film.features, film.times_s) for film in films]
        number, total = sum(map(len, kept)), sum(len(film.times_s) for film in films)
        events, texts = _shares(films, kept)
        even = [_shares(films, _evenly(films, number, start / STARTS)) for start in range(STARTS)]
        mean_events, mean_texts = (_mean([pair[place] for pair in even]) for place in (0, 1))
        found.append(Row(name, rule, total, number, events, texts, mean_events, mean_texts))
    return found


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| films | rule | frames kept | share | events shown | of uniform | texts or slides shown | of uniform |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        shares = (row.kept / row.frames, row.events, row.uniform_events, row.texts, row.uniform_texts)
        cells = " | ".join("-" if share is None else f"{share:.1%}" for share in shares)
        lines.append(f"| {row.films} | {row.rule} | {row.kept:,} of {row.frames:,} | {cells} |")
    return "\n".join(lines)


def clip_films(encoder: FrameEncoder, cache: Path | None) -> list[Film]:
    """The development clips."""
    films = []
    for clip in read_clips(SHARED_VIDEOS):
        times_s, features = _seen(clip.path, encoder, cache)
        texts = tuple(span for span in clip.texts if span.length_s >= LEAST_TEXT_S)
        films.append(Film(clip.name, times_s, features, clip.events, texts))
    return films


def hour_film(encoder: FrameEncoder, cache: Path | None) -> Film:
    """The assembled hour."""
    path, truth = assembled_hour()
    times_s, features = _seen(path, encoder, cache)

    def spans(kind: str, least_s: float) -> tuple[Span, ...]:
        held = (Span(float(one["start_s"]), float(one["end_s"])) for clip in truth for one in clip[kind])
        return tuple(span for span in held if span.length_s >= least_s)

    return Film("assembled hour", times_s, features, spans("events", 0.0), spans("on_screen_text", LEAST_TEXT_S))


def lecture_film(lecture: lectures.Lecture, encoder: FrameEncoder, folder: Path) -> Film:
    """A drawn lecture; its states stand where other films have texts."""
    path, truth = folder / f"lecture-{lecture.seed}.mp4", folder / f"lecture-{lecture.seed}.json"
    if not truth.exists():
        states = lectures.draw(path, lecture, LECTURE_S)
        truth.write_text(json.dumps([asdict(state) for state in states]), encoding="utf-8")
    states = [lectures.State(**state) for state in json.loads(truth.read_text(encoding="utf-8"))]
    times_s, features = _seen(path, encoder, folder)
    lasting = tuple(Span(s.start_s, s.end_s) for s in states if s.end_s - s.start_s >= LEAST_STATE_S)
    return Film(lecture.name, times_s, features, (), lasting)


def _seen(path: Path, encoder: FrameEncoder, cache: Path | None) -> tuple[NDArray[np.float64], Features]:
    held = None if cache is None else cache / f"{path.stem}-{encoder.producer.replace('/', '-')}.npz"
    if held is not None and held.exists():
        with np.load(held) as arrays:
            return arrays["times_s"], arrays["features"]
    shots = [(shot.time_s, shot.picture.rgb(*encoder.size)) for shot in sample(probe(path), fps=1.0, threads=1)]
    times_s = np.array([time_s for time_s, _ in shots])
    features = encoder.encode(np.stack([picture for _, picture in shots]))
    if held is not None:
        np.savez(held, times_s=times_s, features=features)
    return times_s, features


def _shares(films: Sequence[Film], kept: Sequence[NDArray[np.int64]]) -> tuple[float | None, float | None]:
    """Shares of the events and of the texts that a kept frame shows; None where there are none."""
    pairs = list(zip(films, kept, strict=True))
    events = [shown(span, film.times_s[indices]) for film, indices in pairs for span in film.events]
    texts = [shown(span, film.times_s[indices]) for film, indices in pairs for span in film.texts]
    return _mean(events), _mean(texts)


def _evenly(films: Sequence[Film], number: int, start: float) -> list[NDArray[np.int64]]:
    """As many frames at even distances over all films as one reel, from `start` (0 to 1) of a distance on."""
    counts = [len(film.times_s) for film in films]
    places = np.floor((np.arange(number) + start) * sum(counts) / number).astype(int)
    begins = np.cumsum([0, *counts])
    return [places[(places >= a) & (places < b)] - a for a, b in itertools.pairwise(begins)]


def _mean(values: Sequence[float | None]) -> float | None:
    held = [value for value in values if value is not None]
    return float(np.mean(held)) if held else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--hour", action="store_true", help="also the assembled hour")
    parser.add_argument("--encoder", default="descriptor", help="judge of redundancy, as `eval compare` names it")
    parser.add_argument("--cache", type=Path, help="folder for drawn films and features; kept")
    parser.add_argument("--write", action="store_true", help="put the rows into lab/measured/keep.json")
    asked = parser.parse_args()
    encoder = judge(asked.encoder).encoder
    if asked.cache is not None:
        asked.cache.mkdir(parents=True, exist_ok=True)
    every, found = rules(encoder), []
    if SHARED_VIDEOS.is_dir():
        clips = clip_films(encoder, asked.cache)
        found += rows_of(f"{len(clips)} real clips", clips, every)
    if asked.hour:
        found += rows_of("an assembled hour", [hour_film(encoder, asked.cache)], every)
    with tempfile.TemporaryDirectory() as temporary:
        drawn = [lecture_film(lecture, encoder, asked.cache or Path(temporary)) for lecture in LECTURES]
    for name in dict.fromkeys(film.name for film in drawn):
        found += rows_of(f"drawn {name}", [film for film in drawn if film.name == name], every)
    sys.stdout.write(table(found) + "\n")
    if asked.write:
        report: dict[str, Any] = {"encoder": encoder.producer, "rows": [asdict(row) for row in found]}
        MEASURED.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
