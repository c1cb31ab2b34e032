"""Clips as an encoder sees them, and which of their events and texts the kept frames still show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agent_tools.compression import KeepRule, UniformSampler, keep_frames, prune_frames
from agent_tools.evals.compression.judges import Judge
from agent_tools.evals.films.real_clips import DecodedClip, shown
from agent_tools.timeline import Span

WINDOW = 16  # frames that LongVU's rule prunes together

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class EncodedClip:
    """A clip through one judge's eyes."""

    watched: DecodedClip
    features: torch.Tensor  # (T, D)

    @property
    def times_s(self) -> NDArray[np.float64]:
        return self.watched.times_s


@dataclass(frozen=True)
class Recall:
    """Shares of the events and of the texts on screen that a kept frame shows; None if there are no such moments."""

    events: float | None
    texts: float | None


def recall(clips: Sequence[DecodedClip], kept: Sequence[Indices]) -> Recall:
    """How many moments of the clips the kept frames still show. `kept`: indices into each clip's times."""

    def share(spans: Callable[[DecodedClip], Iterable[Span]]) -> float | None:
        found = [shown(span, clip.times_s[k]) for clip, k in zip(clips, kept, strict=True) for span in spans(clip)]
        return sum(found) / len(found) if found else None

    return Recall(share(lambda clip: clip.clip.events), share(lambda clip: clip.clip.texts))


def head(clips: Sequence[DecodedClip]) -> dict[str, Any]:
    """What a report says of its clips."""
    return {
        "clips": len(clips),
        "frames": sum(len(clip.times_s) for clip in clips),
        "events": sum(len(clip.clip.events) for clip in clips),
        "texts": sum(len(clip.clip.texts) for clip in clips),
    }


def encoded(clips: Sequence[DecodedClip], by: Judge) -> list[EncodedClip]:
    """Each clip's frames as the judge's features."""
    return [EncodedClip(clip, torch.from_numpy(by.encoder.encode(clip.pictures[by.encoder.size]))) for clip in clips]


def pruned(seen: Sequence[EncodedClip], threshold: float) -> list[Indices]:
    """What LongVU's prune_frames keeps of each clip."""
    return [prune_frames(one.features, WINDOW, threshold).numpy() for one in seen]


def window_kept(one: EncodedClip, by: Judge) -> Indices:
    """The same of one clip, at the judge's own threshold."""
    return prune_frames(one.features, WINDOW, by.encoder.threshold).numpy()


def ingest_kept(one: EncodedClip, by: Judge) -> Indices:
    """What an ingest keeps of a clip where this judge says what is alike."""
    return keep_frames(one.features, one.times_s, KeepRule(), getattr(by.encoder, "parts", None))


def kept_row(clips: Sequence[DecodedClip], kept: Sequence[Indices]) -> dict[str, Any]:
    """Frames kept, their share, and both recalls."""
    number, found = sum(map(len, kept)), recall(clips, kept)
    frames = sum(len(clip.times_s) for clip in clips)
    return {"kept": number, "share": number / frames, "events": found.events, "texts": found.texts}


def query_recall(seen: Sequence[EncodedClip], by: Judge, choose: Callable[[torch.Tensor], list[Indices]]) -> Recall:
    """Ask for each moment by the picture nearest its middle that is not among the frames; is the moment among them?"""

    def share(spans: Callable[[DecodedClip], Iterable[Span]]) -> float | None:
        found = []
        for place, one in enumerate(seen):
            watched = one.watched
            if not len(watched.between_s):
                continue
            for span in spans(watched):
                nearest = int(np.abs(watched.between_s - span.middle_s).argmin())
                picture = watched.between[by.encoder.size][nearest : nearest + 1]
                kept = choose(torch.from_numpy(by.encoder.encode(picture))[0])
                found.append(shown(span, watched.times_s[kept[place]]))
        return sum(found) / len(found) if found else None

    return Recall(share(lambda watched: watched.clip.events), share(lambda watched: watched.clip.texts))


def evenly(clips: Sequence[DecodedClip], budget: int) -> list[Indices]:
    """Uniform sampling of all clips as one reel."""
    counts = [len(clip.times_s) for clip in clips]
    blank = torch.zeros(sum(counts), 1)
    chosen = UniformSampler().select(blank, torch.arange(len(blank)), min(budget, len(blank))).numpy()
    return of_clips(chosen, counts, [np.arange(count) for count in counts])


def of_clips(chosen: Indices, counts: Sequence[int], offered: Sequence[Indices]) -> list[Indices]:
    """Indices into the reel of what was offered, as indices into each clip's frames."""
    starts = [0, *accumulate(counts)]
    return [
        offer[chosen[(chosen >= start) & (chosen < start + count)] - start]
        for start, count, offer in zip(starts, counts, offered, strict=False)
    ]
