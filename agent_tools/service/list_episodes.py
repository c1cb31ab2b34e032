"""list_episodes: the library, what lies uningested beside it, and one video's timeline at the level that fits.

The worker writes the episodes; this file shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from agent_tools.errors import InvalidArgument
from agent_tools.progress import OnStep, silent
from agent_tools.service.frames.episode_pictures import episode_pictures
from agent_tools.service.ingest.status import unfinished_hint
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.library.recordings import Recording, clock_text, recordings
from agent_tools.service.replies import coverage
from agent_tools.service.replies.fit import check_tokens, clear, cursor, drop_gaps, drop_last, offset_of, trim_to_tokens
from agent_tools.store import Source
from agent_tools.timeline import clock, rounded, video_uri
from agent_tools.types import LEVELS, EpisodeOut, ListReply, NotIngested, VideoOut
from agent_tools.untrusted import clean

FIRST = 10  # file names shown of those that lie uningested
FINEST_FIRST = ("chunk", "scene", "chapter")
LEAST_ROW = 20  # tokens of an episode, at least
CURSOR_TOKENS = 80  # what the cursor and the count of what is left add, also to the first line, which counts twice


def list_episodes(
    library: Library,
    *,
    video_id: str = "",
    level: str = "auto",
    start_s: float | None = None,
    end_s: float | None = None,
    cursor_text: str = "",
    max_tokens: int = 1500,
    caller: str = "",
    on_step: OnStep | None = None,
) -> ListReply:
    """Without video_id the library, with it one video's episodes. Raises: RequestError for a name, span or cursor."""
    if level != "auto" and level not in LEVELS:
        raise InvalidArgument(f"level is {clean(level, 40)!r}; it must be auto, {', '.join(LEVELS)}.")
    check_tokens(max_tokens)
    with library.store.snapshot():
        if not video_id.strip():
            step = on_step or silent
            return _library(library, cursor_text, max_tokens, lambda: step(0.1, "looking through the allowed folders"))
        return _timeline(library, library.video_span(video_id, start_s, end_s), level, cursor_text, max_tokens)


def _library(library: Library, cursor_text: str, max_tokens: int, check: Callable[[], None]) -> ListReply:
    offset = offset_of(cursor_text, "library")
    videos, sources = library.store.videos(), library.store.all_sources()
    known = recordings(videos, sources)
    page = [
        VideoOut(
            video_id=video.id,
            title=video.title,
            length=None if video.duration_s is None else clock(video.duration_s),
            recorded_at=_clock(known[video.id].at),
            part_of=known[video.id].part_of or None,
            state=library.state(video.id),
            channels=[row.name for row in library.store.channels(video.id) if row.state in ("done", "running")],
            notes=library.store.count_notes(video.id) or None,
            uri=video_uri(video.id),
            error=video.error,
        )
        for video in videos[offset : offset + 200]
    ]
    reply = ListReply(videos=page, not_ingested=_not_ingested(library, sources, check), cursor="")
    return _paged(reply, reply.videos or [], offset, len(videos), max_tokens, "library")


def _not_ingested(library: Library, sources: Sequence[Source], check: Callable[[], None]) -> NotIngested:
    known = {source.path for source in sources}
    left = [
        path.relative_to(folder) if folder in path.parents else path
        for folder in library.fence.folders
        for path in (library.fence.files(folder, check) if folder.is_dir() else [folder])
        if str(path) not in known
    ]
    return NotIngested(count=len(left), first=[clean(str(path), 80) for path in left[:FIRST]])


