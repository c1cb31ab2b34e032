"""The videos in memory as the page lists them: newest first, with state, progress and a time for a picture."""

from __future__ import annotations

from agent_tools.service.library.library import Library
from agent_tools.service.library.recordings import Recording, clock_text, recordings
from agent_tools.service.replies.fit import cursor, offset_of
from agent_tools.store import Status
from agent_tools.timeline import rounded
from agent_tools.types import Number, Reply, State
from agent_tools.untrusted import clean

PAGE = 60  # videos of one reply
TITLE_LENGTH = 200
POSTER_AT = 0.1  # share of the length at which a video's picture is taken: the first second is often black
OPEN = ("queued", "running")


class ShownVideo(Reply):
    """A card of the library view."""

    video_id: str
    title: str
    duration_s: Number | None = None
    recorded_at: str | None = None
    part_of: str | None = None
    state: State
    progress: Number | None = None  # 0..1, of a job that is not over
    eta_s: Number | None = None
    error: str | None = None
    channels: list[str]
    notes: int = 0
    poster_s: Number | None = None  # None: no picture


class ShownVideos(Reply):
    """One page of the library view."""

    videos: list[ShownVideo]
    total: int
    open: int  # ingests that are queued or running
    read_only: bool
    cursor: str = ""


def shown_videos(library: Library, cursor_text: str = "") -> ShownVideos:
    """A page of videos, those that are being ingested first. Raises: InvalidArgument: a cursor of another list."""
    offset = offset_of(cursor_text, "viewer")
    with library.store.snapshot():
        everything = list(library.store.overview().values())[::-1]
        everything.sort(key=lambda status: not _is_open(status))
        page = everything[offset : offset + PAGE]
        known = recordings([status.video for status in everything], library.store.all_sources()) if page else {}
        videos = [_card(status, known.get(status.video.id, Recording(None))) for status in page]
    return ShownVideos(
        videos=videos,
        total=len(everything),
        open=sum(map(_is_open, everything)),
        read_only=library.settings.read_only,
        cursor=cursor(offset + PAGE, "viewer") if offset + PAGE < len(everything) else "",
    )


def _card(status: Status, recording: Recording) -> ShownVideo:
    video, job = status.video, status.job
    known = video.duration_s is not None
    return ShownVideo(
        video_id=video.id,
        title=clean(video.title, TITLE_LENGTH),
        duration_s=rounded(video.duration_s) if video.duration_s is not None else None,
        recorded_at=clock_text(recording.at) if recording.at is not None else None,
        part_of=recording.part_of or None,
        state=job.state if job is not None else "done",  # type: ignore[arg-type]  # the store's check constraint
        progress=round(job.progress, 3) if job is not None and job.state in OPEN else None,
        eta_s=round(job.eta_s) if job is not None and job.state in OPEN and job.eta_s is not None else None,
        error=clean(job.error.partition(":")[0], 80) if job is not None and job.error else None,
        channels=[name for name, row in status.channels.items() if row.state in ("done", "running") and row.entries],
        notes=status.notes[1],
        poster_s=rounded((video.duration_s or 0.0) * POSTER_AT) if known and video.width else None,
    )


def _is_open(status: Status) -> bool:
    return status.job is not None and status.job.state in OPEN
