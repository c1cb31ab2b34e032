"""What each caller has searched and looked at: the facts behind the hints.

It is kept per caller, and never mixed between callers: in memory, or, where many servers share a store, in the store.
There a balancer may send each call of a client to another server."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable
from concurrent.futures import Executor

from agent_tools.store import Store
from agent_tools.timeline import Span, merged

MOST_CALLERS = 256
REPEATS = 3


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
            seen = list(self._looked.get(caller, {}).get(video_id, ()))
        return _without(whole, seen)


class SharedAttention(Attention):
    """The same in the store. What a call adds is written beside it: the call does not wait for the disk."""

    def __init__(self, store: Store, pool: Executor) -> None:
        super().__init__()
        self._store, self._pool = store, pool

    def searched(self, caller: str, hits: list[tuple[str, float]]) -> bool:
        now = frozenset((video_id, round(start_s)) for video_id, start_s in hits)
        before = self._store.last_searches(caller, REPEATS - 1)
        self._pool.submit(self._store.add_search, caller, now)
        return len(before) == REPEATS - 1 and bool(now) and all(other == now for other in before)

    def looked(self, caller: str, video_id: str, span: Span) -> None:
        self._pool.submit(self._store.add_look, caller, video_id, span)

    def has_looked(self, caller: str, video_id: str, span: Span) -> bool:
        return any(span.overlap_s(seen) > 0 for seen in self._store.looks(caller, video_id))

    def unseen(self, caller: str, video_id: str, whole: Span) -> list[Span]:
        return _without(whole, self._store.looks(caller, video_id))


def _without(whole: Span, seen: Iterable[Span]) -> list[Span]:
    """The parts of a span that lie outside of the others."""
    parts, at = [], whole.start_s
    for span in merged(seen):
        if span.start_s > at:
            parts.append(Span(at, min(span.start_s, whole.end_s)))
        at = max(at, span.end_s)
    if at < whole.end_s:
        parts.append(Span(at, whole.end_s))
    return parts
