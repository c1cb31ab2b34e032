"""How results look on a terminal: titles, times and tables for a person, JSON for a program, and the last lines of the
worker's log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from agent_tools.home import HomeFolder
from agent_tools.timeline import clock

SHOWN = 240  # letters of one text that a line shows
MOST_VERDICTS = 30  # videos of a ground over the whole library; the others are counted


def show_json(reply: Any) -> None:
    """A reply as one line of JSON, for a program."""
    typer.echo(json.dumps(reply.compact() if hasattr(reply, "compact") else reply, ensure_ascii=False))


def working(what: str) -> None:
    """Say at once what a command is busy with, on stderr: a sentence encoder takes a moment to load."""
    typer.echo(f"{what} ...", err=True)


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


def show_ingested(reply: Any) -> None:
    """What an ingest made, for a person: of one file its channels, of a folder a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if reply.folder is None:
        made = ", ".join(f"{row.entries} {row.name}" for row in reply.channels or [] if row.entries)
        length = "" if reply.duration_s is None else f", {clock(reply.duration_s)}"
        typer.echo(f"{reply.title}: {reply.state}{length}" + (f"; {made}" if made else ""))
        typer.echo(f"  {reply.uri}")
        for missing in reply.not_known or []:
            typer.echo(f"  not known of {missing.channel}: {missing.why}")
        if reply.error:
            typer.echo(f"  error: {reply.error}")
    else:
        typer.echo(reply.summary or f"{reply.folder}: {reply.found} videos, {reply.done} done, {reply.failed} failed")
        table = Table("id", "length", "state", box=None)
        table.add_column("title", overflow="fold")
        for video in reply.videos or []:
            table.add_row(video.video_id, video.length or "?", video.state, escape(video.title))
        if reply.videos:
            Console().print(table)
        if reply.omitted:
            typer.echo(f"and {reply.omitted} more: agent-tools ls shows all")
        for refused in reply.refused or []:
            typer.echo(f"refused {refused.source}: {refused.error}")
    show_hints(reply.hints)


def show_hits(reply: Any) -> None:
    """The hits of a search, best first: time, title, what was found and its uri."""
    if reply.hits and all(hit.strength == "weak" for hit in reply.hits):
        typer.echo("No hit holds the words; these are the nearest.")
    for hit in reply.hits:
        typer.echo(f"{hit.rank}. {hit.at}  {hit.title}  ({hit.strength}, {hit.score:.2f})")
        for name, text in hit.texts().items():
            typer.echo(f"   {name}: {_cut(text)}")
        typer.echo(f"   {hit.uri}")
    if not reply.hits:
        typer.echo("Nothing found.")
    if reply.more:
        typer.echo(f"{reply.more} more; --limit shows more at once.")
    show_hints(reply.hints)


def show_verdict(reply: Any) -> None:
    """The answer of ground_event first: the verdict with its moments, or one table over all videos."""
    if reply.videos is not None:
        _show_verdicts(reply)
    else:
        probability = "" if reply.probability is None else f"  (probability {reply.probability:.2f})"
        typer.echo(f"{reply.verdict}{probability}" + (f": {reply.why}" if reply.why else ""))
        for span in reply.spans or []:
            _show_moment("", span)
        if reply.more:
            typer.echo(f"  and {reply.more} more; --max-spans shows more.")
        if not reply.spans and reply.best_rejected is not None:
            _show_moment("best rejected: ", reply.best_rejected)
        for one in reply.not_judged or []:
            typer.echo(f"  not judged: {one.channel}: {one.why}")
    show_hints(reply.hints)


def _show_moment(label: str, span: Any) -> None:
    typer.echo(f"  {label}{span.at} to {clock(span.end_s)}  {span.confidence:.2f}  {_cut(span.evidence)}")
    typer.echo(f"    {span.uri}")


def _show_verdicts(reply: Any) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    typer.echo(reply.summary)
    table = Table("verdict", "at", "confidence", box=None)
    table.add_column("title", overflow="fold")
    told = [video for video in reply.videos if video.verdict != "absent"][:MOST_VERDICTS]
    for video in told:
        best = video.best
        at, confidence = ("", "") if best is None else (best.at, f"{best.confidence:.2f}")
        table.add_row(video.verdict, at, confidence, escape(video.title))
    if told:
        Console().print(table)


def show_moment(facts: dict[str, Any]) -> None:
    """What zoom found besides its pictures: what is said and shown, with times."""
    typer.echo(facts["summary"])
    if facts.get("note"):
        typer.echo(f"({facts['note']})")
    for row in facts.get("text", []):
        typer.echo(f"{clock(row['start_s'])}  {row['channel']}: {row['text']}")
    if facts.get("text_omitted"):
        typer.echo(f"{facts['text_omitted']} more texts; --start {facts.get('next_start_s', '')} goes on.")
    show_hints(facts.get("hints", []))


def show_costs(costs: dict[str, Any]) -> None:
    """What a video costs in tokens: a table of the steps, and how much of it fits each context."""
    from rich.console import Console
    from rich.table import Table

    typer.echo(
        f"{clock(costs['duration_s'])}; {costs['pictures_looked_at']:,} pictures looked at, "
        f"{costs['frames_kept']:,} kept; texts {costs['text_tokens']:,} tokens"
    )
    contexts = list(dict.fromkeys(one["context"] for one in costs["fits"]))
    table = Table("step", "tokens", *(f"in {context:,}" for context in contexts), box=None)
    shares = {(one["step"], one["context"]): one["share"] for one in costs["fits"]}
    for step in costs["steps"]:
        name = step["step"] + (" (published share)" if step["step"] in costs["assumed"] else "")
        table.add_row(name, f"{step['tokens']:,}", *(f"{shares[step['step'], one]:.0%}" for one in contexts))
    if costs["steps"]:
        Console().print(table)


def show_speakers(found: Sequence[Any]) -> None:
    """The voices of videos as a table, and below each the voices of other videos that may be the same."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not found:
        typer.echo("No speakers were distinguished. Ingest or reindex with --models speakers=resemblyzer.")
        return
    table = Table("video", "title", "speaker", "first", "says", "entries", box=None)
    table.add_column("perhaps the same voice", overflow="fold")
    for one in found:
        name = f"{one.number}  {one.label}" if one.named else str(one.number)
        alike = ", ".join(f"{other.label} of {other.video_id} ({other.score:.2f})" for other in one.alike)
        row = (
            one.video_id,
            escape(one.title),
            escape(name),
            one.at,
            f"{one.seconds:.0f} s",
            str(one.entries),
            escape(alike),
        )
        table.add_row(*row)
    Console().print(table)
    typer.echo(
        "A speaker is a voice that a model distinguished in one recording. It makes mistakes; it knows no person."
    )


def show_note(reply: Any) -> None:
    """What became of a note."""
    typer.echo(f"{reply.summary}\n  {reply.note}")
    show_hints(reply.hints or [])


def show_hints(hints: Sequence[str]) -> None:
    for hint in hints:
        typer.echo(f"({hint})")


def _cut(text: str) -> str:
    """The text on one line, at most SHOWN letters."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


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
    show_hints(reply.hints)
    for episode in episodes:
        typer.echo(f"{episode.at}  {episode.title}")


def log_lines(home: Path, count: int = 8) -> list[str]:
    path = HomeFolder(home).worker_log
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:] if path.exists() else []
