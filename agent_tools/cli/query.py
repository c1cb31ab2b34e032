"""The commands ls, show, search, zoom, ground, remember and budget: every tool's work by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_tools.cli.flags import AsJson, End, Home, Profile, Start, Video, opened
from agent_tools.cli.output import (
    log_lines,
    show_costs,
    show_hits,
    show_json,
    show_moment,
    show_note,
    show_verdict,
    show_video,
    show_videos,
    working,
)

PAGE_TOKENS = 20_000  # the most that one reply may have


def ls(home: Home = None, as_json: AsJson = False) -> None:
    """List the whole library, and the files in the allowed folders that are not ingested."""
    from agent_tools.service.list_episodes import list_episodes

    with opened(home) as library:
        reply = _all_pages(lambda cursor: list_episodes(library, cursor_text=cursor, max_tokens=PAGE_TOKENS))
        if as_json:
            show_json(reply)
        else:
            show_videos(reply)


def show(video: Video, home: Home = None, level: str = "auto", as_json: AsJson = False) -> None:
    """Show a video's state, channels and episodes; after a failure also the last lines of the worker's log."""
    from agent_tools.service.ingest.status import status
    from agent_tools.service.list_episodes import list_episodes

    with opened(home) as library:
        row = library.video(video)
        reply = status(library, row.id)
        episodes = _all_pages(
            lambda cursor: list_episodes(
                library, video_id=row.id, level=level, cursor_text=cursor, max_tokens=PAGE_TOKENS
            )
        )
        if as_json:
            show_json({**reply.compact(), "episodes": episodes.compact()["episodes"]})
            return
        show_video(reply, episodes.episodes or [])
        if reply.state == "failed":
            typer.echo("\n".join(["last lines of the worker's log:", *log_lines(library.settings.home)]))


def _all_pages(page: Callable[[str], Any]) -> Any:
    """The first reply with the videos or episodes of all pages."""
    first = last = page("")
    while last.cursor:
        last = page(last.cursor)
        for name in ("videos", "episodes"):
            if getattr(last, name) is not None:
                getattr(first, name).extend(getattr(last, name))
    first.cursor, first.more = "", None
    return first


def search(
    query: str,
    home: Home = None,
    profile: Profile = None,
    video: Annotated[list[str] | None, typer.Option("--video", help="search only this video; repeat it")] = None,
    start: Start = None,
    end: End = None,
    limit: int = 8,
    as_json: AsJson = False,
) -> None:
    """Find moments by meaning and by words."""
    working("loading")
    from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory

    with opened(home, profile) as library:
        request = SearchRequest(query=query, video_ids=video, start_s=start, end_s=end, limit=limit, max_tokens=20_000)
        reply = retrieve_memory(library, request, wait_s=60)
        (show_json if as_json else show_hits)(reply)


def zoom(
    video: Video,
    out: Annotated[Path, typer.Option("--out", "-o", help="picture to write; more pictures get a number")] = Path(
        "sheet.jpg"
    ),
    home: Home = None,
    profile: Profile = None,
    start: Start = None,
    end: End = None,
    query: str = "",
    max_frames: int = 9,
    layout: str = "auto",
    as_json: AsJson = False,
) -> None:
    """Write pictures of a span, and print what is said and shown in it."""
    working("looking")
    from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment

    with opened(home, profile) as library:
        library.models.text(60 if query else 0)
        found = zoom_segment(
            library,
            ZoomRequest(
                video_id=video,
                start_s=start,
                end_s=end,
                query=query,
                max_frames=max_frames,
                layout=layout,
                max_tokens=20_000,
            ),
        )
        for number, picture in enumerate(found.pictures):
            path = out if number == 0 else out.with_stem(f"{out.stem}-{number + 1}")
            path.write_bytes(picture.jpeg)
            typer.echo(f"{path}: {picture.label}", err=True)
        (show_json if as_json else show_moment)(found.facts)


def ground(
    event: str,
    video: Annotated[str, typer.Option("--video", help="search only this video; default: all")] = "",
    home: Home = None,
    profile: Profile = None,
    start: Start = None,
    end: End = None,
    max_spans: int = 3,
    as_json: AsJson = False,
) -> None:
    """Find when an event happens, or that it does not happen."""
    working("loading")
    from agent_tools.service.ground_event import ground_event

    with opened(home, profile) as library:
        library.models.text(60)
        reply = ground_event(
            library, event=event, video_id=video, start_s=start, end_s=end, max_spans=max_spans, max_tokens=20_000
        )
        (show_json if as_json else show_verdict)(reply)


def remember(
    video: Video,
    start: float,
    end: float,
    text: str,
    home: Home = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Write a note on a span."""
    import getpass

    from agent_tools.service import remember as notes

    with opened(home, profile) as library:
        library.models.text(60)
        author = f"cli:{getpass.getuser()}"
        reply = notes.remember(library, video_id=video, start_s=start, end_s=end, text=text, author=author)
        (show_json if as_json else show_note)(reply)


def budget(video: Video, home: Home = None, as_json: AsJson = False) -> None:
    """Show what a video costs in tokens, before and after each step of compression."""
    from agent_tools.service.token_costs import budget as count

    with opened(home) as library:
        (show_json if as_json else show_costs)(count(library, library.video(video)))
