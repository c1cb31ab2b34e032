"""How well entries answer questions: single channels against fusions, on a sparse and on a dense transcript.

    python -m lab.bench.fusion VIDEOS_DIR [--layouts 3]

Prints R@1 and R@5 by kind of question, as the mean over the layouts. Lays the subtitles and on-screen texts of the real
development clips (MANIFEST.json) out over one hour, at the places they have in the assembled hour. No video is made, so
scene cuts and OCR errors have no effect. The dense transcript adds 950 sentences of filler.txt as cues of 3.5 s. The
questions are those of tests/retrieval/questions.json."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_tools.models.minilm import MiniLM
from agent_tools.models.routed_text import RoutedText
from agent_tools.service.search.fusion import Background, fuse
from agent_tools.store import EntryIn, Store

QUESTIONS = Path(__file__).parents[2] / "tests" / "retrieval" / "questions.json"
HOUR_S, CUE_S, SENTENCES = 3600.0, 3.5, 950
FILLER = {"motorway.mp4", "earth_at_night.mp4", "car_topdown.mp4", "skyline_timestamps.mp4"}
BESIDE_S = 8.0  # cues with a longer silence between them are no neighbours
VIDEO = "0" * 12
Scores = dict[int, float]


@dataclass(frozen=True)
class Cue:
    start_s: float
    end_s: float
    channel: str
    text: str


@dataclass(frozen=True)
class Hour:
    """One layout, with everything the methods need: cosines (questions, cues), word hits, neighbours, pairs of cues."""

    cues: list[Cue]
    offsets: dict[str, float]
    cosines: NDArray[np.float32]
    alone: NDArray[np.float32]  # the same by MiniLM
    words: list[dict[int, tuple[float, float]]]
    neighbours: dict[int, list[int]]
    windows: dict[int, tuple[list[list[int]], NDArray[np.float32]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("videos", type=Path, metavar="VIDEOS_DIR", help="folder with a MANIFEST.json")
    parser.add_argument("--layouts", type=int, default=3, help="orders of the clips in the hour")
    given = parser.parse_args()
    videos, layouts = given.videos, given.layouts
    clips = {f["name"]: f for f in json.loads((videos / "MANIFEST.json").read_text("utf-8"))["files"]}
    clips = {name: clip for name, clip in clips.items() if clip["folder"] == "dev" and name not in FILLER}
    sentences = (videos / "filler.txt").read_text("utf-8").splitlines()
    questions = [
        q for q in json.loads(QUESTIONS.read_text("utf-8")) if q["kind"] != "in_order"
    ]  # asked twice, in a film
    kinds = list(dict.fromkeys(q["kind"] for q in questions if q["clip"]))
    made = tempfile.TemporaryDirectory()
    encode, encode_alone = remembering(RoutedText(Path(made.name))), remembering(MiniLM())
    for name, extra in (("sparse", []), ("dense", sentences)):
        laid = [lay_out(clips, extra, seed) for seed in range(1, layouts + 1)]
        hours = [build(*one, questions, encode, encode_alone) for one in laid]
        print(f"\n{name}: {len(hours[0].cues)} entries; R@1 / R@5, mean of {layouts} layouts\n")  # noqa: T201 - a script
        print("| | " + " | ".join(f"{k}, of {sum(q['kind'] == k for q in questions)}" for k in kinds) + " |")  # noqa: T201
        print("|---" * (len(kinds) + 1) + "|")  # noqa: T201
        for label, method in METHODS.items():
            cells = [recall(hours, questions, kind, method) for kind in kinds]
            print(f"| {label} | " + " | ".join(f"{one:.1f} / {five:.1f}" for one, five in cells) + " |")  # noqa: T201
        absent = [j for j, q in enumerate(questions) if not q["clip"]]
        best = sorted(max(fused(hour, j).values(), default=0.0) for hour in hours for j in absent)
        print(f"\nbest score of an absent question: median {np.median(best):.2f}, highest {best[-1]:.2f}")  # noqa: T201


def lay_out(clips: dict[str, Any], sentences: list[str], seed: int) -> tuple[list[Cue], dict[str, float]]:
    """The clips in drawn order with equal gaps, their cues shifted; sentences in slots where nobody speaks."""
    rng = random.Random(seed)
    order = sorted(clips)
    rng.shuffle(order)
    gap = (HOUR_S - sum(clips[name]["duration_s"] for name in order)) / (len(order) + 1)
    cues, offsets, spoken, at = [], {}, [], gap
    for name in order:
        length = clips[name]["duration_s"]
        offsets[name] = at
        for channel, key in (("subtitles", "speech"), ("screen_text", "on_screen_text")):
            for one in clips[name][key]:
                cues.append(Cue(at + one["start_s"], at + min(one["end_s"], length), channel, one["text"]))
        if clips[name]["speech"]:
            spoken.append((at, at + length))
        at += length + gap
    slots = [k * CUE_S for k in range(int(HOUR_S / CUE_S))]
    slots = [s for s in slots if not any(start < s + CUE_S and s < end for start, end in spoken)]
    chosen = sorted(rng.sample(range(len(sentences)), min(SENTENCES, len(slots), len(sentences))))
    for index, start in zip(chosen, sorted(rng.sample(slots, len(chosen))), strict=True):
        cues.append(Cue(start, start + CUE_S, "subtitles", sentences[index]))
    return sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)), offsets


def build(
    cues: list[Cue],
    offsets: dict[str, float],
    questions: list[Any],
    encode: Callable[..., Any],
    encode_alone: Callable[..., Any],
) -> Hour:
    asked = encode([q["question"] for q in questions], query=True)
    asked_alone = encode_alone([q["question"] for q in questions], query=True)
    spoken = [i for i, cue in enumerate(cues) if cue.channel == "subtitles"]
    pairs = [(a, b) for a, b in pairwise(spoken) if cues[b].start_s - cues[a].end_s < BESIDE_S]
    neighbours: dict[int, list[int]] = {}
    for a, b in pairs:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    triples = [[a, b, c] for (a, b), (b2, c) in pairwise(pairs) if b == b2]
    windows = {}
    for size, groups in ((2, [list(pair) for pair in pairs]), (3, triples)):
        windows[size] = (groups, asked @ encode([" ".join(cues[i].text for i in group) for group in groups]).T)
    texts = [cue.text for cue in cues]
    return Hour(
        cues,
        offsets,
        asked @ encode(texts).T,
        asked_alone @ encode_alone(texts).T,
        by_words(cues, questions),
        neighbours,
        windows,
    )


def by_words(cues: list[Cue], questions: list[Any]) -> list[dict[int, tuple[float, float]]]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        store.add_video(VIDEO, "hour", 1)
        place: dict[int, int] = {}
        for channel in ("subtitles", "screen_text"):
            index = [i for i, cue in enumerate(cues) if cue.channel == channel]
            rows = [EntryIn(cues[i].start_s, cues[i].end_s, cues[i].text) for i in index]
            place.update(zip(store.add_entries(VIDEO, channel, "bench", rows), index, strict=True))
        found = [
            {place[hit.entry.id]: (hit.bm25, hit.idf) for hit in store.search_words(q["question"], limit=200)}
            for q in questions
        ]
        store.close()
    return found


def remembering(encoder: Any) -> Callable[..., NDArray[np.float32]]:
    """Each text is encoded once, however many layouts hold it."""
    known: dict[tuple[str, bool], NDArray[np.float32]] = {}

    def encode(texts: list[str], *, query: bool = False) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if (text, query) not in known]
        known.update(zip([(text, query) for text in new], encoder.encode(new, query=query), strict=True))
        return np.stack([known[text, query] for text in texts])

    return encode


def recall(hours: list[Hour], questions: list[Any], kind: str, method: Callable[[Hour, int], Scores]) -> list[float]:
    """Mean number of questions of a kind whose best, or one of whose five best entries lies in the true span."""
    found = [0, 0]
    for hour in hours:
        for j, question in enumerate(questions):
            if question["kind"] == kind:
                scores = method(hour, j)
                ranked = sorted(scores, key=lambda i: (-scores[i], i))[:5]
                right = [overlaps(hour, question, i) for i in ranked]
                found[0] += any(right[:1])
                found[1] += any(right)
    return [count / len(hours) for count in found]


def overlaps(hour: Hour, question: Any, i: int) -> bool:
    start, end = (hour.offsets[question["clip"]] + question[key] for key in ("start_s", "end_s"))
    return hour.cues[i].start_s < end - 0.01 and hour.cues[i].end_s > start + 0.01


def cues_only(hour: Hour, j: int) -> Scores:
    return dict(enumerate(hour.cosines[j].tolist()))


def minilm_only(hour: Hour, j: int) -> Scores:
    return dict(enumerate(hour.alone[j].tolist()))


def words_only(hour: Hour, j: int) -> Scores:
    return {i: bm25 for i, (bm25, _) in hour.words[j].items()}


def windows_only(size: int) -> Callable[[Hour, int], Scores]:
    def method(hour: Hour, j: int) -> Scores:
        scores = {i: c for i, c in cues_only(hour, j).items() if hour.cues[i].channel != "subtitles"}
        return with_windows(hour, j, size, scores)

    return method


def better_of_both(hour: Hour, j: int) -> Scores:
    return with_windows(hour, j, 2, cues_only(hour, j))


def with_windows(hour: Hour, j: int, size: int, scores: Scores) -> Scores:
    """Each cue by its best window; of the cues of a window the middle one first."""
    groups, cosines = hour.windows[size]
    for group, cosine in zip(groups, cosines[j].tolist(), strict=True):
        for place, i in enumerate(group):
            scores[i] = max(scores.get(i, -1.0), cosine - 1e-4 * abs(place - (size - 1) / 2))
    return scores


def reciprocal_ranks(hour: Hour, j: int) -> Scores:
    scores: Scores = {}
    for channel in (cues_only(hour, j), words_only(hour, j)):
        for rank, i in enumerate(sorted(channel, key=lambda i: -channel[i])[:200], 1):
            scores[i] = scores.get(i, 0.0) + 1 / (60 + rank)
    return scores


def fused(hour: Hour, j: int) -> Scores:
    meaning = cues_only(hour, j)
    return fuse(
        meaning, hour.words[j], dict.fromkeys(meaning, Background.of(hour.cosines[j])), neighbours=hour.neighbours
    )


def fused_alone(hour: Hour, j: int) -> Scores:
    meaning = cues_only(hour, j)
    return fuse(meaning, hour.words[j], dict.fromkeys(meaning, Background.of(hour.cosines[j])))


METHODS: dict[str, Callable[[Hour, int], Scores]] = {
    "BM25 over cues": words_only,
    "MiniLM over cues": minilm_only,
    "both encoders over cues": cues_only,
    "both encoders over windows of two": windows_only(2),
    "both encoders over windows of three": windows_only(3),
    "the better of cue and window of two": better_of_both,
    "equal-weight reciprocal ranks": reciprocal_ranks,
    "fuse without neighbours": fused_alone,
    "fuse": fused,
}

if __name__ == "__main__":
    main()
