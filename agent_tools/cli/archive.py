"""The commands publish, work and status: one memory in a database that many machines share."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from agent_tools.channels import made_rows
from agent_tools.cli.flags import (
    AsJson,
    Device,
    Files,
    Home,
    MemoryMb,
    ModelDirs,
    Models,
    Profile,
    Roots,
    Store,
    Threads,
    WorkChannels,
    given_settings,
)
from agent_tools.cli.output import show_json
from agent_tools.errors import InvalidArgument
from agent_tools.options import with_options
from agent_tools.settings import Settings, variable, worker_variables
from agent_tools.timeline import clock

if TYPE_CHECKING:
    from agent_tools.store import Job
    from agent_tools.store import Store as Memory

To = Annotated[str, typer.Option("--to", help="address of the shared memory: postgresql://USER@HOST/NAME")]
Named = Annotated[
    list[str] | None, typer.Argument(help="ids, titles or patterns; all videos without", metavar="VIDEO...")
]
MetricsPort = Annotated[
    int, typer.Option("--metrics-port", help="answer Prometheus at this port; needs the extra metrics; 0: nowhere")
]
OnRay = Annotated[str, typer.Option("--workers", help="place workers on this Ray cluster: ray://HOST:10001")]
Count = Annotated[int, typer.Option("--count", min=0, help="with --workers: how many there shall be; 0 ends them")]
Cpus = Annotated[float, typer.Option("--cpus", help="with --workers: cores that Ray reserves for each")]
Gpus = Annotated[float, typer.Option("--gpus", help="with --workers: GPUs that Ray reserves for each")]
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
        with contextlib.closing(Memory.connect(settings.home, to, files=settings.files)) as target:
            for video in wanted:
                channels = copy_video(library.store, target, video.id)
                typer.echo(f"published {video.id}  {video.title}: {', '.join(channels) or 'no channel is done yet'}")
            typer.echo(f"{len(wanted)} videos are in {target.place}")


@dataclass(frozen=True, kw_only=True)
class WorkRequest:
    """The options of `work`: a field for each setting of a worker, and how it runs."""

    store: Store = None
    files: Files = None
    stay: Stay = False
    home: Home = None
    roots: Roots = None
    profile: Profile = None
    models: Models = None
    model_dirs: ModelDirs = None
    device: Device = None
    threads: Threads = None
    memory_mb: MemoryMb = None
    work_channels: WorkChannels = None
    metrics_port: MetricsPort = 0
    workers: OnRay = ""
    count: Count = 1
    cpus: Cpus = 1.0
    gpus: Gpus = 0.0


@with_options(WorkRequest)
def work(request: WorkRequest) -> None:
    """Do the ingest jobs of a memory, here or on any machine that can read the videos: at the same paths, or --root's.

    With --stay it runs until SIGTERM or Ctrl-C. The job that it holds then is free for another worker at once. With
    --channel it makes these channels alone and passes each job on. With --workers it places workers on a Ray cluster
    instead, and ends."""
    from agent_tools.ingestion.worker import main

    settings = Settings.load(**given_settings(request))
    made = [row.name for row in made_rows()]
    for name in settings.work_channels:
        if name not in made:
            raise InvalidArgument(f"No ingest makes a channel {name!r}. Give --channel one of {', '.join(made)}.")
    if request.workers:
        _place(settings, request)
        return
    if request.stay and not settings.store:
        raise InvalidArgument(
            "--stay needs --store: for a memory in the data folder, ingest_video and `agent-tools ingest` start "
            "a worker by themselves."
        )
    raise SystemExit(main(settings, stay=request.stay, metrics_port=request.metrics_port))


def _place(settings: Settings, request: WorkRequest) -> None:
    """Put workers on a Ray cluster; home and cache are each machine's own."""
    from agent_tools.ingestion.ray_workers import place

    if not settings.store:
        raise InvalidArgument("--workers needs --store: workers on other machines share a memory in PostgreSQL.")
    own = (variable("home"), variable("cache"))
    environment = {name: text for name, text in worker_variables(settings).items() if name not in own and text}
    names = place(request.workers, request.count, environment, cpus=request.cpus, gpus=request.gpus)
    typer.echo(f"{len(names)} workers on {request.workers}: {', '.join(names) or 'all were ended'}")


def status(store: Store = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show workers, queue and failed jobs of a memory, and what would follow if a failed one was asked for again."""
    from agent_tools.store import open_store

    settings = Settings.load(home=home, store=store)
    with contextlib.closing(open_store(settings.home, settings.store)) as memory:
        state = memory.queue_state()
        retries = {job.video_id: left_to_do(memory, job) for job in state.failed}
        named = {video.id: video.title for video in memory.videos()}
        place, now = memory.place, memory.now()
    if as_json:
        show_json({"memory": place, **asdict(state), "retries": retries})
        return
    typer.echo(f"{place}: {state.videos} videos, {state.hours:.1f} h")
    waits = f", the oldest for {clock(state.oldest_wait_s)}" if state.queued else ""
    typer.echo(f"queue: {state.queued} wait{waits}; {len(state.running)} run; {state.failures} failed")
    typer.echo(f"last hour: {state.ended} done, {state.ended_hours:.1f} h of video")
    idle = sum(worker.idle_s is not None for worker in state.workers)
    typer.echo(f"workers: {len(state.workers)}, of which {idle} wait for a job")
    for job in state.running:
        left_s = job.lease_until - now
        lease = f"lease {left_s:.0f} s" if left_s > 0 else "lease over: another worker takes it"
        typer.echo(
            f"  runs    {job.video_id}  {named.get(job.video_id, '')}: {job.progress:.0%}, {job.message}; "
            f"{job.worker}, {lease}"
        )
    for job in state.failed:
        typer.echo(f"  failed  {job.video_id}  {named.get(job.video_id, '')}: {job.error}")
        typer.echo(f"          asked for again, it would make {retries[job.video_id]}")


def left_to_do(memory: Memory, job: Job) -> str:
    """What a retry of a failed job would make, and from where."""
    rows = {row.name: row for row in memory.channels(job.video_id)}
    parts = []
    for name in job.channels:
        row = rows.get(name)
        if row is not None and row.state in ("done", "absent"):
            continue
        reached_s = row.done_to_s if row is not None else 0.0
        parts.append(f"{name} from {clock(reached_s)}" if reached_s else f"{name} from the beginning")
    return ", ".join(parts) or "nothing: all channels are there"
