"""The commands publish and work: one memory in a database that many machines share."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from agent_tools.cli.flags import Device, Home, ModelDirs, Models, Profile, Store, flag
from agent_tools.errors import InvalidArgument
from agent_tools.settings import Settings

To = Annotated[str, typer.Option("--to", help="address of the shared memory: postgresql://USER@HOST/NAME")]
Named = Annotated[
    list[str] | None, typer.Argument(help="ids, titles or patterns; all videos without", metavar="VIDEO...")
]
Stay = Annotated[bool, typer.Option("--stay", help="wait for further jobs instead of ending after the last one")]


def publish(to: To, videos: Named = None, home: Home = None) -> None:
    """Copy the memory of a data folder into a shared memory; can be run again, and continues where it was cut."""
    from agent_tools.service.library.library import Library
    from agent_tools.store import Store as Memory
    from agent_tools.store import publish as copy_video

    settings = Settings.load(home=home, store="")
    Settings.load(home=home, store=to)  # the address is checked before anything is opened
    with contextlib.closing(Library(settings, by_hand=True)) as library:
        wanted = library.store.videos()
        if videos:
            named = {video.id for name in videos for video in library.videos_like(name)}
            wanted = [video for video in wanted if video.id in named]
        with contextlib.closing(Memory.connect(settings.home, to)) as target:
            for video in wanted:
                channels = copy_video(library.store, target, video.id)
                typer.echo(f"published {video.id}  {video.title}: {', '.join(channels) or 'no channel is done yet'}")
            typer.echo(f"{len(wanted)} videos are in {target.place}")


def work(
    store: Store = None,
    stay: Stay = False,
    home: Home = None,
    profile: Profile = None,
    models: Models = None,
    model_dirs: ModelDirs = None,
    device: Device = None,
    threads: Annotated[int | None, flag("threads")] = None,
    memory_mb: Annotated[int | None, flag("memory_mb")] = None,
) -> None:
    """Do the ingest jobs of a memory, here or on any machine that can read the videos at the same paths.

    With --stay it runs until SIGTERM or Ctrl-C. The job that it holds then is free for another worker at once."""
    from agent_tools.ingestion.worker import main

    settings = Settings.load(
        home=home,
        store=store,
        profile=profile,
        models=tuple(models or ()),
        model_dirs=tuple(model_dirs or ()),
        device=device,
        threads=threads,
        memory_mb=memory_mb,
    )
    if stay and not settings.store:
        raise InvalidArgument(
            "--stay needs --store: for a memory in the data folder, ingest_video and `agent-tools ingest` start "
            "a worker by themselves."
        )
    raise SystemExit(main(settings, stay=stay))