def _timeline(library: Library, scope: VideoSpan, level: str, cursor_text: str, max_tokens: int) -> ListReply:
    question = (scope.video.id, scope.span.start_s, scope.span.end_s)
    known = recordings(library.store.videos(), library.store.all_sources())
    recording = known.get(scope.video.id, Recording(None))
    if level == "auto" and not cursor_text:
        replies = [_level(library, scope, recording, name, 0, question, max_tokens) for name in FINEST_FIRST]
        chunks, *coarser = [reply if reply.episodes and not reply.more else None for reply in replies]
        whole = [reply for reply in coarser if reply is not None]
        if chunks is not None or not whole:
            return chunks or next((reply for reply in reversed(replies) if reply.episodes), replies[-1])
        # Without pictures a long talk is one scene and many chapters: then these are the finer ones.
        return max(whole, key=lambda reply: len(reply.episodes or []))
    chosen: str = level
    if level == "auto":
        chosen = next((name for name in LEVELS if _is_cursor_of(cursor_text, name, question)), "chapter")
    offset = offset_of(cursor_text, chosen, *question)
    return _level(library, scope, recording, chosen, offset, question, max_tokens)


def _is_cursor_of(text: str, level: str, question: tuple[object, ...]) -> bool:
    try:
        offset_of(text, level, *question)
    except InvalidArgument:
        return False
    return True


def _level(
    library: Library,
    scope: VideoSpan,
    recording: Recording,
    level: str,
    offset: int,
    question: tuple[object, ...],
    max_tokens: int,
) -> ListReply:
    rows = library.store.episodes(scope.video.id, level, scope.span.start_s, scope.span.end_s)
    rows_shown = rows[offset : offset + max_tokens // LEAST_ROW]
    pictures = episode_pictures(library, scope.video.id, rows_shown)
    page = [
        EpisodeOut(
            start_s=rounded(row.start_s),
            end_s=rounded(row.end_s),
            at=clock(row.start_s),
            recorded_at=_clock(recording.at, row.start_s),
            title=row.title,
            title_from=row.title_from,
            stood_s=None if shown.stood_s is None else rounded(shown.stood_s),
            same_picture_as=None if shown.same_as is None else clock(rows_shown[shown.same_as].start_s),
            uri=video_uri(scope.video.id, row.start_s, row.end_s),
        )
        for row, shown in zip(rows_shown, pictures, strict=True)
    ]
    named: Literal["chapter", "scene", "chunk"] = level  # type: ignore[assignment]  # checked by the caller
    reply = ListReply(
        video_id=scope.video.id,
        title=scope.video.title,
        recorded_at=_clock(recording.at),
        part_of=recording.part_of or None,
        level=named,
        episodes=page,
        coverage=coverage.coverage(library, [scope], None),
        not_known=coverage.not_known(library, scope.video) or None,
    )
    assert reply.coverage is not None
    reply.coverage.producers = None
    reply.hints += [scope.note] if scope.note else []
    job = library.store.job(scope.video.id)
    if job is not None and job.state in ("queued", "running"):
        reply.hints.append(f"still being ingested ({job.progress:.0%}): titles and borders will get better.")
    elif (hint := unfinished_hint(library, scope.video.id, job)) is not None:
        reply.hints.append(hint)
    return _paged(reply, reply.episodes or [], offset, len(rows), max_tokens, level, *question)


def _clock(at: datetime | None, later_s: float = 0.0) -> str | None:
    """When something was recorded that stands so many seconds behind the first picture."""
    return None if at is None else clock_text(at + timedelta(seconds=later_s))


def _paged(reply: ListReply, page: list[Any], offset: int, total: int, max_tokens: int, *question: object) -> ListReply:
    """The reply cut to size, with a cursor to what was cut."""

    def drop_half() -> bool:
        if len(page) <= 1:
            return False
        del page[max(1, len(page) - max(1, len(page) // 8)) :]
        return True

    trim_to_tokens(
        reply,
        max_tokens - CURSOR_TOKENS,
        [
            drop_gaps(reply.coverage),
            clear(reply, "not_known"),
            drop_half,
            clear(reply, "coverage"),
            clear(reply, "hints", []),
            *([drop_last(reply.not_ingested.first, 0)] if reply.not_ingested else []),
        ],
    )
    left = total - offset - len(page)
    if left > 0:
        reply.more = left
        reply.cursor = cursor(offset + len(page), *question)
    return trim_to_tokens(reply, max_tokens, [])
