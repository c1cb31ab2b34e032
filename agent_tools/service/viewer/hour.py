"""One video as the page draws it: its length, its channels, its chapters and scenes, and what was not read."""

from __future__ import annotations

from agent_tools.service.ingest.status import unfinished_hint
from agent_tools.service.library.library import Library
from agent_tools.service.replies import coverage
from agent_tools.service.viewer.videos import OPEN, TITLE_LENGTH
from agent_tools.store import Episode
from agent_tools.timeline import rounded
from agent_tools.types import CHANNELS, GapOut, NotKnown, Number, Reply, State
from agent_tools.untrusted import clean

MOST_BANDS = 1500  # chapters, or scenes, of one reply: a day of scenes of a minute
MOST_GAPS = 500
EPISODE_TITLE = 120


class ShownChannel(Reply):
    """A lane: how far a channel has come."""

    name: str
    state: str
    entries: int
    done_to_s: Number
    language: str | None = None
    why: str | None = None  # it is absent or failed


class Band(Reply):
    """A chapter or a scene."""

    start_s: Number
    end_s: Number
    title: str


class ShownHour(Reply):
    """All that the page knows of a video before it asks for entries and pictures."""

    video_id: str
    title: str
    duration_s: Number
    width: int | None = None
    height: int | None = None
    fps: Number | None = None
    has_audio: bool
    state: State
    progress: Number | None = None
    hint: str | None = None
    channels: list[ShownChannel]
    chapters: list[Band]
    scenes: list[Band]
    gaps: list[GapOut]
    not_known: list[NotKnown]
    notes: int
    file: bool  # it can be opened now: else pictures are kept frames and nothing plays
    closed: str | None = None  # why not
    read_only: bool
    start_s: Number | None = None  # that the name asked for, such as in video://id#t=60,75
    end_s: Number | None = None


def shown_hour(library: Library, name: str) -> ShownHour:
    """The video that an id, title, file name or uri means. Raises: VideoNotFound, AmbiguousVideo, SpanOutsideVideo."""
    scope = library.video_span(name)
    video = scope.video
    with library.store.snapshot():
        status = library.store.overview()[video.id]
        open_file = bool(library.sources(video.id))
        return ShownHour(
            video_id=video.id,
            title=clean(video.title, TITLE_LENGTH),
            duration_s=rounded(video.duration_s if video.duration_s is not None else scope.span.end_s),
            width=video.width,
            height=video.height,
            fps=video.fps,
            has_audio=bool(video.has_audio),
            state=library.state(video.id),
            progress=round(status.job.progress, 3) if status.job is not None and status.job.state in OPEN else None,
            hint=unfinished_hint(library, video.id, status.job),
            channels=[
                ShownChannel(
                    name=row.name,
                    state=row.state,
                    entries=row.entries,
                    done_to_s=rounded(row.done_to_s),
                    language=row.language or None,
                    why=clean(row.error or row.detail.why, 300) or None,
                )
                for row in sorted(status.channels.values(), key=lambda row: CHANNELS.index(row.name))
            ],
            chapters=_bands(library.store.episodes(video.id, "chapter")),
            scenes=_bands(library.store.episodes(video.id, "scene")),
            gaps=[
                GapOut(channel=gap.channel or None, start_s=rounded(gap.start_s), end_s=rounded(gap.end_s), why=gap.why)
                for gap in status.gaps[:MOST_GAPS]
            ],
            not_known=coverage.not_known(library, video),
            notes=status.notes[1],
            file=open_file,
            closed=None if open_file else library.closed(video.id),
            read_only=library.settings.read_only,
            **_asked(scope.span.start_s, scope.span.end_s, whole=scope.whole),
        )


def _bands(episodes: list[Episode]) -> list[Band]:
    return [
        Band(start_s=rounded(one.start_s), end_s=rounded(one.end_s), title=clean(one.title, EPISODE_TITLE))
        for one in episodes[:MOST_BANDS]
    ]


def _asked(start_s: float, end_s: float, *, whole: bool) -> dict[str, float]:
    return {} if whole else {"start_s": rounded(start_s), "end_s": rounded(end_s)}
