"""What each step of compression saves on real files, and what it loses: `agent-tools eval compression` and `compare`.

Knows clips, judges and the compression engine. Knows nothing of stores or tools. Everything but the seconds comes out
the same each time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agent_tools.budget import savings_table
from agent_tools.compression import (
    DurationSampler,
    QuerySampler,
    RedundancySampler,
    Sampler,
    UniformSampler,
    high_resolution,
    merge_tokens,
    prune_frames,
    prune_tokens,
    representatives,
)
from agent_tools.evals.clips import Watched, default_folder, read_clips, shown, watch_all
from agent_tools.evals.judges import Judge, judge
from agent_tools.timeline import Span

WINDOW = 16  # frames that are pruned together, as an ingest does
TEXT_TOKENS = 76  # a question of 60 and an answer of 16 (LongVU)
MERGE_FRAMES, MERGE_TOKENS = 4, 64  # VideoChat-Flash: a clip of four frames becomes 64 tokens
SHARES = (0.5, 0.25)  # of the frames: where judges are compared at the same number
BUDGETS = (0.25, 0.125, 0.0625)  # of the frames: where samplers are compared
ROUNDS = 40  # of bisection for a threshold

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """A clip through one judge's eyes."""

    watched: Watched
    features: torch.Tensor  # (T, D)

    @property
    def times_s(self) -> NDArray[np.float64]:
        return self.watched.times_s


@dataclass(frozen=True)
class Recall:
    """Shares of the events, and of the texts on screen, that a kept frame shows; None where there are none."""

    events: float | None
    texts: float | None


