"""Frame encoders, and samplers, side by side on real clips: what they keep and what is still seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent_tools.compression import DurationSampler, QuerySampler, RedundancySampler, Sampler, UniformSampler
from agent_tools.evals.compression.judges import Judge, judge
from agent_tools.evals.compression.moments import (
    WINDOW,
    EncodedClip,
    Indices,
    encoded,
    evenly,
    head,
    kept_row,
    of_clips,
    pruned,
    query_recall,
)
from agent_tools.evals.films.real_clips import decode_clips, default_folder, read_clips

SHARES = (0.5, 0.25)  # of the frames: where judges are compared at the same number
BUDGETS = (0.25, 0.125, 0.0625)  # of the frames: where samplers are compared
ZOOM_FRAMES = 6  # what zoom_segment gives unless asked otherwise
ROUNDS = 40  # of bisection for a threshold


def compare(
    names: Sequence[str] = ("descriptor", "raw-pixels"),
    folder: Path | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Frame encoders side by side as judges of redundancy (the claim behind LongVU: which encoder judges matters).

    Each at its own threshold, then all at the same numbers of frames, the threshold being the one that keeps as many;
    beside them uniform sampling of all as one reel. Then the samplers at equal budgets, over the first one's features.
    Returns: {clips, frames, events, texts, judges, rows, samplers}; the last two are rows of tables.
    """
    judges = [judge(name) for name in names]
    clips = decode_clips(read_clips(folder or default_folder()), {by.encoder.size for by in judges}, on_line)
    frames = sum(len(clip.times_s) for clip in clips)
    rows: list[dict[str, Any]] = []
    for by in judges:
        on_line(f"judging by {by.what}")
        encoded_clips = encoded(clips, by)
        rows.append(_judged(encoded_clips, by, by.encoder.threshold, "its own threshold"))
        for share in SHARES:
            threshold = threshold_for(encoded_clips, round(share * frames))
            rows.append(_judged(encoded_clips, by, threshold, f"{share:.0%} of the frames"))
    own = [row["kept"] for row in rows if row["at"] == "its own threshold"]
    for at, wanted in [(f"as many as {by.name}", kept) for by, kept in zip(judges, own, strict=True)] + [
        (f"{share:.0%} of the frames", round(share * frames)) for share in SHARES
    ]:
        kept = evenly(clips, wanted)
        rows.append({"judge": "uniform", "at": at, "threshold": None, **kept_row(clips, kept)})
    on_line(f"samplers over {judges[0].what}")
    encoded_clips = encoded(clips, judges[0])
    return {
        **head(clips),
        "judges": [by.what for by in judges],
        "rows": rows,
        "samplers": [*sampler_rows(encoded_clips, judges[0]), *close_up_rows(encoded_clips, judges[0])],
    }


def threshold_for(encoded_clips: Sequence[EncodedClip], wanted: int) -> float:
    """The threshold that keeps nearest to `wanted` frames, by bisection: a higher one never keeps fewer."""
    low, high = -1.0, 1.0 + 1e-6
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        kept = sum(len(indices) for indices in pruned(encoded_clips, middle))
        low, high = (middle, high) if kept < wanted else (low, middle)
    return high


def _judged(encoded_clips: Sequence[EncodedClip], by: Judge, threshold: float, at: str) -> dict[str, Any]:
    row = kept_row([one.watched for one in encoded_clips], pruned(encoded_clips, threshold))
    return {"judge": by.what, "at": at, "threshold": threshold, **row}


def sampler_rows(encoded_clips: Sequence[EncodedClip], by: Judge) -> list[dict[str, Any]]:
    """Each sampler at each budget, over all clips as one reel."""
    features = torch.cat([one.features for one in encoded_clips])
    counts = [len(one.features) for one in encoded_clips]
    everything = [np.arange(count) for count in counts]
    rows = []
    for share in BUDGETS:
        budget = max(1, round(share * len(features)))

        def chosen(sampler: Sampler, query: torch.Tensor | None = None, budget: int = budget) -> list[Indices]:
            taken = sampler.select(features, torch.arange(len(features)), budget, query).numpy()
            return of_clips(taken, counts, everything)

        rows += [
            {"budget": budget, "of": "all clips as one reel", **row} for row in _each_sampler(encoded_clips, by, chosen)
        ]
    return rows


def close_up_rows(encoded_clips: Sequence[EncodedClip], by: Judge) -> list[dict[str, Any]]:
    """Each sampler over each clip alone, as zoom_segment chooses frames of a span."""

    def chosen(sampler: Sampler, query: torch.Tensor | None = None) -> list[Indices]:
        return [
            sampler.select(one.features, torch.from_numpy(one.times_s), ZOOM_FRAMES, query).numpy()
            for one in encoded_clips
        ]

    return [{"budget": ZOOM_FRAMES, "of": "each clip alone", **row} for row in _each_sampler(encoded_clips, by, chosen)]


def _each_sampler(
    encoded_clips: Sequence[EncodedClip], by: Judge, chosen: Callable[..., list[Indices]]
) -> Iterator[dict[str, Any]]:
    clips = [one.watched for one in encoded_clips]
    plain: list[tuple[str, Sampler]] = [
        ("uniform", UniformSampler()),
        ("duration-based", DurationSampler()),
        ("redundancy-pruned", RedundancySampler(WINDOW, by.encoder.threshold)),
    ]
    for name, sampler in plain:
        yield {"sampler": name, **kept_row(clips, chosen(sampler))}
    found = query_recall(encoded_clips, by, lambda query: chosen(QuerySampler(), query))
    name = "query-aware, asked with a picture of the moment"
    yield {"sampler": name, "kept": None, "share": None, "events": found.events, "texts": found.texts}
