"""The looker process: opens videos at given times and answers each JSON line with one JSON line of pictures.

It keeps files open between calls, and ends when its input ends."""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent_tools.errors import AgentToolsError, InvalidArgument
from agent_tools.media import Opener, Probe, clip, crop, pictures_at, probe, sheet
from agent_tools.media.picture import jpeg
from agent_tools.timeline import clock

Pixels = NDArray[np.uint8]
QUALITY = 80
LONG_SIDE = 1568  # px of a sheet at most: larger pictures are scaled down by the hosts themselves
CELLS = 9
PROBES = 16


class Files:
    """Probes and open containers of the files asked for last."""

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


def look(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the input ends."""
    with Opener() as opener:
        files = Files(opener)
        for line in asked:
            try:
                answer = _answer(files, json.loads(line))
            except AgentToolsError as error:
                answer = {"error": error.code, "message": str(error)}
            except OSError as error:
                answer = {"error": "DecodeError", "message": f"the file cannot be read: {error.strerror or error}"}
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()


def main() -> None:
    """Serve on the process's own pipes; what libraries print goes to stderr."""
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr
    look(sys.stdin.buffer, answers)


def _answer(files: Files, asked: dict[str, Any]) -> dict[str, Any]:
    match asked["do"]:
        case "pictures":
            shown = _shown(files, asked, asked["side"])
            return {"shots": [None if image is None else _shot(image, [time_s]) for time_s, image in shown]}
        case "sheets":
            seen = [(t, image) for t, image in _shown(files, asked, asked["side"]) if image is not None]
            return {"shots": _sheets(seen, asked["side"])}
        case "sheets_of":
            opened = [
                (float(t), np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))) for t, data in asked["cells"]
            ]
            return {"shots": _sheets(opened, asked["side"])}
        case "clip":
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "clip.mp4"
                clip(files.probe(asked["path"]), asked["start"], asked["end"], out, asked["max_bytes"])
                return {"data": base64.b64encode(out.read_bytes()).decode()}
        case other:
            raise InvalidArgument(f"the looker does not know {other!r}.")


def _shown(files: Files, asked: dict[str, Any], side: int) -> list[tuple[float, Pixels | None]]:
    """(time, picture at most `side` px) of each asked time; None where nothing could be decoded."""
    times, region = asked["times"], asked.get("region")
    found = pictures_at(files.probe(asked["path"]), times, opener=files.opener)
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


def _sheets(cells: list[tuple[float, Pixels]], side: int) -> list[dict[str, Any]]:
    shots = []
    for first in range(0, len(cells), CELLS):
        group = cells[first : first + CELLS]
        labels = _labels([time_s for time_s, _ in group])
        pictures = [(label, image) for label, (_, image) in zip(labels, group, strict=True)]
        for data in sheet(pictures, long_side=LONG_SIDE, cell_px=side):
            width, height = Image.open(io.BytesIO(data)).size
            times = [time_s for time_s, _ in group]
            shots.append({"jpeg": base64.b64encode(data).decode(), "width": width, "height": height, "times": times})
    return shots


def _labels(times_s: list[float]) -> list[str]:
    """The clock of each time, with tenths where two would read the same."""
    plain = [clock(time_s) for time_s in times_s]
    if len(set(plain)) == len(plain):
        return plain
    return [f"{label}.{int(time_s * 10) % 10}" for label, time_s in zip(plain, times_s, strict=True)]


def _shot(image: Pixels, times_s: list[float]) -> dict[str, Any]:
    data = base64.b64encode(jpeg(image, QUALITY)).decode()
    return {"jpeg": data, "width": image.shape[1], "height": image.shape[0], "times": times_s}


def _within(image: Pixels, side: int) -> Pixels:
    """The picture scaled down to at most `side` on its longer side."""
    height, width = image.shape[:2]
    if max(width, height) <= side:
        return image
    share = side / max(width, height)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