def compression(
    folder: Path | None = None,
    name: str = "descriptor",
    context: int = 50_000,
    out: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure every step of compression, then the samplers, over the clips of a folder as one reel.

    Args:
        folder: with a MANIFEST.json; None: shared/videos beside the checkout.
        name: the judge of redundancy (judges.judge).
        context: tokens that the kept frames may take, from which follows how many get the finer grid.
        out: is given progress, line by line.
    Returns: {clips, frames, events, texts, judge, tokens_are, context, steps, samplers}: rows of tables.
    """
    by = judge(name)
    clips = watch_all(read_clips(folder or default_folder()), {by.encoder.size, by.tokens.size}, out)
    head = _head(clips)
    steps = _steps(clips, by, context)
    out("samplers")
    return {
        **head,
        "judge": by.what,
        "tokens_are": by.tokens.name,
        "context": context,
        "steps": steps,
        "samplers": _samplers(clips, by),
    }


def compare(
    names: Sequence[str] = ("descriptor", "raw-pixels"),
    folder: Path | None = None,
    out: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Frame encoders side by side as judges of redundancy (the claim behind LongVU: which encoder judges matters).

    Each at its own threshold, then all at the same numbers of frames, the threshold being the one that keeps as many;
    beside them uniform sampling of each clip.
    Returns: {clips, frames, events, texts, judges: [...], rows: [{judge, at, threshold, kept, share, ...recall}]}.
    """
    judges = [judge(name) for name in names]
    clips = watch_all(read_clips(folder or default_folder()), {by.encoder.size for by in judges}, out)
    frames = sum(len(clip.times_s) for clip in clips)
    rows: list[dict[str, Any]] = []
    for by in judges:
        out(f"judging by {by.what}")
        seen = _encoded(clips, by)
        rows.append(_judged(seen, by, by.encoder.threshold, "its own threshold"))
        for share in SHARES:
            threshold = threshold_for(seen, round(share * frames))
            rows.append(_judged(seen, by, threshold, f"{share:.0%} of the frames"))
    own = [row["kept"] for row in rows if row["at"] == "its own threshold"]
    for at, wanted in [(f"as many as {by.name}", kept) for by, kept in zip(judges, own, strict=True)] + [
        (f"{share:.0%} of the frames", round(share * frames)) for share in SHARES
    ]:
        kept = _reel_split(clips, UniformSampler(), wanted)
        rows.append({"judge": "uniform", "at": at, "threshold": None, **_kept(clips, kept)})
    return {**_head(clips), "judges": [by.what for by in judges], "rows": rows}


def recall(clips: Sequence[Watched], kept: Sequence[Indices]) -> Recall:
    """How many moments of the clips the kept frames still show. `kept`: indices into each clip's times."""

    def share(spans: Callable[[Watched], Iterable[Span]]) -> float | None:
        found = [shown(span, clip.times_s[k]) for clip, k in zip(clips, kept, strict=True) for span in spans(clip)]
        return sum(found) / len(found) if found else None

    return Recall(share(lambda clip: clip.clip.events), share(lambda clip: clip.clip.texts))


def threshold_for(seen: Sequence[Seen], wanted: int) -> float:
    """The threshold that keeps nearest to `wanted` frames, by bisection: a higher one never keeps fewer."""
    low, high = -1.0, 1.0 + 1e-6
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        kept = sum(len(indices) for indices in _pruned(seen, middle))
        low, high = (middle, high) if kept < wanted else (low, middle)
    return high


def _head(clips: Sequence[Watched]) -> dict[str, Any]:
    return {
        "clips": len(clips),
        "frames": sum(len(clip.times_s) for clip in clips),
        "events": sum(len(clip.clip.events) for clip in clips),
        "texts": sum(len(clip.clip.texts) for clip in clips),
    }


def _encoded(clips: Sequence[Watched], by: Judge) -> list[Seen]:
    return [Seen(clip, torch.from_numpy(by.encoder.encode(clip.pictures[by.encoder.size]))) for clip in clips]


def _pruned(seen: Sequence[Seen], threshold: float) -> list[Indices]:
    return [prune_frames(one.features, WINDOW, threshold).numpy() for one in seen]


def _kept(clips: Sequence[Watched], kept: Sequence[Indices]) -> dict[str, Any]:
    number, found = sum(map(len, kept)), recall(clips, kept)
    frames = sum(len(clip.times_s) for clip in clips)
    return {"kept": number, "share": number / frames, "events": found.events, "texts": found.texts}


def _judged(seen: Sequence[Seen], by: Judge, threshold: float, at: str) -> dict[str, Any]:
    row = _kept([one.watched for one in seen], _pruned(seen, threshold))
    return {"judge": by.what, "at": at, "threshold": threshold, **row}


# -- the steps


def _steps(clips: Sequence[Watched], by: Judge, context: int) -> list[dict[str, Any]]:
    """One row a step: frames, tokens, seconds of CPU, and what is lost."""
    clock = time.process_time
    frames = sum(len(clip.times_s) for clip in clips)
    everything = [np.arange(len(clip.times_s)) for clip in clips]

    begun = clock()
    seen = _encoded(clips, by)
    kept = _pruned(seen, by.encoder.threshold)
    prune_s = clock() - begun
    number = sum(map(len, kept))

    begun = clock()
    high = high_resolution(torch.zeros(number), context, TEXT_TOKENS)
    high_s = clock() - begun

    grids = [
        torch.from_numpy(by.tokens.tokens(clip.pictures[by.tokens.size][k]))
        for clip, k in zip(clips, kept, strict=True)
    ]
    begun = clock()
    masks = [prune_tokens(grid) for grid in grids]
    spatial_s = clock() - begun
    spatial_keep = sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)

    begun = clock()
    merged = [_merged(grid) for grid in grids]
    merge_s = clock() - begun

    likeness = (
        None,
        _mean([_likeness_in_time(one, k) for one, k in zip(seen, kept, strict=True)]),
        None,
        _mean([_likeness_in_space(grid, mask) for grid, mask in zip(grids, masks, strict=True)]),
        _mean(merged),
    )
    high_recall = _high_recall(seen, by, kept, int(high.sum()))
    uniform = _kept(clips, _reel_split(clips, UniformSampler(), number))
    seconds = (0.0, prune_s, high_s, spatial_s, merge_s)
    table = savings_table(float(frames), number, high_frames=int(high.sum()), spatial_keep=spatial_keep)
    rows: list[dict[str, Any]] = []
    for place, (saving, took, like) in enumerate(zip(table, seconds, likeness, strict=True)):
        found = recall(clips, kept if place else everything)
        rows.append({**saving, "seconds": took, "events": found.events, "texts": found.texts, "likeness": like})
    rows[2] |= {"high_frames": int(high.sum()), "high_events": high_recall.events, "high_texts": high_recall.texts}
    rows[3] |= {"spatial_keep": spatial_keep}
    rows[1] |= {"lost": _lost(clips, kept)}
    beside = {"step": "uniform, as many frames as pruned", "frames": number, "tokens": rows[1]["tokens"]}
    rows.insert(2, {**beside, "seconds": 0.0, **uniform, "likeness": None})
    return rows


def _lost(clips: Sequence[Watched], kept: Sequence[Indices]) -> list[dict[str, Any]]:
    """The events of which no frame is kept."""
    return [
        {"clip": clip.clip.name, "start_s": span.start_s, "end_s": span.end_s}
        for clip, k in zip(clips, kept, strict=True)
        for span in clip.clip.events
        if not shown(span, clip.times_s[k])
    ]


def _likeness_in_time(one: Seen, kept: Indices) -> list[float]:
    """Cosine of each dropped frame to the kept one that stands for it."""
    stands = representatives(torch.from_numpy(kept), len(one.features), one.features, WINDOW)
    gone = np.setdiff1d(np.arange(len(one.features)), kept)
    return _cosines(one.features[gone], one.features[stands[gone]])


def _likeness_in_space(grid: torch.Tensor, mask: torch.Tensor, window: int = 8) -> list[float]:
    """Cosine of each dropped token to the window's first frame's at its place."""
    first = torch.arange(len(grid)) // window * window
    return _cosines(grid[~mask], grid[first][~mask])


