"""Between vision tower and language model: which visual tokens are read, and where each stands in the prompt.

First time, then space, then dropout: pictures come pruned in time (ingestion keeps what differs); here tokens that
repeat the window's first picture go, then, over the budget, pictures of little weight for the question are merged, and
what still does not fit is thinned evenly (dropout by layers is `progressive`'s). Knows tensors and columns. Knows
nothing of models or of what is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

from agent_tools.compression import drop_tokens, dropout_schedule, high_resolution, merge_tokens, prune_tokens
from agent_tools.errors import TokenBudgetError
from agent_tools.models.video_llm.questions import Seen


@dataclass(frozen=True)
class TokenSettings:
    """How visual tokens are compressed. 8 and 0.8 are LongVU's, 4 and 16 VideoChat-Flash's; none was fitted to the
    models that run here, whose weights were never at hand."""

    most_tokens: int = 8192  # visual tokens that a layer reads in the mean, whatever the context: memory and seconds
    window: int = 8  # pictures of one window, of which each is compared with the first
    threshold: float = 0.8  # cosine from which a token repeats the first picture's at its place
    least_tokens: int = 1  # of a picture that only repeats: numbered and without a token it would read as an empty one
    clip: int = 4  # pictures at most whose tokens are merged together
    low_tokens: int = 16  # what a picture of little weight for the question has after merging
    stages: tuple[tuple[float, float], ...] = ((1 / 7, 0.75), (9 / 14, 0.25))  # (share of the depth, of the tokens)

    def __post_init__(self) -> None:
        if min(self.most_tokens, self.window, self.clip, self.low_tokens) < 1 or self.least_tokens < 0:
            raise TokenBudgetError(f"{self}: all are at least 1, least_tokens at least 0.")

    @property
    def described(self) -> str:
        """As part of a producer's name."""
        return f"tokens.{self.most_tokens}.{hashlib.blake2b(repr(self).encode(), digest_size=4).hexdigest()}"


@dataclass(frozen=True, eq=False)
class PictureTokens:
    """What the vision tower gave of one picture."""

    tokens: Tensor  # (N, C)
    columns: Tensor  # (N,) increasing: its places in the prompt
    grid: tuple[int, ...]  # only pictures of the same grid have tokens at the same places


@dataclass(frozen=True, eq=False)
class Compressed:
    """What the language model reads of the pictures."""

    tokens: Tensor  # (K, C)
    columns: Tensor  # (K,) increasing; a merged token stands where its first source stood
    seen: Seen


def compress(
    pictures: Sequence[PictureTokens], question: Tensor, budget: int, settings: TokenSettings, ceiling: int = 0
) -> Compressed:
    """Visual tokens within the budget.

    Spatial pruning always runs. Over the budget, as many pictures as fit keep their fine grid, those nearest to the
    question; runs of the others are merged by clips. What is then still over the ceiling is thinned evenly.
    Args:
        pictures: at least one, in time order.
        question: embeddings of the question's tokens (Q, C), Q may be 0; a picture's weight is the mean inner product
            of its tokens with them (LongVU, Sec. 3.2).
        budget: tokens that pruning and merging aim at, at least 1.
        ceiling: more tokens than that, which a language model may begin with that drops some on the way.
    """
    given = sum(len(one.tokens) for one in pictures)
    kept = pruned(pictures, settings)
    steps = [("vision tower", given), ("spatial pruning", _total(kept))]
    fine = len(kept)
    if _total(kept) > budget:
        weights = torch.stack([_weight(one.tokens, question) for one in pictures])
        mask = _fine(kept, weights, budget, settings)
        fine = int(mask.sum())
        kept = _merged(kept, mask, settings)
        steps.append(("merging", _total(kept)))
    tokens = torch.cat([one.tokens for one in kept])
    columns = torch.cat([one.columns for one in kept])
    return dropped(tokens, columns, max(budget, ceiling), Seen(len(pictures), fine, tuple(steps)))


