"""Between vision tower and language model: which visual tokens are read, and where each stands in the prompt.

The order is time, space, dropout. Ingestion has already pruned the pictures in time. Here tokens that repeat the
window's first picture are dropped first. If the rest is over the budget, pictures of little weight for the question are
merged. If it still does not fit, it is thinned evenly (dropout by layers is in `progressive`)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

from agent_tools.compression import drop_tokens, dropout_schedule, high_resolution, merge_tokens, prune_tokens
from agent_tools.errors import TokenBudgetError
from agent_tools.models.video_llm.questions import TokenReport


@dataclass(frozen=True)
class TokenSettings:
    """How visual tokens are compressed. 8 and 0.8 are LongVU's values, 4 and 16 VideoChat-Flash's. They were not fitted
    to the models that run here."""

    most_tokens: int = 8192  # mean number that a layer reads, whatever the context: it bounds memory and seconds
    window: int = 8  # pictures of one window; each is compared with the first
    threshold: float = 0.8  # a token with at least this cosine repeats the first picture's token at its place
    least_tokens: int = 1  # of a picture that only repeats: a numbered picture without tokens would look empty
    clip: int = 4  # the most pictures whose tokens are merged together
    low_tokens: int = 16  # of a picture of little weight for the question, after merging
    stages: tuple[tuple[float, float], ...] = ((1 / 7, 0.75), (9 / 14, 0.25))  # (share of the depth, of the tokens)

    def __post_init__(self) -> None:
        if min(self.most_tokens, self.window, self.clip, self.low_tokens) < 1 or self.least_tokens < 0:
            raise TokenBudgetError(f"{self}: all must be at least 1, and least_tokens at least 0.")

    @property
    def described(self) -> str:
        """As part of a producer's name."""
        return f"tokens.{self.most_tokens}.{hashlib.blake2b(repr(self).encode(), digest_size=4).hexdigest()}"


@dataclass(frozen=True, eq=False)
class PictureTokens:
    """The vision tower's output for one picture."""

    tokens: Tensor  # (N, C)
    columns: Tensor  # (N,) increasing: its places in the prompt
    grid: tuple[int, ...]  # only pictures of the same grid have tokens at the same places


@dataclass(frozen=True, eq=False)
class Compressed:
    """The pictures' tokens that the language model reads."""

    tokens: Tensor  # (K, C)
    columns: Tensor  # (K,) increasing; a merged token stands where its first source stood
    report: TokenReport


def compress(
    pictures: Sequence[PictureTokens], question: Tensor, budget: int, settings: TokenSettings, ceiling: int = 0
) -> Compressed:
    """The visual tokens that fit the budget.

    Spatial pruning always runs. If the rest is over the budget, as many pictures as fit keep their fine grid, those
    with the most weight for the question first, and runs of the others are merged by clips. If the result is still
    over the ceiling, it is thinned evenly.
    Args:
        pictures: at least one, in time order.
        question: embeddings of the question's tokens (Q, C), Q may be 0; a picture's weight is the mean inner product
            of its tokens with them (LongVU, Sec. 3.2).
        budget: the goal of pruning and merging, in tokens, at least 1.
        ceiling: the most tokens, if above the budget: a model that drops tokens between its layers may begin with more.
    """
    given = sum(len(one.tokens) for one in pictures)
    kept = prune_pictures(pictures, settings)
    steps = [("vision tower", given), ("spatial pruning", _total(kept))]
    fine = len(kept)
    if _total(kept) > budget:
        weights = torch.stack([_weight(one.tokens, question) for one in pictures])
        mask = _fine(kept, weights, budget, settings)
        fine = int(mask.sum())
        kept = _merge_clips(kept, mask, settings)
        steps.append(("merging", _total(kept)))
    tokens = torch.cat([one.tokens for one in kept])
    columns = torch.cat([one.columns for one in kept])
    return thin(tokens, columns, max(budget, ceiling), TokenReport(len(pictures), fine, tuple(steps)))


def all_tokens(pictures: Sequence[PictureTokens]) -> Compressed:
    """Every token of the vision tower."""
    tokens, columns = torch.cat([one.tokens for one in pictures]), torch.cat([one.columns for one in pictures])
    return Compressed(tokens, columns, TokenReport(len(pictures), len(pictures), (("vision tower", len(tokens)),)))


def thin(tokens: Tensor, columns: Tensor, budget: int, report: TokenReport) -> Compressed:
    """The tokens (K, C); if they are over the budget, only so many of them, at even distances."""
    if len(tokens) > budget:
        left = dropout_schedule(len(tokens), (1.0, budget / len(tokens)))[-1]
        chosen = drop_tokens(len(tokens), left).to(tokens.device)
        tokens, columns = tokens[chosen], columns[chosen]
        report = replace(report, steps=(*report.steps, ("dropout", len(tokens))))
    return Compressed(tokens, columns, report)


def prune_pictures(pictures: Sequence[PictureTokens], settings: TokenSettings) -> list[PictureTokens]:
    """Drop the tokens that repeat their window's first picture; a window never spans two grids."""
    kept: list[PictureTokens] = []
    for _, run in groupby(pictures, key=lambda one: (one.grid, len(one.tokens))):
        group = list(run)
        mask = prune_tokens(torch.stack([one.tokens for one in group]), settings.window, settings.threshold)
        for one, row in zip(group, mask, strict=True):
            missing = min(settings.least_tokens, len(row)) - int(row.sum())
            if missing > 0:  # add those around the middle, where the subject of a picture mostly is
                nearest = (torch.arange(len(row)) - len(row) // 2).abs() + len(row) * row
                row[nearest.argsort(stable=True)[:missing]] = True
            row = row.to(one.tokens.device)
            kept.append(PictureTokens(one.tokens[row], one.columns[row], one.grid))
    return kept


def _fine(kept: Sequence[PictureTokens], weights: Tensor, budget: int, settings: TokenSettings) -> Tensor:
    """(T,) bool: the pictures that keep all their tokens."""
    largest = max(len(one.tokens) for one in kept)
    if largest <= settings.low_tokens:
        return torch.ones(len(kept), dtype=torch.bool)
    return high_resolution(weights, budget, 0, high=largest, low=settings.low_tokens)


def _merge_clips(kept: Sequence[PictureTokens], fine: Tensor, settings: TokenSettings) -> list[PictureTokens]:
    """Turn each clip of consecutive pictures without the fine grid into one run of merged tokens."""
    out: list[PictureTokens] = []
    clip: list[PictureTokens] = []
    for one, is_fine in zip(kept, fine.tolist(), strict=True):
        if clip and (is_fine or len(clip) == settings.clip):
            out.append(_one_run(clip, settings))
            clip = []
        if is_fine:
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
