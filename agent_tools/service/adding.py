"""ingest_video: a file or a folder becomes part of memory; idempotent by content; answers within wait_s.

Knows sources, jobs and workers. Knows nothing of what a worker does with a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from agent_tools.errors import (
    AgentToolsError,
    InvalidArgument,
    LimitReached,
    SourceNotAllowed,
    SourceNotFound,
    UnreadableVideo,
)
from agent_tools.ingestion.chosen_models import channels_of
from agent_tools.media.identity import content_id
from agent_tools.service import coverage
from agent_tools.service.fetching import Fetch, is_address, refuse_addresses
from agent_tools.service.fit import clear, drop_last, fitted
from agent_tools.service.library import Library, checked_channels
from agent_tools.store import Job, Source, VideoRow
from agent_tools.timeline import clock, parse_uri, rounded, video_uri
from agent_tools.types import CHANNELS, ChannelOut, GapOut, IngestReply, Refused, VideoOut
from agent_tools.untrusted import clean

OTHERWISE = {
    "speech": "start it with --profile standard or --models speech=FOLDER, or put a .srt or .vtt beside the file",
    "captions": "start it with --models captions=FOLDER, or captions=http://host/v1#model",
    "notes": "notes come from remember",
}  # how a channel that not every server makes comes about

OnStep = Callable[[float, str], None]  # (progress 0..1, sentence); may raise to stop waiting
POLL_S = 0.2
GRACE_S = 0.5  # past the deadline: some files of a folder are looked at even by a call that does not wait
REPLY_TOKENS = 2000
MOST_GAPS = 12  # named; the rest are counted
VECTORS = "text"  # in the place of a channel: the sentence vectors of all texts
RETRY_S = 30.0  # a failed job is not tried again sooner: a client that polls must see why it failed


def ingest(
    library: Library,
    source: str,
    *,
    title: str = "",
    channels: list[str] | None = None,
    wait_s: float = 20.0,
    trusted: bool = False,
    patient: bool = False,
    on_step: OnStep | None = None,
    on_begun: Callable[[str], None] | None = None,
) -> IngestReply:
    """Queue what is new, start a worker, wait at most wait_s, and say how far it is.

    Args:
        source: a file or folder; "" for all allowed folders; an ingested video's uri or id asks how far it is, and
            goes on with an ingest that failed or was stopped.
        trusted: a person typed the path, which allows it.
        patient: queue all files of a folder, however long it takes to look at them; else those that wait_s allows,
            and the next call goes on.
        on_begun: told each video's id, and an address to fetch, as soon as work on it may have begun.

    Raises: RequestError: source, title, channels or wait_s break a rule. UnreadableVideo: nothing in it can be decoded.
    """
    deadline = time.monotonic() + wait_s
    if not 0 <= wait_s <= 45:
        raise InvalidArgument(f"wait_s is {wait_s}; it must be from 0 to 45.")
    wanted = _wanted(library, channels)
    step = on_step or (lambda _progress, _message: None)
    begun = on_begun or (lambda _id_or_address: None)
    if parse_uri(source) is not None or (len(source) == 12 and library.store.video(source) is not None):
        video = library.video(source)
        begun(video.id)
        if title:
            library.store.update_video(video.id, title=clean(title, 200))
        _go_on(library, video.id, wanted if channels else ())
        _wait(library, [video.id], deadline, step)
        return status(library, video.id)
    fetched: Path | None = None
    if is_address(source):
        begun(source)
        fetch = _fetched(library, source, deadline, step)
        if fetch.path is None:
            name = clean(source.partition("?")[0].rsplit("/", 1)[-1], 120)
            hint = f"{fetch.told}. Call ingest_video again with the same source."
            return fitted(IngestReply(title=clean(title, 200) or name, state="queued", hints=[hint]), REPLY_TOKENS, [])
        fetched = fetch.path
        title = title or clean(Path(urlsplit(source).path).stem, 200)
    paths, folder = ([fetched], None) if fetched is not None else _resolve(library, source, trusted, step)
    if folder is None:
        step(0.0, "looking at the file")
        video_id = _add(library, paths[0], clean(title, 200), wanted, typed=trusted)
        begun(video_id)
        _wait(library, [video_id], deadline, step)
        return status(library, video_id)
    refused: list[Refused] = []
    added: list[str] = []
    for place, path in enumerate(paths):
        if place and not patient and time.monotonic() > deadline + GRACE_S:
            break
        step(0.0, f"looking at file {place + 1} of {len(paths)}")
        try:
            added.append(_add(library, path, "", wanted, again=False, typed=trusted))
            begun(added[-1])
        except LimitReached:
            break  # the others wait for the next call, as those that no time was left for
        except AgentToolsError as error:
            refused.append(
                Refused(
                    source=clean(str(path.relative_to(folder) if folder in path.parents else path.name), 120),
                    error=error.described,
                )
            )
        if len(added) == 1:
            library.workers.ensure(library.store)
    left = len(paths) - len(added) - len(refused)
    _wait(library, added, deadline, step)
    return _folder_status(library, folder, len(paths), left, added, refused)


def status(library: Library, video_id: str) -> IngestReply:
    """How far a video is, channel by channel, and what will not be known of it."""
    video = library.store.video(video_id)
    assert video is not None
    job = library.store.job(video_id)
    if job is not None and job.state == "failed" and (job.error or "").startswith("UnreadableVideo: "):
        raise UnreadableVideo((job.error or "").removeprefix("UnreadableVideo: "))
    rows = library.store.channels(video_id)
    gaps = [
        GapOut(channel=gap.channel or None, start_s=rounded(gap.start_s), end_s=rounded(gap.end_s), why=gap.why)
        for gap in library.store.gaps(video_id)
    ]
    state = library.state(video_id)
    waiting = [name for name in (job.channels if job else ()) if name not in {row.name for row in rows}]
    rows.sort(key=lambda row: CHANNELS.index(row.name))
    reply = IngestReply(
        video_id=video_id,
        title=video.title,
        duration_s=None if video.duration_s is None else rounded(video.duration_s),
        state=state,
        searchable_to_s=_searchable_to(video, job, library),
        channels=[
            ChannelOut(
                name=row.name,
                state=row.state,  # type: ignore[arg-type]  # the store's check constraint
                entries=row.entries if row.state in ("done", "running") else None,
                language=row.language or None,
                done=row.detail.get("done") if row.state == "running" else None,
                eta_s=None if job is None or row.state != "running" or job.eta_s is None else round(job.eta_s),
                error=row.error,
            )
            for row in rows
        ]
        + [ChannelOut(name=name, state="queued") for name in waiting if state in ("queued", "running")],
        not_known=coverage.not_known(library, video) or None,
        gaps=coverage.longest(gaps, MOST_GAPS) or None,
        gaps_omitted=max(0, len(gaps) - MOST_GAPS) or None,
        error=job.error if job else None,
        uri=video_uri(video_id),
    )
    if state in ("failed", "stopped") and not library.sources(video_id):
        reply.hints = [f"Its ingest cannot go on: {library.closed(video_id)}."]

    def count_gap(_: object) -> None:
        reply.gaps_omitted = (reply.gaps_omitted or 0) + 1

    return fitted(reply, REPLY_TOKENS, [drop_last(reply.gaps, 1, count_gap), clear(reply, "error")])


def _searchable_to(video: VideoRow, job: Job | None, library: Library) -> float | None:
    if video.duration_s is None:
        return None
    if job is None or job.state == "done":
        return rounded(video.duration_s)
    reached = []
    for name in job.channels:
        row = library.store.channel(video.id, name)
        if name == "frames" or (row is not None and row.state in ("absent", "done")):
            continue
        reached.append(row.done_to_s if row is not None else 0.0)
    return rounded(min(reached, default=video.duration_s))


def _wanted(library: Library, channels: list[str] | None) -> tuple[str, ...]:
    made = channels_of(library.models.profile)
    asked = checked_channels(channels)
    if asked is None:
        return made
    for name in asked:
        if name not in made:
            raise InvalidArgument(
                f"Channel {name!r} cannot be made by this server. It makes: {', '.join(made)}; {OTHERWISE[name]}."
            )
    return asked


def _fetched(library: Library, url: str, deadline: float, step: OnStep) -> Fetch:
    """The download of an address, as far as it is at the deadline. Raises: SourceNotAllowed, and why it failed."""
    if not library.settings.allow_urls:
        raise refuse_addresses(url)
    while True:
        fetch = library.fetcher.fetch(url)
        step(fetch.share, fetch.told)
        if fetch.path is not None or time.monotonic() + POLL_S >= deadline:
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


def _add(
    library: Library, path: Path, title: str, wanted: Sequence[str], *, again: bool = True, typed: bool = False
) -> str:
    """Make the file known and queue what it lacks. Returns its video id.

    Args:
        again: also queue what was found to hold nothing readable: its content is the same as then.
        typed: a person gave the path, or the folder it lies in, to a command.
    """
    stat = path.stat()
    if stat.st_size == 0:
        raise UnreadableVideo(f"{clean(path.name, 120)} is empty: 0 bytes. Copy or record it again.")
    store = library.store
    video_id = store.known_id(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino) or content_id(path)
    if len(store.open_jobs()) >= library.settings.jobs and store.video(video_id) is None:
        raise LimitReached(f"{library.settings.jobs} ingests are queued. Wait until some are done, then call again.")
    store.add_video(video_id, title or clean(path.stem, 200) or path.name, stat.st_size)
    store.add_source(video_id, str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino, typed=typed)
    if title:
        store.update_video(video_id, title=title)
    _queue(library, video_id, path, wanted, again)
    return video_id


def _go_on(library: Library, video_id: str, asked: Sequence[str]) -> None:
    """By the id of a video: queue what is asked for, or what an ended ingest had not come to, if its file may be read.

    Raises: SourceNotFound: the file may not be read, and what is asked for is not there."""
    store, job = library.store, library.store.job(video_id)
    ended = job is not None and job.state in ("failed", "stopped")
    if not asked and not ended:
        return
    if paths := library.sources(video_id):
        made = channels_of(library.models.profile)
        _queue(library, video_id, paths[0], asked or [n for n in made if job and n in job.channels], again=False)
    elif any((row := store.channel(video_id, n)) is None or row.state not in ("done", "absent") for n in asked):
        raise SourceNotFound(f"{library.closed(video_id)}, so {', '.join(asked)} of {video_id} cannot be made.")


def _queue(library: Library, video_id: str, path: Path, wanted: Sequence[str], again: bool) -> None:
    store = library.store
    rows = {row.name: row for row in store.channels(video_id)}
    mark = sidecar_mark(path)
    subtitles = rows.get("subtitles")
    if (
        subtitles is not None
        and subtitles.state in ("done", "absent")
        and subtitles.detail.get("sidecars", mark) != mark
    ):
        store.set_channel(video_id, "subtitles", state="queued", done_to_s=0.0, detail={"sidecars": mark})
        subtitles = None
        rows.pop("subtitles")
    lacking = [
        name
        for name in wanted
        if name not in rows or rows[name].state not in ("done", "absent") or rows[name].detail.get("no_model")
    ]
    job = store.job(video_id)
    if job is not None and job.state == "stopped" and job.settings.get("remake"):
        # A reindex goes on as it was asked for.
        store.enqueue(video_id, job.channels, job.profile, {**job.settings, "path": str(path)})
        return
    if not lacking or (job is not None and job.state in ("queued", "running")):
        return
    if job is not None and job.state == "failed":
        unreadable = (job.error or "").startswith("UnreadableVideo")
        if time.time() - job.updated_at < RETRY_S or (unreadable and not again):
            return
    store.enqueue(video_id, tuple(lacking), library.models.profile.name, _of_file(library, path))


def remake(library: Library, video_id: str, *channels: str) -> None:
    """Queue channels of a video anew, with this profile's models, and start a worker; what there is of them stays
    searchable until the new ones are whole.

    Args:
        channels: names of channels, or "text": the sentence vectors of all texts, which are not read anew.

    Raises: InvalidArgument: a channel that cannot be made here, or the video is being ingested.
    """
    names = [name for name in channels if name != VECTORS]
    wanted = _wanted(library, names) if names else ()
    job = library.store.job(video_id)
    if job is not None and job.state in ("queued", "running"):
        raise InvalidArgument(f"{video_id} is being ingested. Wait until it is done, or: agent-tools stop {video_id}")
    for name in wanted:
        row = library.store.channel(video_id, name)
        if row is None or row.state != "done":  # nothing is there to keep
            library.store.set_channel(video_id, name, state="queued", done_to_s=0.0, detail={}, error=None)
    paths = library.sources(video_id)
    asked = {**_of_file(library, paths[0] if paths else None), "remake": list(channels)}
    library.store.enqueue(video_id, wanted, library.models.profile.name, asked)
    library.workers.ensure(library.store)


def _of_file(library: Library, path: Path | None) -> dict[str, object]:
    """The job's row: which file it is about, and what chooses the models, so that whichever server's worker takes it
    up, it makes the same."""
    settings = library.settings
    folders = [str(folder) for folder in settings.model_dirs]
    models = {"models": list(settings.models), "model_dirs": folders, "device": settings.device}
    return {"path": str(path or ""), "sidecars": sidecar_mark(path) if path else "", **models}


def sidecar_mark(path: Path) -> str:
    """What lies beside the file as subtitles, by name, size and time: when it changes, they are read again."""
    beside = sorted(
        (other.name, other.stat().st_size, other.stat().st_mtime_ns)
        for ending in (".srt", ".vtt", ".ass", ".ssa")
        for other in path.parent.glob("*" + ending)
        if other.name.startswith(path.stem) and other.is_file()
    )
    return repr(beside) if beside else ""


def _wait(library: Library, video_ids: Sequence[str], deadline: float, step: OnStep) -> None:
    """Until every job has ended, or the deadline; progress is told, and a dead worker replaced."""
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


def _folder_status(
    library: Library, folder: Path, found: int, left: int, video_ids: Sequence[str], refused: list[Refused]
) -> IngestReply:
    """Args: left: files that were not looked at yet, which count as queued."""
    counts = dict.fromkeys(("done", "running", "queued", "failed", "stopped"), 0)
    videos: list[VideoOut] = []
    eta = 0.0
    for video_id in dict.fromkeys(video_ids):
        state = library.state(video_id)
        video, job = library.store.video(video_id), library.store.job(video_id)
        assert video is not None
        if job is not None and job.state == "failed" and (job.error or "").startswith("UnreadableVideo"):
            sources: list[Source] = library.store.sources(video_id)
            refused.append(Refused(source=clean(Path(sources[0].path).name, 120), error=job.error or ""))
            continue
        counts[state] += 1
        eta += (job.eta_s or 0.0) if job is not None and state == "running" else 0.0
        videos.append(
            VideoOut(
                video_id=video_id,
                title=video.title,
                at=None if video.duration_s is None else clock(video.duration_s),
                state=state,
                uri=video_uri(video_id),
                error=job.error if job is not None and state == "failed" else None,
            )
        )
    reply = IngestReply(
        folder=clean(folder.name, 120),
        found=found,
        done=counts["done"],
        running=counts["running"],
        queued=counts["queued"] + left,
        failed=counts["failed"] + counts["stopped"],
        refused=refused,
        videos=videos,
        eta_s=round(eta) if eta and not counts["queued"] and not left else None,
        hints=[f"{left} files were not looked at yet: call ingest_video again with the same source."] if left else [],
    )

    def count(_: object) -> None:
        reply.omitted = (reply.omitted or 0) + 1

    return fitted(reply, REPLY_TOKENS, [drop_last(reply.videos, 3, count), drop_last(reply.refused, 3, count)])
