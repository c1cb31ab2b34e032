"""`agent-tools eval needles`: multi-hop needles in a haystack, and the score of guessing on a file of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from agent_tools.errors import InvalidArgument
from agent_tools.evals.options import Json, numbers, shares, show_progress, show_report, write_report
from agent_tools.options import with_options


@dataclass(frozen=True, kw_only=True)
class NeedlesRequest:
    """The options of `eval needles`."""

    lengths: Annotated[str, typer.Option("--lengths", help="frames at 1 fps, separated by commas")] = "1000,10000"
    depths: Annotated[str, typer.Option("--depths", help="places of the final frame, 0..1, separated by commas")] = (
        "0.1,0.5,0.9"
    )
    seeds: Annotated[str, typer.Option("--seeds", help="one chain for each seed and depth")] = "0,1,2"
    hops: Annotated[int, typer.Option("--hops", help="steps to the final frame, 1 to 6")] = 3
    quick: Annotated[bool, typer.Option("--quick", help="200 frames, one depth, one seed")] = False
    grid: Annotated[bool, typer.Option("--grid", help="the full grid: 1,000 to 10,000 frames, five depths")] = False
    home: Annotated[Path | None, typer.Option("--home", help="keep videos and memory here")] = None
    items: Annotated[
        Path | None,
        typer.Option("--items", help="a file like niah-coco-multihop-100.json: show the score of guessing on it"),
    ] = None
    images: Annotated[
        Path | None, typer.Option("--images", help="with --items: folder of its pictures, written into --video")
    ] = None
    video: Annotated[Path | None, typer.Option("--video", help="with --images: the haystack to write")] = None
    haystack: Annotated[
        Path | None, typer.Option("--haystack", help="with --images: your own video instead of a drawn one")
    ] = None
    json_path: Json = None

    @property
    def grid_or_lists(self) -> tuple[Sequence[int], Sequence[float], Sequence[int]]:
        """The lengths, depths and seeds that are asked for."""
        if self.quick:
            return (200,), (0.5,), (0,)
        if self.grid:
            return range(1_000, 10_001, 1_000), (0.0, 0.25, 0.5, 0.75, 1.0), numbers(self.seeds)
        return numbers(self.lengths), shares(self.depths), numbers(self.seeds)


@with_options(NeedlesRequest)
def needles(request: NeedlesRequest) -> None:
    """Multi-hop needles in a haystack, followed through MCP by a scripted agent without a model."""
    from agent_tools.evals.needles.needles import markdown, run_needles

    if request.items is not None:
        _guess(request, request.items)
        return
    lengths, depths, seeds = request.grid_or_lists
    report = run_needles(
        lengths=lengths, depths=depths, seeds=seeds, hops=request.hops, home=request.home, on_line=show_progress
    )
    show_report(report, markdown, request.json_path)


def _guess(request: NeedlesRequest, items: Path) -> None:
    """Print the score of guessing on a file of items, and write its haystack where pictures are given."""
    from agent_tools.evals.needles.items import read_items
    from agent_tools.evals.needles.needles import guessing, splice

    read = read_items(items)
    typer.echo(guessing(read, numbers(request.seeds)))
    if request.images is None:
        return
    if request.video is None:
        raise InvalidArgument("--images needs --video: the haystack to write.")
    written = splice(read, request.images, request.video, numbers(request.lengths)[0], haystack=request.haystack)
    write_report(written, request.json_path)
