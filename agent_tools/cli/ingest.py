"""The commands ingest, reindex, stop and rm, which change what the memory holds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_tools.cli.flags import (
    AsJson,
    Device,
    Fps,
    Home,
    MemoryMb,
    ModelDirs,
    Models,
    OcrPerHour,
    Profile,
    Threads,
    Video,
    Videos,
    given_settings,
    opened,
)
from agent_tools.cli.output import show_ingested, show_json
from agent_tools.errors import AgentToolsError, InvalidArgument
from agent_tools.home import HomeFolder
from agent_tools.options import with_options


@dataclass(frozen=True, kw_only=True)
class IngestRequest:
    """The options of `ingest`."""

    paths: Annotated[list[str], typer.Argument(help="video files, folders, http(s) addresses", metavar="PATH...")]
    home: Home = None
    profile: Profile = None
    models: Models = None
    model_dirs: ModelDirs = None
    device: Device = None
    title: Annotated[str, typer.Option("--title", help="title of a single file")] = ""
    channel: Annotated[list[str] | None, typer.Option("--channel", help="make only this channel; repeat it")] = None
    no_speech: Annotated[bool, typer.Option("--no-speech", help="make all channels but speech")] = False
    fps: Fps = None
    threads: Threads = None
    memory_mb: MemoryMb = None
    ocr_per_hour: OcrPerHour = None
    detach: Annotated[bool, typer.Option("--detach", help="queue the work and return at once")] = False
    as_json: AsJson = False


@with_options(IngestRequest)
def ingest(request: IngestRequest) -> None:
    """Make files and folders part of memory, with a progress bar. What you give here is allowed, also an address."""
    if request.title and (len(request.paths) > 1 or Path(request.paths[0]).is_dir()):
        raise InvalidArgument("--title needs exactly one file: give the path of one file, or leave --title out.")
    from agent_tools.service.library.addresses import is_address

    typed: dict[str, Any] = {"allow_urls": True} if any(map(is_address, request.paths)) else {}
    with opened(**given_settings(request), **typed) as library:
        channels = _channels(library, request)
        queued, failed = _enqueued(library, request, channels)
        for path, reply in queued.items():
            try:
                last = reply if request.detach else follow(library, path, channels)
            except AgentToolsError as error:
                typer.echo(f"{path}: {error.described}", err=True)
                failed += 1
                continue
            (show_json if request.as_json else show_ingested)(last)
            failed += int(bool(last.refused) or bool(last.failed) or last.state == "failed")
    if failed:
        raise typer.Exit(1)


def _channels(library: Any, request: IngestRequest) -> list[str] | None:
    """The channels that are named, or all but speech; None for all. Raises: InvalidArgument: no channel is left."""
    if not request.no_speech:
        return request.channel
    from agent_tools.ingestion.model_choice import channels_of

    left = [name for name in request.channel or channels_of(library.models.profile) if name != "speech"]
    if not left:  # an empty list would mean all channels
        raise InvalidArgument("--channel speech with --no-speech leaves no channel to make. Leave one of them out.")
    return left


def _enqueued(library: Any, request: IngestRequest, channels: list[str] | None) -> tuple[dict[str, Any], int]:
    """The first reply for each path, and how many paths were refused.

    All are queued before any is awaited, so one worker does them one after another."""
    from agent_tools.service.ingest_video import ingest_video

    by_hand: dict[str, Any] = {"wait_s": 0, "trusted": True, "patient": True, "at_once": True}
    queued: dict[str, Any] = {}
    refused = 0
    for path in dict.fromkeys(_whole(path) for path in request.paths):
        try:
            queued[path] = ingest_video(library, path, title=request.title, channels=channels, **by_hand)
        except AgentToolsError as error:
            typer.echo(f"{path}: {error.described}", err=True)
            refused += 1
    return queued, refused


def _whole(path: str) -> str:
    """An address as it is, a path from the root of the file system."""
    from agent_tools.service.library.addresses import is_address

    return path if is_address(path) else str(Path(path).expanduser().absolute())


def follow(library: Any, source: str, channels: list[str] | None) -> Any:
    """Wait until a file or folder is ingested; a bar on stderr shows rate and remaining time."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from agent_tools.service.ingest_video import ingest_video

    began = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rate]}"),
    )
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(Path(source).name, total=1.0, rate="")

        def on_step(share: float, sentence: str) -> None:
            percent_per_s = share / max(time.monotonic() - began, 1e-3) * 100
            bar.update(
                task, completed=share, description=f"{Path(source).name}: {sentence}", rate=f"{percent_per_s:.1f} %/s"
            )

        while True:
            reply = ingest_video(
                library, source, channels=channels, wait_s=45, trusted=True, patient=True, on_step=on_step
            )
            if reply.state == "queued" and not reply.video_id and reply.hints:
                bar.console.print(reply.hints[0])  # what a page holds is said before it is fetched
            unfinished = (
                reply.state in ("queued", "running") if reply.folder is None else bool(reply.queued or reply.running)
            )
            if not unfinished:
                return reply


