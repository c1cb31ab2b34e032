"""The file of a job: finds a path that still holds the video's content, and stores what its header says."""

from __future__ import annotations

from pathlib import Path

from agent_tools.errors import SourceNotFound, UnreadableVideo
from agent_tools.media import Probe, content_id, last_time
from agent_tools.media.growth import GREW, is_quiet
from agent_tools.media.lengths import measured, pictures
from agent_tools.store import Store
from agent_tools.untrusted import clean

MOST_METADATA = 40  # entries of a header that are kept
ANY_S = 3600.0  # a length that is believed of any file; beyond, a second of pictures takes a byte at least
PICTURE_S = 600.0  # ... or a picture stands for this long at most: a time-lapse has few pictures for many hours


def source_of(store: Store, video_id: str, asked: str = "") -> Path:
    """A path that still holds this very content, or of a recording this content and more. Raises: SourceNotFound.

    Args:
        asked: the path that the job was asked for by: it goes first, and no other one is read but what a person typed,
            because what lies beside the others may be closed to whoever asked. "" for any.
    """
    tried, recorded = [], bool(_kept(store, video_id))
    for source in sorted(store.sources(video_id), key=lambda source: source.path != asked):
        if asked and not source.typed and source.path != asked:
            continue
        path = Path(source.path)
        tried.append(source.path)
        if not path.is_file():
            continue
        stat = path.stat()
        same = (stat.st_size, stat.st_mtime_ns, stat.st_ino) == (source.size, source.mtime_ns, source.inode)
        longer = recorded and stat.st_ino == source.inode and stat.st_size >= source.size
        if same or longer or content_id(path) == video_id:
            return path
    raise SourceNotFound(
        f"{', '.join(clean(Path(path).name, 120) for path in tried) or 'the file'} is gone or holds other content now. "
        "Put it back, or ingest it again where it lies now."
    )


def _kept(store: Store, video_id: str) -> dict[str, object]:
    """What the memory knows of the video besides its header."""
    video = store.video(video_id)
    return {GREW: video.metadata[GREW]} if video is not None and video.metadata.get(GREW) else {}


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Size, time and inode: one changes when the file is written to or replaced. None where the file is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def has_grown(store: Store, video_id: str, path: Path) -> bool:
    """Whether the file is a recording that became longer since it was asked for, and is still being written."""
    source = next((one for one in store.sources(video_id) if one.path == str(path)), None)
    longer = source is not None and path.stat().st_size > source.size
    return longer and bool(_kept(store, video_id)) and not is_quiet(path)


def has_changed(path: Path, before: tuple[int, int, int] | None, *, growing: bool) -> bool:
    """Whether the file is another one than when it was opened. Args: growing: it may have become longer."""
    now = stamp(path)
    if now is None or now == before:
        return False
    return not (growing and before is not None and now[2] == before[2] and now[0] >= before[0])


def changed(path: Path) -> SourceNotFound:
    """The error for a file that was written to while it was read."""
    return SourceNotFound(
        f"{clean(path.name, 120)} changed while it was read, so what was read last was thrown away. "
        "Wait until it is whole, then ingest it again."
    )


def describe(store: Store, video_id: str, opened: Probe) -> float:
    """Write what the header says to the video's row; returns the length in seconds. Raises: UnreadableVideo.

    The length is the one that the packets show where the header ends early. A part that cannot be read because the
    clock starts again there is a gap of every channel."""
    if opened.video is None and not opened.audio and not any(track.text for track in opened.subtitles):
        raise UnreadableVideo(
            f"{clean(opened.path.name, 120)} has no stream that can be decoded. "
            "Convert it to H.264, then ingest it again."
        )
    length = measured(opened)
    duration_s = length.duration_s or last_time(opened)
    video = opened.video
    size = opened.path.stat().st_size
    too_long = video is not None and duration_s > ANY_S + size
    if too_long and duration_s > ANY_S + PICTURE_S * pictures(opened):  # every second of months would be looked at
        raise UnreadableVideo(
            f"{clean(opened.path.name, 120)} claims to last {duration_s / 3600:.0f} h in {size} bytes: its time "
            "stamps are broken. Write them anew (ffmpeg -fflags +genpts -r 25 -i FILE new.mp4), then ingest that."
        )
    store.update_video(
        video_id,
        duration_s=duration_s,
        width=video.width if video else None,
        height=video.height if video else None,
        fps=video.fps if video else None,
        container=opened.container,
        has_audio=bool(opened.audio),
        audio_s=max((a.duration_s or duration_s for a in opened.audio), default=None),
        metadata={
            **{clean(k, 40): clean(v, 300) for k, v in list(opened.metadata.items())[:MOST_METADATA]},
            "audio_language": next((track.language for track in opened.audio if track.language), ""),
            **_kept(store, video_id),
        },
        error=None,
    )
    store.clear_gaps(video_id, "")
    for part in length.unread:
        store.add_gap(video_id, "", part.start_s, part.end_s, part.why)
    return duration_s
