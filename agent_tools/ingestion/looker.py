"""The looker process: opens videos at given times and answers each JSON line with one JSON line of pictures.

It keeps files open between calls, and ends when its input ends."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent_tools.errors import AgentToolsError
from agent_tools.ingestion.look_messages import (
    Clip,
    ClipRequest,
    Failure,
    KeptSheetsRequest,
    KeyTimesRequest,
    PicturesRequest,
    PlayableRequest,
    Reply,
    Request,
    SheetsRequest,
    Shot,
    Shots,
    Times,
    request_of,
    to_line,
)
from agent_tools.media import Opener, Probe, clip, crop, nearest_keys, pictures_at, playable, probe, sheet
from agent_tools.media.picture_files import jpeg
from agent_tools.timeline import clock

Pixels = NDArray[np.uint8]
QUALITY = 80
LONG_SIDE = 1568  # px of a sheet at most: larger pictures are scaled down by the hosts themselves
CELLS = 9
PROBES = 16
COARSE = (32, 18)  # (width, height): a picture reduced to so many cells, for comparison
# Levels of 255 by which a cell differs at most where two pictures look the same. On 22 clips of the development set,
# repeats of one picture differ by up to 1 level, a dialog that opens differs by 10.
SAME_LEVELS = 4


class Files:
    """Probes and open containers of the last files."""

    def __init__(self, opener: Opener) -> None:
        self.opener = opener
        self._probes: dict[tuple[str, int, int], Probe] = {}

    def probe(self, path: str) -> Probe:
        stat = Path(path).stat()
        key = (path, stat.st_size, stat.st_mtime_ns)
        if key not in self._probes:
            self._probes[key] = probe(Path(path))
            while len(self._probes) > PROBES:
                self._probes.pop(next(iter(self._probes)))
        return self._probes[key]


def look(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the input ends."""
    with Opener() as opener:
        files = Files(opener)
        for line in requests:
            try:
                reply = _reply(files, request_of(line))
            except AgentToolsError as error:
                reply = Failure(error.code, str(error))
            except OSError as error:
                reply = Failure("DecodeError", f"the file cannot be read: {error.strerror or error}")
            replies.write(to_line(reply))
            replies.flush()


def main() -> None:
    """Serve on the process's own pipes; what libraries print goes to stderr."""
    replies = sys.stdout.buffer
    sys.stdout = sys.stderr
    look(sys.stdin.buffer, replies)


def _reply(files: Files, request: Request) -> Reply:
    match request:
        case PicturesRequest():
            shown = _shown(files, request, request.region)
            return Shots(tuple(None if image is None else _shot(image, time_s) for time_s, image in shown))
        case SheetsRequest():
            seen = [(time_s, image) for time_s, image in _shown(files, request) if image is not None]
            return Shots(_sheets(seen, request.side))
        case KeyTimesRequest():
            found = nearest_keys(files.probe(request.path), request.times_s, request.within_s, files.opener)
            return Times(tuple(found))
        case KeptSheetsRequest():
            opened = [(time_s, np.asarray(Image.open(io.BytesIO(data)))) for time_s, data in request.cells]
            return Shots(_sheets(opened, request.side))
        case ClipRequest():
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "clip.mp4"
                clip(files.probe(request.path), request.start_s, request.end_s, out, request.max_bytes)
                return Clip(out.read_bytes(), request.start_s, request.end_s)
        case PlayableRequest():
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "clip"
                made = playable(files.probe(request.path), request.start_s, request.end_s, out, request.max_bytes)
                return Clip(out.read_bytes(), made.start_s, made.end_s, made.mime_type)


def _shown(
    files: Files, request: PicturesRequest | SheetsRequest, region: tuple[float, ...] | None = None
) -> list[tuple[float, Pixels | None]]:
    """(time, picture at most `side` px) of each time of the request; None where nothing could be decoded."""
    times, side = request.times_s, request.side
    found = pictures_at(files.probe(request.path), times, opener=files.opener)
    shown: list[tuple[float, Pixels | None]] = []
    for time_s, sample in zip(times, found, strict=True):
        if sample is None:
            shown.append((time_s, None))
        elif region:
            whole = sample.picture.fit(max(sample.picture.width, sample.picture.height))
            shown.append((time_s, _within(crop(whole, region), side)))
        else:
            shown.append((time_s, sample.picture.fit(side)))
    return shown


def _sheets(cells: list[tuple[float, Pixels]], side: int) -> tuple[Shot, ...]:
    """Sheets that show no picture twice. The first one names the times that were left out for this reason.

    Vectors of the frames of an ingest cannot promise this: between two of them, and in a fade, a picture looks
    different from its nearest frame."""
    shots = []
    cells, repeats_s = _once(cells)
    for first in range(0, len(cells), CELLS):
        group = cells[first : first + CELLS]
        labels = _labels([time_s for time_s, _ in group])
        pictures = [(label, image) for label, (_, image) in zip(labels, group, strict=True)]
        for data in sheet(pictures, long_side=LONG_SIDE, cell_px=side):
            width, height = Image.open(io.BytesIO(data)).size
            left_out = repeats_s if not first else ()
            shots.append(Shot(data, width, height, tuple(time_s for time_s, _ in group), left_out))
    return tuple(shots)


def _once(cells: list[tuple[float, Pixels]]) -> tuple[list[tuple[float, Pixels]], tuple[float, ...]]:
    """The cells whose picture looks like no earlier one, and the times of the others."""
    kept: list[tuple[float, Pixels]] = []
    repeats: list[float] = []
    shown: list[NDArray[np.int16]] = []
    for time_s, image in cells:
        coarse = np.asarray(Image.fromarray(image).resize(COARSE, Image.Resampling.BOX)).astype(np.int16)
        if any(int(np.abs(coarse - other).max()) <= SAME_LEVELS for other in shown):
            repeats.append(time_s)
        else:
            shown.append(coarse)
            kept.append((time_s, image))
    return kept, tuple(repeats)


def _labels(times_s: list[float]) -> list[str]:
    """The clock of each time, with tenths where two would read the same."""
    plain = [clock(time_s) for time_s in times_s]
    if len(set(plain)) == len(plain):
        return plain
    return [f"{label}.{int(time_s * 10) % 10}" for label, time_s in zip(plain, times_s, strict=True)]


def _shot(image: Pixels, time_s: float) -> Shot:
    return Shot(jpeg(image, QUALITY), image.shape[1], image.shape[0], (time_s,))


def _within(image: Pixels, side: int) -> Pixels:
    """The picture scaled down to at most `side` on its longer side."""
    height, width = image.shape[:2]
    if max(width, height) <= side:
        return image
    share = side / max(width, height)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
