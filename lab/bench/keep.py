"""Which frames each rule keeps of films with known moments, and which moments it still shows.

    python -m lab.bench.keep [--hour] [--encoder NAME] [--cache DIR] [--write]

Sets: the development clips as one reel; with --hour an hour of them among fillers (lab.bench.hour_pictures); drawn
films in motion, on some of which the numbers of KeepRule were chosen; drawn lectures, with pointer and talking head.
Beside each rule stands uniform sampling with as many frames, the mean over all places where it can begin. NAME is a
judge of `agent-tools eval compare`. --write puts the rows into lab/measured/keep.json. A run decodes each film once;
with --cache it does so only the first time."""

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
from PIL import Image

from agent_tools.compression import KeepRule, keep_frames, prune_frames
from agent_tools.evals.compression.judges import judge
from agent_tools.evals.films.real_clips import read_clips, shown
from agent_tools.media import probe, sample
from agent_tools.models.profiles import FrameEncoder
from agent_tools.timeline import Span
from lab.bench import hour_pictures, lectures, motion
from lab.bench.assembled import SHARED_VIDEOS

MEASURED = Path(__file__).parents[1] / "measured" / "keep.json"
LEAST_TEXT_S = 1.0  # texts that stand shorter are not counted: at one frame a second nobody can promise them
LEAST_STATE_S = 2.0
DRAWN_S = 900
BATCH = 64  # pictures that are encoded together
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
OTHER_LECTURES = tuple(
    lectures.Lecture("slides of all kinds, other seeds", seed, pointer, head)
    for seed, pointer, head in ((31, False, False), (32, True, False), (33, False, True), (35, True, True))
)
MOTION = {"films in motion": range(101, 107), "films in motion, other seeds": range(201, 207)}  # seeds

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
    of_events: int = 0
    of_texts: int = 0


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
        of = (sum(len(film.events) for film in films), sum(len(film.texts) for film in films))
        found.append(Row(name, rule, total, number, events, texts, mean_events, mean_texts, *of))
    return found


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| films | rule | frames kept | share | events shown | of uniform | texts or slides shown | of uniform |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        events = f"{_share(row.events, row.of_events)} | {_share(row.uniform_events)}"
        texts = f"{_share(row.texts, row.of_texts)} | {_share(row.uniform_texts)}"
        kept = f"{row.kept:,} of {row.frames:,} | {row.kept / row.frames:.1%}"
        lines.append(f"| {row.films} | {row.rule} | {kept} | {events} | {texts} |")
    return "\n".join(lines)


def _share(share: float | None, of: int = 0) -> str:
    if share is None:
        return "-"
    return f"{share:.1%}" + (f" of {of:,}" if of else "")


def clip_films(encoder: FrameEncoder, cache: Path | None) -> list[Film]:
    """The development clips."""
    films = []
    for clip in read_clips(SHARED_VIDEOS):
        times_s, features = _seen(clip.path, encoder, cache)
        texts = tuple(span for span in clip.texts if span.length_s >= LEAST_TEXT_S)
        films.append(Film(clip.name, times_s, features, clip.events, texts))
    return films


def hour_film(encoder: FrameEncoder, cache: Path | None) -> Film:
    """An hour of the clips among fillers."""
    placed = hour_pictures.layout()
    held = None if cache is None else cache / f"hour-{encoder.producer.replace('/', '-')}.npy"
    if held is not None and held.exists():
        features = np.load(held)
    else:
        seen, parts = hour_pictures.pictures(placed, encoder.size), []
        while some := list(itertools.islice(seen, BATCH)):
            parts.append(encoder.encode(np.stack(some)))
        features = np.concatenate(parts)
        if held is not None:
            np.save(held, features)
    events = tuple(span for one in placed for span in one.spans("events"))
    texts = tuple(span for one in placed for span in one.spans("on_screen_text") if span.length_s >= LEAST_TEXT_S)
    return Film("hour", np.arange(len(features), dtype=np.float64), features, events, texts)


def motion_film(seed: int, encoder: FrameEncoder, cache: Path | None) -> Film:
    """A drawn film in motion."""
    held = None if cache is None else cache / f"motion-{seed}-{encoder.producer.replace('/', '-')}.npz"
    if held is not None and held.exists():
        with np.load(held) as arrays:
            features, events = arrays["features"], [Span(*bounds) for bounds in arrays["events"].tolist()]
    else:
        drawn, events = motion.draw(seed, DRAWN_S)
        features = encoder.encode(np.stack([np.asarray(Image.fromarray(one).resize(encoder.size)) for one in drawn]))
        if held is not None:
            np.savez(held, features=features, events=np.array([(span.start_s, span.end_s) for span in events]))
    return Film(f"motion {seed}", np.arange(len(features), dtype=np.float64), features, tuple(events), ())


def lecture_film(lecture: lectures.Lecture, encoder: FrameEncoder, folder: Path) -> Film:
    """A drawn lecture; its states stand where other films have texts."""
    path, truth = folder / f"lecture-{lecture.seed}.mp4", folder / f"lecture-{lecture.seed}.json"
    if not truth.exists():
        states = lectures.draw(path, lecture, DRAWN_S)
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
    parser.add_argument("--hour", action="store_true", help="also an hour of clips")
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
        found += rows_of("an hour of clips", [hour_film(encoder, asked.cache)], every)
    for name, seeds in MOTION.items():
        found += rows_of(f"drawn {name}", [motion_film(seed, encoder, asked.cache) for seed in seeds], every)
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.cache or Path(temporary)
        drawn = [lecture_film(lecture, encoder, folder) for lecture in (*LECTURES, *OTHER_LECTURES)]
    for name in dict.fromkeys(film.name for film in drawn):
        found += rows_of(f"drawn {name}", [film for film in drawn if film.name == name], every)
    sys.stdout.write(table(found) + "\n")
    if asked.write:
        report: dict[str, Any] = {"encoder": encoder.producer, "rows": [asdict(row) for row in found]}
        MEASURED.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
