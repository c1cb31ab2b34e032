"""Recordings under way: one video with one id from its first seconds to its end, although its content changes.

Its id is that of the bytes it had when it was asked for first. It is known again by its path, its inode and its
beginning, as long as it only becomes longer."""

from __future__ import annotations

import os
from pathlib import Path

from agent_tools.errors import SourceNotFound
from agent_tools.media.growth import GREW, beginning, begins_as, grows, is_quiet, may_grow
from agent_tools.media.identity import content_id
from agent_tools.service.library.library import Library
from agent_tools.store import ChannelDetail


def begun_as(library: Library, path: Path, stat: os.stat_result) -> str | None:
    """The id of the video that this file was when it was shorter; None where it is another one.

    A file that was taken for whole, and has more content behind it now, counts too: all of it is read again."""
    for source in library.store.all_sources():
        if source.path != str(path) or source.inode != stat.st_ino or stat.st_size < source.size:
            continue
        video = library.store.video(source.video_id)
        if video is not None and begins_as(path, str(video.metadata.get(GREW, ""))):
            return video.id
        if video is not None and may_grow(path) and content_id(path, first_bytes=source.size) == video.id:
            _read_again(library, video.id, path)
            return video.id
    return None


def is_growing(library: Library, video_id: str, path: Path) -> bool:
    """Whether the file is being recorded now."""
    try:
        video = library.store.video(video_id)
        if video is not None and video.metadata.get(GREW):
            return not is_quiet(path)
        return grows(path)
    except OSError as error:
        raise SourceNotFound(f"{path.name} is gone. Give its new path.") from error


def may_be(path: Path) -> bool:
    """Whether the file may be a recording whose next bytes have only not been seen to come: some come in bursts."""
    try:
        return not is_quiet(path) and may_grow(path)
    except OSError as error:
        raise SourceNotFound(f"{path.name} is gone. Give its new path.") from error


def mark(library: Library, video_id: str, path: Path) -> None:
    """Remember that the video is known by its path and its beginning from now on."""
    video = library.store.video(video_id)
    if video is not None and not video.metadata.get(GREW):
        library.store.update_video(video_id, metadata={**video.metadata, GREW: beginning(path)})


def _read_again(library: Library, video_id: str, path: Path) -> None:
    for row in library.store.channels(video_id):
        if row.state in ("done", "absent"):
            library.store.set_channel(video_id, row.name, state="queued", done_to_s=0.0, detail=ChannelDetail())
    mark(library, video_id, path)
