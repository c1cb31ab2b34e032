"""The command watch: takes in what appears in folders, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_tools.cli.flags import (
    Device,
    Fps,
    Home,
    MemoryMb,
    ModelDirs,
    Models,
    OcrPerHour,
    Profile,
    Threads,
    given_settings,
    opened,
)
from agent_tools.cli.output import show_json
from agent_tools.options import with_options


@dataclass(frozen=True, kw_only=True)
class WatchRequest:
    """The options of `watch`."""

    folders: Annotated[list[Path], typer.Argument(help="folders to watch, with those below them", metavar="FOLDER...")]
    home: Home = None
    profile: Profile = None
    models: Models = None
    model_dirs: ModelDirs = None
    device: Device = None
    settle: Annotated[
        float, typer.Option("--settle", min=0.5, help="seconds without a change until a file is whole")
    ] = 5.0
    fps: Fps = None
    threads: Threads = None
    memory_mb: MemoryMb = None
    ocr_per_hour: OcrPerHour = None
    as_json: Annotated[bool, typer.Option("--json", help="print a line of JSON for each file")] = False


@with_options(WatchRequest)
def watch(request: WatchRequest) -> None:
    """Make what lies in folders, and what appears there, part of memory, until Ctrl-C. The folders are allowed."""
    from agent_tools.service.watch import WatchSettings, watch_folders

    folders = [folder.expanduser().resolve() for folder in request.folders]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    typer.echo(f"Watching {', '.join(map(str, folders))}. Press Ctrl-C to end.", err=True)
    with opened(**given_settings(request), allow=tuple(folders)) as library:
        for taken in watch_folders(library, folders, stop=stop, settings=WatchSettings(settle_s=request.settle)):
            line: dict[str, Any] = {"path": str(taken.path), "video_id": taken.video_id, "error": taken.error}
            if request.as_json:
                show_json({name: value for name, value in line.items() if value})
            else:
                typer.echo(f"{taken.path}: {taken.error or taken.video_id}", err=bool(taken.error))
