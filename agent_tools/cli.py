"""The command line: starts the server, does every tool's work by hand, and looks after the memory.

Knows commands, flags and how a person reads a result. The work is the service's."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from agent_tools import __version__
from agent_tools.errors import AgentToolsError, InvalidArgument
from agent_tools.evals.commands import eval_app
from agent_tools.settings import HELP, Settings, variable

app = typer.Typer(
    name="agent-tools",
    help="Long video for LLM agents: search, grounding and memory over hours of video, as an MCP server and by hand.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(eval_app)


def _flag(name: str, *more: str) -> Any:
    return typer.Option(
        "--" + name.replace("_", "-"), *more, help=f"{HELP[name]} [{variable(name)}]", show_default=False
    )


Home = Annotated[Path | None, _flag("home")]
Profile = Annotated[str | None, _flag("profile")]
Models = Annotated[list[str] | None, _flag("models")]
ModelDirs = Annotated[list[Path] | None, _flag("model_dirs")]
Device = Annotated[str | None, _flag("device")]
Video = Annotated[str, typer.Argument(help="id, title, file name, prefix or video:// uri")]
AsJson = Annotated[bool, typer.Option("--json", help="print the reply as JSON")]
Start = Annotated[float | None, typer.Option("--start", help="seconds")]
End = Annotated[float | None, typer.Option("--end", help="seconds")]


def main() -> None:
    """Entry point; an error of ours ends in one line on stderr and exit code 1."""
    try:
        app(standalone_mode=True)
    except AgentToolsError as error:
        _fail(error)


def _fail(error: AgentToolsError) -> NoReturn:
    typer.echo(error.described, err=True)
    raise SystemExit(1)


@contextmanager
def _library(home: Path | None = None, profile: str | None = None, **flags: Any) -> Iterator[Any]:
    from agent_tools.service.library import Library

    settings = Settings.load(home=home, profile=profile, **flags)
    library = Library(settings)
    try:
        yield library
    finally:
        library.close()


def _show(reply: Any, as_json: bool) -> None:
    """A reply as JSON, or as indented lines for a person."""
    body = reply.compact() if hasattr(reply, "compact") else reply
    typer.echo(json.dumps(body, ensure_ascii=False, indent=None if as_json else 2))


@app.command()
def serve(
    folders: Annotated[list[Path] | None, typer.Argument(help="folders to allow, the same as --allow")] = None,
    transport: Annotated[str | None, _flag("transport")] = None,
    host: Annotated[str | None, _flag("host")] = None,
    port: Annotated[int | None, _flag("port")] = None,
    home: Home = None,
    allow: Annotated[list[Path] | None, _flag("allow")] = None,
    profile: Profile = None,
    models: Models = None,
    model_dirs: ModelDirs = None,
    device: Device = None,
    read_only: Annotated[bool | None, _flag("read_only")] = None,
    allowed_hosts: Annotated[str | None, _flag("allowed_hosts")] = None,
    allow_urls: Annotated[bool | None, _flag("allow_urls")] = None,
    fps: Annotated[float | None, _flag("fps")] = None,
    threads: Annotated[int | None, _flag("threads")] = None,
    memory_mb: Annotated[int | None, _flag("memory_mb")] = None,
    ocr_per_hour: Annotated[int | None, _flag("ocr_per_hour")] = None,
    jobs: Annotated[int | None, _flag("jobs")] = None,
    log_level: Annotated[str | None, _flag("log_level")] = None,
) -> None:
    """Serve MCP clients, over stdio (default) or http."""
    if transport != "http" and (host is not None or port is not None):
        raise InvalidArgument("--host and --port mean something with --transport http only.")
    settings = Settings.load(
        transport=transport,
        host=host,
        port=port,
        home=home,
        allow=(*(allow or ()), *(folders or ())),
        profile=profile,
        models=tuple(models or ()),
        model_dirs=tuple(model_dirs or ()),
        device=device,
        read_only=read_only,
        allowed_hosts=tuple(h.strip() for h in allowed_hosts.split(",")) if allowed_hosts else None,
        allow_urls=allow_urls,
        fps=fps,
        threads=threads,
        memory_mb=memory_mb,
        ocr_per_hour=ocr_per_hour,
        jobs=jobs,
        log_level=log_level,
    )
    from agent_tools.server import serve as run

    raise SystemExit(run(settings))


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="video files and folders", metavar="PATH...")],
    home: Home = None,
    profile: Profile = None,
    models: Models = None,
    model_dirs: ModelDirs = None,
    device: Device = None,
    title: Annotated[str, typer.Option("--title", help="title of a single file")] = "",
    channel: Annotated[list[str] | None, typer.Option("--channel", help="make only this channel; repeat it")] = None,
    fps: Annotated[float | None, _flag("fps")] = None,
    threads: Annotated[int | None, _flag("threads")] = None,
    memory_mb: Annotated[int | None, _flag("memory_mb")] = None,
    ocr_per_hour: Annotated[int | None, _flag("ocr_per_hour")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="queue the work and return at once")] = False,
) -> None:
    """Make files and folders part of memory, with a progress bar. A path typed here is thereby allowed."""
    from agent_tools.service.adding import ingest as add

    if title and (len(paths) > 1 or paths[0].is_dir()):
        raise InvalidArgument("--title names one file: give one path of a file, or leave it out.")
    flags: dict[str, Any] = {"fps": fps, "threads": threads, "memory_mb": memory_mb, "ocr_per_hour": ocr_per_hour}
    flags |= {"models": tuple(models or ()), "model_dirs": tuple(model_dirs or ()), "device": device}
    failed = 0
    with _library(home, profile, **flags) as library:
        queued: dict[Path, Any] = {}  # all before any is awaited, so that one worker does them one after another
        for path in dict.fromkeys(path.expanduser().absolute() for path in paths):
            try:
                queued[path] = add(library, str(path), title=title, channels=channel, wait_s=0, trusted=True)
            except AgentToolsError as error:
                typer.echo(f"{path}: {error.described}", err=True)
                failed += 1
        for path, reply in queued.items():
            try:
                told = reply if detach else _follow(library, str(path), channel)
            except AgentToolsError as error:
                typer.echo(f"{path}: {error.described}", err=True)
                failed += 1
                continue
            typer.echo(json.dumps(told.compact(), ensure_ascii=False))
            failed += int(bool(told.refused) or bool(told.failed) or told.state == "failed")
    if failed:
        raise typer.Exit(1)


def _follow(library: Any, source: str, channels: list[str] | None) -> Any:
    """Wait for a file or folder to be done, with a bar, rate and remaining time on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from agent_tools.service.adding import ingest as add

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
            reply = add(library, source, channels=channels, wait_s=45, trusted=True, on_step=step)
            going = (
                reply.state in ("queued", "running") if reply.folder is None else bool(reply.queued or reply.running)
            )
            if not going:
                return reply


