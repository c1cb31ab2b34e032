"""Evidence for recursive grounding at a tiny scale: ReVisionLLM's four claims on drawn features, each with its number.

A drawn video is 16 minutes of noisy features at 1 fps in which short events follow each other. An event is an object
with an action; the pair that is asked for occurs once, among events that share its object or its action. A dense
network answers a window with two index tokens or "not present", as the paper's language model does. A sparse network
judges a segment from the single vector of a HierarchicalAdapter. The real Grounder searches with both.
This shows whether the mechanism works here; it says nothing about the paper's films. The noise was set so that the flat
search is right more often than not and far from always. Whether a claim then holds was not tuned."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from agent_tools.grounding import (
    Evidence,
    Grounder,
    Grounding,
    HierarchicalAdapter,
    Level,
    Proposal,
    mean_entropy,
    temporal_iou,
)

DIM, HIDDEN, KINDS = 24, 48, 6  # feature width, model width, number of objects and of actions
VIDEO_S, WINDOW_S, SEGMENT_S = 960, 24, 48
SPARSE = Level(SEGMENT_S, SEGMENT_S, 0.5, top_k=4)
DENSE = Level(WINDOW_S, WINDOW_S / 2, 1.0)
IOU = 0.3  # a top answer counts as right above it
Hits = NDArray[np.float64]  # (queries,) 1 where the answer is right, else 0


@dataclass(frozen=True)
class TinySettings:
    steps: int = 800  # of training, each network
    batch: int = 48
    videos: int = 80  # with one present query each
    absent: int = 40  # further queries, about videos that do not hold the asked pair
    noise: float = 0.9  # of a feature, against 1 for those of an object or an action: most answers right, not all
    alignment: float = 0.5  # cosine of a question's token with what it names in pictures; the rest has to be learnt


@dataclass(frozen=True)
class Drawn:
    """A video's features (T, C), the question's tokens (2, C), and where the pair occurs; None if it does not."""

    features: Tensor
    question: Tensor
    span: tuple[int, int] | None


class World:
    """Draws videos: fixed vectors for objects and actions, and words for them that share their space only in part."""

    def __init__(self, seed: int, settings: TinySettings) -> None:
        self.random = np.random.default_rng(seed)
        self.noise = settings.noise * 0.35
        self.parts, unlike = self.random.normal(size=(2, 2, KINDS, DIM)) * 0.35
        self.words = settings.alignment * self.parts + (1 - settings.alignment**2) ** 0.5 * unlike

    def draw(self, length: int, present: bool) -> Drawn:
        pair = self.random.integers(KINDS, size=2)
        features = self.random.normal(size=(length, DIM)) * self.noise
        events: list[tuple[int, int]] = []
        at = int(self.random.integers(0, 8))
        while at < length:
            events.append((at, min(length, at + int(self.random.integers(5, 13)))))
            at = events[-1][1] + int(self.random.integers(3, 18))
        chosen = int(self.random.integers(len(events))) if present else -1
        for index, (start, end) in enumerate(events):
            shown = pair if index == chosen else self._other(pair)
            features[start:end] += self.parts[0, shown[0]] + self.parts[1, shown[1]]
        question = np.stack([self.words[0, pair[0]], self.words[1, pair[1]]])
        span = events[chosen] if present else None
        return Drawn(torch.tensor(features, dtype=torch.float32), torch.tensor(question, dtype=torch.float32), span)

    def _other(self, pair: Any) -> Any:
        """A pair that is not the asked one; four in ten share its object or its action."""
        other = (pair + self.random.integers(1, KINDS, size=2)) % KINDS
        kept = self.random.random()
        if kept < 0.4:
            side = int(kept < 0.2)
            other[side] = pair[side]
        return other


class Dense(nn.Module):
    """Window and question -> the distributions of two tokens over T indexes and "not present": (B, 2, T + 1)."""

    def __init__(self, may_refuse: bool) -> None:
        super().__init__()
        self.may_refuse = may_refuse
        self.adapter = HierarchicalAdapter(DIM, HIDDEN)
        self.question = nn.Linear(DIM, HIDDEN)
        self.place = nn.Parameter(torch.randn(WINDOW_S + 3, HIDDEN) * 0.02)
        self.refusal = nn.Parameter(torch.zeros(1, 1, HIDDEN))
        layer = nn.TransformerEncoderLayer(HIDDEN, 4, 2 * HIDDEN, dropout=0.0, batch_first=True, norm_first=True)
        self.mixer = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.tokens = nn.Linear(HIDDEN, 2)

    def forward(self, frames: Tensor, question: Tensor) -> Tensor:
        dense, query = self.adapter.dense(frames), self.question(question)
        read = torch.cat([dense, self.refusal.expand(len(frames), 1, -1), query], dim=1)  # (B, T + 3, H)
        mixed = self.mixer(read + self.place)
        logits: Tensor = self.tokens(mixed[:, : WINDOW_S + 1]).transpose(1, 2)  # (B, 2, T + 1)
        if not self.may_refuse:
            logits = logits.index_fill(2, torch.tensor(WINDOW_S), -1e9)
        return logits


class Sparse(nn.Module):
    """Segment and question -> the logit that it holds the event, from one vector."""

    def __init__(self) -> None:
        super().__init__()
        self.adapter = HierarchicalAdapter(DIM, HIDDEN)
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, frames: Tensor, question: Tensor) -> Tensor:
        logits: Tensor = self.head(self.adapter.sparse(frames, question)).squeeze(-1)
        return logits


class TinyLocalizer:
    """Sparse on segments, dense on windows. The raw score is the cosine of question and span, as of a CLIP baseline."""

    def __init__(self, dense: Dense, sparse: Sparse | None) -> None:
        self.dense, self.sparse = dense.eval(), None if sparse is None else sparse.eval()

    def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
        seen = evidence.payload
        assert isinstance(seen, Drawn)  # _search put it there
        with torch.inference_mode():
            if evidence.end_s - evidence.start_s > WINDOW_S:
                return self._segment(evidence, seen.features, seen.question)
            return self._window(evidence, seen.features, seen.question)

    def _segment(self, evidence: Evidence, frames: Tensor, question: Tensor) -> list[Proposal]:
        assert self.sparse is not None  # a flat search has no segments
        present = float(self.sparse(frames[None], question[None]).sigmoid())
        if present < 0.5:
            return []
        entropy = mean_entropy([[present, 1 - present]])
        cosine = _cosine(frames, question)
        return [Proposal(evidence.start_s, evidence.end_s, cosine, entropy, cosine)]

    def _window(self, evidence: Evidence, frames: Tensor, question: Tensor) -> list[Proposal]:
        tokens = self.dense(frames[None], question[None])[0].softmax(dim=-1)  # (2, T + 1)
        first, last = (int(place) for place in tokens.argmax(dim=-1))
        if WINDOW_S in (first, last) or first > last:
            return []
        cosine = _cosine(frames[first : last + 1], question)
        start_s = evidence.start_s + first
        return [Proposal(start_s, evidence.start_s + last + 1, cosine, mean_entropy(tokens.numpy()), cosine)]


def run(
    seed: int = 0, on_line: Callable[[str], object] = lambda line: None, settings: TinySettings | None = None
) -> dict[str, Any]:
    """Train, search, compare. Under 120 s on one core.

    Returns: {seed, queries, absent_queries, metric, r1 by search, said_present_of_absent by search, claims, seconds}.
    A claim is {claim, paper, here, than, difference, low, high, agree, clear}: `here` and `than` are what is compared,
    low..high the 95 % interval of their difference over resampled queries (frames have none), `agree` whether the
    difference has the paper's sign, `clear` whether its interval leaves out 0."""
    started = time.monotonic()
    settings = settings or TinySettings()
    torch.manual_seed(seed)
    world = World(seed, settings)
    refusing, never, sparse = Dense(may_refuse=True), Dense(may_refuse=False), Sparse()
    for name, network in (("dense, not present trained", refusing), ("dense, without", never), ("sparse", sparse)):
        on_line(f"{name}: final loss {_train(network, world, settings):.3f}")
    present = [world.draw(VIDEO_S, present=True) for _ in range(settings.videos)]
    absent = [world.draw(VIDEO_S, present=False) for _ in range(settings.absent)]
    recursive = Grounder([SPARSE, DENSE], TinyLocalizer(refusing, sparse), "entropy")
    flat = Grounder([DENSE], TinyLocalizer(refusing, None), "entropy")
    flat_never = Grounder([DENSE], TinyLocalizer(never, None), "entropy")
    ranked_otherwise = {
        "cosine": Grounder([DENSE], TinyLocalizer(refusing, None), "raw"),
        "released": Grounder([DENSE], TinyLocalizer(refusing, None), "released"),
    }
    searches = {"recursive": recursive, "flat": flat, "never": flat_never}
    found = {
        name: [_search(grounder, drawn) for drawn in present]
        for name, grounder in (searches | ranked_otherwise).items()
    }
    right = {name: _right(answers, present) for name, answers in found.items()}
    said = {
        name: float(np.mean([bool(_search(grounder, drawn).proposals) for drawn in absent]))
        for name, grounder in searches.items()
    }
    share = float(np.mean([answer.share for answer in found["recursive"]]))
    result: dict[str, Any] = {
        "seed": seed,
        "queries": len(present),
        "absent_queries": len(absent),
        "metric": f"R1 at IoU > {IOU}",
        "r1": {name: float(hits.mean()) for name, hits in right.items()},
        "said_present_of_absent": said,
        "claims": _claims(right, share, seed),
        "seconds": round(time.monotonic() - started, 1),
    }
    return result


