"""How results look on a terminal: replies, tables for a person, and the last lines of the worker's log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from agent_tools.home import HomeFolder
from agent_tools.timeline import clock


def show_reply(reply: Any, as_json: bool) -> None:
    """A reply as JSON, or as indented lines for a person."""
    body = reply.compact() if hasattr(reply, "compact") else reply
    typer.echo(json.dumps(body, ensure_ascii=False, indent=None if as_json else 2))


def show_videos(reply: Any) -> None:
    """The library as a table, a line for each video, and what lies beside it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("id", "length", "state", "channels", "notes", box=None)
    table.add_column("title", overflow="fold")
    for video in reply.videos or []:
        channels = " ".join(video.channels or [])
        table.add_row(
            video.video_id, video.length or "?", video.state, channels, str(video.notes or ""), escape(video.title)
        )
    Console().print(table)
    if reply.not_ingested and reply.not_ingested.count:
        first = ", ".join(reply.not_ingested.first)
        typer.echo(f"{reply.not_ingested.count} more files in the allowed folders: {first}")


def show_video(reply: Any, episodes: Sequence[Any]) -> None:
    """One video for a person: its title and state, a table of channels, what is not known, and its episodes."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    length = "length not known" if reply.duration_s is None else clock(reply.duration_s)
    typer.echo(f"{reply.title}\n{reply.video_id}  {length}  {reply.state}")
    if reply.state in ("queued", "running") and reply.searchable_to_s is not None:
        typer.echo(f"searchable to {clock(reply.searchable_to_s)}")
    table = Table("channel", "state", "entries", "language", box=None)
    table.add_column("error", overflow="fold")
    for row in reply.channels or []:
        entries = "" if row.entries is None else str(row.entries)
        table.add_row(row.name, row.state, entries, row.language or "", escape(row.error or ""))
    if reply.channels:
        Console().print(table)
    for gap in reply.gaps or []:
        typer.echo(f"gap {clock(gap.start_s)} to {clock(gap.end_s)} ({gap.channel or 'all channels'}): {gap.why}")
    if reply.gaps_omitted:
        typer.echo(f"and {reply.gaps_omitted} more gaps")
    for missing in reply.not_known or []:
        typer.echo(f"not known of {missing.channel}: {missing.why}\n  to change it: {missing.remedy}")
    if reply.error:
        typer.echo(f"error: {reply.error}")
    for hint in reply.hints:
        typer.echo(f"({hint})")
    for episode in episodes:
        typer.echo(f"{episode.at}  {episode.title}")


def log_lines(home: Path, count: int = 8) -> list[str]:
    path = HomeFolder(home).worker_log
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:] if path.exists() else []
