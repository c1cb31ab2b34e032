"""What each step of compression saves on real files, and what it loses: `agent-tools eval compression`.

Everything but the seconds is the same in each run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent_tools.budget import savings_table
from agent_tools.compression import (
    high_resolution,
    merge_tokens,
    prune_tokens,
    representatives,
)
from agent_tools.evals.compression.judges import Judge, judge
from agent_tools.evals.compression.moments import (
    WINDOW,
    EncodedClip,
    Indices,
    Recall,
    encoded,
    evenly,
    head,
    kept_row,
    of_clips,
    pruned,
    query_recall,
    recall,
)
from agent_tools.evals.films.real_clips import DecodedClip, decode_clips, default_folder, read_clips, shown

TEXT_TOKENS = 76  # a question of 60 and an answer of 16 (LongVU)
MERGE_FRAMES, MERGE_TOKENS = 4, 64  # VideoChat-Flash: a clip of four frames becomes 64 tokens


def compression(
    folder: Path | None = None,
    name: str = "descriptor",
    context: int = 50_000,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure every step of compression over the clips of a folder.

    Args:
        folder: with a MANIFEST.json; None: shared/videos beside the checkout.
        name: the judge of redundancy (judges.judge).
        context: tokens that the kept frames may take, from which follows how many get the finer grid.
        on_line: receives the progress, line by line.
    Returns: {clips, frames, events, texts, judge, tokens_are, context, steps}.
    """
    by = judge(name)
    clips = decode_clips(read_clips(folder or default_folder()), {by.encoder.size, by.tokens.size}, on_line)
    return {
        **head(clips),
        "judge": by.what,
        "tokens_are": by.tokens.name,
        "context": context,
        "steps": _steps(clips, by, context),
    }


def _steps(clips: Sequence[DecodedClip], by: Judge, context: int) -> list[dict[str, Any]]:
    """One row a step: frames, tokens, seconds of CPU, and what is lost."""
    clock = time.process_time
    frames = sum(len(clip.times_s) for clip in clips)
    everything = [np.arange(len(clip.times_s)) for clip in clips]

    begun = clock()
    encoded_clips = encoded(clips, by)
    kept = pruned(encoded_clips, by.encoder.threshold)
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
    merged = [_merged(grid, mask) for grid, mask in zip(grids, masks, strict=True)]
    merge_s = clock() - begun

    likeness = (
        None,
        _mean([_likeness_in_time(one, k) for one, k in zip(encoded_clips, kept, strict=True)]),
        None,
        _mean([_likeness_in_space(grid, mask) for grid, mask in zip(grids, masks, strict=True)]),
        _mean(merged),
    )
    high_recall = _high_recall(encoded_clips, by, kept, int(high.sum()))
    uniform = kept_row(clips, evenly(clips, number))
    seconds = (0.0, prune_s, high_s, spatial_s, merge_s)
    table = savings_table(float(frames), number, high_frames=int(high.sum()), spatial_keep=spatial_keep)
    rows: list[dict[str, Any]] = []
    drops_none = Recall(None, None)  # a step within frames loses no moment: what it loses is the likeness
    founds = (recall(clips, everything), recall(clips, kept), drops_none, drops_none, drops_none)
    for saving, took, like, found in zip(table, seconds, likeness, founds, strict=True):
        rows.append({**saving, "seconds": took, "events": found.events, "texts": found.texts, "likeness": like})
    rows[2] |= {"high_frames": int(high.sum()), "high_events": high_recall.events, "high_texts": high_recall.texts}
    rows[3] |= {"spatial_keep": spatial_keep}
    rows[1] |= {"lost": _lost(clips, kept)}
    beside = {"step": "uniform, as many frames as pruned", "frames": number, "tokens": rows[1]["tokens"]}
    rows.insert(2, {**beside, "seconds": 0.0, **uniform, "likeness": None})
    return rows


def _lost(clips: Sequence[DecodedClip], kept: Sequence[Indices]) -> list[dict[str, Any]]:
    """The events of which no frame is kept."""
    return [
        {"clip": clip.clip.name, "start_s": span.start_s, "end_s": span.end_s}
        for clip, k in zip(clips, kept, strict=True)
        for span in clip.clip.events
        if not shown(span, clip.times_s[k])
    ]


def _likeness_in_time(one: EncodedClip, kept: Indices) -> list[float]:
    """Cosine of each dropped frame to the kept one that stands for it."""
    stands = representatives(torch.from_numpy(kept), len(one.features), one.features, WINDOW)
    gone = np.setdiff1d(np.arange(len(one.features)), kept)
    return _cosines(one.features[gone], one.features[stands[gone]])


def _likeness_in_space(grid: torch.Tensor, mask: torch.Tensor, window: int = 8) -> list[float]:
    """Cosine of each dropped token to the window's first frame's at its place."""
    first = torch.arange(len(grid)) // window * window
    return _cosines(grid[~mask], grid[first][~mask])


def _merged(grid: torch.Tensor, mask: torch.Tensor) -> list[float]:
    """Merge what the step before left of clips of four frames into 64 tokens (16 a frame where fewer are left); cosine
    of each token to its own."""
    found: list[float] = []
    for start in range(0, len(grid), MERGE_FRAMES):
        part = mask[start : start + MERGE_FRAMES]
        tokens = grid[start : start + MERGE_FRAMES][part][None]  # (1, kept of F*N, C)
        merge = merge_tokens(tokens, len(part) * MERGE_TOKENS // MERGE_FRAMES)
        found += _cosines(tokens[0], merge.tokens[0][merge.source[0]])
    return found


def _high_recall(encoded_clips: Sequence[EncodedClip], by: Judge, kept: Sequence[Indices], count: int) -> Recall:
    """Share of the moments of which the finer grid shows a frame, when a picture of the moment asks for it."""
    rows = torch.cat([one.features[k] for one, k in zip(encoded_clips, kept, strict=True)])

    def chosen(query: torch.Tensor) -> list[Indices]:
        best = (rows @ query).argsort(descending=True, stable=True)[:count].numpy()
        return of_clips(np.sort(best), [len(k) for k in kept], kept)

    return query_recall(encoded_clips, by, chosen)


def _cosines(rows: torch.Tensor, others: torch.Tensor) -> list[float]:
    if not len(rows):
        return []
    found: list[float] = torch.nn.functional.cosine_similarity(rows.double(), others.double(), dim=-1).tolist()
    return found


def _mean(parts: Iterable[Sequence[float]]) -> float | None:
    values = [value for part in parts for value in part]
    return float(np.mean(values)) if values else None