def markdown(report: Mapping[str, Any]) -> str:
    """A row for each claim: the paper's numbers, this run's, their difference, and whether it has the paper's sign."""
    lines = [
        f"{report['queries']} drawn videos of {VIDEO_S // 60} minutes that hold what is asked for, "
        f"{report['absent_queries']} that do not, seed {report['seed']}. Shares are {report['metric']}; of the second "
        "claim, frames processed.",
        "",
        "| claim | the paper | here | against | difference (95 % interval) | agrees |",
        "|---|---|---|---|---|---|",
    ]
    for claim in report["claims"]:
        interval = f" ({claim['low']:+.2f} to {claim['high']:+.2f})" if "low" in claim else ""
        agrees = ("yes" if claim["agree"] else "**no**") + ("" if claim["clear"] else ", within the noise")
        numbers = f"{claim['here']:.2f} | {claim['than']:.2f} | {claim['difference']:+.2f}{interval}"
        lines.append(f"| {claim['claim']} | {claim['paper']} | {numbers} | {agrees} |")
    said = report["said_present_of_absent"]
    return "\n".join(
        [
            *lines,
            "",
            f"Of the {report['absent_queries']} absent, the recursive search calls {said['recursive']:.1%} present, "
            f"the flat one {said['flat']:.1%}, and the one never trained to say 'not present' {said['never']:.1%}.",
        ]
    )


