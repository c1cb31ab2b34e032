"""Spans of time: windows over a video, overlap, suppression, merging and recall.

A span is a half-open (start_s, end_s) pair in seconds, or anything with `start_s` and `end_s`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, cast

import numpy as np

from agent_tools.errors import InvalidArgument, ShapeError

MAX_WINDOWS = 1_000_000  # a stride this small against the duration is a mistake, not a wish


class Timed(Protocol):
    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...


SpanLike: TypeAlias = Timed | tuple[float, float] | Sequence[float]


def pair(span: SpanLike) -> tuple[float, float]:
    """The span as (start_s, end_s), both finite, start_s <= end_s; InvalidArgument otherwise."""
    if hasattr(span, "start_s"):
        timed = cast(Timed, span)
        start_s, end_s = float(timed.start_s), float(timed.end_s)
    else:
        values = tuple(float(value) for value in span)
        if len(values) != 2:
            raise ShapeError(f"A span of {len(values)} numbers; it is a pair: start_s, end_s.")
        start_s, end_s = values
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s <= end_s):
        raise InvalidArgument(f"Span {start_s}-{end_s} s: both ends are finite and start_s is at most end_s.")
    return start_s, end_s


def windows(duration_s: float, length_s: float, stride_s: float) -> list[tuple[float, float]]:
    """Windows of equal length that cover [0, duration_s) without a gap; the last one ends at duration_s.

    Source: ReVisionLLM, Sec. 3 (105 windows for 6600, 125, 62.5). Differs: the last window keeps its length and starts
    earlier, instead of being cut short or left out. A video shorter than length_s is one window.
    An event shorter than length_s - stride_s lies whole in some window.
    Raises: InvalidArgument: a value is not positive and finite, or stride_s > length_s, which would leave gaps."""
    for name, value in (("duration_s", duration_s), ("length_s", length_s), ("stride_s", stride_s)):
        if not (math.isfinite(value) and value > 0):
            raise InvalidArgument(f"{name} = {value}: it must be positive and finite.")
    if stride_s > length_s:
        raise InvalidArgument(f"stride_s = {stride_s} is above length_s = {length_s}: the windows would leave gaps.")
    if duration_s <= length_s:
        return [(0.0, float(duration_s))]
    # the small term keeps a quotient such as 2.0000000001 from adding a window that repeats the last one
    steps = max(1, math.ceil((duration_s - length_s) / stride_s - 1e-9))
    if steps >= MAX_WINDOWS:
        raise InvalidArgument(f"stride_s = {stride_s} gives {steps + 1} windows; at most {MAX_WINDOWS} are made.")
    # where stride_s = length_s the sum may fall a rounding short of the next start
    found = [(i * stride_s, max(i * stride_s + length_s, (i + 1) * stride_s)) for i in range(steps)]
    found.append((min(duration_s - length_s, found[-1][1]), float(duration_s)))
    return found


def temporal_iou(a: SpanLike, b: SpanLike) -> float:
    """Intersection over union of two spans, in [0, 1]; 0 where they only touch or one is empty."""
    (a_start, a_end), (b_start, b_end) = pair(a), pair(b)
    shared = min(a_end, b_end) - max(a_start, b_start)
    if shared <= 0:
        return 0.0
    return shared / (max(a_end, b_end) - min(a_start, b_start))  # they overlap, so their union has no hole


def nms(spans: Sequence[SpanLike], scores: Sequence[float], iou: float = 0.3) -> list[int]:
    """Indices of the spans that no better span overlaps by more than `iou`, best first.

    Source: non-maximum suppression as in MAD's official evaluation (0.3); ReVisionLLM uses none.
    Equal scores go by start, then end, so that the kept spans do not depend on the order of the input."""
    if len(spans) != len(scores):
        raise ShapeError(f"{len(spans)} spans with {len(scores)} scores: each span has one score.")
    if not 0 <= iou <= 1:
        raise InvalidArgument(f"iou = {iou}: it must lie in 0..1.")
    pairs = [pair(span) for span in spans]
    if not all(math.isfinite(score) for score in scores):
        raise InvalidArgument("A score is not finite: spans cannot be ranked by it.")
    starts, ends = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    free = np.ones(len(pairs), dtype=bool)
    kept: list[int] = []
    for index in sorted(range(len(pairs)), key=lambda i: (-scores[i], pairs[i], i)):
        if not free[index]:
            continue
        kept.append(index)
        shared = np.minimum(ends, ends[index]) - np.maximum(starts, starts[index])
        joined = np.maximum(ends, ends[index]) - np.minimum(starts, starts[index])
        with np.errstate(invalid="ignore"):  # an empty span beside itself: nothing shared, nothing joined
            free &= ~((shared > 0) & (shared / joined > iou))
    return kept


def recall_at(predicted: Sequence[Any], truth: Any, k: int, iou: float, strict: bool) -> float:
    """Share of queries with a right span among their first k.

    strict=True counts IoU > iou (MAD's rule), False counts IoU >= iou (VidChapters' rule): say which with the number.
    Args:
        predicted: per query its spans, best first; a plain list of spans is one query.
        truth: per query its span, or its list of spans of which any one counts; a plain span is one query.
    Raises: InvalidArgument: k < 1, or a query without truth (recall knows no absent queries; count those apart)."""
    if k < 1:
        raise InvalidArgument(f"k = {k}: it must be at least 1.")
    if _is_span(truth) or not predicted or _is_span(predicted[0]):
        predicted, truth = [predicted], [truth]
    if len(predicted) != len(truth):
        raise ShapeError(f"{len(predicted)} lists of predictions for {len(truth)} queries: each query has one.")
    hits = 0
    for spans, wanted in zip(predicted, truth, strict=True):
        right = [wanted] if _is_span(wanted) else list(wanted)
        if not right:
            raise InvalidArgument("A query without a true span has no recall; count absent queries apart.")
        best = max((temporal_iou(span, one) for span in spans[:k] for one in right), default=-1.0)
        hits += best > iou if strict else best >= iou
    return hits / len(predicted)


def _is_span(value: Any) -> bool:
    if hasattr(value, "start_s"):
        return True
    return isinstance(value, Sequence) and len(value) == 2 and all(isinstance(part, int | float) for part in value)


def share_inside(span: SpanLike, regions: Sequence[tuple[float, float]]) -> float:
    """Share of the span, 0..1, that lies in the disjoint regions; an empty span counts by its place."""
    start_s, end_s = pair(span)
    if start_s == end_s:
        return float(any(low <= start_s < high for low, high in regions))
    return sum(max(0.0, min(end_s, high) - max(start_s, low)) for low, high in regions) / (end_s - start_s)
