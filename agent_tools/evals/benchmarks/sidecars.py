"""Subtitles that come with a benchmark, placed where a server finds them: next to the video, under its name.

LongVideoBench gives JSON: a list of {timestamp: [s, e], text} or of {start, end, line}, counted from the start of the
longer video that the file was cut from. Subtitle files are copied as they are (Video-MME's .srt). The benchmark's own
folders do not change: videos are hard-linked into a folder of the run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from agent_tools.datasets.file_rows import Row, is_span, read_json, rows_of
from agent_tools.errors import InvalidArgument
from agent_tools.evals.benchmarks.choices import Question
from agent_tools.timeline import clock_seconds

KINDS = (".srt", ".vtt", ".ass")
LAST_S = 5.0  # length of a cue without an end


class GivenSubtitles:
    """The subtitle files of a folder, by question."""

    def __init__(self, folder: Path, staged: Path) -> None:
        """
        Args:
            folder: the benchmark's subtitles.
            staged: where videos and subtitles are put together; made when needed.
        Raises: InvalidArgument: no such folder.
        """
        if not folder.is_dir():
            raise InvalidArgument(f"No folder of subtitles at {folder}. Name it: --subtitles FOLDER")
        self.folder, self.staged = folder, staged

    def beside(self, video: Path, question: Question) -> Path:
        """The video, linked into the folder of the run with its subtitles beside it, or without where it has none.

        Raises: InvalidArgument: the subtitles are no such file; or the run lies on another disk than the videos."""
        path = self.staged / video.parent.name / video.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            try:
                os.link(video.resolve(), path)
            except OSError as error:
                raise InvalidArgument(
                    f"{video} cannot be linked into {self.staged} ({error.strerror}). "
                    "With --subtitles the run must lie on the disk of the videos: --out FOLDER"
                ) from error
        elif not path.samefile(video):
            raise InvalidArgument(f"{path} is another file than {video}. Give another folder: --out FOLDER")
        given = self._of(video, question)
        if given is not None and given.suffix == ".json":
            written = "".join(_srt(given, question.subtitles_from_s))
            path.with_suffix(".srt").write_text(written, encoding="utf-8")
        elif given is not None:
            shutil.copyfile(given, path.with_suffix(given.suffix))
        return path

    def _of(self, video: Path, question: Question) -> Path | None:
        names = [question.subtitles] if question.subtitles else [f"{video.stem}{kind}" for kind in KINDS]
        return next((path for name in names if (path := self.folder / name).is_file()), None)


def _srt(path: Path, from_s: float) -> Iterator[str]:
    """The cues of a JSON file in the form of SubRip, without those before the start of the video."""
    cues = sorted(_cue(row, from_s) for row in rows_of(path, read_json(path)))
    shown = [(start_s, end_s, text) for start_s, end_s, text in cues if end_s > 0 and text]
    for number, (start_s, end_s, text) in enumerate(shown, 1):
        yield f"{number}\n{_stamp(max(0.0, start_s))} --> {_stamp(end_s)}\n{text}\n\n"


def _cue(row: Row, from_s: float) -> tuple[float, float, str]:
    if "timestamp" in row.data:
        span = row.data["timestamp"]
        if isinstance(span, list) and len(span) == 2 and not isinstance(span[1], int | float):
            span = [span[0], span[0] + LAST_S if isinstance(span[0], int | float) else None]
        if not is_span(span):
            raise row.wrong("timestamp", "must be [start, end] in seconds", span)
        start_s, end_s, key = float(span[0]), float(span[1]), "text"
    else:
        times = [clock_seconds(row.text(name).replace(",", ".")) for name in ("start", "end")]
        if times[0] is None or times[1] is None:
            raise row.wrong("start", 'must be "HH:MM:SS", as `end` must', row.data.get("start"))
        start_s, end_s, key = times[0], times[1], "line"
    text = row.data.get(key)
    if not isinstance(text, str):
        raise row.wrong(key, "must be a text", text)
    return start_s - from_s, max(end_s, start_s) - from_s, " ".join(text.split())


def _stamp(seconds: float) -> str:
    """Seconds as SubRip has them: 3723.5 -> "01:02:03,500"."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"
