"""What a caller has been shown: facts for `hints` (the same spans again and again; what nobody looked at).

Knows spans per caller, in memory only. Knows nothing of searches, and never mixes callers."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict, defaultdict, deque

from agent_tools.service.resting import retry_after_s
from agent_tools.store import Job
from agent_tools.timeline import Span, clock, merged
from agent_tools.untrusted import clean

MOST_CALLERS = 256
REPEATS = 3
HINT_LENGTH = 300
NAMES_THE_FILE = ("UnreadableVideo", "SourceNotFound")  # errors whose words somebody else has chosen in part
_NEGATION = re.compile(
    r"\b(?:not|no|never|without|isn't|aren't|doesn't|don't|didn't|nobody|nothing|nicht|kein\w*|ohne)\b", re.I
)


class Attention:
    """Remembers, per caller, the last searches' spans and the spans that were looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._searches: OrderedDict[str, deque[frozenset[tuple[str, int]]]] = OrderedDict()
        self._looked: dict[str, dict[str, list[Span]]] = {}

    def searched(self, caller: str, hits: list[tuple[str, float]]) -> bool:
        """Note a search's hits (video, start); True when the last three searches gave the same ones."""
        now = frozenset((video_id, round(start_s)) for video_id, start_s in hits)
        with self._lock:
            last = self._of(caller)
            last.append(now)
            return len(last) == REPEATS and bool(now) and all(other == now for other in last)

    def looked(self, caller: str, video_id: str, span: Span) -> None:
        """Note that a span was shown to this caller by zoom_segment."""
        with self._lock:
            self._of(caller)
            spans = self._looked.setdefault(caller, defaultdict(list))
            spans[video_id] = merged([*spans[video_id], span])

    def _of(self, caller: str) -> deque[frozenset[tuple[str, int]]]:
        """The caller's last searches; who has been silent for longest is forgotten when there are too many."""
        last = self._searches.setdefault(caller, deque(maxlen=REPEATS))
        self._searches.move_to_end(caller)
        while len(self._searches) > MOST_CALLERS:
            gone, _ = self._searches.popitem(last=False)
            self._looked.pop(gone, None)
        return last

    def has_looked(self, caller: str, video_id: str, span: Span) -> bool:
        """Whether any part of the span was shown to this caller."""
        with self._lock:
            return any(span.overlap_s(seen) > 0 for seen in self._looked.get(caller, {}).get(video_id, ()))

    def unseen(self, caller: str, video_id: str, whole: Span) -> list[Span]:
        """The parts of the video that zoom_segment has not shown to this caller."""
        with self._lock:
            seen = merged(self._looked.get(caller, {}).get(video_id, ()))
        parts, at = [], whole.start_s
        for span in seen:
            if span.start_s > at:
                parts.append(Span(at, min(span.start_s, whole.end_s)))
            at = max(at, span.end_s)
        if at < whole.end_s:
            parts.append(Span(at, whole.end_s))
        return parts


def unfinished_hint(video_id: str, job: Job | None) -> str | None:
    """The sentence for a video whose ingest failed or was stopped."""
    if job is None or job.state not in ("failed", "stopped"):
        return None
    if job.state == "stopped":
        when = f" in {rest:.0f} s" if (rest := retry_after_s(job)) > 0 else ""
        return f"The ingest of {video_id} was stopped at {job.progress:.0%}; ingest_video goes on with it{when}."
    error = job.error or "the worker log says why"
    if error.startswith(NAMES_THE_FILE):
        error = f"{error.partition(':')[0]}. ingest_video with this id says why."
    return clean(f"The ingest of {video_id} failed: {error}", HINT_LENGTH)


def repeat_hint(spans: list[Span]) -> str:
    """The sentence for a search that gave the same spans three times in a row."""
    told = ", ".join(f"{clock(s.start_s)}-{clock(s.end_s)}" for s in sorted(spans, key=lambda s: -s.length_s)[:3])
    return (
        f"The last {REPEATS} searches returned the same spans. Not looked at by zoom_segment yet: {told or 'nothing'}."
    )


def negation_hint(query: str) -> str | None:
    """The sentence for a question in the negative, which no encoder understands."""
    found = _NEGATION.search(query)
    if found is None:
        return None
    return f"The query holds a negation ({found.group(0)!r}): search for the positive, then verify with zoom_segment."
