"""What every call needs: the settings, the store, the fence, the query models, the workers.

It turns the names and times that a client gives into videos and spans."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent_tools.errors import AmbiguousVideo, InvalidArgument, SpanOutsideVideo, VideoNotFound
from agent_tools.home import HomeFolder
from agent_tools.media.growth import GREW
from agent_tools.service.library.access import Fence
from agent_tools.service.library.attention import Attention, SharedAttention
from agent_tools.service.library.downloads import Fetcher
from agent_tools.service.library.looker_client import Looker
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.library.snapshot_cache import SnapshotCache
from agent_tools.service.library.video_cache import VideoCache
from agent_tools.service.library.video_names import is_pattern, matching_videos, says_nothing, similar_videos
from agent_tools.service.library.workers import Workers
from agent_tools.settings import Settings
from agent_tools.store import Source, VideoRow, open_store, spelling
from agent_tools.timeline import Span, clock, parse_named, parse_uri
from agent_tools.types import CHANNELS, State
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from agent_tools.models.profiles import TextEncoder

BACKGROUND_THREADS = 4
RETRY_S = 30.0  # that a failed or stopped ingest rests, so that a client that polls sees that it ended, and why
MOST_CANDIDATES = 8  # videos that an error about an ambiguous name names
TOLERANCE_S = 1.0  # an end this far past the video is cut without a word: clients round up


@dataclass(frozen=True)
class VideoSpan:
    """A video and the span of it that a call is about."""

    video: VideoRow
    span: Span
    note: str = ""  # for the reply: what of the asked span lies outside the video

    @property
    def whole(self) -> bool:
        return self.span.start_s == 0 and self.span.end_s >= (self.video.duration_s or 0)


class Library:
    """One server's or command's view of the memory. Thread-safe; `close` it.

    Args:
        by_hand: a person's command, which opens whatever file of the memory the system lets this person open; a server
            opens what is allowed or was typed.
        retry_s: seconds until a poll may continue an ingest that failed or was stopped.
    """

    def __init__(self, settings: Settings, *, by_hand: bool = False, retry_s: float = RETRY_S) -> None:
        self.settings = settings
        self.by_hand = by_hand
        self.retry_s = retry_s
        self.store = open_store(settings.home, settings.store, settings.roots, settings.files)
        self.fence = Fence((*settings.allow, *self.store.roots.folders))
        self.workers = Workers(settings)
        self.models = QueryModels(settings)
        self.looker = Looker(settings)
        self.fetcher = Fetcher(HomeFolder(settings.home).downloads)
        self.kept = SnapshotCache(self.store)
        self.of_video = VideoCache(self.store)
        self.background_pool = ThreadPoolExecutor(BACKGROUND_THREADS, "background")  # work a call does while it waits
        self.attention = SharedAttention(self.store, self.background_pool) if self.store.shared else Attention()

    def close(self) -> None:
        self.background_pool.shutdown(cancel_futures=True)
        self.looker.close()
        self.store.close()

    def text_encoder(self, video_id: str, wait_s: float = 0.0) -> TextEncoder | None:
        """The encoder that a video's texts are compared by: the profile's, or an older one that it holds and that made
        the video's vectors. None as QueryModels.text gives it."""
        encoder, known = self.models.text(wait_s), self.store.overview().get(video_id)
        if encoder is None or known is None:
            return encoder
        made = {producer for row in known.channels.values() for producer in row.detail.vectors}
        older = (one for one in getattr(encoder, "older", ()) if one.producer in made)
        return encoder if encoder.producer in made else next(older, encoder)

    # -- names

    def video(self, name: str) -> VideoRow:
        """The video that an id, uri, unique title, file name or prefix means.

        Raises: VideoNotFound, AmbiguousVideo: the message names the candidates by id.
        """
        wanted = _reference(name)[0]
        if (known := self.store.video(wanted)) is not None:
            return known
        found = (self._titled(wanted) or self.store.find_videos(wanted)) if wanted else []
        if not found and parse_uri(name) is None:
            found = similar_videos(wanted, self.store.videos(), self.store.all_sources())
        if len(found) == 1:
            return found[0]
        if found:
            raise _ambiguous(name, found)
        count = len(self.store.videos())
        raise VideoNotFound(
            f"No video {clean(name, 80)!r}. Give a title or an id; "
            f"list_episodes without arguments shows the {count} there are."
        )

    def _titled(self, name: str) -> list[VideoRow]:
        """What `find_videos` finds by a whole title, for a hundred names as fast as for one."""
        wanted = spelling.name_key(name)
        titles = self.kept.get("titles", self._by_title)
        return [] if self.store.video(wanted) else titles.get(wanted, [])

    def _by_title(self) -> dict[str, list[VideoRow]]:
        titles: dict[str, list[VideoRow]] = {}
        for known in self.store.overview().values():
            titles.setdefault(spelling.name_key(known.video.title), []).append(known.video)
        return titles

    def videos_like(self, pattern: str) -> list[VideoRow]:
        """The videos whose id, title or file name a pattern with * or ? matches; without these signs the one video that
        has exactly this id, uri, title or file name, so that a slip of a letter never deletes another.

        Raises: VideoNotFound: none matches. AmbiguousVideo: a name without these signs is that of several."""
        found = matching_videos(_reference(pattern)[0], self.store.videos(), self.store.all_sources())
        if not is_pattern(pattern) and len(found) > 1:
            raise _ambiguous(pattern, found)
        if found:
            return found
        if is_pattern(pattern):
            raise VideoNotFound(
                f"No video matches {clean(pattern, 80)!r}. * stands for any letters and ? for one, in an id, a title "
                "or a file name; agent-tools ls shows them."
            )
        raise VideoNotFound(f"No video is named exactly {clean(pattern, 80)!r}. {self._nearly(pattern)}")

    def _nearly(self, name: str) -> str:
        """What to give instead of a name that is not exact."""
        try:
            video = self.video(name)
        except (VideoNotFound, AmbiguousVideo):
            return "Give an id, a whole title or a file name; agent-tools ls shows them."
        return f"If you mean {clean(video.title, 80)!r}, give its id: {video.id}."

    def video_span(self, name: str, start_s: float | None = None, end_s: float | None = None) -> VideoSpan:
        """A video and a span of it; times given win over the uri's #t, and both default to the whole video.

        Raises: SpanOutsideVideo, InvalidArgument, and what `video` raises.
        """
        video = self.video(name)
        _, from_s, to_s = _reference(name)
        start = start_s if start_s is not None else from_s
        end = end_s if end_s is not None else to_s
        span = self.span(video, start, end)
        past = end is not None and end > span.end_s + TOLERANCE_S
        note = f"end_s {end:g} is past the end: cut to {span.end_s:g} s, where the video ends." if past else ""
        return VideoSpan(video, span, note)

    def span(self, video: VideoRow, start_s: float | None, end_s: float | None) -> Span:
        """[start_s, end_s), cut where the video ends. Raises: SpanOutsideVideo: nothing is left; InvalidArgument."""
        duration = video.duration_s if video.duration_s is not None else math.inf
        start = _finite("start_s", start_s, 0.0)
        end = _finite("end_s", end_s, duration if math.isfinite(duration) else max(start + 1.0, self._noted_s(video)))
        if start >= duration:
            asked = f"start_s {start:g}" if end_s is None else f"{start:g}-{end:g} s"
            raise SpanOutsideVideo(f"{asked} is outside the video, which lasts {duration:g} s ({clock(duration)}).")
        if end <= start:
            raise SpanOutsideVideo(f"{start:g}-{end:g} s is empty: end_s must be greater than start_s.")
        return Span(start, min(end, duration))

    def chosen(self, video_ids: Sequence[str] | None, start_s: float | None, end_s: float | None) -> list[VideoSpan]:
        """The videos a search is about: the named ones with their uris' spans, or all that hold something.

        Without names, a video shorter than start_s is passed over rather than refused.
        """
        if video_ids:
            return [self.video_span(name, start_s, end_s) for name in dict.fromkeys(video_ids)]
        if start_s is None and end_s is None:
            return self.everything()
        return self._all_within(start_s, end_s)

    def without_empty_names(self, names: Sequence[str] | None, words: str) -> tuple[list[str] | None, list[str]]:
        """The names of the videos to search for words, None for all; and a note on each that names no video and only
        repeats the words, or a word of the tools."""
        kept, notes = [], []
        for name in names or ():
            if self.store.video(name) is None and says_nothing(name, words) and not self._is_known(name):
                notes.append(
                    f"video {clean(name, 60)!r} names no video and says nothing more: all videos were searched."
                )
            else:
                kept.append(name)
        return kept or None, notes

    def _is_known(self, name: str) -> bool:
        try:
            return bool(self.video(name))
        except VideoNotFound:
            return False
        except AmbiguousVideo:
            return True

    def everything(self) -> list[VideoSpan]:
        """All videos that hold something, whole. The same list as long as nobody commits: do not change it."""
        return self.kept.get("everything", lambda: self._all_within(None, None))

    def _all_within(self, start_s: float | None, end_s: float | None) -> list[VideoSpan]:
        found = []
        for known in self.store.overview().values():
            video = known.video
            length_s = video.duration_s if video.duration_s is not None else self._noted_s(video)
            start = _finite("start_s", start_s, 0.0)
            end = min(_finite("end_s", end_s, length_s), length_s)
            if end > start:
                found.append(VideoSpan(video, Span(start, end)))
        return found

    def _noted_s(self, video: VideoRow) -> float:
        """Where the notes on a video end: of one that no worker has opened yet they are all there is to find."""
        return max((note.end_s for note in self.store.notes(video.id)), default=0.0)

    def state(self, video_id: str) -> State:
        """queued, running, done, failed or stopped, as the newest job says.

        A reindex that failed leaves a video as whole as it was before."""
        job = self.store.job(video_id)
        if job is not None and job.state == "failed" and job.settings.remake:
            others = [row for row in self.store.channels(video_id) if row.name not in job.settings.remake]
            if all(row.state in ("done", "absent") for row in others):
                return "done"
        return job.state if job is not None else "done"  # type: ignore[return-value]  # the store's check constraint

    def sources(self, video_id: str) -> list[Path]:
        """Paths that hold the video still and may be read: a link that stands there now leads elsewhere."""
        return [Path(source.path) for source in self._standing(video_id) if self._may_open(source)]

    def closed(self, video_id: str) -> str:
        """Why `sources` gives none, and what helps, as the beginning of a sentence."""
        if not self._standing(video_id):
            return "the file is gone (put it back where it was)"
        return "the file lies outside the allowed folders (start the server with --allow and its folder)"

    def _standing(self, video_id: str) -> list[Source]:
        video = self.store.video(video_id)
        recorded = video is not None and bool(video.metadata.get(GREW))  # it may be longer than when it was read
        return [
            source
            for source in self.store.sources(video_id)
            if os.path.realpath(path := Path(source.path)) == source.path
            and path.is_file()
            and ((size := path.stat().st_size) == source.size or (recorded and size > source.size))
        ]

    def _may_open(self, source: Source) -> bool:
        """Allowed now, or typed once; what a server of other folders took in is closed to this one."""
        path = Path(source.path)
        fetched = self.settings.allow_urls and self.fetcher.folder in path.parents
        return self.by_hand or source.typed or fetched or self.fence.permits(path)


