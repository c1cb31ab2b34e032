"""Token merging: many tokens of a clip into few, by bipartite matching in halving rounds (VideoChat-Flash, ToMe).

Each token carries the number of original tokens that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agent_tools.compression.vectors import TensorLike, checked, widened
from agent_tools.errors import ShapeError, TokenBudgetError


@dataclass(frozen=True)
class TokenMerge:
    """What merge_tokens made of (B, N, C) tokens."""

    tokens: Tensor  # (B, K, C), in the order of each group's first source; the input's dtype
    sizes: Tensor  # (B, K), the sum of the sizes of the sources
    source: Tensor  # (B, N), which output token holds each input token


def merge_tokens(tokens: TensorLike, keep: int, sizes: TensorLike | None = None) -> TokenMerge:
    """Merge the most similar tokens until `keep` are left (all of them when keep >= N).

    Each round splits the tokens by even and odd place, pairs each even one with its most similar odd one (cosine) and
    merges the r best pairs into their size-weighted mean; r is half of what is left, less in the last round: 784 -> 64
    by 392, 196, 98, 34. Sizes sum to the sizes given, and the size-weighted mean over all tokens is kept.
    Source: VideoChat-Flash, Sec. 3.1 (ToMe, Sec. 3.2, bipartite soft matching). Differs from the released code: the
    output is ordered by first source, so the next round's neighbours are neighbours in the picture (there: unmerged
    even tokens by similarity, then the odd ones); similarity is that of the tokens themselves (there: of attention
    keys averaged over heads); the means are taken from the originals in float64, so rounds add no rounding.
    Args:
        tokens: (B, N, C), any float dtype.
        keep: tokens to leave per batch entry, at least 1.
        sizes: (B, N), positive; how many tokens each already stands for. Ones when not given.
    Raises: ShapeError: tokens is not (B, N, C), or sizes not (B, N). InvalidArgument: a token is not finite.
        TokenBudgetError: keep is below 1, or a size is not positive.
    """
    given = checked(tokens, "B N C", "tokens")
    if keep < 1:
        raise TokenBudgetError(f"keep is {keep}; at least 1 token must be left.")
    wide = widened(given)
    batch, number, _ = wide.shape
    weights = torch.ones_like(wide[..., 0]) if sizes is None else checked(sizes, "B N", "sizes").to(wide)
    if weights.shape != (batch, number):
        raise ShapeError(
            f"sizes has shape {tuple(weights.shape)}; tokens of {tuple(wide.shape)} need {(batch, number)}."
        )
    if not bool((weights > 0).all()):
        raise TokenBudgetError("sizes must be positive: a token that stands for nothing cannot be merged.")

    source = torch.arange(number, device=wide.device).expand(batch, number).clone()
    merged, totals = wide, weights
    while (left := merged.shape[1]) > keep:
        groups = _merge_round(merged, min(left // 2, left - keep))
        source = groups.gather(1, source)
        merged, totals = _group_means(wide, weights, source, left - min(left // 2, left - keep))
    return TokenMerge(merged.to(given.dtype) if given.is_floating_point() else merged, totals, source)


def _merge_round(tokens: Tensor, pairs: int) -> Tensor:
    """Return (B, n): the new place of each token once the best `pairs` even ones joined their odd partners."""
    batch, number, _ = tokens.shape
    unit = torch.nn.functional.normalize(tokens, dim=-1)
    similarity = unit[:, ::2] @ unit[:, 1::2].transpose(1, 2)  # (B, even, odd)
    best, partner = similarity.max(dim=-1)
    chosen = best.argsort(dim=-1, descending=True, stable=True)[:, :pairs]
    places = torch.arange(number, device=tokens.device).expand(batch, number)
    joined = places.scatter(1, 2 * chosen, 2 * partner.gather(1, chosen) + 1)
    # Places are in the order of first sources, so a group's first source is its lowest place.
    first = torch.full_like(joined, number).scatter_reduce(1, joined, places, "amin").gather(1, joined)
    heads = torch.zeros_like(joined).scatter(1, first, 1)
    return (heads.cumsum(dim=1) - 1).gather(1, first)


def _group_means(tokens: Tensor, sizes: Tensor, source: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Return the size-weighted mean (B, groups, C) and the summed size (B, groups) of each group of originals."""
    batch, _, channels = tokens.shape
    totals = sizes.new_zeros(batch, groups).scatter_add(1, source, sizes)
    index = source.unsqueeze(-1).expand(-1, -1, channels)
    sums = tokens.new_zeros(batch, groups, channels).scatter_add(1, index, tokens * sizes.unsqueeze(-1))
    return sums / totals.unsqueeze(-1), totals
