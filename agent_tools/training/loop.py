"""A training loop that can be stopped at any moment and goes on to the same weights.

Every random choice of a step is drawn from (seed, stage, step), so a step needs nothing but the weights and the state
of the optimizer. Both are written to one safetensors file, whole or not at all."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from agent_tools.errors import EngineError, InvalidArgument

STATE = "training.safetensors"
BETAS, EPS = (0.9, 0.98), 1e-8
WARM = 0.1  # share of a stage's steps in which the rate rises


@dataclass(frozen=True)
class Stage:
    """One stage of a curriculum."""

    name: str
    steps: int
    parts: tuple[str, ...] = ()  # prefixes of the parameters that learn; () = all


@dataclass(frozen=True)
class LoopSettings:
    batch: int = 32  # examples of one step
    rate: float = 1e-3  # highest learning rate
    decay: float = 0.01  # weight decay
    clip: float = 1.0  # largest norm of the gradient
    seed: int = 0
    save_every: int = 100  # steps from one saved state to the next
    device: str = "cpu"  # where it trains; the same weights come out again on "cpu" only


@dataclass(frozen=True)
class Progress:
    """One line of progress."""

    stage: str
    step: int  # of this stage
    steps: int
    loss: float  # mean over the last steps
    per_s: float  # steps a second
    left_s: float  # of all stages

    def __str__(self) -> str:
        rest = time.strftime("%H:%M:%S", time.gmtime(self.left_s))
        return (
            f"{self.stage}: step {self.step} of {self.steps}, loss {self.loss:.4f}, {self.per_s:.1f} steps/s, "
            f"{rest} left"
        )


@dataclass
class History:
    """The loss of every step, by stage."""

    losses: dict[str, list[float]] = field(default_factory=dict)


def train(
    network: nn.Module,
    stages: Sequence[Stage],
    loss_of: Callable[[str, random.Random], Tensor],
    folder: Path,
    settings: LoopSettings,
    described: Mapping[str, Any],
    on_step: Callable[[Progress], None] = lambda _progress: None,
) -> History:
    """Train through all stages; a state that an interrupted run left in the folder is taken up.

    AdamW with a warm start and a cosine end, within each stage.
    Args:
        loss_of: the loss of one batch of a stage; it draws only from the given Random.
        described: what decides the result (data, sizes, settings); a state of anything else is refused.
    Raises: EngineError: the loss is no number (the last good step is kept), or the state cannot be written.
        InvalidArgument: the folder holds a state of another training. KeyboardInterrupt: after the state is saved."""
    state = _State(folder / STATE, network, {**described, "stages": [asdict(s) for s in stages], **asdict(settings)})
    history, stage_at, step_at = state.load()
    total, done_before = sum(stage.steps for stage in stages), sum(stage.steps for stage in stages[:stage_at]) + step_at
    done, begun = done_before, time.monotonic()
    for number, stage in enumerate(stages):
        if number < stage_at:
            continue
        first = step_at if number == stage_at else 0
        if first == 0:
            state.forget_moments()
        losses = history.losses.setdefault(stage.name, [])
        network.train()
        for step in range(first, stage.steps):
            try:
                value = _step(network, stage, step, loss_of, settings, state)
            except KeyboardInterrupt:
                state.save(history, number, step)
                raise
            if value is None:
                state.save(history, number, step)
                raise EngineError(
                    f"The loss of stage {stage.name} is no number at step {step + 1}. The weights of step {step} are "
                    f"kept in {folder}. Lower --rate, and name another --out; or look for vectors that are not finite."
                )
            losses.append(value)
            done += 1
            last = step + 1 == stage.steps
            if (step + 1) % settings.save_every == 0 or last:
                state.save(history, number + last, 0 if last else step + 1)
                rate = (done - done_before) / max(1e-6, time.monotonic() - begun)
                mean = sum(losses[-settings.save_every :]) / len(losses[-settings.save_every :])
                on_step(Progress(stage.name, step + 1, stage.steps, mean, rate, (total - done) / rate))
    network.eval()
    return history


def _step(
    network: nn.Module,
    stage: Stage,
    step: int,
    loss_of: Callable[[str, random.Random], Tensor],
    settings: LoopSettings,
    state: _State,
) -> float | None:
    """One update; None, and no update, where loss or gradient is no number."""
    learning = {
        name: one
        for name, one in network.named_parameters()
        if not stage.parts or any(name.startswith(part) for part in stage.parts)
    }
    for one in network.parameters():
        one.grad = None
    loss = loss_of(stage.name, random.Random(f"{settings.seed}/{stage.name}/{step}"))
    if not torch.isfinite(loss):
        return None
    torch.autograd.backward(loss)
    norm = nn.utils.clip_grad_norm_(learning.values(), settings.clip)
    if not torch.isfinite(norm):
        return None
    state.update(learning, step, _rate(settings.rate, step, stage.steps), settings.decay)
    return float(loss.detach())


def _rate(highest: float, step: int, steps: int) -> float:
    share = (step + 1) / steps
    if share < WARM:
        return highest * share / WARM
    return highest * 0.5 * (1 + math.cos(math.pi * (share - WARM) / (1 - WARM)))


class _State:
    """Weights and AdamW's moments, and the file that holds them."""

    def __init__(self, path: Path, network: nn.Module, described: Mapping[str, Any]) -> None:
        self._path, self._network = path, network
        self._described = json.dumps(described, sort_keys=True, default=str)
        self._first: dict[str, Tensor] = {}
        self._second: dict[str, Tensor] = {}

    def forget_moments(self) -> None:
        self._first, self._second = {}, {}

    @torch.no_grad()
    def update(self, learning: Mapping[str, nn.Parameter], step: int, rate: float, decay: float) -> None:
        """AdamW (Loshchilov and Hutter 2019), written out so that its state is two tensors for each weight."""
        for name, weight in learning.items():
            if weight.grad is None:
                continue
            first = self._first.setdefault(name, torch.zeros_like(weight))
            second = self._second.setdefault(name, torch.zeros_like(weight))
            first.lerp_(weight.grad, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(weight.grad, weight.grad, value=1 - BETAS[1])
            mean, square = first / (1 - BETAS[0] ** (step + 1)), second / (1 - BETAS[1] ** (step + 1))
            if weight.ndim > 1:
                weight.mul_(1 - rate * decay)
            weight.addcdiv_(mean, square.sqrt() + EPS, value=-rate)

    def save(self, history: History, stage: int, step: int) -> None:
        """Write the state beside the old one, then in its place. Raises: EngineError: the disk is full, or alike."""
        tensors = {f"weights/{name}": value.contiguous() for name, value in self._network.state_dict().items()}
        tensors |= {f"first/{name}": value for name, value in self._first.items()}
        tensors |= {f"second/{name}": value for name, value in self._second.items()}
        said = {"described": self._described, "losses": json.dumps(history.losses), "at": json.dumps([stage, step])}
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            save_file({name: value.cpu() for name, value in tensors.items()}, new, said)
            with open(new, "rb") as file:
                os.fsync(file.fileno())
            os.replace(new, self._path)
        except (OSError, SafetensorError) as error:
            new.unlink(missing_ok=True)
            raise EngineError(
                f"The training's state cannot be written to {self._path.parent}: {error}. What was saved before is "
                "whole. Free space and give the same command again: it goes on from there."
            ) from error

    def load(self) -> tuple[History, int, int]:
        """(losses so far, stage, step) to go on from; from the start where there is no state.

        Raises: InvalidArgument: a state of another training, or not a state at all."""
        if not self._path.is_file():
            return History(), 0, 0
        try:
            with safe_open(self._path, "pt") as file:
                said = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        except (OSError, SafetensorError) as error:
            raise InvalidArgument(
                f"{self._path} is no state of a training ({error}). Remove it to start again."
            ) from error
        if said.get("described") != self._described:
            raise InvalidArgument(
                f"{self._path.parent} holds an interrupted training with other data or settings. Give the same command "
                "as then to go on, or name another --out."
            )
        own = {name.partition("/")[2]: value for name, value in tensors.items() if name.startswith("weights/")}
        self._network.load_state_dict(own)
        device = next(self._network.parameters()).device
        for part, kept in (("first/", self._first), ("second/", self._second)):
            kept.update({n.partition("/")[2]: v.to(device) for n, v in tensors.items() if n.startswith(part)})
        stage, step = json.loads(said["at"])
        return History(json.loads(said["losses"])), stage, step
