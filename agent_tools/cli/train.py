"""The commands train data, train adapter and train memaug: pairs out of the memory, and folders that --models loads."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_tools.cli.flags import Home, flag, given_settings, opened
from agent_tools.errors import InvalidArgument
from agent_tools.options import with_options
from agent_tools.settings import Settings

if TYPE_CHECKING:
    from agent_tools.training.recipes import Job

train_app = typer.Typer(
    help="Train on your own videos, or on a data set: pairs of sentences and spans, then a folder for --models.",
    no_args_is_help=True,
)
Out = Annotated[Path, typer.Option("--out", help="the file or folder to write")]


@train_app.command()
def data(
    out: Out,
    source: Annotated[
        Path | None,
        typer.Argument(
            help="a data set's own file instead: videomarathon.json, LongVid's YAML or JSON, MAD, VidChapters, or "
            "a list of {video, event, spans}",
            metavar="[FILE]",
        ),
    ] = None,
    from_library: Annotated[
        bool, typer.Option("--from-library", help="take the sentences of this memory: speech, subtitles, slides, notes")
    ] = False,
    channel: Annotated[
        list[str] | None, typer.Option("--channel", help="with --from-library: only these channels; repeat the flag")
    ] = None,
    held_out: Annotated[
        float, typer.Option("--held-out", help="share of the videos that no training sees", min=0.01, max=0.9)
    ] = 1 / 3,
    licence: Annotated[
        str, typer.Option("--licence", help="licence of what the videos say, where their files name none")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", help="decides which videos are held out")] = 0,
    home: Home = None,
) -> None:
    """Write pairs of a sentence and its spans, with split and origin. Nothing leaves the machine."""
    import time

    from agent_tools.training.library_pairs import CHANNELS, LibraryRules, held_out_videos, library_pairs
    from agent_tools.training.pairs import Pairs, read_pairs, split_by_video

    if from_library == (source is not None):
        raise InvalidArgument("Give either --from-library or a data set's FILE.")
    made = time.strftime("%Y-%m-%d")
    if source is not None:
        read = read_pairs(source)
        apart = held_out_videos(sorted({pair.video for pair in read.pairs}), held_out, seed)
        chosen = tuple(split_by_video(read.pairs, sorted(apart)))
        pairs = Pairs(chosen, read.source, made, {"held_out": held_out, "seed": seed}, read.left_out)
    else:
        rules = LibraryRules(held_out=held_out, licence=licence, seed=seed)
        with opened(home) as library:
            pairs = library_pairs(
                library.store,
                rules,
                channels=tuple(channel or CHANNELS),
                made=made,
                on_step=_say,
            )
    pairs.write(out)
    counts = pairs.counts()
    for split in ("train", "held_out"):
        typer.echo(f"{split}: {counts[split]['pairs']} pairs of {counts[split]['videos']} videos")
    for reason, count in counts["left_out"].items():
        typer.echo(f"left out: {count}, {reason}")
    typer.echo(f"written: {out}")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What every recipe takes."""

    pairs: Annotated[Path, typer.Option("--pairs", help="what to train on: a file of train data, or a data set's own")]
    out: Annotated[Path, typer.Option("--out", help="folder for the weights and their report; name it with --models")]
    home: Annotated[Path | None, flag("home")] = None
    profile: Annotated[str | None, flag("profile")] = None
    models: Annotated[list[str] | None, flag("models")] = None
    model_dirs: Annotated[list[Path] | None, flag("model_dirs")] = None
    device: Annotated[str | None, flag("device")] = None
    batch: Annotated[int, typer.Option("--batch", help="examples of one step", min=1)] = 32
    rate: Annotated[float, typer.Option("--rate", help="highest learning rate")] = 1e-3
    seed: Annotated[int, typer.Option("--seed", help="decides every random choice")] = 0
    queries: Annotated[int, typer.Option("--queries", help="held-out queries asked before and after", min=0)] = 100


