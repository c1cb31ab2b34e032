"""The values that a look, a localizer and the grounder pass to each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from agent_tools.errors import InvalidArgument
from agent_tools.excerpts import excerpt

SIGHT = "sight"
MAX_TEXT = 120  # characters of a text


@dataclass(frozen=True)
class Proposal:
    """A span that may be the event. It checks itself: finite, start_s < end_s."""

    start_s: float
    end_s: float
    score: float  # higher is better; its scale belongs to the localizer and the scoring
    entropy: float | None = None  # mean entropy of the answer's tokens, in nats; None without a language model
    cosine: float | None = None  # similarity of event and span, for the released script's score
    evidence: str = ""  # the evidence in words; it may hold text of a video, so it is untrusted
    channel: str = ""  # the channel of that evidence

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s) and self.start_s < self.end_s):
            raise InvalidArgument(f"Proposal {self.start_s}-{self.end_s} s: finite, and start_s below end_s.")
        if not math.isfinite(self.score):
            raise InvalidArgument(f"Proposal with score {self.score}: a score is finite.")


@dataclass(frozen=True)
class Background:
    """The scores of all entries of one curve over the whole video: the usual level of that curve."""

    median: float
    mad: float  # median absolute deviation from the median
    n: int

    @classmethod
    def of(cls, scores: Sequence[float]) -> Background:
        """From the scores of every entry; no entries give (0, 0, 0)."""
        if not len(scores):
            return cls(0.0, 0.0, 0)
        middle = _median(scores)
        return cls(middle, _median([abs(score - middle) for score in scores]), len(scores))


@dataclass(frozen=True)
class EvidenceItem:
    """One entry of a channel, with its exact times and its score for the event."""

    start_s: float
    end_s: float
    channel: str  # frames, subtitles, speech, screen_text, captions, notes
    score: float  # a cosine if how = "meaning", a share of matched words 0..1 if how = "words"
    text: str = ""
    how: str = "meaning"  # SIGHT: a picture was compared with the event, and the text is ours

    @property
    def curve(self) -> str:
        """The curve it belongs to, `channel:how`, the key of its background."""
        return f"{self.channel}:{self.how}"

    def quoted(self, event: str) -> str:
        """The channel and its text; a long text is cut to the part with the event's words. Only text of a video is
        quoted."""
        if self.how == SIGHT:
            return f"{self.channel} {self.text}".strip()
        return f"{self.channel} {excerpt(self.text, event, MAX_TEXT)!r}" if self.text else self.channel


@dataclass(frozen=True)
class Evidence:
    """The evidence of a look at [start_s, end_s). Items keep their own times, so they may reach out of the span."""

    start_s: float
    end_s: float
    frames: int = 0  # frames processed for this look; 0 if stored entries were read
    items: tuple[EvidenceItem, ...] = ()
    background: Mapping[str, Background] = field(default_factory=dict)  # by curve, of the whole video
    payload: object = None  # other input of a localizer: pictures, features, a prompt


Look: TypeAlias = Callable[[float, float, float], Evidence]  # (start_s, end_s, fps)


class Localizer(Protocol):
    def localize(self, event: str, evidence: Evidence) -> Sequence[Proposal]:
        """Spans of the event in seconds of the video, best first; an empty list means: not present."""


@runtime_checkable
class NamesNearMisses(Protocol):
    """A localizer that can also give the nearest miss when it found nothing. Optional."""

    def nearest(self, event: str, evidence: Evidence) -> Proposal | None: ...


def _median(values: Sequence[float]) -> float:
    ordered = sorted(float(value) for value in values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
