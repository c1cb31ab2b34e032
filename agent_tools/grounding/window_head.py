"""A head that answers a short window as ReVisionLLM's language model does: two index tokens, or "not present".

It reads the dense tokens of a HierarchicalAdapter. It knows frames and a question as vectors, and no model or file."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agent_tools.errors import ShapeError
from agent_tools.grounding.adapter import HierarchicalAdapter

LAYERS, HEADS = 2, 4


class WindowHead(nn.Module):
    """Dense tokens of a window's frames and a question -> the distributions of two tokens over places.

    Source: ReVisionLLM, Sec. 3: the first and the last frame of the event as index tokens, and a trained "not present".
    Differs: a small transformer takes the place of the language model; beside a frame's dense token it reads the
    frame's product with the question and their cosine, because image-text vectors say most about a sentence by these;
    both index tokens are read at once, not one after the other; the place after the last frame means "not present".

    Args:
        dim: width C of frame and question vectors, and of the adapter's dense tokens.
        seconds: places S of a window, one per second."""

    def __init__(self, dim: int, seconds: int) -> None:
        super().__init__()
        if dim % HEADS or seconds < 1:
            raise ShapeError(f"dim = {dim}, seconds = {seconds}: dim a multiple of {HEADS}, seconds at least 1.")
        self.dim, self.seconds = dim, seconds
        self.product = nn.Linear(dim, dim)
        self.cosine = nn.Linear(1, dim)
        self.question = nn.Linear(dim, dim)
        self.place = nn.Parameter(torch.randn(seconds + 2, dim) * 0.02)
        self.refusal = nn.Parameter(torch.zeros(1, 1, dim))
        layer = nn.TransformerEncoderLayer(dim, HEADS, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.mixer = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.tokens = nn.Linear(dim, 2)

    def forward(self, dense: Tensor, frames: Tensor, question: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, 2, S + 1) of the first and the last place; the place S says that the event is not present.

        Args:
            dense: (B, S, C), the adapter's tokens of `frames` (B, S, C), a frame per second.
            question: (B, C).
            mask: (B, S), True where the window has a frame; the others have no probability."""
        if frames.shape[1:] != (self.seconds, self.dim) or dense.shape != frames.shape:
            raise ShapeError(
                f"frames {tuple(frames.shape)}, dense {tuple(dense.shape)}: (B, {self.seconds}, {self.dim}) is needed."
            )
        length = self.dim**0.5
        unit, asked = F.normalize(frames, dim=-1), F.normalize(question, dim=-1).unsqueeze(1)
        cosine = (unit * asked).sum(dim=-1, keepdim=True)  # (B, S, 1)
        # What is usual in a window differs from film to film, so the cosine counts against the window's own mean.
        mean = (cosine * mask.unsqueeze(-1)).sum(1, keepdim=True) / mask.sum(1)[:, None, None].clamp(min=1)
        seen = dense + self.product(unit * asked * length) + self.cosine(10 * (cosine - mean))
        refusal = self.refusal + self.cosine(10 * cosine.masked_fill(~mask.unsqueeze(-1), -1).amax(1, keepdim=True))
        read = torch.cat([seen, refusal, self.question(asked * length)], dim=1) + self.place  # (B, S + 2, C)
        hidden = torch.cat([~mask, mask.new_zeros(len(mask), 2)], dim=1)
        mixed = self.mixer(read, src_key_padding_mask=hidden)
        logits: Tensor = self.tokens(mixed[:, : self.seconds + 1]).transpose(1, 2)  # (B, 2, S + 1)
        return logits.masked_fill(hidden[:, None, : self.seconds + 1], torch.finfo(logits.dtype).min)


class GroundingNetwork(nn.Module):
    """A HierarchicalAdapter with what reads its tokens: the head of dense windows, and the existence of segments.

    A segment's vector is compared with the question by cosine; `scale` and `bias` make the logit of it. Image-text
    models put all pictures in one narrow cone and all texts in another, so each side's `center` is taken out first."""

    frame_center: Tensor  # (C,)
    question_center: Tensor  # (C,)

    def __init__(self, dim: int, seconds: int) -> None:
        super().__init__()
        self.adapter, self.head = HierarchicalAdapter(dim, dim), WindowHead(dim, seconds)
        self.scale, self.bias = nn.Parameter(torch.tensor(5.0)), nn.Parameter(torch.tensor(0.0))
        self.register_buffer("frame_center", torch.zeros(dim))
        self.register_buffer("question_center", torch.zeros(dim))

    def windows(self, frames: Tensor, question: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, 2, S + 1) from frames (B, S, C), question (B, C), mask (B, S)."""
        frames, question = self._centered(frames, question)
        logits: Tensor = self.head(self.adapter.dense(frames), frames, question, mask)
        return logits

    def segments(self, frames: Tensor, question: Tensor, mask: Tensor) -> Tensor:
        """Logits (B,) that a segment holds the event, from frames (B, T, C), question (B, C), mask (B, T)."""
        frames, question = self._centered(frames, question)
        vector = self.adapter.sparse(frames, question.unsqueeze(1), mask)
        return self.scale * F.cosine_similarity(vector, question, dim=-1) + self.bias

    def _centered(self, frames: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        frames = F.normalize(F.normalize(frames, dim=-1) - self.frame_center, dim=-1)
        return frames, F.normalize(F.normalize(question, dim=-1) - self.question_center, dim=-1)


def best_places(probabilities: Tensor) -> tuple[int, int, float]:
    """(first place, last place, p that the event is present) of one window's (2, S + 1) probabilities.

    The likeliest pair with first <= last; p is one less the geometric mean of both tokens' "not present"."""
    first, last = probabilities[0, :-1], probabilities[1, :-1]
    joint = (first[:, None] * last[None]).triu()
    place = int(joint.argmax())
    absent = float((probabilities[0, -1] * probabilities[1, -1]).sqrt())
    return place // len(first), place % len(first), 1.0 - absent
