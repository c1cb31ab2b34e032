"""How far ingests are: one video channel by channel, or a folder's in numbers; what will not be known, and why.

It also says what will not be known of a video, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent_tools.channels import channel
from agent_tools.errors import UnreadableVideo, VideoNotFound
from agent_tools.service.ingest.jobs import retry_after_s
from agent_tools.service.library.library import Library
from agent_tools.service.replies import coverage
from agent_tools.service.replies.fit import clear, drop_last, trim_to_tokens
from agent_tools.service.replies.hints import HINT_LENGTH
from agent_tools.store import ChannelRow, Job, Source, VideoRow
from agent_tools.timeline import clock, rounded, video_uri
from agent_tools.types import CHANNELS, ChannelOut, GapOut, IngestReply, Refused, VideoOut
from agent_tools.untrusted import clean

REPLY_TOKENS = 2000
MOST_GAPS = 12  # named; the rest are counted
NAMES_THE_FILE = ("UnreadableVideo", "SourceNotFound")  # errors whose words somebody else has chosen in part


def status(library: Library, video_id: str) -> IngestReply:
    """How far a video is, channel by channel, and what will not be known of it.

    Raises: VideoNotFound: it was forgotten meanwhile. UnreadableVideo."""
    video = library.store.video(video_id)
    if video is None:
        raise VideoNotFound(f"{video_id} was forgotten while it was ingested. Ingest the file again if it is wanted.")
    job = library.store.job(video_id)
    if job is not None and _unreadable(job):
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
        searchable_to_s=_searchable_to(video, job, library, state),
        channels=[
            ChannelOut(
                name=row.name,
                state=row.state,  # type: ignore[arg-type]  # the store's check constraint
                entries=row.entries if row.state in ("done", "running") else None,
                language=row.language or None,
                done=row.detail.done if row.state == "running" else None,
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
    if job is not None and job.settings.growing and state == "done":
        reply.hints = [
            f"It is still being recorded, and read to {clock(min(_read_to(rows), video.duration_s or 0.0))}. Call "
            "ingest_video again with the same source to read on, and once more when the recording has ended."
        ]
    elif state in ("failed", "stopped") and not library.sources(video_id):
        reply.hints = [f"Its ingest cannot go on: {library.closed(video_id)}."]
    elif state in ("stopped", "done") and (hint := unfinished_hint(library, video_id, job)) is not None:
        reply.hints = [hint]

    def count_gap(_: object) -> None:
        reply.gaps_omitted = (reply.gaps_omitted or 0) + 1

    return trim_to_tokens(reply, REPLY_TOKENS, [drop_last(reply.gaps, 1, count_gap), clear(reply, "error")])


def _read_to(rows: Sequence[ChannelRow]) -> float:
    """How far a recording under way is read in every channel that has begun."""
    return min((row.done_to_s for row in rows if row.state == "running"), default=0.0)


def _searchable_to(video: VideoRow, job: Job | None, library: Library, state: str) -> float | None:
    if video.duration_s is None:
        return None
    if job is None or state == "done":
        return rounded(video.duration_s)
    reached = []
    for name in job.channels:
        row = library.store.channel(video.id, name)
        if channel(name).kind == "pictures" or (row is not None and row.state in ("absent", "done")):
            continue
        reached.append(row.done_to_s if row is not None else 0.0)
    return rounded(min(reached, default=video.duration_s))


def folder_status(
    library: Library, folder: Path, found: int, left: int, video_ids: Sequence[str], refused: list[Refused]
) -> IngestReply:
    """Args: left: files that were not looked at yet, which count as queued."""
    counts = dict.fromkeys(("done", "running", "queued", "failed", "stopped"), 0)
    videos: list[VideoOut] = []
    eta = 0.0
    for video_id in dict.fromkeys(video_ids):
        video, job = library.store.video(video_id), library.store.job(video_id)
        if video is None:  # forgotten meanwhile
            continue
        state = library.state(video_id)
        if job is not None and _unreadable(job):
            sources: list[Source] = library.store.sources(video_id)
            refused.append(Refused(source=clean(Path(sources[0].path).name, 120), error=job.error or ""))
            continue
        counts[state] += 1
        eta += (job.eta_s or 0.0) if job is not None and state == "running" else 0.0
        videos.append(
            VideoOut(
                video_id=video_id,
                title=video.title,
                length=None if video.duration_s is None else clock(video.duration_s),
                state=state,
                uri=video_uri(video_id),
                error=job.error if job is not None and state == "failed" else None,
            )
        )
    stopped = counts["stopped"]
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
        hints=[
            *([f"{left} files were not looked at yet: call ingest_video again with the same source."] if left else []),
            *([f"{stopped} were stopped: call ingest_video with their id to continue."] if stopped else []),
        ],
    )

    def count(_: object) -> None:
        reply.omitted = (reply.omitted or 0) + 1

    return trim_to_tokens(reply, REPLY_TOKENS, [drop_last(reply.videos, 3, count), drop_last(reply.refused, 3, count)])


def _unreadable(job: Job) -> bool:
    """Whether the file could not be read when it was ingested; one that is only reindexed is in the memory already."""
    return job.state == "failed" and (job.error or "").startswith("UnreadableVideo") and not job.settings.remake


def unfinished_hint(library: Library, video_id: str, job: Job | None) -> str | None:
    """The sentence for a video whose ingest failed or was stopped."""
    if job is None or job.state not in ("failed", "stopped"):
        return None
    if job.state == "stopped":
        when = f" in {rest:.0f} s" if (rest := retry_after_s(library, job)) > 0 else ""
        return f"The ingest of {video_id} was stopped at {job.progress:.0%}; call ingest_video to continue it{when}."
    error = job.error or "the worker log says why"
    if job.settings.remake and library.state(video_id) == "done":
        what = ", ".join(job.settings.remake)
        return clean(
            f"Making {what} of {video_id} again failed; what it had before is still there. {error}", HINT_LENGTH
        )
    if error.startswith(NAMES_THE_FILE):
        error = f"{error.partition(':')[0]}. ingest_video with this id says why."
    return clean(f"The ingest of {video_id} failed: {error}", HINT_LENGTH)
