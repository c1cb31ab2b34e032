"""The videos that pairs are about, as vectors that an ingest stored: nothing is decoded here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from agent_tools.errors import AmbiguousVideo, InvalidArgument, VideoNotFound
from agent_tools.ingestion.spaces import frame_space
from agent_tools.training.pairs import Pair, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent_tools.service.library.library import Library

LOAD_S = 600.0
AT_ONCE = 64  # sentences of one call of the text side
SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Film:
    """One video's kept frames, and which of them stands for each second."""

    id: str
    duration_s: float
    times_s: NDArray[np.float64]  # (T,), of every picture that was looked at
    shown: NDArray[np.int64]  # (T,), the row of `vectors` that stands for it
    vectors: Tensor  # (K, D)

    def each_second(self, start_s: float, seconds: int) -> Tensor:
        """The frames (k, D) shown at the middle of each second, as a search by pictures reads them; k is less than
        `seconds` only where the video ends."""
        return self.vectors[torch.from_numpy(self.rows_each_second(start_s, seconds))]

    def rows_each_second(self, start_s: float, seconds: int) -> NDArray[np.int64]:
        """The rows (k,) of `vectors` that each_second gives."""
        middles = start_s + np.arange(seconds) + 0.5
        middles = middles[middles < self.times_s[-1] + 1.0]
        rows = np.clip(np.searchsorted(self.times_s, middles, side="right") - 1, 0, len(self.times_s) - 1)
        shown: NDArray[np.int64] = self.shown[rows]
        return shown

    def evenly(self, count: int, step_s: float) -> Tensor:
        """`count` frames (count, D), shown at the middles of steps of step_s."""
        middles = (np.arange(count) + 0.5) * step_s
        rows = np.clip(np.searchsorted(self.times_s, middles, side="right") - 1, 0, len(self.times_s) - 1)
        return self.vectors[torch.from_numpy(self.shown[rows])]

    def distinct(self, start_s: float, end_s: float) -> Tensor:
        """The frames (k, D) that stand for [start_s, end_s), each once, in time order; at least one."""
        first, last = np.searchsorted(self.times_s, [start_s, end_s])
        first = min(int(first), len(self.times_s) - 1)
        return self.vectors[torch.from_numpy(np.unique(self.shown[first : max(int(last), first + 1)]))]


@dataclass(frozen=True)
class Example:
    """A pair whose video and sentence are vectors."""

    film: Film
    question: Tensor  # (D,)
    spans: tuple[tuple[float, float], ...]
    elsewhere: tuple[Film, ...]  # films in which the sentence is not true
    pair: Pair


@dataclass(frozen=True)
class Material:
    """Everything that a recipe trains and measures on."""

    examples: dict[Split, list[Example]]
    encoder: str  # producer of frames and sentences
    dim: int
    missing: tuple[str, ...]  # videos that this memory does not hold

    @property
    def counts(self) -> dict[str, object]:
        hours = {e.film.id: e.film.duration_s for own in self.examples.values() for e in own}
        return {
            "train": len(self.examples["train"]),
            "held_out": len(self.examples["held_out"]),
            "videos": len(hours),
            "hours": round(sum(hours.values()) / 3600, 2),
            "videos_missing": len(self.missing),
        }


