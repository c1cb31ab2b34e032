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
)
from agent_tools.evals.compression.judges import Judge, judge
from agent_tools.evals.compression.moments import (
    EncodedClip,
    Indices,
    Recall,
    encoded,
    evenly,
    head,
    ingest_kept,
    of_clips,
    query_recall,
    recall,
    window_kept,
)
from agent_tools.evals.films.real_clips import DecodedClip, decode_clips, default_folder, read_clips, shown

TEXT_TOKENS = 76  # a question of 60 and an answer of 16 (LongVU)
WINDOW_STEP, KEEP_STEP = "LongVU's windows of 16", "kept by an ingest"
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
    """One row a step: frames, tokens, seconds of CPU, and what is lost. All steps after the first two are fed with the
    frames that an ingest keeps; LongVU's own rule stands beside, with as many frames at even distances for both."""
    clock = time.process_time
    frames = sum(len(clip.times_s) for clip in clips)
    encoded_clips = encoded(clips, by)
    window, window_row = _in_time(WINDOW_STEP, encoded_clips, lambda one: window_kept(one, by))
    kept, kept_row = _in_time(KEEP_STEP, encoded_clips, lambda one: ingest_kept(one, by))
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

    naive, pruned, *within = savings_table(
        float(frames), number, high_frames=int(high.sum()), spatial_keep=spatial_keep
    )
    each = pruned["tokens"] // max(1, number)
    everything = recall(clips, [np.arange(len(clip.times_s)) for clip in clips])
    fine = _high_recall(encoded_clips, by, kept, int(high.sum()))
    rows: list[dict[str, Any]] = [
        {**naive, "seconds": 0.0, "events": everything.events, "texts": everything.texts, "likeness": None},
        window_row | {"tokens": window_row["frames"] * each},
        _even_row(clips, sum(map(len, window)), each),
        kept_row | {"tokens": number * each, "lost": _lost(clips, kept)},
        _even_row(clips, number, each),
    ]
    in_space = _mean([_likeness_in_space(grid, mask) for grid, mask in zip(grids, masks, strict=True)])
    taken = ((high_s, None), (spatial_s, in_space), (merge_s, _mean(merged)))
    # A step within frames loses no moment: what it loses is the likeness.
    rows += [
        {**saving, "seconds": took, "events": None, "texts": None, "likeness": like}
        for saving, (took, like) in zip(within, taken, strict=True)
    ]
    rows[-3] |= {"high_frames": int(high.sum()), "high_events": fine.events, "high_texts": fine.texts}
    rows[-2] |= {"spatial_keep": spatial_keep}
    return rows


def _in_time(
    step: str, seen: Sequence[EncodedClip], choose: Callable[[EncodedClip], Indices]
) -> tuple[list[Indices], dict[str, Any]]:
    """What a rule keeps of each clip, and its row."""
    begun = time.process_time()
    kept = [choose(one) for one in seen]
    took = time.process_time() - begun
    found = recall([one.watched for one in seen], kept)
    like = _mean([_likeness_in_time(one, k) for one, k in zip(seen, kept, strict=True)])
    row = {"step": step, "frames": sum(map(len, kept)), "seconds": took}
    return kept, {**row, "events": found.events, "texts": found.texts, "likeness": like}


def _even_row(clips: Sequence[DecodedClip], number: int, each: int) -> dict[str, Any]:
    found = recall(clips, evenly(clips, number))
    row = {"step": f"uniform, {number:,} frames", "frames": number, "tokens": number * each, "seconds": 0.0}
    return {**row, "events": found.events, "texts": found.texts, "likeness": None}


def _lost(clips: Sequence[DecodedClip], kept: Sequence[Indices]) -> list[dict[str, Any]]:
    """The events of which no frame is kept."""
    return [
        {"clip": clip.clip.name, "start_s": span.start_s, "end_s": span.end_s}
        for clip, k in zip(clips, kept, strict=True)
        for span in clip.clip.events
        if not shown(span, clip.times_s[k])
    ]


def _likeness_in_time(one: EncodedClip, kept: Indices) -> list[float]:
    """Cosine of each dropped frame to the likest kept one of its clip."""
    gone = np.setdiff1d(np.arange(len(one.features)), kept)
    if not len(gone):
        return []
    unit = torch.nn.functional.normalize(one.features.double(), dim=-1)
    found: list[float] = (unit[gone] @ unit[kept].T).amax(dim=1).tolist()
    return found


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
