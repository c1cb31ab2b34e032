"""ingest, reindex, stop and rm: what comes into the memory, is made anew, and goes.

Knows flags, and how a person sees a job go on. The work is the service's."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_tools.cli.flags import Device, Home, ModelDirs, Models, Profile, Video, flag, opened
from agent_tools.errors import AgentToolsError, InvalidArgument


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="video files and folders", metavar="PATH...")],
    home: Home = None,
    profile: Profile = None,
    models: Models = None,
    model_dirs: ModelDirs = None,
    device: Device = None,
    title: Annotated[str, typer.Option("--title", help="title of a single file")] = "",
    channel: Annotated[list[str] | None, typer.Option("--channel", help="make only this channel; repeat it")] = None,
    fps: Annotated[float | None, flag("fps")] = None,
    threads: Annotated[int | None, flag("threads")] = None,
    memory_mb: Annotated[int | None, flag("memory_mb")] = None,
    ocr_per_hour: Annotated[int | None, flag("ocr_per_hour")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="queue the work and return at once")] = False,
) -> None:
    """Make files and folders part of memory, with a progress bar. A path typed here is thereby allowed."""
    from agent_tools.service.ingest_video import ingest_video

    if title and (len(paths) > 1 or paths[0].is_dir()):
        raise InvalidArgument("--title names one file: give one path of a file, or leave it out.")
    flags: dict[str, Any] = {"fps": fps, "threads": threads, "memory_mb": memory_mb, "ocr_per_hour": ocr_per_hour}
    flags |= {"models": tuple(models or ()), "model_dirs": tuple(model_dirs or ()), "device": device}
    failed = 0
    with opened(home, profile, **flags) as library:
        queued: dict[Path, Any] = {}  # all before any is awaited, so that one worker does them one after another
        for path in dict.fromkeys(path.expanduser().absolute() for path in paths):
            try:
                queued[path] = ingest_video(
                    library,
                    str(path),
                    title=title,
                    channels=channel,
                    wait_s=0,
                    trusted=True,
                    patient=True,
                    at_once=True,
                )
            except AgentToolsError as error:
                typer.echo(f"{path}: {error.described}", err=True)
                failed += 1
        for path, reply in queued.items():
            try:
                told = reply if detach else follow(library, str(path), channel)
            except AgentToolsError as error:
                typer.echo(f"{path}: {error.described}", err=True)
                failed += 1
                continue
            typer.echo(json.dumps(told.compact(), ensure_ascii=False))
            failed += int(bool(told.refused) or bool(told.failed) or told.state == "failed")
    if failed:
        raise typer.Exit(1)


def follow(library: Any, source: str, channels: list[str] | None) -> Any:
    """Wait for a file or folder to be done, with a bar, rate and remaining time on stderr."""
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

        def step(share: float, sentence: str) -> None:
            pace = share / max(time.monotonic() - began, 1e-3) * 100
            bar.update(task, completed=share, description=f"{Path(source).name}: {sentence}", rate=f"{pace:.1f} %/s")

        while True:
            reply = ingest_video(
                library, source, channels=channels, wait_s=45, trusted=True, patient=True, on_step=step
            )
            going = (
                reply.state in ("queued", "running") if reply.folder is None else bool(reply.queued or reply.running)
            )
            if not going:
                return reply


def reindex(
    video: Video,
    channel: Annotated[
        list[str],
        typer.Option(
            "--channel",
            help="frames, subtitles, screen_text, speech, captions, or text (sentence vectors alone); repeat it",
        ),
    ],
    home: Home = None,
    profile: Profile = None,
    models: Models = None,
    model_dirs: ModelDirs = None,
    device: Device = None,
) -> None:
    """Make channels of a video anew, such as by another model; the old are searched until the new ones are whole."""
    flags = {"models": tuple(models or ()), "model_dirs": tuple(model_dirs or ()), "device": device}
    with opened(home, profile, **flags) as library:
        from agent_tools.service.ingest import jobs

        row = library.video(video)
        jobs.reindex(library, row.id, *channel)
        reply = follow(library, row.id, None)
        typer.echo(json.dumps(reply.compact(), ensure_ascii=False))
    if reply.state != "done":
        raise typer.Exit(1)


def stop(video: Video, home: Home = None) -> None:
    """End a video's ingest; what is done is kept, and ingesting again goes on from there."""
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
    video: Video,
    home: Home = None,
    with_notes: Annotated[bool, typer.Option("--with-notes", help="also its notes, written to a file first")] = False,
) -> None:
    """Forget a video; refuses while there are notes on it, unless --with-notes, which exports them first."""
    from agent_tools.ingestion.channels.frames import forget_files
    from agent_tools.service.export import notes as export_notes

    with opened(home) as library:
        row = library.video(video)
        notes = library.store.notes(row.id, current_only=False)
        if notes and not with_notes:
            raise InvalidArgument(
                f"{row.id} has {len(notes)} note{'s' if len(notes) > 1 else ''}. "
                "Forget them too with --with-notes: it exports them first."
            )
        if notes:
            path = library.settings.home / "exports" / f"notes-{row.id}-{time.strftime('%Y%m%d-%H%M%S')}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(export_notes(library, row), encoding="utf-8")
            typer.echo(f"{len(notes)} notes written to {path}", err=True)
        library.store.request_stop(row.id)
        library.store.delete_video(row.id, with_notes=with_notes)
        forget_files(library.settings.home, row.id)
        typer.echo(f"forgot {row.id}")