def _ambiguous(name: str, found: Sequence[VideoRow]) -> AmbiguousVideo:
    some = ", ".join(f"{clean(video.title, 60)} ({video.id})" for video in found[:MOST_CANDIDATES])
    more = f" and {len(found) - MOST_CANDIDATES} more" if len(found) > MOST_CANDIDATES else ""
    return AmbiguousVideo(
        f"{clean(name, 80)!r} means {len(found)} videos: {some}{more}. Give one of them by its whole title, or by its "
        "id where titles are the same."
    )


def _reference(name: str) -> tuple[str, float | None, float | None]:
    """The id or name in a text, and the times of its #t; also of a uri that holds a title."""
    ref = parse_uri(name)
    if ref is not None:
        return ref.video_id, ref.start_s, ref.end_s
    return parse_named(name) or (name.strip(), None, None)


def checked_channels(channels: Sequence[str] | None) -> tuple[str, ...] | None:
    """The channels asked for, or None for all. Raises: InvalidArgument: one that does not exist."""
    if not channels:
        return None
    for name in channels:
        if name not in CHANNELS:
            raise InvalidArgument(f"No channel {clean(name, 40)!r}. Channels: {', '.join(CHANNELS)}.")
    return tuple(dict.fromkeys(channels))


def _finite(name: str, value: float | None, default: float) -> float:
    if value is None:
        return default
    if not math.isfinite(value) or value < 0:
        raise InvalidArgument(f"{name} is {value}; it must be a finite number of seconds, 0 or more.")
    return float(value)
