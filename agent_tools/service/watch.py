"""Watches folders: a video that appears and settles, or that grows, is made part of memory, as ingest_video would.

The system says which files change (watchfiles, extra `watch`); what is due is decided here, by sizes and times."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_tools.errors import AgentToolsError, InvalidArgument, LimitReached
from agent_tools.media.growth import QUIET_S, may_grow
from agent_tools.media.names import SUFFIXES
from agent_tools.media.sidecars import READ, beside
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library

TICK_MS = 500  # between two looks at what is due
WORKER_S = 5.0  # between two looks whether a worker is at work


@dataclass(frozen=True)
class WatchSettings:
    settle_s: float = 5.0  # a file whose size and time stay the same for so long is whole
    retry_s: float = 60.0  # after a full queue
    follow_s: float = 30.0  # a recording under way is read on so often


@dataclass(frozen=True)
class Taken:
    """A file that was handed to ingest_video, or why it was not."""

    path: Path
    video_id: str = ""
    error: str = ""


@dataclass
class _Waiting:
    stamp: tuple[int, int]  # size and time of change
    since: float  # by the clock that was given: when it had this stamp first
    not_before: float = 0.0
    given: float | None = None  # when it was due last, of a file that still changes


class Watched:
    """The files that changed and are not taken in yet. It uses neither the system's notices nor the memory."""

    def __init__(self, settings: WatchSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._waiting: dict[Path, _Waiting] = {}

    def changed(self, paths: Iterable[Path]) -> None:
        """Note files that were written to, moved here or deleted; a subtitle file counts for the films beside it."""
        for path in paths:
            for film in _films(path):
                stamp = _stamp(film)
                if stamp is None:
                    self._waiting.pop(film, None)
                elif film not in self._waiting:
                    self._waiting[film] = _Waiting(stamp, self._clock())

    def due(self) -> list[Path]:
        """The files that have settled, in order of names, each once, and now and then the recordings that grow."""
        now, ready = self._clock(), []
        for path, waiting in list(self._waiting.items()):
            stamp = _stamp(path)
            if stamp is None:
                del self._waiting[path]
            elif stamp != waiting.stamp:
                again = waiting.given is None or now - waiting.given >= self._settings.follow_s
                if again and now >= waiting.not_before and _may_grow(path):
                    ready.append(path)
                    waiting.given = now
                self._waiting[path] = _Waiting(stamp, now, waiting.not_before, waiting.given)
            elif now - waiting.since >= self._settings.settle_s and now >= waiting.not_before:
                ready.append(path)
                del self._waiting[path]
        return sorted(ready)

    def put_back(self, path: Path, after_s: float) -> None:
        """Give the file again, not before so many seconds from now."""
        stamp, before = _stamp(path), self._waiting.get(path)
        if stamp is not None:
            now = self._clock()
            self._waiting[path] = _Waiting(stamp, now, now + after_s, before.given if before else None)


def watch_folders(
    library: Library,
    folders: Sequence[Path],
    *,
    stop: threading.Event,
    settings: WatchSettings = WatchSettings(),
) -> Iterator[Taken]:
    """Take in what lies in the folders and what appears there, until `stop` is set.

    Raises: InvalidArgument: the extra is not installed, or a path is not a folder."""
    if importlib.util.find_spec("watchfiles") is None:
        raise InvalidArgument("Folders are watched by watchfiles. Install it: pip install 'agent-tools-video[watch]'")
    for folder in folders:
        if not folder.is_dir():
            raise InvalidArgument(f"{folder} is not a folder. Give the path of a folder that exists.")
    from watchfiles import watch

    watched = Watched(settings)
    changes = watch(*folders, stop_event=stop, rust_timeout=TICK_MS, yield_on_timeout=True, raise_interrupt=False)
    next(changes, None)  # the watch has begun: later changes are reported
    watched.changed(path for folder in folders for path in library.fence.files(folder))
    looked_s = 0.0
    for noticed in changes:
        watched.changed(Path(name) for _, name in noticed)
        for path in watched.due():
            yield _take(library, path, watched, settings)
        if time.monotonic() - looked_s > WORKER_S:
            looked_s = time.monotonic()
            library.workers.ensure(library.store)


def _take(library: Library, path: Path, watched: Watched, settings: WatchSettings) -> Taken:
    if not library.fence.permits(path):
        return Taken(path, error="a link leads out of the watched folders")
    try:
        video_id = ingest_video(library, str(path), wait_s=0, trusted=True).video_id or ""
    except LimitReached as error:
        watched.put_back(path, settings.retry_s)
        return Taken(path, error=error.described)
    except AgentToolsError as error:
        return Taken(path, error=error.described)
    job = library.store.job(video_id)
    if job is not None and job.settings.growing:
        watched.put_back(path, QUIET_S + settings.settle_s)  # it is closed when nobody writes to it any more
    return Taken(path, video_id)


def _may_grow(path: Path) -> bool:
    try:
        return may_grow(path)
    except AgentToolsError:
        return False


def _films(path: Path) -> list[Path]:
    """The film at that path, or the films that a subtitle file belongs to. Hidden and unfinished files are left out."""
    if path.name.startswith("."):
        return []
    if path.suffix.lower() in SUFFIXES:
        return [path]
    if path.suffix.lower() not in READ:
        return []
    try:
        films = [one for one in path.parent.iterdir() if one.suffix.lower() in SUFFIXES]
    except OSError:
        return []
    return [film for film in films if any(sidecar.path == path for sidecar in beside(film))]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns) if path.is_file() else None
