"""The jobs of ingests: which channels are missing, when an ended ingest continues, what reindex makes again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent_tools.channels import channel
from agent_tools.errors import InvalidArgument, LimitReached, SourceNotFound, UnreadableVideo
from agent_tools.ingestion.model_choice import channels_of
from agent_tools.media import sidecars
from agent_tools.media.identity import content_id
from agent_tools.media.names import SHARED_SUFFIXES
from agent_tools.media.plain_file import is_source_code
from agent_tools.service.ingest import recordings_under_way
from agent_tools.service.library.library import Library, checked_channels
from agent_tools.store import ChannelDetail, ChannelRow, Job, JobSettings
from agent_tools.untrusted import clean

VECTORS = "text"  # in the place of a channel: the sentence vectors of all texts


def needed(library: Library, channels: list[str] | None) -> tuple[str, ...]:
    """The channels asked for, else all that this server makes. Raises: InvalidArgument: one that it cannot make."""
    made = channels_of(library.models.profile)
    wanted = checked_channels(channels)
    if wanted is None:
        return made
    for name in wanted:
        if name not in made:
            raise InvalidArgument(
                f"Channel {name!r} cannot be made by this server. It makes: {', '.join(made)}; {channel(name).remedy}."
            )
    return wanted


def enqueue_file(
    library: Library,
    path: Path,
    title: str,
    wanted: Sequence[str],
    *,
    retry_unreadable: bool = True,
    typed: bool = False,
    at_once: bool = False,
    asked: bool = False,
) -> str:
    """Make the file known and queue what it lacks. Returns its video id.

    Args:
        retry_unreadable: also queue what was found to hold nothing readable: its content is the same as then.
        typed: a person gave the path, or the folder it lies in, to a command.
        at_once: also what rests goes on (see retry_after_s), and a stop that is not heard yet is taken back.
        asked: somebody named the channels: also speech is made that subtitles stand for.
    """
    stat = path.stat()
    if stat.st_size == 0:
        raise UnreadableVideo(f"{clean(path.name, 120)} is empty: 0 bytes. Copy or record it again.")
    if path.suffix.lower() in SHARED_SUFFIXES and is_source_code(path):
        raise UnreadableVideo(f"{clean(path.name, 120)} holds text, such as a program's source. Give a video file.")
    store = library.store
    known = store.known_id(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    video_id = known or recordings_under_way.begun_as(library, path, stat) or content_id(path)
    growing = recordings_under_way.is_growing(library, video_id, path)
    if known and growing and library.state(known) != "failed":
        return known  # nothing came since it was read
    if len(store.open_jobs()) >= library.settings.jobs and store.video(video_id) is None:
        raise LimitReached(f"{library.settings.jobs} ingests are queued. Wait until some are done, then call again.")
    store.add_video(video_id, title or clean(path.stem, 200) or path.name, stat.st_size)
    store.add_source(video_id, str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino, typed=typed)
    if title:
        store.update_video(video_id, title=title)
    if growing or recordings_under_way.may_be(path):
        recordings_under_way.mark(library, video_id, path)
    _queue(
        library,
        video_id,
        path,
        wanted,
        retry_unreadable=retry_unreadable,
        at_once=at_once,
        asked=asked,
        growing=growing,
    )
    return video_id


def resume(library: Library, video_id: str, wanted: Sequence[str]) -> None:
    """By the id of a video: queue what is asked for, or what an ended ingest had not come to, if its file may be read.

    Raises: SourceNotFound: the file may not be read, and what is asked for is not there."""
    store, job = library.store, library.store.job(video_id)
    ended = job is not None and job.state in ("failed", "stopped")
    growing = job is not None and job.settings.growing
    if not wanted and not ended and not growing:
        return
    if paths := library.sources(video_id):
        if job is not None and growing:
            enqueue_file(library, paths[0], "", wanted or job.channels)
            return
        made = channels_of(library.models.profile)
        missing = wanted or [n for n in made if job and n in job.channels]
        asked = bool(wanted) or (job is not None and job.settings.asked)
        _queue(library, video_id, paths[0], missing, retry_unreadable=False, asked=asked)
    elif any((row := store.channel(video_id, n)) is None or row.state not in ("done", "absent") for n in wanted):
        raise SourceNotFound(f"{library.closed(video_id)}, so {', '.join(wanted)} of {video_id} cannot be made.")


def _queue(
    library: Library,
    video_id: str,
    path: Path,
    wanted: Sequence[str],
    *,
    retry_unreadable: bool,
    at_once: bool = False,
    asked: bool = False,
    growing: bool = False,
) -> None:
    """Queue the missing channels, unless a job is at work on them, or rests and no other channel is wanted."""
    store, job = library.store, library.store.job(video_id)
    if job is not None and job.state in ("queued", "running"):
        if at_once and job.stop_requested:
            store.enqueue(video_id, (), job.profile, job.settings)  # takes the stop back
        return
    rows = {row.name: row for row in store.channels(video_id)}
    subtitles, mark = rows.get("subtitles"), sidecars.mark(path)
    ended = subtitles is not None and subtitles.state in ("done", "absent")
    if ended and subtitles is not None and subtitles.detail.sidecars not in (mark, None):
        rows.pop("subtitles")  # read before what lies beside the file now
    missing = [name for name in wanted if name not in rows or _lacks(rows[name], rows, asked=asked)]
    rests = not at_once and retry_after_s(library, job) > 0
    if job is not None and job.state == "stopped":
        if rests and set(missing) <= set(job.channels):
            return
        if job.settings.remake:  # a reindex goes on as it was asked for
            store.enqueue(video_id, job.channels, job.profile, replace(job.settings, path=str(path)))
            return
    if not missing:
        return
    if job is not None and job.state == "failed":
        unreadable = (job.error or "").startswith("UnreadableVideo")
        if rests or (unreadable and not retry_unreadable):
            return
    if "subtitles" in missing and ended:
        store.set_channel(video_id, "subtitles", state="queued", done_to_s=0.0, detail=ChannelDetail(sidecars=mark))
    settings = replace(_of_file(library, path), asked=asked, growing=growing)
    store.enqueue(video_id, tuple(missing), library.models.profile.name, settings)


def _lacks(row: ChannelRow, rows: Mapping[str, ChannelRow], *, asked: bool) -> bool:
    """Whether a channel is still to be made, although it has a row."""
    if row.state not in ("done", "absent") or row.detail.no_model:
        return True
    return bool(row.detail.stands_in) and (asked or row.detail.stands_in not in rows)


def reindex(library: Library, video_id: str, *channels: str) -> None:
    """Queue channels of a video to be made again with this profile's models, and start a worker. The old channels stay
    searchable until the new ones are whole.

    Args:
        channels: names of channels, or "text": only the sentence vectors of all texts.

    Raises: InvalidArgument: a channel that cannot be made here, or the video is being ingested.
    """
    names = [name for name in channels if name != VECTORS]
    wanted = needed(library, names) if names else ()
    job = library.store.job(video_id)
    if job is not None and job.state in ("queued", "running"):
        raise InvalidArgument(f"{video_id} is being ingested. Wait until it is done, or: agent-tools stop {video_id}")
    for name in wanted:
        row = library.store.channel(video_id, name)
        if row is None or row.state != "done":  # nothing is there to keep
            library.store.set_channel(video_id, name, state="queued", done_to_s=0.0, detail=ChannelDetail(), error=None)
    paths = library.sources(video_id)
    settings = replace(_of_file(library, paths[0] if paths else None), remake=tuple(channels))
    library.store.enqueue(video_id, wanted, library.models.profile.name, settings)
    library.workers.ensure(library.store)


def _of_file(library: Library, path: Path | None) -> JobSettings:
    """Which file the job reads, and this server's models."""
    settings = library.settings
    return JobSettings(
        path=library.store.roots.kept(str(path or "")),
        sidecars=sidecars.mark(path) if path else "",
        models=settings.models,
        model_dirs=tuple(str(folder) for folder in settings.model_dirs),
        device=settings.device,
    )


def retry_after_s(library: Library, job: Job | None) -> float:
    """Seconds until the job may go on without a person asking for it; 0 where it may at once."""
    if job is None or job.state not in ("failed", "stopped"):
        return 0.0
    return max(0.0, job.updated_at + library.retry_s - time.time())