def reindex(
    video: Video,
    channel: Annotated[
        list[str],
        typer.Option(
            "--channel",
            help="frames, subtitles, screen_text, speech, captions, or text (only sentence vectors); repeat it",
        ),
    ],
    home: Home = None,
    profile: Profile = None,
    models: Models = None,
    model_dirs: ModelDirs = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Make channels of a video again, for example with another model; the old ones are searched until that is done."""
    flags = {"models": tuple(models or ()), "model_dirs": tuple(model_dirs or ()), "device": device}
    with opened(home, profile, **flags) as library:
        from agent_tools.service.ingest import jobs

        row = library.video(video)
        jobs.reindex(library, row.id, *channel)
        reply = follow(library, row.id, None)
        (show_json if as_json else show_ingested)(reply)
    if reply.state != "done" or reply.error:
        raise typer.Exit(1)


def stop(video: Video, home: Home = None) -> None:
    """Stop a video's ingest. What is done stays; ingest the video again to continue."""
    with opened(home) as library:
        row = library.video(video)
        if library.store.request_stop(row.id):
            typer.echo(f"stopping {row.id}")
        else:
            raise InvalidArgument(
                f"{row.id} is not being ingested, so there is nothing to stop: its state is {library.state(row.id)}. "
                f"agent-tools show {row.id} says what it holds; agent-tools rm {row.id} forgets it."
            )


def rm(
    videos: Videos,
    home: Home = None,
    with_notes: Annotated[
        bool, typer.Option("--with-notes", help="also delete their notes, after writing them to files")
    ] = False,
) -> None:
    """Delete videos from memory. A video with notes needs --with-notes, which exports the notes first.

    A video needs its exact id, title or file name, or a pattern with * or ?. A name that matches nothing, or a video
    with notes, ends the command before anything is deleted."""
    with opened(home) as library:
        rows = {row.id: row for name in videos for row in library.videos_like(name)}
        noted = {row.id: library.store.notes(row.id, current_only=False) for row in rows.values()}
        kept = [f"{video} ({len(notes)})" for video, notes in noted.items() if notes]
        if kept and not with_notes:
            raise InvalidArgument(
                f"There are notes on {', '.join(kept)}. Forget them too with --with-notes: it exports them first."
            )
        for row in rows.values():
            _forget(library, row, len(noted[row.id]))


def _forget(library: Any, row: Any, notes: int) -> None:
    from agent_tools.ingestion.picture_vectors import forget_files
    from agent_tools.service.export import notes as export_notes

    if notes:
        path = HomeFolder(library.settings.home).exports / f"notes-{row.id}-{time.strftime('%Y%m%d-%H%M%S')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(export_notes(library, row), encoding="utf-8")
        typer.echo(f"{notes} notes written to {path}", err=True)
    library.store.request_stop(row.id)
    wiped = library.store.delete_video(row.id, with_notes=notes > 0)
    forget_files(library.settings.home, row.id)
    typer.echo(f"forgot {row.id}  {row.title}")
    if not wiped:
        typer.echo(
            "Its texts can still stand in the log of the memory, which another program reads. "
            "When that has ended, run: agent-tools doctor --fix",
            err=True,
        )
