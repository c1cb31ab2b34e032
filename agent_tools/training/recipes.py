"""The recipes: from a file of pairs and a memory to a folder that `--models adapter=` or `--models memaug=` loads."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from agent_tools.errors import EngineError, InvalidArgument
from agent_tools.grounding import GroundingNetwork
from agent_tools.memory import PlaceReader
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.training import report as reports
from agent_tools.training.adapter import (
    LEAST_PAIRS,
    AdapterLoss,
    AdapterSettings,
    apart,
    fit_presence,
    start_from_pooling,
)
from agent_tools.training.films import Material, material
from agent_tools.training.loop import History, LoopSettings, Progress, train
from agent_tools.training.memaug import (
    FORGOTTEN,
    MemaugLoss,
    MemaugSettings,
    right_places,
    start_from_films,
)
from agent_tools.training.pairs import read_pairs

STATE = "training"  # folder inside the out folder, while a training is not finished
ADAPTER = "hierarchical-adapter"  # model_type in config.json, as models.segment_reader reads it
MEMAUG = "memaug"  # the same, as models.picture_memory reads it

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What every recipe needs to know."""

    settings: Settings  # home, and the models that made the vectors
    pairs: Path
    out: Path
    loop: LoopSettings = field(default_factory=LoopSettings)
    command: str = ""
    date: str = ""
    queries: int = reports.MOST_QUERIES  # held-out queries asked before and after


def train_adapter(
    job: Job, recipe: AdapterSettings | None = None, on_line: OnLine = lambda _line: None
) -> dict[str, Any]:
    """ReVisionLLM's curriculum; returns the report, which is written beside the weights.

    Raises: InvalidArgument: no stage, a finished folder, wrong or too few pairs, another encoder's vectors.
        EngineError: the loss is no number, or the disk is full; what was saved is kept."""
    recipe = recipe or AdapterSettings()
    if not recipe.stages:
        raise InvalidArgument("All stages are left out: nothing would be trained.")
    _refuse_finished(job.out)
    plain = _without_adapter(job.settings)
    with _opened(plain) as library, _one_way(job.loop.seed):
        given = material(library, read_pairs(job.pairs).pairs, LEAST_PAIRS, on_line)
        network = GroundingNetwork(given.dim, recipe.seconds)
        start_from_pooling(network, given.examples["train"])
        network.to(job.loop.device)
        learnt, judged = apart(given.examples["train"])
        loss = AdapterLoss(network, learnt, recipe, job.loop.batch, job.loop.device)
        described = {"recipe": "adapter", **asdict(recipe), "data": _digest(job.pairs), "encoder": given.encoder}

        def said(progress: Progress) -> None:
            on_line(str(progress))

        history = train(network, recipe.stages, loss, job.out / STATE, job.loop, described, said)
        has_head = recipe.dense_steps > 0
        presence = fit_presence(network, judged, recipe, job.loop.seed) if has_head else None
        config = {"model_type": ADAPTER, "dim": given.dim, "hidden": given.dim, "encoder": given.encoder}
        _write_model(job.out, network, config | {"seconds": recipe.seconds, "windows": has_head})
        asked = reports.queries(given.examples["held_out"], job.loop.seed, job.queries)
        on_line(f"asking {len(asked)} held-out queries with and without the adapter")
        before = reports.measured(asked, reports.ask(library, asked))
    with _opened(replace(plain, models=(*plain.models, f"adapter={job.out.resolve()}"))) as library:
        library.models.picture_words(600.0)
        after = reports.measured(asked, reports.ask(library, asked))
    verdict = f"{reports.better(before, after)} {reports.silence(before, after)}".strip()
    made = _report(job, "adapter", given, {**asdict(recipe), "presence": presence}, before, after, verdict)
    _finish(job, made, history)
    on_line(verdict)
    return made


