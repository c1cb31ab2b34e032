"""When a video was recorded, by its file, and which videos are parts of one recording that a camera has split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent_tools.media.names import part_of
from agent_tools.store import Source, VideoRow

_KEYS = ("com.apple.quicktime.creationdate", "creation_time")  # the first holds the place's own time zone
_FIRST_YEAR = 1990  # earlier ones are the zero of a clock: 1904 in MP4, 1970 elsewhere
_NEXT_S = 3.0  # a dashcam's next file begins within this of the end of the one before
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Recording:
    """What is known of a video's recording."""

    at: datetime | None  # when its first picture was recorded
    part_of: str = ""  # "GoPro GX 0417, part 2 of 3"; "" where it stands alone


def recorded_at(video: VideoRow) -> datetime | None:
    """The time that the file gives for its first picture, with its zone; None where it gives no usable one."""
    for key in _KEYS:
        try:
            found = datetime.fromisoformat(str(video.metadata.get(key, "")))
        except ValueError:
            continue
        if found.year >= _FIRST_YEAR:
            return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None


def recordings(videos: Sequence[VideoRow], sources: Sequence[Source]) -> dict[str, Recording]:
    """Video id -> its recording. Parts are in one folder, and are counted by their names (GoPro, "talk part 2"), or
    each begins when the one before ends (dashcams)."""
    paths = {source.video_id: Path(source.path) for source in sources}
    found = {video.id: Recording(recorded_at(video)) for video in videos}
    rows = {video.id: video for video in videos}
    for name, group in _counted(videos, paths) + _following(videos, paths):
        start, length_s = found[group[0]].at, 0.0
        for place, video_id in enumerate(group):
            at = found[video_id].at
            if place and at is not None and at == start:  # a GoPro gives each part the time of the first
                at += timedelta(seconds=length_s)
            length_s += rows[video_id].duration_s or 0.0
            found[video_id] = Recording(at, f"{name}, part {place + 1} of {len(group)}")
    return found


def _counted(videos: Sequence[VideoRow], paths: dict[str, Path]) -> list[tuple[str, list[str]]]:
    """(name, ids in order) of the recordings whose parts' names count 1, 2, 3, ..."""
    groups: dict[tuple[Path, str], dict[int, str]] = defaultdict(dict)
    for video in videos:
        path = paths.get(video.id)
        if path is not None and (part := part_of(path.stem)) is not None:
            groups[path.parent, part.recording][part.place] = video.id
    return [
        (name, [places[place] for place in sorted(places)])
        for (_, name), places in groups.items()
        if len(places) > 1 and sorted(places) == list(range(1, len(places) + 1))
    ]


def _following(videos: Sequence[VideoRow], paths: dict[str, Path]) -> list[tuple[str, list[str]]]:
    """(name, ids in order) of videos with names of one shape, each of which begins when the one before ends."""
    shapes: dict[tuple[Path, str], list[tuple[datetime, VideoRow]]] = defaultdict(list)
    for video in videos:
        path, at = paths.get(video.id), recorded_at(video)
        if path is not None and at is not None and _DIGITS.search(path.stem) and part_of(path.stem) is None:
            shapes[path.parent, _DIGITS.sub("#", path.stem)].append((at, video))
    found = []
    for timed in shapes.values():
        timed.sort(key=lambda pair: (pair[0], pair[1].id))
        chains = [[timed[0]]]
        for at, video in timed[1:]:
            last_at, last = chains[-1][-1]
            end = last_at + timedelta(seconds=last.duration_s or 0.0)
            if abs((at - end).total_seconds()) <= _NEXT_S:
                chains[-1].append((at, video))
            else:
                chains.append([(at, video)])
        for chain in chains:
            if len(chain) > 1:
                found.append((f"recording of {paths[chain[0][1].id].stem}", [video.id for _, video in chain]))
    return found


def clock_text(at: datetime) -> str:
    """The time as replies show it: "2026-11-03T14:30:00Z", or with the zone's hours where it is not UTC."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
