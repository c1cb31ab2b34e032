"""ingest_video: a file or a folder becomes part of memory; idempotent by content; answers within wait_s.

Workers do the ingest; a call only queues jobs and waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agent_tools.errors import AgentToolsError, InvalidArgument, LimitReached, SourceNotAllowed, SourceNotFound
from agent_tools.progress import OnStep, silent
from agent_tools.service.ingest.jobs import enqueue_file, needed, resume
from agent_tools.service.ingest.status import REPLY_TOKENS, folder_status, status
from agent_tools.service.library.addresses import is_address, refuse_addresses
from agent_tools.service.library.downloads import Fetch
from agent_tools.service.library.library import Library
from agent_tools.service.library.pages import pages_are_read
from agent_tools.service.library.video_names import is_pattern, matching_videos
from agent_tools.service.replies.fit import trim_to_tokens
from agent_tools.store import Job, VideoRow
from agent_tools.timeline import parse_uri
from agent_tools.types import IngestReply, Refused
from agent_tools.untrusted import clean

POLL_S = 0.2
GRACE_S = 0.5  # past the deadline: some files of a folder are looked at even by a call that does not wait


def ingest_video(
    library: Library,
    source: str,
    *,
    title: str = "",
    channels: list[str] | None = None,
    wait_s: float = 20.0,
    trusted: bool = False,
    patient: bool = False,
    at_once: bool = False,
    on_step: OnStep | None = None,
    on_begun: Callable[[str], None] | None = None,
) -> IngestReply:
    """Queue what is new, start a worker, wait at most wait_s, and say how far it is.

    Args:
        source: a file or folder; "" for all allowed folders; an ingested video's uri, id or title asks how far it is,
            and continues an ingest that failed or was stopped half a minute ago or more.
        trusted: a person typed the path, which allows it.
        patient: queue all files of a folder, however long it takes to look at them; else those that wait_s allows,
            and the next call goes on.
        at_once: what failed or was stopped goes on however short a time ago that was: for a command that a person
            has just given, not for one that polls.
        on_begun: called with each video's id, and an address to fetch, as soon as work on it may have begun.

    Raises: RequestError: source, title, channels or wait_s break a rule. UnreadableVideo: nothing in it can be decoded.
    """
    deadline = time.monotonic() + wait_s
    if not 0 <= wait_s <= 45:
        raise InvalidArgument(f"wait_s is {wait_s}; it must be from 0 to 45.")
    wanted = needed(library, channels)
    call = _Call(
        library, wanted, bool(channels), deadline, trusted, patient, at_once, on_step or silent, on_begun or _unnoticed
    )
    if parse_uri(source) is not None or (len(source) == 12 and library.store.video(source) is not None):
        return _known(call, source, title, wanted if channels else ())
    if not is_address(source):
        try:
            paths, folder = _resolve(library, source, trusted, call.on_step)
        except (SourceNotFound, SourceNotAllowed):
            if trusted or (video := _named(library, source)) is None:
                raise
            return _known(call, video.id, title, wanted if channels else ())
        return _file(call, paths[0], title) if folder is None else _folder(call, paths, folder)
    return _address(call, source, title)


@dataclass(frozen=True)
class _Call:
    """What one call is about, checked; see ingest_video."""

    library: Library
    wanted: tuple[str, ...]  # channels
    asked: bool  # the caller named them
    deadline: float  # by time.monotonic
    trusted: bool
    patient: bool
    at_once: bool
    on_step: OnStep
    on_begun: Callable[[str], None]


def _unnoticed(_id_or_address: str) -> None:
    """For a caller that does not ask which work has begun."""


def _named(library: Library, name: str) -> VideoRow | None:
    """The one video in memory that has exactly this title or file name."""
    found = [] if is_pattern(name) else matching_videos(name, library.store.videos(), library.store.all_sources())
    return found[0] if len(found) == 1 else None


def _known(call: _Call, name: str, title: str, asked_for: Sequence[str]) -> IngestReply:
    """A video of the library: how far it is. Its ingest goes on if it ended early, or if channels are asked for."""
    library = call.library
    video = library.video(name)
    call.on_begun(video.id)
    if title:
        library.store.update_video(video.id, title=clean(title, 200))
    resume(library, video.id, asked_for)
    _wait(library, [video.id], call.deadline, call.on_step)
    return status(library, video.id)


def _file(call: _Call, path: Path, title: str) -> IngestReply:
    call.on_step(0.0, "looking at the file")
    video_id = enqueue_file(
        call.library, path, clean(title, 200), call.wanted, typed=call.trusted, at_once=call.at_once, asked=call.asked
    )
    call.on_begun(video_id)
    _wait(call.library, [video_id], call.deadline, call.on_step)
    return status(call.library, video_id)


def _address(call: _Call, url: str, title: str) -> IngestReply:
    """A file, a page or a list of the web: what is fetched of it is queued."""
    call.on_begun(url)
    fetch = _fetched(call.library, url, call.deadline, call.on_step)
    if fetch.items:
        return _list(call, fetch)
    if fetch.path is None:
        fetch.told = fetch.waits
        name = fetch.page.title if fetch.page else clean(url.partition("?")[0].rsplit("/", 1)[-1], 120)
        hint = fetch.described if fetch.waits else f"{fetch.described}. Call ingest_video again with the same source"
        reply = IngestReply(title=clean(title, 200) or name, state="queued", hints=[f"{hint}."])
        return trim_to_tokens(reply, REPLY_TOKENS, [])
    named = fetch.page.title if fetch.page is not None else clean(Path(urlsplit(url).path).stem, 200)
    return _file(call, fetch.path, title or named)


def _list(call: _Call, fetch: Fetch) -> IngestReply:
    """The videos of a list, as far as they are fetched."""
    library = call.library
    queued = [
        enqueue_file(library, item.path, item.title, call.wanted, at_once=call.at_once, asked=call.asked)
        for item in fetch.items
        if item.path is not None
    ]
    for video_id in queued:
        call.on_begun(video_id)
    refused = [Refused(source=item.title, error=item.error.described) for item in fetch.items if item.error is not None]
    left = len(fetch.items) - len(queued) - len(refused)
    _wait(library, queued, call.deadline, call.on_step)
    title = Path(fetch.page.title.replace("/", " ") if fetch.page else "list")
    return folder_status(library, title, len(fetch.items), left, queued, refused)


def _folder(call: _Call, paths: Sequence[Path], folder: Path) -> IngestReply:
    """Queue the files of a folder, as many as the call's time allows; the next call continues."""
    library = call.library
    refused: list[Refused] = []
    added: list[str] = []
    for place, path in enumerate(paths):
        if place and not call.patient and time.monotonic() > call.deadline + GRACE_S:
            break
        call.on_step(0.0, f"looking at file {place + 1} of {len(paths)}")
        try:
            video_id = enqueue_file(
                library,
                path,
                "",
                call.wanted,
                retry_unreadable=False,
                typed=call.trusted,
                at_once=call.at_once,
                asked=call.asked,
            )
        except LimitReached:
            break  # the others wait for the next call, like those for which no time was left
        except AgentToolsError as error:
            name = path.relative_to(folder) if folder in path.parents else path.name
            refused.append(Refused(source=clean(str(name), 120), error=error.described))
        else:
            added.append(video_id)
            call.on_begun(video_id)
        if len(added) == 1:
            library.workers.ensure(library.store)
    left = len(paths) - len(added) - len(refused)
    _wait(library, added, call.deadline, call.on_step)
    return folder_status(library, folder, len(paths), left, added, refused)


