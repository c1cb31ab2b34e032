"""A memory for tests of training: films as drawn vectors in the space of a tiny image-text model, and their pairs.

Nothing is decoded. A picture of an event is its sentence's vector with noise, so there is something to learn. The
model's own weights are random."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import numpy as np
import torch

from agent_tools.ingestion.spaces import frame_space
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.store import FrameRow
from agent_tools.training.pairs import Pair, Pairs
from tests.library import lite, opened
from tests.models import checkpoints

THINGS = [f"{a} {b}" for a, b in product(("red", "green", "blue", "yellow"), ("triangle", "circle", "square"))]
SENTENCES = [f"the {a} and a {b}" for a, b in product(THINGS, THINGS) if a != b]  # 132
NOISE = 0.9


def memory(folder: Path, films: int = 12, length_s: int = 600, seed: int = 0) -> tuple[Settings, Path]:
    """(settings of a home with so many films, file of pairs), a third of the films held out."""
    model = checkpoints.siglip(folder / "encoder")
    settings = lite(folder / "home", models=(f"frames={model}",))
    rng = random.Random(seed)
    with opened(settings, by_hand=True) as library:
        side = library.models.picture_words(60)
        assert side is not None
        vectors = dict(zip(SENTENCES, side.encode_text(SENTENCES), strict=True))
        mean = np.mean(list(vectors.values()), axis=0)
        found: list[Pair] = []
        for number in range(films):
            video = f"{number:012x}"
            events = _put(library, video, vectors, mean, length_s, rng)
            split = "held_out" if number % 3 == 2 else "train"
            for sentence, span in events:
                rest = [
                    f"{other:012x}"
                    for other in range(films)
                    if other != number and (other % 3 == 2) == (number % 3 == 2)
                ]
                found.append(Pair(video, sentence, (span,), split, "captions", "drawn", "CC0", (rng.choice(rest),)))
    told: dict[str, set[str]] = {}
    for pair in found:
        told.setdefault(pair.video, set()).add(pair.sentence)
    checked = [
        Pair(
            p.video,
            p.sentence,
            p.spans,
            p.split,
            p.channel,
            p.producer,
            p.licence,
            tuple(v for v in p.not_in if p.sentence not in told[v]),
        )
        for p in found
    ]
    path = folder / "pairs.json"
    Pairs(tuple(checked), "drawn vectors", "2026-01-01").write(path)
    return settings, path


def _put(
    library: Library, video: str, vectors: dict[str, np.ndarray], mean: np.ndarray, length_s: int, rng: random.Random
) -> list[tuple[str, tuple[float, float]]]:
    dim = len(mean)
    draw = np.random.default_rng(rng.getrandbits(32))
    pictures = draw.normal(size=(length_s, dim)) * NOISE * dim**-0.5 + mean
    events, at = [], rng.randint(2, 8)
    while at + 12 < length_s:
        sentence, end = rng.choice(SENTENCES), at + rng.randint(5, 12)
        if sentence not in {told for told, _ in events}:
            pictures[at:end] += 1.5 * (vectors[sentence] - mean) / np.linalg.norm(vectors[sentence] - mean)
            events.append((sentence, (float(at), float(end))))
        at = end + rng.randint(4, 12)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    store = library.store
    store.add_video(video, f"film {video}", 1000)
    store.update_video(video, duration_s=float(length_s))
    store.add_frames(video, [FrameRow(video, k, float(k), k, True) for k in range(length_s)], {})
    store.put_vectors(
        frame_space(library.models.frame_producer), video, list(range(length_s)), pictures.astype(np.float32)
    )
    return events


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