def material(
    library: Library, pairs: Sequence[Pair], least: int, on_step: Callable[[str], None] = lambda _line: None
) -> Material:
    """The pairs with the vectors that this memory holds for them.

    Videos that the memory does not hold are left out and named.
    Raises: InvalidArgument: the frames model has no text side; a video's frames were made by another encoder (both are
        named); too few pairs are left (how many are needed)."""
    side = library.models.picture_words(LOAD_S)
    if side is None:
        raise library.models.error or InvalidArgument(
            "Training compares pictures with words, and this profile's frames model has no text side. Name an "
            "image-text model: --models frames=FOLDER, the one that the videos were ingested with."
        )
    encoder = library.models.frame_producer
    films, missing = _films(library, sorted({pair.video for pair in pairs}), encoder)
    for pair in pairs:
        for name in pair.not_in:
            if name not in films and name not in missing:
                more, gone = _films(library, [name], encoder)
                films |= more
                missing += gone
    if missing:
        named = ", ".join(missing[:SHOWN]) + (" and others" if len(missing) > SHOWN else "")
        on_step(f"{len(missing)} videos are not in this memory, or have no pictures yet, and are left out: {named}")
    there = [pair for pair in pairs if pair.video in films]
    sentences = list(dict.fromkeys(pair.sentence for pair in there))
    vectors: dict[str, Tensor] = {}
    for first in range(0, len(sentences), AT_ONCE):
        part = sentences[first : first + AT_ONCE]
        vectors |= dict(zip(part, torch.from_numpy(side.encode_text(part)).float(), strict=True))
    examples: dict[Split, list[Example]] = {"train": [], "held_out": []}
    for pair in there:
        film = films[pair.video]
        spans = tuple((a, min(b, film.duration_s)) for a, b in pair.spans if a < film.duration_s)
        elsewhere = tuple(films[name] for name in pair.not_in if name in films)
        if spans or not pair.spans:
            examples[pair.split].append(Example(film, vectors[pair.sentence], spans, elsewhere, pair))
    present = sum(bool(one.spans) for one in examples["train"])
    if present < least:
        raise InvalidArgument(
            f"{present} pairs to train on; at least {least} are needed. {len(pairs)} were given, {len(missing)} of "
            "their videos are not in this memory. Ingest more videos, or take pairs of more channels (train data)."
        )
    dim = next(iter(films.values())).vectors.shape[1]
    on_step(f"{present} pairs to train on, {len(examples['held_out'])} held out, vectors of {encoder}")
    return Material(examples, encoder, dim, tuple(missing))


def shortened(examples: Sequence[Example], longest_s: float) -> list[Example]:
    """The same examples, each in a piece of its film of at most longest_s around its first span: short videos."""
    made = []
    for one in examples:
        if not one.spans:
            continue
        middle = sum(one.spans[0]) / 2
        start_s = max(0.0, min(middle - longest_s / 2, one.film.duration_s - longest_s))
        end_s = min(one.film.duration_s, start_s + longest_s)
        inside = [
            (max(a, start_s) - start_s, min(b, end_s) - start_s) for a, b in one.spans if a < end_s and b > start_s
        ]
        made.append(replace(one, film=_piece(one.film, start_s, end_s), spans=tuple(inside)))
    return made


def _piece(film: Film, start_s: float, end_s: float) -> Film:
    first, last = np.searchsorted(film.times_s, [start_s, end_s])
    last = max(int(last), int(first) + 1)
    times_s = film.times_s[first:last] - start_s
    return replace(film, duration_s=end_s - start_s, times_s=times_s, shown=film.shown[first:last])


def _films(library: Library, names: Sequence[str], encoder: str) -> tuple[dict[str, Film], list[str]]:
    found: dict[str, Film] = {}
    missing: list[str] = []
    others: Counter[str] = Counter()
    for name in names:
        try:
            row = library.video(name)
        except (VideoNotFound, AmbiguousVideo):
            missing.append(name)
            continue
        ids, matrix = library.store.vectors(frame_space(encoder), row.id)
        if not len(ids):
            channel = library.store.channel(row.id, "frames")
            if channel is not None and channel.producer and not channel.producer.startswith(encoder):
                others[channel.producer] += 1
            missing.append(name)
            continue
        place = {int(k): at for at, k in enumerate(ids)}
        rows = [one for one in library.store.frames(row.id) if one.stands_for in place]
        found[name] = Film(
            row.id,
            row.duration_s or rows[-1].time_s + 1.0,
            np.array([one.time_s for one in rows]),
            np.array([place[one.stands_for] for one in rows], dtype=np.int64),
            torch.from_numpy(np.ascontiguousarray(matrix)).float(),
        )
    if others:
        made = ", ".join(f"{count} by {name}" for name, count in sorted(others.items()))
        raise InvalidArgument(
            f"{sum(others.values())} of {len(names)} videos have pictures of another encoder ({made}); the frames "
            f"model here is {encoder}. Name that model with --models frames=FOLDER, or make the channel again with "
            "agent-tools reindex."
        )
    return found, missing