def _merged(grid: torch.Tensor) -> list[float]:
    """Merge clips of four frames into 64 tokens (16 a frame where fewer are left); cosine of each token to its own."""
    found: list[float] = []
    for start in range(0, len(grid), MERGE_FRAMES):
        part = grid[start : start + MERGE_FRAMES]
        tokens = part.flatten(0, 1)[None]  # (1, F*N, C)
        merge = merge_tokens(tokens, len(part) * MERGE_TOKENS // MERGE_FRAMES)
        found += _cosines(tokens[0], merge.tokens[0][merge.source[0]])
    return found


def _high_recall(seen: Sequence[Seen], by: Judge, kept: Sequence[Indices], count: int) -> Recall:
    """Share of the moments of which the finer grid shows a frame, when a picture of the moment asks for it."""
    rows = torch.cat([one.features[k] for one, k in zip(seen, kept, strict=True)])

    def asked(query: torch.Tensor) -> list[Indices]:
        best = (rows @ query).argsort(descending=True, stable=True)[:count].numpy()
        return _of_clips(np.sort(best), [len(k) for k in kept], kept)

    return _asked_recall(seen, by, asked)


# -- the samplers


def _samplers(clips: Sequence[Watched], by: Judge) -> list[dict[str, Any]]:
    """Each sampler at each budget, over all clips as one reel."""
    seen = _encoded(clips, by)
    features = torch.cat([one.features for one in seen])
    counts = [len(one.features) for one in seen]
    everything = [np.arange(count) for count in counts]
    redundancy = RedundancySampler(WINDOW, by.encoder.threshold)
    rows = []
    for share in BUDGETS:
        budget = max(1, round(share * len(features)))
        plain: list[tuple[str, Sampler]] = [
            ("uniform", UniformSampler()),
            ("duration-based", DurationSampler()),
            ("redundancy-pruned", redundancy),
        ]
        for name, sampler in plain:
            chosen = sampler.select(features, torch.arange(len(features)), budget).numpy()
            rows.append({"sampler": name, "budget": budget, **_kept(clips, _of_clips(chosen, counts, everything))})

        def asked(query: torch.Tensor, budget: int = budget) -> list[Indices]:
            chosen = QuerySampler().select(features, torch.arange(len(features)), budget, query).numpy()
            return _of_clips(chosen, counts, everything)

        found = _asked_recall(seen, by, asked)
        rows.append(
            {
                "sampler": "query-aware, asked with a picture of the moment",
                "budget": budget,
                "kept": budget,
                "share": budget / len(features),
                "events": found.events,
                "texts": found.texts,
            }
        )
    return rows


def _asked_recall(seen: Sequence[Seen], by: Judge, asked: Callable[[torch.Tensor], list[Indices]]) -> Recall:
    """Ask for each moment by the picture nearest its middle that is not among the frames; is the moment among them?"""

    def share(spans: Callable[[Watched], Iterable[Span]]) -> float | None:
        found = []
        for place, one in enumerate(seen):
            watched = one.watched
            if not len(watched.between_s):
                continue
            for span in spans(watched):
                nearest = int(np.abs(watched.between_s - span.middle_s).argmin())
                picture = watched.between[by.encoder.size][nearest : nearest + 1]
                kept = asked(torch.from_numpy(by.encoder.encode(picture))[0])
                found.append(shown(span, watched.times_s[kept[place]]))
        return sum(found) / len(found) if found else None

    return Recall(share(lambda watched: watched.clip.events), share(lambda watched: watched.clip.texts))


def _reel_split(clips: Sequence[Watched], sampler: Sampler, budget: int) -> list[Indices]:
    """What a sampler that looks at no features takes of all clips as one reel."""
    counts = [len(clip.times_s) for clip in clips]
    blank = torch.zeros(sum(counts), 1)
    chosen = sampler.select(blank, torch.arange(len(blank)), min(budget, len(blank))).numpy()
    return _of_clips(chosen, counts, [np.arange(count) for count in counts])


def _of_clips(chosen: Indices, counts: Sequence[int], offered: Sequence[Indices]) -> list[Indices]:
    """Indices into the reel of what was offered, as indices into each clip's frames."""
    starts = [0, *accumulate(counts)]
    return [
        offer[chosen[(chosen >= start) & (chosen < start + count)] - start]
        for start, count, offer in zip(starts, counts, offered, strict=False)
    ]


def _cosines(rows: torch.Tensor, others: torch.Tensor) -> list[float]:
    if not len(rows):
        return []
    found: list[float] = torch.nn.functional.cosine_similarity(rows.double(), others.double(), dim=-1).tolist()
    return found


def _mean(parts: Iterable[Sequence[float]]) -> float | None:
    values = [value for part in parts for value in part]
    return float(np.mean(values)) if values else None
