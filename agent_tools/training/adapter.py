"""ReVisionLLM's curriculum for a hierarchical adapter and its head, over stored vectors (ReVisionLLM, Sec. 3).

1-A dense: short clips, two index tokens or "not present". 1-B sparse: whole segments, existence only, the adapter's
sparse path alone. 2 hours: every segment of a long film against each other. Written from the paper, which trains a
language model behind the adapter; here a small head takes its place."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.errors import InvalidArgument
from agent_tools.grounding import Calibrator, GroundingNetwork, window_odds, windows
from agent_tools.training.films import Example, Film
from agent_tools.training.look_alikes import LookAlikes, touches, window_frames
from agent_tools.training.loop import Stage

DENSE, SPARSE, HOURS = "1-A dense", "1-B sparse", "2 hours"
LEAST_PAIRS = 40
LEAST_JUDGED = 50  # pairs from which one in JUDGED is set apart for p(present)
JUDGED = 5
MOST_WINDOWS = 128  # of one film, those most like the question
_DENSE_PARTS = ("adapter.dense_projection", "head")
_SPARSE_PARTS = (
    *("adapter.cross", "adapter.self_attention", "adapter.token", "adapter.norm", "adapter.sparse_projection"),
    *("scale", "bias"),
)


@dataclass(frozen=True)
class AdapterSettings:
    """Steps of a stage are 0 where it is left out."""

    dense_steps: int = 1500
    sparse_steps: int = 500
    hours_steps: int = 500
    not_present: float = 0.5  # weight and share of what does not show the event; 0 = "not present" is not trained
    others: int = 7  # windows without the event that a dense window with it is compared with
    seconds: int = 32  # of a window of the head
    shortest_s: float = 10.0  # of a dense clip
    longest_s: float = 30.0
    segment_s: float = 180.0  # as the server's search has them
    stride_s: float = 120.0
    most_frames: int = 64  # of a segment in training; more are thinned evenly
    most_segments: int = 32  # of one film in one step of stage 2
    most_judged: int = 60  # pairs that p(present) is fitted on

    @property
    def stages(self) -> tuple[Stage, ...]:
        named = ((DENSE, self.dense_steps, _DENSE_PARTS), (SPARSE, self.sparse_steps, _SPARSE_PARTS))
        made = [Stage(*one) for one in (*named, (HOURS, self.hours_steps, _SPARSE_PARTS))]
        return tuple(stage for stage in made if stage.steps)


class AdapterLoss:
    """The loss of one batch of a stage, on random windows, segments and films."""

    def __init__(
        self, network: GroundingNetwork, examples: Sequence[Example], settings: AdapterSettings, batch: int, device: str
    ) -> None:
        self._network, self._settings, self._batch, self._device = network, settings, batch, device
        self._present = [one for one in examples if one.spans]
        self._others = LookAlikes(network, settings.seconds)
        self._of = {DENSE: self._dense, SPARSE: self._sparse, HOURS: self._hours}

    def __call__(self, stage: str, rng: random.Random) -> Tensor:
        return self._of[stage](rng)

    def _dense(self, rng: random.Random) -> Tensor:
        """Two tokens of each clip with the event; "not present" in other windows, of this film and of others; and the
        clip among those windows, because a search has to choose one of all."""
        settings = self._settings
        share = settings.not_present
        others = settings.others if share else 0
        frames, masks, questions, targets = [], [], [], []
        for _ in range(max(1, self._batch // (1 + others))):
            one = rng.choice(self._present)
            start_s, length = self._clip(one, rng)
            elsewhere = rng.choice(one.elsewhere) if one.elsewhere else one.film
            starts = [(elsewhere, at) for at in self._others.draw(one, elsewhere, others // 3, rng)]
            starts += [(one.film, at) for at in self._others.draw(one, one.film, others - len(starts), rng)]
            starts += [(elsewhere, at) for at in self._others.draw(one, elsewhere, others - len(starts), rng)]
            if len(starts) < others:
                continue  # the event fills its film, and no other film is known not to have it
            for film, at in [(one.film, start_s), *starts]:
                seen = film.each_second(at, length)
                frames.append(F.pad(seen, (0, 0, 0, settings.seconds - len(seen))))
                masks.append(torch.arange(settings.seconds) < len(seen))
                questions.append(one.question)
                spans = one.spans if film is one.film else ()
                targets.append(_places(spans, at, len(seen), settings.seconds))
        if not frames:
            raise InvalidArgument("No window without an event was found: each film is shorter than a window.")
        logits = self._network.windows(self._put(frames), self._put(questions), self._put(masks))
        right = torch.tensor(targets, device=self._device).flatten()
        told = F.cross_entropy(logits.flatten(0, 1), right, reduction="none").view(-1, 1 + others, 2)
        if not others:
            return told.mean()
        among = window_odds(logits).view(-1, 1 + others).log_softmax(dim=1)[:, 0]
        return 2 * (1 - share) * told[:, 0].mean() + 2 * share * (told[:, 1:].mean() - among.mean())

    def _sparse(self, rng: random.Random) -> Tensor:
        segments, questions, targets = [], [], []
        for _ in range(self._batch):
            one = rng.choice(self._present)
            film, start_s = self._segment(one, rng)
            end_s = start_s + self._settings.segment_s
            segments.append(film.distinct(start_s, end_s))
            questions.append(one.question)
            targets.append(float(film is one.film and _overlaps(one.spans, start_s, end_s)))
        frames, mask = self._padded(segments, rng)
        logits = self._network.segments(frames, self._put(questions), mask)
        return F.binary_cross_entropy_with_logits(logits, torch.tensor(targets, device=self._device))

    def _hours(self, rng: random.Random) -> Tensor:
        """Which segments of a whole film hold the event: a softmax over them, and existence of each; of a film that
        does not hold it, existence alone."""
        settings = self._settings
        total = torch.zeros((), device=self._device)
        films = max(1, self._batch // 16)
        for _ in range(films):
            one = rng.choice(self._present)
            film = one.film
            if one.elsewhere and rng.random() < 0.5 * settings.not_present:
                film = rng.choice(one.elsewhere)
            places = windows(film.duration_s, min(settings.segment_s, film.duration_s), settings.stride_s)
            if len(places) > settings.most_segments:
                held = [p for p in places if film is one.film and _overlaps(one.spans, *p)]
                rest = [p for p in places if p not in held]
                places = held + rng.sample(rest, max(0, min(len(rest), settings.most_segments - len(held))))
            frames, mask = self._padded([film.distinct(*place) for place in places], rng)
            question = one.question.to(self._device).expand(len(places), -1)
            logits = self._network.segments(frames, question, mask)
            right = torch.tensor([film is one.film and _overlaps(one.spans, *p) for p in places], device=self._device)
            exist = F.binary_cross_entropy_with_logits(logits, right.float(), reduction="none")
            if bool(right.any()):
                among = torch.logsumexp(logits, 0) - torch.logsumexp(logits[right], 0)
                balanced = exist[right].mean() + (exist[~right].mean() if bool((~right).any()) else 0.0)
                total = total + among + 0.5 * balanced
            else:
                total = total + exist.mean()
        return total / films

    def _clip(self, one: Example, rng: random.Random) -> tuple[float, int]:
        """(start_s, seconds) of a clip with the event: as long as a window of a search, or 10 to 30 s as in the paper,
        equally often."""
        settings = self._settings
        short = min(settings.seconds, int(rng.uniform(settings.shortest_s, settings.longest_s)))
        length = rng.choice((short, settings.seconds))
        a, b = rng.choice(one.spans)
        inside = min(length, b - a) / 2  # at least so much of the event is in the clip
        start_s = rng.uniform(a - length + inside, b - inside)
        return max(0.0, min(start_s, one.film.duration_s - 1.0)), length

    def _segment(self, one: Example, rng: random.Random) -> tuple[Film, float]:
        length_s = self._settings.segment_s
        if rng.random() < self._settings.not_present:
            film = rng.choice(one.elsewhere) if one.elsewhere and rng.random() < 0.5 else one.film
            for _ in range(20):
                start_s = rng.uniform(0.0, max(0.0, film.duration_s - length_s))
                if film is not one.film or not touches(one.spans, start_s, start_s + length_s):
                    return film, start_s
        a, b = rng.choice(one.spans)
        inside = min(length_s, b - a)
        return one.film, max(0.0, rng.uniform(a - length_s + inside, b - inside))

    def _padded(self, segments: Sequence[Tensor], rng: random.Random) -> tuple[Tensor, Tensor]:
        """Segments of different lengths as one batch with its mask; long ones lose frames at even distances."""
        most = self._settings.most_frames
        thin = [
            one[torch.linspace(0, len(one) - 1, most).round().long()] if len(one) > most else one for one in segments
        ]
        longest = max(map(len, thin))
        frames = torch.stack([F.pad(one, (0, 0, 0, longest - len(one))) for one in thin])
        mask = torch.arange(longest)[None] < torch.tensor([len(one) for one in thin])[:, None]
        return frames.to(self._device), mask.to(self._device)

    def _put(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(parts)).to(self._device)


def apart(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """(examples to train on, examples that p(present) is fitted on); of few examples all are both."""
    if len(examples) < LEAST_JUDGED:
        return list(examples), list(examples)
    judged = set(range(0, len(examples), JUDGED))
    return [e for i, e in enumerate(examples) if i not in judged], [examples[i] for i in sorted(judged)]


@torch.no_grad()
def fit_presence(
    network: GroundingNetwork, judged: Sequence[Example], settings: AdapterSettings, seed: int
) -> dict[str, Any]:
    """Fit p(present) on whole films: the odds of the best window of films with the event, and of films without it.

    Returns what a report says of it. Where no rising curve fits, odds stay as they are."""
    network.eval()
    device = network.frame_center.device
    chosen = [one for one in judged if one.spans and one.elsewhere]
    rng = random.Random(f"{seed}/presence")
    chosen = rng.sample(chosen, min(len(chosen), settings.most_judged))
    others = LookAlikes(network, settings.seconds)
    scores, labels = [], []
    for one in chosen:
        for film in (one.film, rng.choice(one.elsewhere)):
            starts = others.ranked(one, film)[:MOST_WINDOWS]
            if film is one.film:
                starts = starts + [a for a, b in others.windows(film) if touches(one.spans, a, b)]
            if not starts:
                continue
            frames, mask = window_frames(film, starts, settings.seconds)
            question = one.question.to(device).expand(len(frames), -1)
            odds = window_odds(network.windows(frames.to(device), question, mask.to(device)))
            scores.append(float(odds.max()))
            labels.append(int(film is one.film))
    try:
        fitted = Calibrator.fit(scores, labels)
    except InvalidArgument as error:
        return {"fitted": False, "why": str(error)}
    network.presence.copy_(torch.tensor(fitted.values))
    return {"fitted": True, "films": len(scores), "auc": round(fitted.report.auc, 3)}


def start_from_pooling(network: GroundingNetwork, examples: Sequence[Example]) -> None:
    """Set the sparse path so that training starts at softmax pooling by the question, not at noise, and both centers.

    The question enters each frame in the second cross-attention; the first self-attention averages, the second compares
    frames with what the token then holds. All other layers add nothing at first. The paper starts from random weights,
    and has a hundred times the data."""
    adapter, eye = network.adapter, torch.eye(network.adapter.dim)
    films = {one.film.id: one.film for one in examples}
    with torch.no_grad():
        means = [F.normalize(film.vectors, dim=-1).mean(dim=0) for film in films.values()]
        network.frame_center.copy_(torch.stack(means).mean(dim=0))
        network.question_center.copy_(F.normalize(torch.stack([e.question for e in examples]), dim=-1).mean(dim=0))
        for name, value in adapter.named_parameters():
            if re.fullmatch(r"(cross|self_attention)\.\d\.(out|mlp\.2)\.(weight|bias)", name) or name.endswith(
                ("query.bias", "key.bias", "value.bias", "sparse_projection.bias")
            ):
                value.zero_()
            elif name.endswith(("query.weight", "key.weight", "value.weight")):
                value.mul_(0.1).add_(eye)
        own = dict(adapter.named_parameters())
        own["token"].zero_()
        own["cross.1.out.weight"].copy_(eye * adapter.dim**-0.5)  # normed rows are sqrt(C) long
        own["self_attention.0.query.weight"].zero_()
        own["self_attention.0.out.weight"].copy_(eye)
        own["self_attention.1.query.weight"].copy_(2 * eye)
        own["self_attention.1.out.weight"].copy_(eye)
        own["sparse_projection.weight"].copy_(eye)


def _places(spans: Sequence[tuple[float, float]], start_s: float, count: int, seconds: int) -> list[int]:
    """The first and last place of the event in a window of `count` frames, or "not present" twice."""
    end_s = start_s + count
    for a, b in sorted(spans, key=lambda span: min(span[1], end_s) - max(span[0], start_s), reverse=True):
        if min(b, end_s) - max(a, start_s) > 0:
            first = min(count - 1, max(0, int(a - start_s)))
            return [first, max(first, min(count - 1, int(-(-(b - start_s) // 1)) - 1))]
    return [seconds, seconds]


def _overlaps(spans: Sequence[tuple[float, float]], start_s: float, end_s: float) -> bool:
    """Whether at least half of one of the spans lies inside."""
    return any(min(b, end_s) - max(a, start_s) >= (b - a) / 2 for a, b in spans)
