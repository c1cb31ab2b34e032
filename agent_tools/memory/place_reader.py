"""Where an event is in a video, by a MemAug that reads forgotten frames (Hour-LLaVA, Sec. 3), over vectors alone.

The decayed view keeps one frame in four; the repository holds every frame. Each token of the view reads the repository
in the light of the question, and a linear answer on it says how likely the event is near. Differs: the paper's MemAug
stands before a language model; a place needs none. And it starts at random weights, with a million times the data; this
one starts at a rule that works without training, and learns what to add to it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agent_tools.errors import ShapeError
from agent_tools.memory.decay import forget
from agent_tools.memory.memaug import MemAug, rope_speeds

NEAR_FRAMES = 6.0  # of a Gaussian: how far from its own place a token reads before training
ATTENTION, CONTENT = 15.0, 20.0  # first scores: of the question for every token; of a cosine in the repository
ASKED, READ = 3.0, 5.0  # first weights of the question and of what is read, beside a token's own frame
SHARPNESS = 10.0  # of a cosine in the first logits


class PlaceReader(nn.Module):
    """A MemAug over the decayed view of a video's frames, and where the event is by its tokens.

    Before training, every token takes in the question, reads the frames around its own place that are most like it, and
    answers how like it they are. Image-text models put all pictures in one narrow cone and all texts in another, so
    each side's `center` is taken out first; a learned `mark` then tells the question's row from the frames'."""

    frame_center: Tensor  # (C,)
    question_center: Tensor  # (C,)

    def __init__(self, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        self.memaug = MemAug(dim, depth, heads)
        self.answer, self.mark = nn.Linear(2 * dim, 1), nn.Parameter(torch.zeros(dim))
        self.register_buffer("frame_center", torch.zeros(dim))
        self.register_buffer("question_center", torch.zeros(dim))
        self.start_at_the_rule(torch.eye(dim))

    @torch.no_grad()
    def start_at_the_rule(self, directions: Tensor) -> None:
        """Set the first block to the rule, and the others to add nothing.

        Args:
            directions: (C, C), orthonormal rows, those first along which frames differ most. RoPE takes a half of each
                head for distances, so the other halves compare the first C / 2 directions alone."""
        blocks: Any = self.memaug.blocks  # torch knows a ModuleList's parts as modules alone
        for block in blocks:
            for last in (block.look_around.out, block.look_back.out, block.mlp[2]):
                last.weight.zero_()
                last.bias.zero_()
        dim, eye = self.memaug.dim, torch.eye(self.memaug.dim)
        around, back = blocks[0].look_around, blocks[0].look_back
        heads, width = back.heads, back.width
        half = 2 * len(rope_speeds(width))  # of a head's channels; the first ones are turned
        mark = directions[-1]  # along it frames differ least
        self.mark.copy_(mark * dim**0.5)
        for layer in (around, back):
            for side in (layer.query, layer.key, layer.value):
                side.bias.zero_()
                side.weight.mul_(0.1)
        around.key.weight.view(heads, width, dim)[:, half] = mark
        around.query.bias.view(heads, width)[:, half] = ATTENTION * (width / dim) ** 0.5
        around.value.weight.copy_(eye - torch.outer(mark, mark))
        around.out.weight.copy_(ASKED * eye)
        for side, strength in ((back.query, CONTENT * heads * width**0.5 / dim), (back.key, 1.0)):
            side.bias.copy_(_nearness(width).repeat(heads))
            for head in range(heads):
                own = directions[head::heads][: width - half]
                side.weight[head * width + half : (head + 1) * width] = strength * own
        back.value.weight.copy_(eye)
        back.out.weight.copy_(READ * eye)
        self.answer.weight.zero_()
        self.answer.weight[0, dim:] = SHARPNESS / dim
        self.answer.bias.zero_()

    def forward(self, frames: Tensor, kept: Tensor, question: Tensor, readable: Tensor | None = None) -> Tensor:
        """Logits (N,) of the view's tokens.

        Args:
            frames: (T, C), the video's frames at even distances.
            kept: (N,), the places of the decayed view among them.
            question: (C,).
            readable: (M,), the places that the repository holds; None: all of them.
        Raises: ShapeError: other shapes, or a view without a frame."""
        if frames.ndim != 2 or question.shape != frames.shape[1:] or not len(kept):
            raise ShapeError(f"frames {tuple(frames.shape)}, {len(kept)} kept, question {tuple(question.shape)}.")
        far = torch.arange(len(frames), device=frames.device) if readable is None else readable
        rows, asked = _centered(frames, self.frame_center), _centered(question, self.question_center)
        read = self.memaug(
            rows[kept][None], (asked + self.mark)[None, None], rows[far][None], positions=kept, repository_positions=far
        )[0]
        logits: Tensor = self.answer(torch.cat([read, read * asked], dim=1)).squeeze(1)
        return logits


def decayed_places(count: int) -> Tensor:
    """The places (N,) of the frames that forgetting keeps of so many: one in four, the last always."""
    kept: Tensor = torch.unique(forget(count, max_frames=count).frame)
    return kept


def _centered(rows: Tensor, center: Tensor) -> Tensor:
    """Rows (..., C) at length sqrt(C), without their common direction."""
    made: Tensor = F.normalize(F.normalize(rows, dim=-1) - center, dim=-1) * rows.shape[-1] ** 0.5
    return made


def _nearness(width: int) -> Tensor:
    """The constant (W,) of queries and keys whose products under RoPE fall with the distance d of two places.

    A product is the sum of a cos(s d) over RoPE's speeds s; near 0 it falls as a Gaussian of NEAR_FRAMES does. The
    fastest pairs are left out, because they come back within that distance; the slow ones weigh double, so that what
    remains does not come back either."""
    speeds = rope_speeds(width)
    weights = torch.where(speeds * NEAR_FRAMES < 1.0, 2.0, 0.0)
    weights[int((weights > 0).int().argmax())] = 1.0
    weights = weights / (NEAR_FRAMES**2 * (weights * speeds**2).sum())
    made = torch.zeros(width)
    made[: len(speeds)] = (weights * width**0.5).sqrt()
    return made
