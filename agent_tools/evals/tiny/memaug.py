"""A small MemAug, trained on drawn sequences, answers about frames it no longer has; without its repository it cannot.

Each frame of a drawn sequence shows a name and a value. The question is a name, the answer its value. The decayed view
keeps a quarter of the frames; only the repository holds the others. The same architecture is also trained, with the
same number of steps, with the decayed view as its repository, so it has no memory. This is evidence that the mechanism
works, at a scale of seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agent_tools.memory import MemAug, forget

_FRAMES, _KEPT, _VALUES, _DIM = 24, 6, 8, 32
_BATCH, _RATE = 64, 3e-3
_PROGRESS = 100  # steps from one line of progress to the next
_QUESTIONS = 2000  # per row of the table


@dataclass(frozen=True, eq=False)
class _Sequences:
    """A batch of sequences, one question each."""

    repository: Tensor  # (B, frames, C): name and value of each frame
    question: Tensor  # (B, 1, C): a name, and no value
    answer: Tensor  # (B,) which value


class _World:
    """Names and values as vectors, which frames are kept, and sequences drawn from them."""

    def __init__(self, seed: int) -> None:
        self._draw = torch.Generator().manual_seed(seed)
        half = _DIM // 2
        self._names = 3 * torch.randn(_FRAMES, half, generator=self._draw)
        self._values = math.sqrt(half) * F.normalize(torch.randn(_VALUES, half, generator=self._draw), dim=1)
        self.kept = forget(_FRAMES, max_frames=_KEPT).frame
        self.forgotten = torch.tensor(sorted(set(range(_FRAMES)) - set(self.kept.tolist())))

    def sequences(self, count: int, about: Tensor) -> _Sequences:
        """Every name once, in a drawn order, each with a drawn value; the question is about one frame of `about`."""
        order = torch.rand(count, _FRAMES, generator=self._draw).argsort(dim=1)
        value = torch.randint(_VALUES, (count, _FRAMES), generator=self._draw)
        rows, frame = torch.arange(count), about[torch.randint(len(about), (count,), generator=self._draw)]
        question = F.pad(self._names[order[rows, frame]], (0, _DIM // 2))
        repository = torch.cat([self._names[order], self._values[value]], dim=2)
        return _Sequences(repository, question[:, None], value[rows, frame])


class _Reader(nn.Module):
    """A MemAug over the decayed view, and a linear answer from the mean of what it gives."""

    def __init__(self, kept: Tensor, has_memory: bool) -> None:
        super().__init__()
        self.kept, self.has_memory = kept, has_memory
        self.memaug, self.answer = MemAug(_DIM, heads=2), nn.Linear(_DIM, _VALUES)

    def forward(self, drawn: _Sequences, rows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores of the values (B, values), with the repository's `rows` to read."""
        read: Tensor = self.memaug(
            drawn.repository[:, self.kept],
            drawn.question,
            drawn.repository[:, rows],
            positions=self.kept,
            repository_positions=rows,
            mask=mask,
        )
        scores: Tensor = self.answer(read.mean(dim=1))
        return scores


def run(seed: int = 0, steps: int = 700, on_line: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Train both readers, ask both about kept and forgotten frames; about 35 s on one core.

    Args:
        seed: decides names, values, sequences and first weights; the same seed gives the same table on one machine.
        steps: of 64 sequences each, per reader; under about 400 the first has not yet learnt to look names up.
        on_line: receives the progress, line by line.
    Returns: settings, `chance`, and `rows`: [{model, about, accuracy, half_width}], the last of the 95 % interval.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            return _run(seed, steps, on_line)
    finally:
        torch.set_num_threads(threads)


def _run(seed: int, steps: int, on_line: Callable[[str], None]) -> dict[str, Any]:
    everything = torch.arange(_FRAMES)
    rows: list[dict[str, Any]] = []
    for has_memory in (True, False):
        torch.manual_seed(seed)
        world = _World(seed)
        reader = _Reader(world.kept, has_memory)
        readable = everything if has_memory else world.kept
        _train(reader, world, readable, steps, on_line)
        name = "with memory" if has_memory else "trained without memory"
        trials: list[tuple[str, str, Tensor, Tensor, Tensor | None]] = [
            (name, "forgotten", world.forgotten, readable, None),
            (name, "kept", world.kept, readable, None),
        ]
        if has_memory:
            nothing = torch.zeros(_FRAMES, dtype=torch.bool)
            trials += [
                ("its repository masked out", "forgotten", world.forgotten, everything, nothing),
                ("its repository the decayed view", "forgotten", world.forgotten, world.kept, None),
            ]
        for model, about, frames, read, mask in trials:
            accuracy = _accuracy(reader, world.sequences(_QUESTIONS, frames), read, mask)
            half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / _QUESTIONS)
            rows.append({"model": model, "about": about, "accuracy": accuracy, "half_width": round(half, 3)})
    return {
        "seed": seed,
        "steps": steps,
        "frames": _FRAMES,
        "kept": _KEPT,
        "values": _VALUES,
        "questions": _QUESTIONS,
        "chance": 1 / _VALUES,
        "rows": rows,
    }


def markdown(report: Mapping[str, Any]) -> str:
    """A row for each model and kind of frame: the share of right answers."""
    lines = [
        f"{report['frames']} frames in a sequence, of which the decayed view keeps {report['kept']}; "
        f"{report['steps']} steps for each model, seed {report['seed']}; {report['questions']:,} questions a row.",
        "",
        f"| model | asked about a frame that is | right (chance {report['chance']:.1%}) |",
        "|---|---|---|",
    ]
    for row in report["rows"]:
        lines.append(f"| {row['model']} | {row['about']} | {row['accuracy']:.1%} ± {row['half_width']:.1%} |")
    return "\n".join(lines)


def _train(reader: _Reader, world: _World, readable: Tensor, steps: int, on_line: Callable[[str], None]) -> None:
    optimizer = torch.optim.Adam(reader.parameters(), lr=_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.1)
    about = torch.cat([world.kept.repeat(len(world.forgotten) // len(world.kept)), world.forgotten])  # half and half
    for step in range(1, steps + 1):
        drawn = world.sequences(_BATCH, about)
        loss = F.cross_entropy(reader(drawn, readable), drawn.answer)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % _PROGRESS == 0:
            on_line(f"{'with' if reader.has_memory else 'without'} memory, step {step}: loss {loss.item():.3f}")


@torch.no_grad()
def _accuracy(reader: _Reader, drawn: _Sequences, rows: Tensor, mask: Tensor | None) -> float:
    return float((reader(drawn, rows, mask).argmax(dim=1) == drawn.answer).float().mean())