def _train(network: Dense | Sparse, world: World, settings: TinySettings) -> float:
    """Adam with a cosine schedule; half of the examples hold the event, unless the network cannot refuse."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=settings.steps)
    length = SEGMENT_S if isinstance(network, Sparse) else WINDOW_S
    share = 0.5 if isinstance(network, Sparse) or network.may_refuse else 1.0
    network.train()
    last: list[float] = []
    for _ in range(settings.steps):
        drawn = [world.draw(length, bool(world.random.random() < share)) for _ in range(settings.batch)]
        frames = torch.stack([one.features for one in drawn])
        question = torch.stack([one.question for one in drawn])
        if isinstance(network, Sparse):
            target = torch.tensor([float(one.span is not None) for one in drawn])
            step = round(1 / SPARSE.detail)
            loss = F.binary_cross_entropy_with_logits(network(frames[:, ::step], question), target)
        else:
            refused = (WINDOW_S, WINDOW_S + 1)
            ends = torch.tensor([[one[0], one[1] - 1] for one in (each.span or refused for each in drawn)])
            loss = F.cross_entropy(network(frames, question).flatten(0, 1), ends.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        schedule.step()
        last = [*last[-19:], float(loss.detach())]
    return float(np.mean(last))


def _search(grounder: Grounder, drawn: Drawn) -> Grounding:
    def look(start_s: float, end_s: float, fps: float) -> Evidence:
        frames = drawn.features[round(start_s) : round(end_s) : round(1 / fps)]
        return Evidence(start_s, end_s, len(frames), payload=Drawn(frames, drawn.question, None))

    return grounder.ground("the asked pair", 0.0, float(VIDEO_S), look)


def _cosine(frames: Tensor, question: Tensor) -> float:
    return float(F.cosine_similarity(frames.mean(dim=0), question.sum(dim=0), dim=0))


def _right(answers: Sequence[Grounding], drawn: Sequence[Drawn]) -> Hits:
    """1 where the best proposal overlaps the true span by more than IOU."""
    hits = [
        bool(answer.proposals) and one.span is not None and temporal_iou(answer.proposals[0], one.span) > IOU
        for answer, one in zip(answers, drawn, strict=True)
    ]
    return np.array(hits, dtype=np.float64)


def _claims(right: Mapping[str, Hits], share: float, seed: int) -> list[dict[str, Any]]:
    """The paper's four claims, each with its number here. `share`: of the frames that the recursive search reads."""
    return [
        _claim("recursion answers better than the flat search", "8.4 -> 15.0", right["recursive"], right["flat"], seed),
        {
            "claim": "recursion processes fewer frames than the flat search",
            "paper": "57 %",
            "here": share,
            "than": 1.0,
            "difference": share - 1,
            "agree": share < 1,
            "clear": True,
        },
        _claim("training 'not present' answers better", "1.4 -> 4.8", right["flat"], right["never"], seed),
        _claim("entropy ranks better than the cosine", "4.8 -> 8.4", right["flat"], right["cosine"], seed),
    ]


def _claim(
    claim: str,
    paper: str,
    here: Hits,
    than: Hits,
    seed: int,
) -> dict[str, Any]:
    """Both shares, their difference, and its paired bootstrap interval."""
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(here), size=(2000, len(here)))
    low, high = np.quantile((here - than)[drawn].mean(axis=1), (0.025, 0.975))
    difference = float(here.mean() - than.mean())
    return {
        "claim": claim,
        "paper": paper,
        "here": float(here.mean()),
        "than": float(than.mean()),
        "difference": difference,
        "low": float(low),
        "high": float(high),
        "agree": difference > 0,
        "clear": bool(low > 0 or high < 0),
    }
