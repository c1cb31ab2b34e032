"""Episodes of one video: chunks of 60 s, scenes where the picture changes for good, chapters where the topic does.

Pure functions over times, vectors and texts."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent_tools.compression import lasting_rows, seen_before
from agent_tools.timeline import Span

Vectors = NDArray[np.float32]


class Rows(Protocol):
    """Vectors (T, D) of which only slices are read, so that hours of them need not be in memory at once."""

    def __getitem__(self, part: slice, /) -> Vectors: ...


CHUNK_S = 60.0
BLOCK = 512  # pictures whose vectors are in memory at once
SILENCE_S = 12.0  # a pause of speech or subtitles this long ends a scene
SCENE_CONTEXT = 4  # pictures on each side of a cut that are compared: a flash of fewer is not a change for good
SCENE_NOVELTY = 0.30  # least fall of similarity across a cut, in cosine
MIN_SCENE_S = 6.0
MIN_CHAPTER_S = 150.0
CHAPTERS_PER_HOUR = 10.0  # at most: a table of contents has 5 to 15 an hour
DEEP = 0.5  # a topic shifts where the valley is deeper than the mean depth by so many standard deviations
TILE_S = 20.0  # text is compared in tiles of this length (TextTiling, Hearst 1997, Sec. 5)


@dataclass(frozen=True)
class TextPiece:
    """One entry of a text channel, with its vector where there is one."""

    start_s: float
    end_s: float
    text: str
    channel: str
    vector: Vectors | None = None
    lines: tuple[tuple[str, float], ...] = ()  # of on-screen text: each line, and the height of its letters
    doubtful: bool = False  # its reader doubts it: it is no title


def chunks(duration_s: float) -> list[Span]:
    """Spans of 60 s that cover [0, duration_s); the last one may be shorter, but never under 1 s beside another."""
    count = max(1, math.ceil(duration_s / CHUNK_S - 1e-9))
    if count > 1 and duration_s - (count - 1) * CHUNK_S < 1.0:
        count -= 1
    return [Span(i * CHUNK_S, duration_s if i == count - 1 else (i + 1) * CHUNK_S) for i in range(count)]


def scenes(times_s: Sequence[float], vectors: Rows, duration_s: float, pieces: Sequence[TextPiece]) -> list[Span]:
    """Spans between lasting changes of the picture and long silences of speech or subtitles.

    Args:
        times_s: picture times, increasing, (T,).
        vectors: one normalised vector for each picture, (T, D); a pruned picture has that of its representative.
    """
    cuts = picture_cuts(times_s, vectors)
    for cut in silence_ends(pieces):
        if all(abs(cut - other) >= MIN_SCENE_S for other in cuts):
            cuts.append(cut)
    return spans_between(sorted(cuts), duration_s, MIN_SCENE_S)


def picture_cuts(times_s: Sequence[float], vectors: Rows) -> list[float]:
    """Times at which the mean picture of the next seconds differs from that of the last ones, at its local maximum."""
    count = len(times_s)
    if count < 2:
        return []
    novelty = np.zeros(count)
    for start in range(0, count, BLOCK):
        first = max(0, start - SCENE_CONTEXT)
        block = vectors[first : min(count, start + BLOCK + SCENE_CONTEXT)]
        sums = np.concatenate([np.zeros((1, block.shape[1])), np.cumsum(block, axis=0, dtype=np.float64)])
        for i in range(max(1, start), min(count, start + BLOCK)):
            at = i - first
            before = sums[at] - sums[max(0, at - SCENE_CONTEXT)]
            after = sums[min(len(block), at + SCENE_CONTEXT)] - sums[at]
            norm = np.linalg.norm(before) * np.linalg.norm(after)
            novelty[i] = 1.0 - float(before @ after / norm) if norm > 1e-9 else 0.0
    floor = max(SCENE_NOVELTY, float(np.median(novelty) + 1.5 * np.median(np.abs(novelty - np.median(novelty)))))
    cuts: list[float] = []
    for i in range(1, count):
        near = novelty[max(1, i - SCENE_CONTEXT + 1) : i + SCENE_CONTEXT]
        first_of_peak = novelty[i] > novelty[max(1, i - SCENE_CONTEXT + 1) : i].max(initial=0.0)
        if novelty[i] >= floor and novelty[i] == near.max() and first_of_peak:
            cuts.append(float(times_s[i]))
    return cuts


def silence_ends(pieces: Sequence[TextPiece]) -> list[float]:
    """Where words begin again after at least SILENCE_S without any."""
    spoken = sorted((p.start_s, p.end_s) for p in pieces if p.channel in ("subtitles", "speech"))
    ends: list[float] = []
    last = None
    for start_s, end_s in spoken:
        if last is not None and start_s - last >= SILENCE_S:
            ends.append(start_s)
        last = end_s if last is None else max(last, end_s)
    return ends


def chapters(duration_s: float, pieces: Sequence[TextPiece], scene_spans: Sequence[Span]) -> list[Span]:
    """Spans between shifts of topic: depth of the valley in similarity between neighbouring stretches of text.

    Source: TextTiling (Hearst 1997), Sec. 5.2 and 5.4, with sentence vectors in the place of word counts: a valley
    counts if 80 s on both sides differ, so a border is a change that lasts. A text on screen counts as long as it
    stands. Where there is no text, scenes are joined into equal shares. A video under two shortest chapters is one.
    """
    wanted = round(duration_s / 3600 * CHAPTERS_PER_HOUR)
    if duration_s < 2 * MIN_CHAPTER_S or wanted < 2:
        return [Span(0.0, duration_s)]
    tiles = _tiles(duration_s, pieces)
    depths = _depths(tiles) if tiles is not None else []
    if not depths:
        return spans_between(_even_cuts(scene_spans, wanted, duration_s), duration_s, MIN_CHAPTER_S)
    starts = [span.start_s for span in scene_spans]
    chosen: list[float] = []
    valleys = [depth for depth, _ in depths if depth > 1e-6]
    least = float(np.mean(valleys) + DEEP * np.std(valleys)) if valleys else 0.0
    for depth, cut in sorted(depths, key=lambda pair: (-pair[0], pair[1])):
        if len(chosen) >= wanted - 1 or depth <= 1e-6 or depth < least:
            break
        near = min(starts, key=lambda s: abs(s - cut), default=cut)
        at = near if abs(near - cut) <= TILE_S else cut
        if all(abs(at - other) >= MIN_CHAPTER_S for other in (*chosen, 0.0, duration_s)):
            chosen.append(at)
    return spans_between(sorted(chosen), duration_s, MIN_CHAPTER_S)


def spans_between(cuts: Sequence[float], duration_s: float, shortest_s: float) -> list[Span]:
    """Spans from 0 to duration_s divided at cuts; a span under shortest_s joins its neighbour."""
    edges = [0.0]
    for cut in cuts:
        if cut - edges[-1] >= shortest_s and duration_s - cut >= shortest_s:
            edges.append(cut)
    edges.append(duration_s)
    return [Span(a, b) for a, b in pairwise(edges)]


def keyframes(spans: Sequence[Span], times_s: Sequence[float], vectors: Rows) -> list[float]:
    """For each span, in time order, the time of the picture that stands for it: of those that no earlier span has, and
    that are no fade, the one most like the span's mean. Where all of them were there before, the one most like it.

    The middle of a span without pictures."""
    found: list[float] = []
    used: list[Vectors] = []
    for span in spans:
        first, last = bisect.bisect_left(times_s, span.start_s), bisect.bisect_left(times_s, span.end_s)
        if first >= last:
            found.append(span.middle_s)
            continue
        shown = vectors[first:last]
        likeness = np.where(lasting_rows(shown), shown @ shown.mean(axis=0), -np.inf)  # a fade is a mean of two
        new = np.where(seen_before(shown, used), -np.inf, likeness)
        best = int(np.argmax(new if np.isfinite(new).any() else likeness))
        used.append(shown[best])
        found.append(float(times_s[first + best]))
    return found


def _tiles(duration_s: float, pieces: Sequence[TextPiece]) -> list[Vectors | None] | None:
    sums: list[Vectors | None] = [None] * max(1, math.ceil(duration_s / TILE_S))
    for piece in pieces:
        if piece.vector is None or piece.channel == "notes":
            continue
        first = min(len(sums) - 1, int(piece.start_s / TILE_S))
        shown = piece.channel == "screen_text"
        last = min(len(sums) - 1, math.ceil(piece.end_s / TILE_S) - 1) if shown else first
        for index in range(first, max(first, last) + 1):
            held = sums[index]
            sums[index] = piece.vector if held is None else held + piece.vector
    return sums if sum(tile is not None for tile in sums) >= 6 else None


def _depths(tiles: Sequence[Vectors | None]) -> list[tuple[float, float]]:
    """(depth, time) of each border between tiles that is a local minimum of the similarity across it."""
    reach = 4
    similarity: list[tuple[float, float]] = []
    for border in range(1, len(tiles)):
        before = [t for t in tiles[max(0, border - reach) : border] if t is not None]
        after = [t for t in tiles[border : border + reach] if t is not None]
        if before and after:
            a, b = np.sum(before, axis=0), np.sum(after, axis=0)
            similarity.append((border * TILE_S, float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-9))))
    depths: list[tuple[float, float]] = []
    values = [value for _, value in similarity]
    for i, (time_s, value) in enumerate(similarity):
        left = i
        while left > 0 and values[left - 1] >= values[left]:
            left -= 1
        right = i
        while right < len(values) - 1 and values[right + 1] >= values[right]:
            right += 1
        depths.append((values[left] - value + values[right] - value, time_s))
    return depths


def _even_cuts(scene_spans: Sequence[Span], wanted: int, duration_s: float) -> list[float]:
    starts = [span.start_s for span in scene_spans][1:]
    if not starts:
        return []
    return sorted({min(starts, key=lambda s: abs(s - duration_s * i / wanted)) for i in range(1, wanted)})
