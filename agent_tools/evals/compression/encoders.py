"""Frame encoders, and samplers, side by side on real clips: what they keep and what is still seen.

Knows judges and samplers as swap points. Knows nothing of tokens, stores or tools."""

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
    Indices,
    Seen,
    asked_recall,
    encoded,
    evenly,
    head,
    kept_row,
    of_clips,
    pruned,
)
from agent_tools.evals.films.real_clips import default_folder, read_clips, watch_all

SHARES = (0.5, 0.25)  # of the frames: where judges are compared at the same number
BUDGETS = (0.25, 0.125, 0.0625)  # of the frames: where samplers are compared
ZOOM_FRAMES = 6  # what zoom_segment gives unless asked otherwise
ROUNDS = 40  # of bisection for a threshold


def compare(
    names: Sequence[str] = ("descriptor", "raw-pixels"),
    folder: Path | None = None,
    out: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Frame encoders side by side as judges of redundancy (the claim behind LongVU: which encoder judges matters).

    Each at its own threshold, then all at the same numbers of frames, the threshold being the one that keeps as many;
    beside them uniform sampling of all as one reel. Then the samplers at equal budgets, over the first one's features.
    Returns: {clips, frames, events, texts, judges, rows, samplers}; the last two are rows of tables.
    """
    judges = [judge(name) for name in names]
    clips = watch_all(read_clips(folder or default_folder()), {by.encoder.size for by in judges}, out)
    frames = sum(len(clip.times_s) for clip in clips)
    rows: list[dict[str, Any]] = []
    for by in judges:
        out(f"judging by {by.what}")
        seen = encoded(clips, by)
        rows.append(_judged(seen, by, by.encoder.threshold, "its own threshold"))
        for share in SHARES:
            threshold = threshold_for(seen, round(share * frames))
            rows.append(_judged(seen, by, threshold, f"{share:.0%} of the frames"))
    own = [row["kept"] for row in rows if row["at"] == "its own threshold"]
    for at, wanted in [(f"as many as {by.name}", kept) for by, kept in zip(judges, own, strict=True)] + [
        (f"{share:.0%} of the frames", round(share * frames)) for share in SHARES
    ]:
        kept = evenly(clips, wanted)
        rows.append({"judge": "uniform", "at": at, "threshold": None, **kept_row(clips, kept)})
    out(f"samplers over {judges[0].what}")
    seen = encoded(clips, judges[0])
    return {
        **head(clips),
        "judges": [by.what for by in judges],
        "rows": rows,
        "samplers": [*sampler_rows(seen, judges[0]), *close_up_rows(seen, judges[0])],
    }


def threshold_for(seen: Sequence[Seen], wanted: int) -> float:
    """The threshold that keeps nearest to `wanted` frames, by bisection: a higher one never keeps fewer."""
    low, high = -1.0, 1.0 + 1e-6
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        kept = sum(len(indices) for indices in pruned(seen, middle))
        low, high = (middle, high) if kept < wanted else (low, middle)
    return high


def _judged(seen: Sequence[Seen], by: Judge, threshold: float, at: str) -> dict[str, Any]:
    row = kept_row([one.watched for one in seen], pruned(seen, threshold))
    return {"judge": by.what, "at": at, "threshold": threshold, **row}


def sampler_rows(seen: Sequence[Seen], by: Judge) -> list[dict[str, Any]]:
    """Each sampler at each budget, over all clips as one reel."""
    features = torch.cat([one.features for one in seen])
    counts = [len(one.features) for one in seen]
    everything = [np.arange(count) for count in counts]
    rows = []
    for share in BUDGETS:
        budget = max(1, round(share * len(features)))

        def chosen(sampler: Sampler, query: torch.Tensor | None = None, budget: int = budget) -> list[Indices]:
            taken = sampler.select(features, torch.arange(len(features)), budget, query).numpy()
            return of_clips(taken, counts, everything)

        rows += [{"budget": budget, "of": "all clips as one reel", **row} for row in _each_sampler(seen, by, chosen)]
    return rows


def close_up_rows(seen: Sequence[Seen], by: Judge) -> list[dict[str, Any]]:
    """Each sampler over each clip alone, as zoom_segment chooses frames of a span."""

    def chosen(sampler: Sampler, query: torch.Tensor | None = None) -> list[Indices]:
        return [sampler.select(one.features, torch.from_numpy(one.times_s), ZOOM_FRAMES, query).numpy() for one in seen]

    return [{"budget": ZOOM_FRAMES, "of": "each clip alone", **row} for row in _each_sampler(seen, by, chosen)]


def _each_sampler(seen: Sequence[Seen], by: Judge, chosen: Callable[..., list[Indices]]) -> Iterator[dict[str, Any]]:
    clips = [one.watched for one in seen]
    plain: list[tuple[str, Sampler]] = [
        ("uniform", UniformSampler()),
        ("duration-based", DurationSampler()),
        ("redundancy-pruned", RedundancySampler(WINDOW, by.encoder.threshold)),
    ]
    for name, sampler in plain:
        yield {"sampler": name, **kept_row(clips, chosen(sampler))}
    found = asked_recall(seen, by, lambda query: chosen(QuerySampler(), query))
    name = "query-aware, asked with a picture of the moment"
    yield {"sampler": name, "kept": None, "share": None, "events": found.events, "texts": found.texts}
