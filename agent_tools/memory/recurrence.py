"""The write of a chunk: its memory tokens read the memory tokens of earlier chunks.

Source: Transformer-XL, Sec. 3.2 (segment-level recurrence), as summaries of Hour-LLaVA describe it. Hour-LLaVA's own
code has no chunks, no memory tokens and no recurrence; its read is MemAug."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.errors import ShapeError


def contextualise(tokens: Tensor, bank: Tensor, weight: float = 0.25, sharpness: float = 30.0) -> Tensor:
    """One chunk's memory tokens, mixed with the past: each reads the bank once, by softmax over cosines.

        read_i = sum_j softmax_j(sharpness * cos(token_i, bank_j)) * bank_j
        out_i  = (1 - weight) * token_i + weight * |token_i| * read_i / |read_i|

    The bank holds the tokens of earlier chunks as they were written, not the results of this function: a Transformer-XL
    of one layer, whose cache is the layer below. So the result depends on the written tokens alone. It is the same
    wherever an ingest was interrupted, and it does not drift over hours. It is computed in float64, so that the
    rounding of a product does not depend on the memory layout of the rows.

    Not for retrieval: measured on drawn vectors (tests/memory/measure_recall.py), a search over these results has less
    recall if few chunks are opened, and never more. So stores score the written tokens and also keep these.

    Args:
        tokens: memory tokens of the chunk, (m, D).
        bank: memory tokens of the chunks before it, (P, D), P may be 0.
        weight: share of the past in the result, 0..1.
        sharpness: inverse temperature; with 30 a token reads similar tokens and not the mean of the hour.
    Returns: (m, D) float32; without a past, or if the read is zero, the tokens themselves.
    Raises: ShapeError: tokens or bank is not two-dimensional, or their widths differ.
    """
    if tokens.ndim != 2 or bank.ndim != 2 or tokens.shape[1] != bank.shape[1]:
        raise ShapeError(f"tokens {tuple(tokens.shape)} and bank {tuple(bank.shape)}: they must be (m, D) and (P, D)")
    if not len(bank):
        return tokens.detach().float().clone()
    own, past = (rows.detach().cpu().double().contiguous() for rows in (tokens, bank))  # mps has no float64
    cosine = F.normalize(own, dim=1) @ F.normalize(past, dim=1).T  # (m, P)
    read = F.normalize(torch.softmax(sharpness * cosine, dim=1) @ past, dim=1)
    blended = (1 - weight) * own + weight * own.norm(dim=1, keepdim=True) * read
    return torch.where(read.any(dim=1, keepdim=True), blended, own).float().to(tokens.device)