@app.command()
def ls(home: Home = None, as_json: AsJson = False) -> None:
    """List the library, and what lies in the allowed folders uningested."""
    from agent_tools.service.browsing import list_episodes

    with _library(home) as library:
        reply = list_episodes(library, max_tokens=20_000)
        if as_json:
            _show(reply, True)
            return
        from rich.console import Console
        from rich.table import Table

        table = Table("id", "length", "state", "channels", "notes", box=None)
        table.add_column("title", overflow="fold")
        for video in reply.videos or []:
            row = (video.video_id, video.at or "?", video.state, " ".join(video.channels or []), str(video.notes or ""))
            table.add_row(*row, video.title)
        Console().print(table)
        if reply.not_ingested and reply.not_ingested.count:
            typer.echo(
                f"{reply.not_ingested.count} more files in the allowed folders: {', '.join(reply.not_ingested.first)}"
            )


@app.command()
def show(video: Video, home: Home = None, level: str = "auto", as_json: AsJson = False) -> None:
    """Show a video's state, channels and episodes; of a failed one the last lines of its worker's log."""
    from agent_tools.service.adding import status
    from agent_tools.service.browsing import list_episodes

    with _library(home) as library:
        row = library.video(video)
        reply = status(library, row.id)
        episodes = list_episodes(library, video_id=row.id, level=level, max_tokens=20_000)
        if as_json:
            _show({**reply.compact(), "episodes": episodes.compact()["episodes"]}, True)
            return
        _show(reply, False)
        for episode in episodes.episodes or []:
            typer.echo(f"{episode.at}  {episode.title}")
        if reply.state == "failed":
            typer.echo("\n".join(["last lines of the worker's log:", *_log_lines(library.settings.home)]))


