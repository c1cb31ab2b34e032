"""Streams of several files as one Matroska file, copied as they are, with a title and chapters."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container

from agent_tools.errors import DecodeError
from agent_tools.media.fence import open_media
from agent_tools.media.streams import Chapter

_CHAPTER_UNIT = Fraction(1, 1000)


def join_streams(sources: Sequence[Path], target: Path, title: str = "", chapters: Sequence[Chapter] = ()) -> None:
    """Write the first video and the first sound stream of the files to `target`, picture by picture as they came.

    Args:
        title: of the file; chapters: their times count from the start of the film.
    Raises: DecodeError: a file does not open, holds neither, or its streams do not fit into Matroska.
    """
    try:
        with ExitStack() as opened, av.open(str(target), "w", format="matroska") as output:
            containers = [opened.enter_context(open_media(source)) for source in sources]
            chosen = [stream for kind in ("video", "audio") if (stream := _first(containers, kind)) is not None]
            if not chosen:
                raise DecodeError("no file of the download holds a picture or sound")
            places = {id(stream): output.add_stream_from_template(stream) for stream in chosen}
            if title:
                output.metadata["title"] = title
            if chapters:
                output.set_chapters([_raw(number, chapter) for number, chapter in enumerate(chapters)])
            packets = [
                _packets(container, streams)
                for container in containers
                if (streams := [stream for stream in chosen if stream.container is container])
            ]
            for _, _, stream, packet in heapq.merge(*packets, key=lambda one: one[:2]):
                packet.stream = places[id(stream)]
                output.mux(packet)
    except av.FFmpegError as error:
        raise DecodeError(f"the streams of the download do not join: {error}") from error


def _first(containers: Sequence[av.container.InputContainer], kind: str) -> Any:
    for container in containers:
        for stream in container.streams:
            if stream.type == kind and not (
                kind == "video" and stream.disposition & av.stream.Disposition.attached_pic
            ):
                return stream
    return None


def _packets(container: av.container.InputContainer, streams: Sequence[Any]) -> Iterator[tuple[float, int, Any, Any]]:
    """(decoding time in seconds, the stream's number, the stream, the packet), as they lie in the file."""
    last_s = 0.0
    for packet in container.demux(*streams):
        if packet.dts is None:
            continue  # the empty packet that ends a stream
        last_s = max(last_s, float(packet.dts * packet.time_base))
        yield last_s, packet.stream.index, packet.stream, packet


def _raw(number: int, chapter: Chapter) -> Any:
    return {
        "id": number,
        "start": round(chapter.start_s / _CHAPTER_UNIT),
        "end": round(chapter.end_s / _CHAPTER_UNIT),
        "time_base": _CHAPTER_UNIT,
        "metadata": {"title": chapter.title},
    }
