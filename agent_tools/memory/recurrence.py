"""The write of a chunk: its memory tokens read the memory tokens of the chunks before it.

Source: Transformer-XL, Sec. 3.2 (segment-level recurrence), as summaries of Hour-LLaVA describe it. Hour-LLaVA's own
code has no chunks, no memory tokens and no recurrence; its read is MemAug.
Knows vectors. Knows nothing of videos or stores."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.errors import ShapeError


def contextualise(tokens: Tensor, bank: Tensor, weight: float = 0.25, sharpness: float = 30.0) -> Tensor:
    """One chunk's memory tokens in the light of the past: each reads the bank once, by softmax over cosines.

        read_i = sum_j softmax_j(sharpness * cos(token_i, bank_j)) * bank_j
        out_i  = (1 - weight) * token_i + weight * |token_i| * read_i / |read_i|

    The bank holds the tokens of earlier chunks as they were written, not as they came out of here: a Transformer-XL of
    one layer, whose cache is the layer below. So the result is a function of the written past alone, the same wherever
    an ingest was interrupted, and nothing drifts over hours. Computed in float64, so that the rounding of a product
    does not depend on how the rows lie in memory.

    Not for retrieval: on drawn vectors scoring these instead loses recall where few chunks are opened and wins none
    elsewhere (tests/memory/measure_recall.py), so stores score the written tokens and keep these beside them.

    Args:
        tokens: memory tokens of the chunk, (m, D).
        bank: memory tokens of all earlier chunks, (P, D), P may be 0.
        weight: share of the past in the result, 0..1.
        sharpness: inverse temperature; 30 lets a token read what resembles it rather than the mean of the hour.
    Returns: (m, D) float32; without a past, or where the read is zero, the tokens' own share is whole.
    Raises: ShapeError: tokens or bank not two-dimensional, or of two widths.
    """
    if tokens.ndim != 2 or bank.ndim != 2 or tokens.shape[1] != bank.shape[1]:
        raise ShapeError(f"tokens {tuple(tokens.shape)} and bank {tuple(bank.shape)}: (m, D) and (P, D) are needed")
    if not len(bank):
        return tokens.detach().float().clone()
    own, past = (rows.detach().cpu().double().contiguous() for rows in (tokens, bank))  # mps has no float64
    cosine = F.normalize(own, dim=1) @ F.normalize(past, dim=1).T  # (m, P)
    read = F.normalize(torch.softmax(sharpness * cosine, dim=1) @ past, dim=1)
    blended = (1 - weight) * own + weight * own.norm(dim=1, keepdim=True) * read
    return torch.where(read.any(dim=1, keepdim=True), blended, own).float().to(tokens.device)