@app.command()
def search(
    query: str,
    home: Home = None,
    profile: Profile = None,
    video: Annotated[list[str] | None, typer.Option("--video", help="search only this one; repeat it")] = None,
    start: Start = None,
    end: End = None,
    limit: int = 8,
    as_json: AsJson = False,
) -> None:
    """Find moments by meaning and by words."""
    from agent_tools.service.searching import retrieve

    with _library(home, profile) as library:
        reply = retrieve(
            library, query=query, video_ids=video, start_s=start, end_s=end, limit=limit, max_tokens=20_000, wait_s=60
        )
        if as_json:
            _show(reply, True)
            return
        for hit in sorted(reply.hits, key=lambda hit: hit.rank):
            text = " | ".join(t for t in (hit.subtitles, hit.speech, hit.screen_text, hit.captions, hit.notes) if t)
            typer.echo(f"{hit.rank}. {hit.at}  {hit.score:.2f}  {hit.uri}\n   {text}")
        if not reply.hits:
            typer.echo("Nothing found.")
        for hint in reply.hints:
            typer.echo(f"({hint})")


@app.command()
def zoom(
    video: Video,
    out: Annotated[Path, typer.Option("--out", "-o", help="picture to write; further ones get a number")] = Path(
        "sheet.jpg"
    ),
    home: Home = None,
    profile: Profile = None,
    start: Start = None,
    end: End = None,
    query: str = "",
    max_frames: int = 9,
    layout: str = "auto",
) -> None:
    """Write pictures of a span, and print what is said and shown in it."""
    from agent_tools.service.zooming import zoom as look

    with _library(home, profile) as library:
        library.models.text(60 if query else 0)
        found = look(
            library,
            video_id=video,
            start_s=start,
            end_s=end,
            query=query,
            max_frames=max_frames,
            layout=layout,
            max_tokens=20_000,
        )
        for number, picture in enumerate(found.pictures):
            path = out if number == 0 else out.with_stem(f"{out.stem}-{number + 1}")
            path.write_bytes(picture.jpeg)
            typer.echo(f"{path}: {picture.label}", err=True)
        _show(found.facts, False)


@app.command()
def ground(
    event: str,
    video: Annotated[str, typer.Option("--video", help="one video; all without it")] = "",
    home: Home = None,
    profile: Profile = None,
    start: Start = None,
    end: End = None,
    max_spans: int = 3,
) -> None:
    """Say when an event happens, or that it does not."""
    from agent_tools.service.verifying import ground as judge

    with _library(home, profile) as library:
        library.models.text(60)
        reply = judge(
            library, event=event, video_id=video, start_s=start, end_s=end, max_spans=max_spans, max_tokens=20_000
        )
        _show(reply, False)


@app.command()
def remember(video: Video, start: float, end: float, text: str, home: Home = None, profile: Profile = None) -> None:
    """Write a note on a span."""
    import getpass

    from agent_tools.service.noting import remember as write

    with _library(home, profile) as library:
        library.models.text(60)
        _show(
            write(library, video_id=video, start_s=start, end_s=end, text=text, author=f"cli:{getpass.getuser()}"),
            False,
        )


@app.command()
def rm(
    video: Video,
    home: Home = None,
    with_notes: Annotated[bool, typer.Option("--with-notes", help="also its notes, written to a file first")] = False,
) -> None:
    """Forget a video; refuses while there are notes on it, unless --with-notes, which exports them first."""
    from agent_tools.ingestion.frames import forget_files

    with _library(home) as library:
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
            body = [{k: getattr(note, k) for k in note.__dataclass_fields__} for note in notes]
            path.write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
            typer.echo(f"{len(notes)} notes written to {path}", err=True)
        library.store.request_stop(row.id)
        library.store.delete_video(row.id, with_notes=with_notes)
        forget_files(library.settings.home, row.id)
        typer.echo(f"forgot {row.id}")


@app.command()
def reindex(
    video: Video,
    channel: Annotated[str, typer.Option("--channel", help="frames, subtitles, screen_text, speech or captions")],
    home: Home = None,
    profile: Profile = None,
    models: Models = None,
    model_dirs: ModelDirs = None,
    device: Device = None,
) -> None:
    """Make one channel of a video anew, such as after a change of model; the others stay as they are."""
    flags = {"models": tuple(models or ()), "model_dirs": tuple(model_dirs or ()), "device": device}
    with _library(home, profile, **flags) as library:
        from agent_tools.service.adding import remake

        row = library.video(video)
        remake(library, row.id, channel)
        typer.echo(json.dumps(_follow(library, row.id, None).compact(), ensure_ascii=False))


@app.command()
def backup(path: Annotated[Path, typer.Argument(help="file to write; it must not exist")], home: Home = None) -> None:
    """Copy the whole memory into one file, while servers go on."""
    with _library(home) as library:
        library.store.backup(path)
        typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


