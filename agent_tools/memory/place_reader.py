"""Where an event is in a video, by a MemAug that reads forgotten frames (Hour-LLaVA, Sec. 3), over vectors alone.

The decayed view keeps one frame in four; the repository holds every frame. Each token of the view reads the repository
in the light of the question, and a linear answer on it says how likely the event is near. Differs: the paper's MemAug
stands before a language model; a place needs none."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agent_tools.errors import ShapeError
from agent_tools.memory.decay import forget
from agent_tools.memory.memaug import MemAug


class PlaceReader(nn.Module):
    """A MemAug over the decayed view of a video's frames, and where the event is by its tokens.

    Image-text models put all pictures in one narrow cone and all texts in another, so each side's `center` is taken out
    first."""

    frame_center: Tensor  # (C,)
    question_center: Tensor  # (C,)

    def __init__(self, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        self.memaug = MemAug(dim, depth, heads)
        self.answer = nn.Linear(2 * dim, 1)
        self.register_buffer("frame_center", torch.zeros(dim))
        self.register_buffer("question_center", torch.zeros(dim))

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
            rows[kept][None], asked[None, None], rows[far][None], positions=kept, repository_positions=far
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