def whole(pictures: Sequence[PictureTokens]) -> Compressed:
    """Every token of the vision tower."""
    tokens, columns = torch.cat([one.tokens for one in pictures]), torch.cat([one.columns for one in pictures])
    return Compressed(tokens, columns, Seen(len(pictures), len(pictures), (("vision tower", len(tokens)),)))


def dropped(tokens: Tensor, columns: Tensor, budget: int, seen: Seen) -> Compressed:
    """The tokens (K, C), thinned evenly to the budget where they are more."""
    if len(tokens) > budget:
        left = dropout_schedule(len(tokens), (1.0, budget / len(tokens)))[-1]
        chosen = drop_tokens(len(tokens), left).to(tokens.device)
        tokens, columns = tokens[chosen], columns[chosen]
        seen = replace(seen, steps=(*seen.steps, ("dropout", len(tokens))))
    return Compressed(tokens, columns, seen)


def pruned(pictures: Sequence[PictureTokens], settings: TokenSettings) -> list[PictureTokens]:
    """Without the tokens that repeat their window's first picture; windows never span two grids."""
    kept: list[PictureTokens] = []
    for _, run in groupby(pictures, key=lambda one: (one.grid, len(one.tokens))):
        group = list(run)
        mask = prune_tokens(torch.stack([one.tokens for one in group]), settings.window, settings.threshold)
        for one, row in zip(group, mask, strict=True):
            lacking = min(settings.least_tokens, len(row)) - int(row.sum())
            if lacking > 0:  # those around the middle, where a picture mostly has its subject
                nearest = (torch.arange(len(row)) - len(row) // 2).abs() + len(row) * row
                row[nearest.argsort(stable=True)[:lacking]] = True
            row = row.to(one.tokens.device)
            kept.append(PictureTokens(one.tokens[row], one.columns[row], one.grid))
    return kept


def _fine(kept: Sequence[PictureTokens], weights: Tensor, budget: int, settings: TokenSettings) -> Tensor:
    """(T,) bool: the pictures that keep all their tokens."""
    most = max(len(one.tokens) for one in kept)
    if most <= settings.low_tokens:
        return torch.ones(len(kept), dtype=torch.bool)
    return high_resolution(weights, budget, 0, high=most, low=settings.low_tokens)


def _merged(kept: Sequence[PictureTokens], fine: Tensor, settings: TokenSettings) -> list[PictureTokens]:
    """Clips of consecutive pictures without the fine grid are one run of merged tokens each."""
    out: list[PictureTokens] = []
    clip: list[PictureTokens] = []
    for one, whole in zip(kept, fine.tolist(), strict=True):
        if clip and (whole or len(clip) == settings.clip):
            out.append(_one_run(clip, settings))
            clip = []
        if whole:
            out.append(one)
        else:
            clip.append(one)
    return [*out, _one_run(clip, settings)] if clip else out


def _one_run(clip: Sequence[PictureTokens], settings: TokenSettings) -> PictureTokens:
    tokens, columns = torch.cat([one.tokens for one in clip]), torch.cat([one.columns for one in clip])
    keep = sum(min(len(one.tokens), settings.low_tokens) for one in clip)
    if keep >= len(tokens):
        return PictureTokens(tokens, columns, ())
    merge = merge_tokens(tokens[None], keep)
    first = columns.new_full((keep,), int(columns[-1])).scatter_reduce(0, merge.source[0], columns, "amin")
    return PictureTokens(merge.tokens[0], first, ())


def _weight(tokens: Tensor, question: Tensor) -> Tensor:
    if not len(question):
        return tokens.new_zeros((), dtype=torch.float32)
    return tokens.float().mean(dim=0) @ question.float().mean(dim=0)


def _total(pictures: Sequence[PictureTokens]) -> int:
    return sum(len(one.tokens) for one in pictures)
