"""The commands export, backup and restore: the memory, or parts of it, as files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_tools.cli.flags import Home, Video, opened
from agent_tools.errors import InvalidArgument
from agent_tools.options import with_options
from agent_tools.settings import Settings
from agent_tools.timeline import clock_seconds

CLIP = re.compile(r"(?P<start>[\d:.]+)-(?P<end>[\d:.]+)")
SUFFIXES = (".mp4", ".mkv", ".mov")  # that a clip's file may have


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """The options of `export`: which video, what of it, and where it is written."""

    video: Video
    home: Home = None
    transcript: Annotated[str, typer.Option("--transcript", help="srt or vtt: what is said, as subtitles")] = ""
    channel: Annotated[
        str, typer.Option("--channel", help="channel of the transcript: subtitles, speech, captions or screen_text")
    ] = ""
    language: Annotated[str, typer.Option("--language", help="which of several subtitle tracks, such as en")] = ""
    words: Annotated[
        bool, typer.Option("--words", help="the transcript with the time of each word: heard speech has them")
    ] = False
    episodes: Annotated[bool, typer.Option("--episodes", help="chapters, scenes and chunks as JSON")] = False
    notes: Annotated[bool, typer.Option("--notes", help="every note as JSON")] = False
    clip: Annotated[
        list[str] | None, typer.Option("--clip", help="START-END in seconds or H:MM:SS, as a video; repeat it")
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="file to write, or a folder for several; default: here, named after the title"
        ),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="overwrite files that exist")] = False


@with_options(ExportRequest)
def export(request: ExportRequest) -> None:
    """Write what is known about a video to files: transcript, episodes, notes, and clips of any length."""
    from agent_tools.service import export as written

    if not (request.transcript or request.episodes or request.notes or request.clip):
        raise InvalidArgument(
            "Nothing to export: say --transcript srt (or vtt), --episodes, --notes or --clip START-END, or several."
        )
    if (request.channel or request.language or request.words) and not request.transcript:
        raise InvalidArgument(
            "--channel, --language and --words belong to a transcript: add --transcript srt, or leave them out."
        )
    with opened(request.home) as library:
        row = library.video(request.video)
        stem = _file_name(row.title) or row.id
        texts: list[tuple[str, Callable[[], str]]] = []
        if request.transcript:
            texts.append(
                (
                    f"{stem}.{request.transcript}",
                    lambda: written.transcript(
                        library, row, request.transcript, request.channel, request.language, by_word=request.words
                    ),
                )
            )
        if request.episodes:
            texts.append((f"{stem}.episodes.json", lambda: written.episodes(library, row)))
        if request.notes:
            texts.append((f"{stem}.notes.json", lambda: written.notes(library, row)))
        spans = [library.span(row, *_times(text)) for text in request.clip or ()]
        names = [name for name, _ in texts] + [f"{stem}.{_stamp(s.start_s)}-{_stamp(s.end_s)}.mp4" for s in spans]
        paths = _places(names, request.out, request.force)
        if spans and len(names) == 1 and paths[0].suffix.lower() not in SUFFIXES:
            raise InvalidArgument(f"{paths[0].name} is not a name for a clip: it must end in {', '.join(SUFFIXES)}.")
        for path, (_, make) in zip(paths, texts, strict=False):
            part = path.with_name(path.name + ".part")
            part.write_text(make(), encoding="utf-8")
            os.replace(part, path)
            typer.echo(f"{path}: {path.stat().st_size} bytes")
        if request.transcript and (unfinished := written.unfinished(library, row, request.channel)):
            typer.echo(f"the transcript is not complete: {unfinished}", err=True)
        for path, span in zip(paths[len(texts) :], spans, strict=True):
            cut = _shown(path.name, partial(written.clip, library, row, span, path))
            how = f"encoded again, because {cut.why_encoded}" if cut.why_encoded else "copied"
            typer.echo(f"{path}: {span.length_s:g} s, {cut.size_bytes} bytes, {how}")


def _shown(name: str, work: Callable[[Callable[[float], None]], Any]) -> Any:
    """Do the work under a progress bar on stderr, which disappears at the end."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1.0)
        return work(lambda share: bar.update(task, completed=share))


def _places(names: list[str], out: Path | None, force: bool) -> list[Path]:
    """Where each goes. Raises: InvalidArgument: a file exists already, or the folder does not."""
    if out is None or out.is_dir() or len(names) > 1:
        folder = out or Path()
        if folder.exists() and not folder.is_dir():
            raise InvalidArgument(f"{folder} is a file; {len(names)} things are exported, so --out must be a folder.")
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in names]
    else:
        paths = [out]
        if not out.absolute().parent.is_dir():
            raise InvalidArgument(f"{out.parent} is not a folder. Make it first, or name another place with --out.")
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise InvalidArgument(f"{there[0]} exists. Add --force to overwrite it, or name another place with --out.")
    return paths


def _times(text: str) -> tuple[float, float]:
    match = CLIP.fullmatch(text.strip())
    times = [_time(match[name]) for name in ("start", "end")] if match else [None]
    if None in times:
        raise InvalidArgument(f"--clip is {text!r}; it must be START-END in seconds or H:MM:SS, such as 90-105.5.")
    return times[0], times[1]  # type: ignore[return-value]  # neither is None


def _time(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return clock_seconds(text)


def _stamp(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _file_name(title: str) -> str:
    """The title as a file's name: letters, digits and . _ - of any script, at most 80 characters."""
    return re.sub(r"[^\w.-]+", "_", title).strip("._")[:80]


def backup(path: Annotated[Path, typer.Argument(help="file to write; it must not exist")], home: Home = None) -> None:
    """Copy the whole memory into one file; servers may keep running."""
    with opened(home) as library:
        library.store.backup(path)
        typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def restore(path: Annotated[Path, typer.Argument(help="a file that backup wrote")], home: Home = None) -> None:
    """Replace the memory with a backup; the old memory is kept as a second file."""
    from agent_tools.store import restore as put_back

    kept = put_back(Settings.load(home=home).home, path)
    typer.echo(f"restored from {path}" + (f"; the old memory is at {kept}" if kept else ""))
