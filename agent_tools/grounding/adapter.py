"""Dense and sparse temporal features of a segment (ReVisionLLM, Sec. 3), and a sparse analogue without weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agent_tools.errors import ShapeError


class HierarchicalAdapter(nn.Module):
    """Projects the frames of a window one by one (dense), or pools a whole segment into one vector (sparse).

    Source: ReVisionLLM, hierarchical adapter: two cross-attention layers in which the frames attend to the question's
    tokens, two self-attention layers with one learnt token, a linear layer to the width of the language model.
    Differs: the paper gives neither the order of norms nor the width of the MLPs; here norms come first and the MLP is
    twice as wide. The paper says nothing about positions; the sparse path has none, so a segment is a set of frames.

    Args:
        dim: width C of frame and question features.
        hidden: width H of the output."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        if dim < 1 or hidden < 1:
            raise ShapeError(f"dim = {dim}, hidden = {hidden}: both are at least 1.")
        heads = next(count for count in (8, 4, 2, 1) if dim % count == 0)
        self.dim, self.hidden = dim, hidden
        self.dense_projection = nn.Linear(dim, hidden)
        self.cross = nn.ModuleList(_Layer(dim, heads) for _ in range(2))
        self.self_attention = nn.ModuleList(_Layer(dim, heads) for _ in range(2))
        self.token = nn.Parameter(torch.randn(dim) * dim**-0.5)
        self.norm = nn.LayerNorm(dim)
        self.sparse_projection = nn.Linear(dim, hidden)

    def dense(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C) -> (B, T, H), each frame by itself."""
        _check(frames, self.dim, "frames")
        projected: Tensor = self.dense_projection(frames)
        return projected

    def sparse(
        self, frames: Tensor, question: Tensor, frame_mask: Tensor | None = None, question_mask: Tensor | None = None
    ) -> Tensor:
        """One vector per segment that depends on the question: (B, T, C), (B, N, C) -> (B, H).

        Args:
            frame_mask, question_mask: (B, T) and (B, N), True for real tokens; padding has zero weight. A question of
                padding only is not read, but the biases and MLPs of the layers still apply."""
        _check(frames, self.dim, "frames")
        _check(question, self.dim, "question")
        if len(frames) != len(question):
            raise ShapeError(f"{len(frames)} segments with {len(question)} questions: each segment has one.")
        frame_mask = _mask(frames, frame_mask)
        question_mask = _mask(question, question_mask)
        for layer in self.cross:
            frames = layer(frames, question, question_mask)
        tokens = torch.cat([self.token.expand(len(frames), 1, -1), frames], dim=1)  # (B, 1 + T, C)
        mask = F.pad(frame_mask, (1, 0), value=True)  # (B, 1 + T)
        for layer in self.self_attention:
            tokens = layer(tokens, tokens, mask)
        pooled: Tensor = self.sparse_projection(self.norm(tokens[:, 0]))
        return pooled


def softmax_pool(
    frames: Tensor, question: Tensor, frame_mask: Tensor | None = None, temperature: float = 0.1
) -> Tensor:
    """An analogue of `HierarchicalAdapter.sparse` without weights: the mean of the frames, weighted by the question.

    The weight of a frame is the softmax over frames of its mean cosine with the question's tokens, over `temperature`.
    Nothing here is learnt; frame and question features must be in one space. (B, T, C), (B, N, C) -> (B, C)."""
    _check(frames, frames.shape[-1], "frames")
    _check(question, frames.shape[-1], "question")
    if len(frames) != len(question) or temperature <= 0:
        raise ShapeError(f"{len(frames)} segments, {len(question)} questions, temperature {temperature}.")
    frame_mask = _mask(frames, frame_mask)
    cosines = F.normalize(frames, dim=-1) @ F.normalize(question, dim=-1).transpose(1, 2)  # (B, T, N)
    weights = _masked_softmax(cosines.mean(dim=-1) / temperature, frame_mask)  # (B, T)
    return (weights.unsqueeze(-1) * frames.masked_fill(~frame_mask.unsqueeze(-1), 0)).sum(dim=1)


class _Layer(nn.Module):
    """Attention of `tokens` into `memory` and an MLP, each after a norm and with a residual."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_norm, self.memory_norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.value, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, tokens: Tensor, memory: Tensor, memory_mask: Tensor) -> Tensor:
        normed = self.memory_norm(memory.masked_fill(~memory_mask.unsqueeze(-1), 0))
        query = self._split(self.query(self.query_norm(tokens)))  # (B, heads, T, C / heads)
        key, value = self._split(self.key(normed)), self._split(self.value(normed))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        read = _masked_softmax(scores, memory_mask[:, None, None, :]) @ value
        tokens = tokens + self.out(read.transpose(1, 2).flatten(2))  # (B, T, C)
        changed: Tensor = tokens + self.mlp(self.mlp_norm(tokens))
        return changed

    def _split(self, tokens: Tensor) -> Tensor:
        batch, count, dim = tokens.shape
        return tokens.view(batch, count, self.heads, dim // self.heads).transpose(1, 2)


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis with exactly zero for masked entries; a fully masked row is all zero."""
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights.masked_fill(~mask, 0)


def _mask(tokens: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    if mask.shape != tokens.shape[:2]:
        raise ShapeError(f"A mask of shape {tuple(mask.shape)} for tokens of shape {tuple(tokens.shape)}: (B, N).")
    return mask.bool()


def _check(tokens: Tensor, dim: int, name: str) -> None:
    if tokens.ndim != 3 or tokens.shape[-1] != dim or tokens.shape[1] < 1:
        raise ShapeError(f"{name} of shape {tuple(tokens.shape)}: (B, N, {dim}) with N at least 1 is needed.")