def _fetched(library: Library, url: str, deadline: float, step: OnStep) -> Fetch:
    """The download of an address, in its state at the deadline. Raises: SourceNotAllowed; why it failed."""
    if not library.settings.allow_urls:
        raise refuse_addresses(url, pages=pages_are_read())
    fetch = library.fetcher.fetch(url)
    while True:
        step(fetch.share, fetch.described)
        if fetch.error is not None:
            raise fetch.error
        if not fetch.under_way or any(item.path for item in fetch.items) or time.monotonic() + POLL_S >= deadline:
            return fetch
        time.sleep(POLL_S)


def _resolve(library: Library, source: str, trusted: bool, step: OnStep) -> tuple[list[Path], Path | None]:
    """(files, the folder they lie in or None for a single file)."""

    def check() -> None:
        step(0.0, "looking through the folder")

    if source.strip() == "":
        if not library.fence.folders:
            raise SourceNotAllowed(
                'No folder is allowed, so source "" means none. Start the server with: agent-tools serve --allow FOLDER'
            )
        files = [path for folder in library.fence.folders for path in library.fence.files(folder, check)]
        return list(dict.fromkeys(files)), library.fence.folders[0]
    named = {row.path for row in library.store.all_sources() if row.typed}
    if trusted:
        named.add(str(Path(source).expanduser().resolve()))
    path = library.fence.resolve(source, named)
    if path.is_dir():
        return list(library.fence.files(path, check)), path
    return [path], None


def _wait(library: Library, video_ids: Sequence[str], deadline: float, step: OnStep) -> None:
    """Until every job has ended, or the deadline; on_step gets the progress, and a dead worker is replaced."""
    started = False
    while True:
        jobs = [job for video_id in video_ids if (job := library.store.job(video_id)) is not None]
        going = [job for job in jobs if job.state in ("queued", "running")]
        if not going:
            return
        started |= library.workers.ensure(library.store)
        share = sum(1.0 if job not in going else job.progress for job in jobs) / len(jobs)
        step(share, _doing(library, going, started))
        if time.monotonic() + POLL_S >= deadline:
            return
        time.sleep(POLL_S)


def _doing(library: Library, going: Sequence[Job], started: bool) -> str:
    """A sentence on open jobs. Args: started: this call has started the worker, which has not taken a job yet."""
    running = next((job for job in going if job.state == "running"), None)
    if running is not None:
        return running.message or f"reading {len(going)} video{'s' if len(going) > 1 else ''}"
    if (other := next((job for job in library.store.open_jobs() if job.state == "running"), None)) is not None:
        video = library.store.video(other.video_id)
        return f"queued; being read now: {clean(video.title, 80) if video else other.video_id}, {other.progress:.0%}"
    return "starting the worker" if started else "queued; the worker takes it up soon"