def train_memaug(
    job: Job, recipe: MemaugSettings | None = None, on_line: OnLine = lambda _line: None
) -> dict[str, Any]:
    """Hour-LLaVA's read over forgotten frames; returns the report, which is written beside the weights.

    The report's "before" is the same network with its first weights. Raises: as train_adapter."""
    recipe = recipe or MemaugSettings()
    if not recipe.stages:
        raise InvalidArgument("Short and long videos are both left out: nothing would be trained.")
    _refuse_finished(job.out)
    with _opened(_without_adapter(job.settings)) as library, _one_way(job.loop.seed):
        given = material(library, read_pairs(job.pairs).pairs, LEAST_PAIRS, on_line)
        network = PlaceReader(given.dim, recipe.depth, recipe.heads)
        start_from_films(network, given.examples["train"])
        network.to(job.loop.device)
        held_out = [one for one in given.examples["held_out"] if one.spans]
        before = right_places(network, held_out, recipe, job.loop.device, job.queries, job.loop.seed)
        loss = MemaugLoss(network, given.examples["train"], recipe, job.loop.batch, job.loop.device)
        described = {"recipe": "memaug", **asdict(recipe), "data": _digest(job.pairs), "encoder": given.encoder}
        history = train(
            network, recipe.stages, loss, job.out / STATE, job.loop, described, lambda progress: on_line(str(progress))
        )
        after = right_places(network, held_out, recipe, job.loop.device, job.queries, job.loop.seed)
    sizes = {"dim": given.dim, "depth": recipe.depth, "heads": recipe.heads, "mlp_ratio": 4}
    _write_model(job.out, network, {"model_type": MEMAUG, **sizes, "encoder": given.encoder})
    verdict = reports.better(before, after, FORGOTTEN)
    made = _report(job, "memaug", given, asdict(recipe), before, after, verdict)
    _finish(job, made, history)
    on_line(verdict)
    return made


def _report(
    job: Job,
    recipe: str,
    given: Material,
    settings: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    verdict: str,
) -> dict[str, Any]:
    pairs = read_pairs(job.pairs)
    return {
        "recipe": f"train {recipe}",
        "verdict": verdict,
        "before": before,
        "after": after,
        "data": {
            "pairs": job.pairs.name,
            "source": pairs.source,
            "encoder": given.encoder,
            **given.counts,
            **{name: pairs.counts()[name] for name in ("channels", "licences")},
        },
        "settings": {**settings, **asdict(job.loop)},
        "command": job.command,
        "date": job.date or time.strftime("%Y-%m-%d"),
    }


def _refuse_finished(out: Path) -> None:
    if (out / "config.json").exists() and not (out / STATE).is_dir():
        raise InvalidArgument(f"{out} holds a model already. Name another folder with --out, or remove this one.")


def _write_model(out: Path, network: nn.Module, config: Mapping[str, Any]) -> None:
    """Weights first, config.json last: a folder without it is no model."""
    weights, described, new = out / "model.safetensors", out / "config.json", out / "model.new"
    try:
        with _on_disk(out):
            out.mkdir(parents=True, exist_ok=True)
            save_file({name: value.contiguous().cpu() for name, value in network.state_dict().items()}, new)
            os.replace(new, weights)
            described.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    except EngineError:
        new.unlink(missing_ok=True)
        described.unlink(missing_ok=True)
        raise


def _finish(job: Job, made: Mapping[str, Any], history: History) -> None:
    """Write the report, then drop the state of the training, which is complete."""
    with _on_disk(job.out):
        reports.write(job.out, made, history)
    shutil.rmtree(job.out / STATE, ignore_errors=True)


@contextlib.contextmanager
def _on_disk(out: Path) -> Iterator[None]:
    """Raises: EngineError: the disk is full, or the folder cannot be written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise EngineError(
            f"{out} cannot be written: {why}. The training is kept: free space and give the same command again."
        ) from error


def _without_adapter(settings: Settings) -> Settings:
    return replace(
        settings, models=tuple(one for one in settings.models if not one.startswith(("adapter=", "memaug=")))
    )


def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


@contextlib.contextmanager
def _opened(settings: Settings) -> Iterator[Library]:
    library = Library(settings, by_hand=True)
    try:
        yield library
    finally:
        library.close()


@contextlib.contextmanager
def _one_way(seed: int) -> Iterator[None]:
    """One seed, one thread and deterministic sums, so that the same command gives the same weights on one machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
