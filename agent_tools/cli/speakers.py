"""The commands speakers list, name and merge: the distinct voices in what is heard."""

from __future__ import annotations

from typing import Annotated

import typer

from agent_tools.cli.flags import AsJson, Home, Video, opened
from agent_tools.cli.output import show_json, show_speakers

speakers_app = typer.Typer(
    help="The voices that --models speakers=resemblyzer distinguished: list them, name them, join two that are one.",
    no_args_is_help=True,
)
Number = Annotated[int, typer.Argument(help="the speaker's number, as `speakers list` shows it")]


@speakers_app.command("list")
def speakers_list(
    video: Annotated[str, typer.Argument(help="id, title, file name, prefix or video:// uri; default: all")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the speakers of a video or of all, and voices of other videos that may be the same."""
    from agent_tools.service.speakers import list_speakers

    with opened(home) as library:
        found = list_speakers(library, library.video(video) if video else None)
        if as_json:
            show_json({"speakers": [one.compact() for one in found]})
        else:
            show_speakers(found)


@speakers_app.command("name")
def speakers_name(
    video: Video,
    number: Number,
    name: Annotated[str, typer.Argument(help='the name; "" takes it away')],
    home: Home = None,
) -> None:
    """Give a speaker a name: searches find it, and it stands before what this voice says."""
    from agent_tools.service.speakers import name_speaker

    with opened(home) as library:
        count = name_speaker(library, library.video(video), number, name)
        typer.echo(f"speaker {number}: {count} entries changed")


@speakers_app.command("merge")
def speakers_merge(
    video: Video,
    number: Number,
    into: Annotated[int, typer.Argument(help="the speaker that it becomes a part of")],
    home: Home = None,
) -> None:
    """Join two speakers of a video that are one person."""
    from agent_tools.service.speakers import merge_speakers

    with opened(home) as library:
        count = merge_speakers(library, library.video(video), number, into)
        typer.echo(f"speaker {number} is now a part of speaker {into}: {count} entries changed")
