"""A head that answers a short window as ReVisionLLM's language model does: two index tokens, or "not present".

It reads the dense tokens of a HierarchicalAdapter. It knows frames and a question as vectors, and no model or file."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agent_tools.errors import ShapeError
from agent_tools.grounding.adapter import HierarchicalAdapter

LAYERS, HEADS = 2, 4
NEAR = 3  # seconds on each side that a place reads of the relevance curve
_CURVE = 2 * NEAR + 1
_FEATURES = _CURVE + 4  # and how like a frame is to those 1 and 2 s before it, and 1 and 2 s after it


class WindowHead(nn.Module):
    """Dense tokens of a window's frames and a question -> the distributions of two tokens over places.

    Source: ReVisionLLM, Sec. 3: the first and the last frame of the event as index tokens, and a trained "not present".
    Differs: a small transformer takes the place of the language model, which knows what words mean before it is
    trained. This one does not, so it starts at a rule that works without training and learns what to add to it: a
    place is the first one where the relevance curve (cosines of dense tokens with the question) is higher from here on
    than before, and the picture changes here; for the last place it is the other way round. Both index tokens are
    read at once, not one after the other; the place after the last frame means "not present".

    Args:
        dim: width C of frame and question vectors, and of the adapter's dense tokens.
        seconds: places S of a window, one per second."""

    def __init__(self, dim: int, seconds: int) -> None:
        super().__init__()
        if dim % HEADS or seconds < 1:
            raise ShapeError(f"dim = {dim}, seconds = {seconds}: dim a multiple of {HEADS}, seconds at least 1.")
        self.dim, self.seconds = dim, seconds
        self.asked = nn.Linear(dim, dim)
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        self.edges, self.absent = nn.Linear(_FEATURES, 2), nn.Linear(2, 2)
        self.product, self.features = nn.Linear(dim, dim), nn.Linear(_FEATURES, dim)
        self.question = nn.Linear(dim, dim)
        self.place = nn.Parameter(torch.randn(seconds + 2, dim) * 0.02)
        self.refusal = nn.Parameter(torch.zeros(1, 1, dim))
        layer = nn.TransformerEncoderLayer(dim, HEADS, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.mixer = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.tokens = nn.Linear(dim, 2)
        self._start_at_the_rule()

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
        wanted = F.normalize(self.asked(question), dim=-1).unsqueeze(1)
        curve = self.sharpness * (F.normalize(dense, dim=-1) * wanted).sum(dim=-1) * mask  # (B, S)
        near = F.pad(curve, (NEAR, NEAR)).unfold(1, _CURVE, 1)  # (B, S, 2 NEAR + 1)
        features = torch.cat([near, _likeness(unit, mask)], dim=-1)  # (B, S, F)
        highest = near.mean(dim=-1).masked_fill(~mask, -self.sharpness.detach()).amax(dim=1)
        usual = curve.sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        refused = self.absent(torch.stack([highest, usual], dim=-1)).unsqueeze(1)  # (B, 1, 2)
        seen = dense + self.product(unit * asked * length) + self.features(features)
        refusal = self.refusal.expand(len(seen), -1, -1)
        read = torch.cat([seen, refusal, self.question(asked * length)], dim=1) + self.place  # (B, S + 2, C)
        hidden = torch.cat([~mask, mask.new_zeros(len(mask), 2)], dim=1)
        mixed = self.tokens(self.mixer(read, src_key_padding_mask=hidden)[:, : self.seconds + 1])
        logits: Tensor = (torch.cat([self.edges(features), refused], dim=1) + mixed).transpose(1, 2)  # (B, 2, S + 1)
        return logits.masked_fill(hidden[:, None, : self.seconds + 1], torch.finfo(logits.dtype).min)

    @torch.no_grad()
    def _start_at_the_rule(self) -> None:
        """The first logits are those of the rule alone: what the mixer adds begins at zero."""
        self.asked.weight.copy_(torch.eye(self.dim))
        for bias in (self.asked.bias, self.edges.bias, self.tokens.bias):
            bias.zero_()
        self.tokens.weight.zero_()
        self.edges.weight.zero_()
        inside, outside = 1.0 / (NEAR + 1), -0.3 / NEAR  # of the curve's values on this side of an edge, and beyond it
        for token in (0, 1):
            self.edges.weight[token, :_CURVE] = outside
            own = slice(NEAR, _CURVE) if token == 0 else slice(0, NEAR + 1)
            self.edges.weight[token, own] = inside
            self.edges.weight[token, _CURVE + token] = -2.0  # of the likeness to the frame beyond the edge
        self.absent.weight.zero_()
        self.absent.bias.fill_(4.0)


class GroundingNetwork(nn.Module):
    """A HierarchicalAdapter with what reads its tokens: the head of dense windows, and the existence of segments.

    A segment's vector is compared with the question by cosine; `scale` and `bias` make the logit of it. Image-text
    models put all pictures in one narrow cone and all texts in another, so each side's `center` is taken out first.
    `presence` (slope, intercept) turns the odds of a film's best window into p(present). A head that learnt from as
    many windows with the event as without knows nothing of how many windows a film has, each of which may mislead."""

    presence: Tensor  # (2,)
    frame_center: Tensor  # (C,)
    question_center: Tensor  # (C,)

    def __init__(self, dim: int, seconds: int) -> None:
        super().__init__()
        self.adapter, self.head = HierarchicalAdapter(dim, dim), WindowHead(dim, seconds)
        self.scale, self.bias = nn.Parameter(torch.tensor(5.0)), nn.Parameter(torch.tensor(0.0))
        with torch.no_grad():
            self.adapter.dense_projection.weight.copy_(torch.eye(dim))
            self.adapter.dense_projection.bias.zero_()
        self.register_buffer("presence", torch.tensor([1.0, 0.0]))
        self.register_buffer("frame_center", torch.zeros(dim))
        self.register_buffer("question_center", torch.zeros(dim))

    def windows(self, frames: Tensor, question: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, 2, S + 1) from frames (B, S, C), question (B, C), mask (B, S)."""
        frames, question = self.centered(frames, question)
        logits: Tensor = self.head(self.adapter.dense(frames), frames, question, mask)
        return logits

    def segments(self, frames: Tensor, question: Tensor, mask: Tensor) -> Tensor:
        """Logits (B,) that a segment holds the event, from frames (B, T, C), question (B, C), mask (B, T)."""
        frames, question = self.centered(frames, question)
        vector = self.adapter.sparse(frames, question.unsqueeze(1), mask)
        return self.scale * F.cosine_similarity(vector, question, dim=-1) + self.bias

    def present(self, odds: Tensor) -> Tensor:
        """p(present), of any shape, from the odds of best windows."""
        return torch.sigmoid(self.presence[0] * odds + self.presence[1])

    def centered(self, frames: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides, of length 1, without what all pictures and all questions have in common."""
        frames = F.normalize(F.normalize(frames, dim=-1) - self.frame_center, dim=-1)
        return frames, F.normalize(F.normalize(question, dim=-1) - self.question_center, dim=-1)


def window_odds(logits: Tensor) -> Tensor:
    """Log odds (B,) that a window holds the event, from its logits (B, 2, S + 1): the mean of both tokens'."""
    odds: Tensor = (logits[..., :-1].logsumexp(dim=-1) - logits[..., -1]).mean(dim=-1)
    return odds


def best_places(probabilities: Tensor) -> tuple[int, int]:
    """(first place, last place) of one window's (2, S + 1) probabilities: the likeliest pair with first <= last."""
    first, last = probabilities[0, :-1], probabilities[1, :-1]
    place = int((first[:, None] * last[None]).triu().argmax())
    return place // len(first), place % len(first)


def _likeness(unit: Tensor, mask: Tensor) -> Tensor:
    """(B, S, 4): cosines of each frame with those 1 s before and after it, then 2 s; 0 where there is none."""
    found = []
    for gap in (1, 2):
        cosine = (unit[:, gap:] * unit[:, :-gap]).sum(dim=-1) * mask[:, gap:]
        found += [F.pad(cosine, (gap, 0)), F.pad(cosine, (0, gap))]
    return torch.stack(found, dim=-1)
