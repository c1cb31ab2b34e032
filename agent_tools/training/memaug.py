"""Hour-LLaVA's read over forgotten frames, trained on stored vectors (Hour-LLaVA, Sec. 3 and 4).

The frames of the asked span are forgotten with a stated probability, so the decayed view alone cannot answer. Without
memory, the view itself is the repository: the control. Training on short videos, on whole ones, or on both in this
order tries VideoMarathon's and VideoChat-Flash's claims."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.memory import PlaceReader, decayed_places
from agent_tools.training.films import Example, shortened
from agent_tools.training.loop import Stage
from agent_tools.training.report import share

SHORT, LONG = "short videos", "whole videos"
FORGOTTEN, REMEMBERED = "right, span forgotten", "right, span kept"
NEAR_S = 8.0  # an answer so near to the span, or inside it, is right


@dataclass(frozen=True)
class MemaugSettings:
    """Steps are 0 for a kind of video that is left out."""

    short_steps: int = 0
    long_steps: int = 800
    memory: bool = True  # False: the repository is the decayed view
    forgotten: float = 0.75  # probability that the span's frames are taken out of the view
    short_s: float = 120.0  # of a short video
    most_frames: int = 600  # of a video in one step; longer ones are read at even distances
    depth: int = 2
    heads: int = 4

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(*one) for one in ((SHORT, self.short_steps), (LONG, self.long_steps)) if one[1])


@dataclass(frozen=True)
class View:
    """What a reader is given of a video, and what is right."""

    frames: Tensor  # (T, C), at even distances
    kept: Tensor  # (N,), places of the decayed view among them
    step_s: float  # from one frame to the next
    right: Tensor  # (N,) bool, the tokens that stand nearest to the event


def view_of(one: Example, settings: MemaugSettings, forgotten: bool) -> View:
    """The decayed view of an example's film, without the frames of its spans or with at least one of them."""
    film = one.film
    count = max(8, min(settings.most_frames, int(film.duration_s)))
    step_s = film.duration_s / count
    kept = decayed_places(count)
    if not forgotten:
        middle = int(sum(one.spans[0]) / 2 / step_s)
        kept = torch.unique(torch.cat([kept, torch.tensor([min(count - 1, middle)])]))
    far_s = _far_s(kept, step_s, one.spans)
    if forgotten and bool((far_s > 0.5 * step_s).any()):
        kept, far_s = kept[far_s > 0.5 * step_s], far_s[far_s > 0.5 * step_s]
    return View(film.evenly(count, step_s), kept, step_s, far_s <= far_s.min() + 0.5 * step_s)


class MemaugLoss:
    """The mean over a batch of examples of -log p(tokens nearest to the event)."""

    def __init__(
        self, network: PlaceReader, examples: Sequence[Example], settings: MemaugSettings, batch: int, device: str
    ) -> None:
        self._network, self._settings, self._batch, self._device = network, settings, batch, device
        present = [one for one in examples if one.spans]
        self._of = {LONG: present, SHORT: shortened(present, settings.short_s)}

    def __call__(self, stage: str, rng: random.Random) -> Tensor:
        losses = []
        for _ in range(self._batch):
            one = rng.choice(self._of[stage])
            view = view_of(one, self._settings, rng.random() < self._settings.forgotten)
            logits = read(self._network, view, one.question, self._settings.memory, self._device)
            right = view.right.to(self._device)
            losses.append(torch.logsumexp(logits, 0) - torch.logsumexp(logits[right], 0))
        return torch.stack(losses).mean()


def read(network: PlaceReader, view: View, question: Tensor, memory: bool, device: str) -> Tensor:
    """The logits (N,) of a view's tokens; without memory they read the view alone."""
    kept = view.kept.to(device)
    logits: Tensor = network(view.frames.to(device), kept, question.to(device), None if memory else kept)
    return logits


def right_places(
    network: PlaceReader, examples: Sequence[Example], settings: MemaugSettings, device: str, most: int, seed: int = 0
) -> dict[str, Any]:
    """How often the likeliest token is near the event: of spans that were forgotten, and of spans that were kept.

    Asks at most `most` of the examples, drawn by the seed."""
    chosen = random.Random(seed).sample(list(examples), min(most, len(examples)))
    found: dict[str, Any] = {"queries": len(chosen)}
    for name, forgotten in ((FORGOTTEN, True), (REMEMBERED, False)):
        right = []
        for one in chosen:
            view = view_of(one, settings, forgotten)
            with torch.inference_mode():
                best = int(read(network, view, one.question, settings.memory, device).argmax())
            far_s = float(_far_s(view.kept[best : best + 1], view.step_s, one.spans))
            right.append(far_s <= max(NEAR_S, 4 * view.step_s))
        found[name] = share(right)
    return found


@torch.no_grad()
def start_from_films(network: PlaceReader, examples: Sequence[Example]) -> None:
    """Take both sides' centers, and the directions along which frames differ, from the examples."""
    films = {one.film.id: F.normalize(one.film.vectors, dim=-1) for one in examples}
    network.frame_center.copy_(torch.stack([frames.mean(dim=0) for frames in films.values()]).mean(dim=0))
    network.question_center.copy_(F.normalize(torch.stack([e.question for e in examples]), dim=-1).mean(dim=0))
    spread = torch.stack([frames.T.cov() for frames in films.values()]).mean(dim=0)
    network.start_at_the_rule(torch.linalg.eigh(spread).eigenvectors.flip(1).T.contiguous())


def _far_s(places: Tensor, step_s: float, spans: Sequence[tuple[float, float]]) -> Tensor:
    """Seconds (N,) from the middle of each frame to the nearest span; 0 inside one."""
    middle = (places.double() + 0.5) * step_s
    return torch.stack([torch.maximum(a - middle, middle - b).clamp(min=0) for a, b in spans]).amin(dim=0)