@app.command()
def restore(path: Annotated[Path, typer.Argument(help="a file that backup wrote")], home: Home = None) -> None:
    """Put a backup in the place of the memory; what was there is kept beside it."""
    from agent_tools.store.restoring import restore as put_back

    kept = put_back(Settings.load(home=home).home, path)
    typer.echo(f"restored from {path}" + (f"; what was there is at {kept}" if kept else ""))


@app.command()
def stop(video: Video, home: Home = None) -> None:
    """End a video's ingest; what is done is kept, and ingesting again goes on from there."""
    with _library(home) as library:
        row = library.video(video)
        if library.store.request_stop(row.id):
            typer.echo(f"stopping {row.id}")
        else:
            raise InvalidArgument(f"{row.id} is not being ingested: its state is {library.state(row.id)}.")


@app.command()
def budget(video: Video, home: Home = None) -> None:
    """Show what a video costs in tokens, before and after each step of compression."""
    from agent_tools.service.budgets import budget as count

    with _library(home) as library:
        _show(count(library, library.video(video)), False)


@app.command()
def doctor(
    home: Home = None, profile: Profile = None, allow: Annotated[list[Path] | None, _flag("allow")] = None
) -> None:
    """Say what is installed, what is allowed, what this profile will not know, and what to do about it."""
    from agent_tools.service.checkup import checkup

    settings = Settings.load(home=home, profile=profile, allow=tuple(allow or ()))
    good = True
    for fine, line in checkup(settings):
        good &= fine
        typer.echo(f"{'ok ' if fine else '!! '} {line}")
    for line in _log_lines(settings.home):
        typer.echo(f"log {line}")
    raise typer.Exit(0 if good else 1)


models_app = typer.Typer(
    help="The models of each profile: what is here, and how to get the rest.", no_args_is_help=True
)
app.add_typer(models_app, name="models")


@models_app.command("list")
def models_list(models: Models = None, model_dirs: ModelDirs = None) -> None:
    """Say of each profile which models it needs, their size and licence, and whether they are here."""
    from agent_tools.ingestion.chosen_models import model_settings
    from agent_tools.models.catalogue import PROFILES, listing, megabytes
    from agent_tools.models.profiles import resolve

    settings = Settings.load(models=tuple(models or ()), model_dirs=tuple(model_dirs or ()))
    for name in PROFILES:
        chosen = model_settings(settings, name)
        typer.echo(name)
        for model, state in listing(resolve(chosen), chosen.searched):
            size = megabytes(model.size_bytes) if model.size_bytes else "-"
            typer.echo(f"  {model.role:<12} {state:<16} {size:>8}  {model.licence:<12} {model.name}")


@models_app.command("pull")
def models_pull(
    profile: Annotated[str, typer.Argument(help="standard or full")],
    models: Models = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before downloading")] = False,
) -> None:
    """Download what a profile lacks into the Hugging Face cache; the size is said first."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from agent_tools.ingestion.chosen_models import model_settings
    from agent_tools.models.catalogue import megabytes
    from agent_tools.models.folders import cache_folder
    from agent_tools.models.profiles import resolve
    from agent_tools.models.pulling import plan, pull

    plans = plan(resolve(model_settings(Settings.load(models=tuple(models or ())), profile)), cache_folder())
    for one in plans:
        typer.echo(one.described, err=True)
    if not plans:
        typer.echo(f"All models of {profile} are here.")
        return
    total = sum(one.to_get_bytes for one in plans)
    if total and not yes and not typer.confirm(f"Download {megabytes(total)}?", err=True):
        raise typer.Exit(1)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        folders = pull(
            plans,
            cache_folder(),
            lambda name, done, all_: bar.update(task, description=name, completed=done, total=all_),
        )
    for folder in folders:
        typer.echo(str(folder))


@app.command()
def demo(
    seed: Annotated[int, typer.Option("--seed", help="decides texts, places and answer")] = 1,
    video: Annotated[Path | None, typer.Option("--video", help="your own file instead of a drawn one")] = None,
    question: Annotated[str | None, typer.Option("--question", help="what to ask of your own file")] = None,
    home: Home = None,
) -> None:
    """Draw an hour of video, ask it a three-hop question through MCP, and show each call."""
    from agent_tools.evals.demo import run_demo

    raise typer.Exit(run_demo(seed, video, question, home))


@app.command(hidden=True)
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _log_lines(home: Path, count: int = 8) -> list[str]:
    path = home / "logs" / "worker.log"
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:] if path.exists() else []


if __name__ == "__main__":
    sys.exit("run: python -m agent_tools")
