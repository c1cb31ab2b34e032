"""What the two-stage search loses against brute force, on drawn vectors: python -m tests.memory.measure_recall

Prints recall@10 of the frames brute force finds, by chunks in the library, chunks opened and what stands for a chunk:
its written memory tokens, one mean, the tokens after contextualise (weight .25), or its read of the past alone."""

from __future__ import annotations

import sys

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.memory import contextualise, memory_tokens
from tests.memory import scenes


def recall(frames: Tensor, queries: Tensor, tokens: Tensor, opened: int, k: int = 10) -> float:
    """Share of brute force's k best frames (V*T, D) that lie in the `opened` best chunks by tokens (chunks, m, D)."""
    truth = (queries @ frames.T).topk(k).indices // scenes.CHUNK  # (Q, k)
    score = torch.einsum("qd,nmd->qnm", queries, F.normalize(tokens, dim=-1)).amax(-1)
    return float((truth[:, :, None] == score.topk(opened).indices[:, None, :]).any(-1).float().mean())


def stand_ins(videos: list[Tensor]) -> dict[str, Tensor]:
    """What may stand for a chunk, each (chunks, m, D)."""
    found: dict[str, list[Tensor]] = {"memory tokens": [], "one mean": [], "contextual .25": [], "read alone": []}
    for frames in videos:
        tokens = torch.stack([memory_tokens(part) for part in frames.split(scenes.CHUNK)])
        found["memory tokens"].append(tokens)
        found["one mean"].append(tokens.mean(1, keepdim=True))
        for name, weight in (("contextual .25", 0.25), ("read alone", 1.0)):
            bank = tokens.flatten(0, 1)
            past = [contextualise(chunk, bank[: i * tokens.shape[1]], weight) for i, chunk in enumerate(tokens)]
            found[name].append(torch.stack(past))
    return {name: torch.cat(parts) for name, parts in found.items()}


def table(videos: int, opened: tuple[int, ...], seed: int = 0, count: int = 100) -> dict[tuple[str, int], float]:
    """Recall by stand-in and chunks opened, in a library of one-hour videos."""
    hours = [scenes.video(1000 * seed + i) for i in range(videos)]
    frames = torch.cat(hours)
    asked = scenes.queries(frames, count, seed)
    return {(name, n): recall(frames, asked, tokens, n) for name, tokens in stand_ins(hours).items() for n in opened}


def main() -> None:
    for videos, opened, seeds in ((1, (4, 8, 16, 32), 10), (100, (8, 32, 64, 128, 256), 1)):
        rows = [table(videos, opened, seed) for seed in range(seeds)]
        sys.stdout.write(f"{videos * 60} chunks, {seeds} draw(s) of 100 queries; opened: {opened}\n")
        for name in dict.fromkeys(name for name, _ in rows[0]):
            mean = [sum(row[name, n] for row in rows) / seeds for n in opened]
            sys.stdout.write(f"  {name:16}" + "".join(f"{value:8.3f}" for value in mean) + "\n")


if __name__ == "__main__":
    main()