@dataclass(frozen=True, kw_only=True)
class AdapterTraining(Training):
    steps: Annotated[str, typer.Option("--steps", help="steps of the stages 1-A dense, 1-B sparse and 2 hours")] = (
        "1500,500,500"
    )
    no_dense: Annotated[bool, typer.Option("--no-dense", help="leave stage 1-A out: short clips, two index tokens")] = (
        False
    )
    no_sparse: Annotated[bool, typer.Option("--no-sparse", help="leave stage 1-B out: existence in segments")] = False
    no_hours: Annotated[bool, typer.Option("--no-hours", help="leave stage 2 out: all segments of a long film")] = False
    no_not_present: Annotated[
        bool, typer.Option("--no-not-present", help='train on windows with the event alone, never on "not present"')
    ] = False


@train_app.command()
@with_options(AdapterTraining)
def adapter(request: AdapterTraining) -> None:
    """Train ReVisionLLM's adapter on pairs, for --models adapter=FOLDER. Give it again after a stop: it goes on."""
    from agent_tools.training.adapter import AdapterSettings
    from agent_tools.training.recipes import train_adapter

    dense, sparse, hours = _steps(request.steps, 3)
    recipe = AdapterSettings(
        dense_steps=0 if request.no_dense else dense,
        sparse_steps=0 if request.no_sparse else sparse,
        hours_steps=0 if request.no_hours else hours,
        not_present=0.0 if request.no_not_present else AdapterSettings.not_present,
    )
    _run(lambda: train_adapter(_job(request), recipe, _say), "adapter", request.out)


@dataclass(frozen=True, kw_only=True)
class MemaugTraining(Training):
    steps: Annotated[
        str, typer.Option("--steps", help="steps on short videos, then on whole ones; 0 leaves one out")
    ] = "0,800"
    without_memory: Annotated[
        bool, typer.Option("--without-memory", help="the decayed view is all that there is to read: the control")
    ] = False
    forgotten: Annotated[
        float, typer.Option("--forgotten", help="probability that the asked frames are forgotten", min=0.0, max=1.0)
    ] = 0.75
    depth: Annotated[int, typer.Option("--depth", help="blocks of the MemAug", min=1)] = 2


@train_app.command()
@with_options(MemaugTraining)
def memaug(request: MemaugTraining) -> None:
    """Train Hour-LLaVA's MemAug to read forgotten frames in a whole video. Give it again after a stop: it goes on."""
    from agent_tools.training.memaug import MemaugSettings
    from agent_tools.training.recipes import train_memaug

    short, long = _steps(request.steps, 2)
    recipe = MemaugSettings(short, long, not request.without_memory, request.forgotten, depth=request.depth)
    _run(lambda: train_memaug(_job(request), recipe, _say), "memaug", request.out)


def _job(request: Training) -> Job:
    from agent_tools.training.loop import LoopSettings
    from agent_tools.training.recipes import Job

    device = "cpu" if request.device in (None, "auto") else str(request.device)
    loop = LoopSettings(batch=request.batch, rate=request.rate, seed=request.seed, device=device)
    command = shlex.join(["agent-tools", *sys.argv[1:]])
    settings = Settings.load(**given_settings(request))
    return Job(settings, request.pairs, request.out, loop, command, queries=request.queries)


def _steps(text: str, count: int) -> list[int]:
    parts = text.split(",")
    if len(parts) != count or not all(part.strip().isdigit() for part in parts):
        raise InvalidArgument(f"--steps {text!r}: {count} whole numbers with commas are needed, one for each stage.")
    return [int(part) for part in parts]


def _run(recipe: Callable[[], dict[str, Any]], role: str, out: Path) -> None:
    """Run a recipe; Ctrl-C ends it with what to do next."""
    try:
        recipe()
    except KeyboardInterrupt:
        _say("Stopped. What was learnt is saved: give the same command again to go on.")
        raise typer.Exit(130) from None
    typer.echo(f"written: {out}. Serve with it: agent-tools serve --models {role}={shlex.quote(str(out))} ...")


def _say(line: str) -> None:
    typer.echo(line, err=True)
