"""The commands train data, train adapter and train memaug: pairs out of the memory, and folders that --models loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_tools.cli.flags import Home, opened
from agent_tools.errors import InvalidArgument

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
                on_step=lambda line: typer.echo(line, err=True),
            )
    pairs.write(out)
    counts = pairs.counts()
    for split in ("train", "held_out"):
        typer.echo(f"{split}: {counts[split]['pairs']} pairs of {counts[split]['videos']} videos")
    for reason, count in counts["left_out"].items():
        typer.echo(f"left out: {count}, {reason}")
    typer.echo(f"written: {out}")
