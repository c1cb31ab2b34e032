"""Spans of presentation time, their clock form and their uris (W3C Media Fragments)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

VIDEO_ID = re.compile(r"[0-9a-f]{12}")
_URI = re.compile(r"video://(?P<id>[0-9a-f]{12})(?P<path>(?:/[^#?]*)?)(?:\?[^#]*)?(?:#(?P<fragment>.*))?")
_NAMED = re.compile(r"video://(?P<name>[^/#?]+)(?:#(?P<fragment>.*))?")
_TIME = re.compile(r"t=(?:npt:)?(?P<start>[\d.:]+)?(?:[,-](?P<end>[\d.:]+))?")
_CLOCK = re.compile(r"(?:(?P<h>\d+):)?(?P<m>\d{1,2}):(?P<s>\d{1,2}(?:\.\d+)?)")
_UNITS = re.compile(
    r"(?=\d)(?:(?P<h>\d+)\s*h(?:ours?|rs?)?\s*)?(?:(?P<m>\d+)\s*m(?:in(?:utes?|s)?)?\s*)?"
    r"(?:(?P<s>\d+(?:\.\d+)?)\s*s(?:ec(?:onds?|s)?)?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, order=True)
class Span:
    """The half-open interval [start_s, end_s) in seconds of presentation time from the first frame."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s)) or self.end_s < self.start_s:
            raise ValueError(
                f"{self.start_s}-{self.end_s} is not a span: both ends must be finite, and the end not before the start"
            )

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def middle_s(self) -> float:
        return (self.start_s + self.end_s) / 2

    def overlap_s(self, other: Span) -> float:
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))

    def clipped(self, start_s: float, end_s: float) -> Span | None:
        """The part inside [start_s, end_s), or None."""
        start, end = max(self.start_s, start_s), min(self.end_s, end_s)
        return Span(start, end) if end > start else None


@dataclass(frozen=True)
class VideoRef:
    """A parsed `video://` uri: the id, the path after it ("" or "/note/3"), and the seconds of its #t."""

    video_id: str
    path: str = ""
    start_s: float | None = None
    end_s: float | None = None


def clock(seconds: float) -> str:
    """`H:MM:SS` of a time, rounded down to whole seconds: 3723.9 -> "1:02:03"."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def clock_seconds(text: str) -> float | None:
    """The seconds of "1:02:03" or "2:03.5"; None for other text."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    return int(match["h"] or 0) * 3600 + int(match["m"]) * 60 + float(match["s"])


def seconds_of(text: str) -> float | None:
    """The seconds that a time in a usual form means: "12.5", "0:10", "1:02:03", "1m5s", "2 min"; else None."""
    plain = text.strip()
    if re.fullmatch(r"\d+(?:\.\d*)?|\.\d+", plain, re.ASCII):
        return float(plain)
    if (seconds := clock_seconds(plain)) is not None:
        return seconds
    match = _UNITS.fullmatch(plain)
    if match is None:
        return None
    return int(match["h"] or 0) * 3600 + int(match["m"] or 0) * 60 + float(match["s"] or 0)


def seconds_text(value: float) -> str:
    """Seconds with at most two decimals and no trailing zeros: 611.0 -> "611"."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def rounded(value: float) -> float:
    """Seconds as replies show them: two decimals."""
    return round(value, 2)


def video_uri(video_id: str, start_s: float | None = None, end_s: float | None = None) -> str:
    """`video://<id>` or `video://<id>#t=<start>,<end>`."""
    if start_s is None or end_s is None:
        return f"video://{video_id}"
    return f"video://{video_id}#t={seconds_text(start_s)},{seconds_text(end_s)}"


def note_uri(video_id: str, number: int) -> str:
    return f"video://{video_id}/note/{number}"


def parse_uri(text: str) -> VideoRef | None:
    """The parts of a `video://` uri, or None if it is not one; also None if its #t is malformed."""
    match = _URI.fullmatch(text.strip())
    times = _fragment(match["fragment"]) if match is not None else None
    return None if match is None or times is None else VideoRef(match["id"], match["path"] or "", *times)


def parse_named(text: str) -> tuple[str, float | None, float | None] | None:
    """(name, start_s, end_s) of a uri with a title in place of the id, `video://friday_film#t=0:05`; else None."""
    match = _NAMED.fullmatch(text.strip())
    times = _fragment(match["fragment"]) if match is not None else None
    return None if match is None or times is None else (unquote(match["name"]), *times)


def _fragment(text: str | None) -> tuple[float | None, float | None] | None:
    """The times of a media fragment, in seconds; None where it is malformed."""
    if not text:
        return None, None
    time = _TIME.fullmatch(text)
    if time is None or (time["start"] is None and time["end"] is None):
        return None
    start_s = seconds_of(time["start"] or "0")
    end_s = seconds_of(time["end"]) if time["end"] else None
    if start_s is None or (time["end"] and end_s is None):
        return None
    return start_s, end_s


def merged(spans: Iterable[Span], gap_s: float = 0.0) -> list[Span]:
    """The union of spans in time order; spans at most gap_s apart become one."""
    union: list[Span] = []
    for span in sorted(spans):
        if union and span.start_s <= union[-1].end_s + gap_s:
            union[-1] = Span(union[-1].start_s, max(union[-1].end_s, span.end_s))
        else:
            union.append(span)
    return union


def covered_share(span: Span, gaps: Sequence[Span]) -> float:
    """Share of `span` that lies outside all gaps, in [0, 1]; 1.0 for an empty span."""
    if span.length_s == 0:
        return 1.0
    missing = sum(part.length_s for gap in merged(gaps) if (part := gap.clipped(span.start_s, span.end_s)))
    return max(0.0, 1.0 - missing / span.length_s)
