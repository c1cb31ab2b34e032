"""Which moments of a span to show: those that match a query, else even distances; and no picture twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.errors import AgentToolsError
from agent_tools.ingestion.spaces import text_space
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.store import Entry, spelling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


KEY_SHARE = 1 / 16  # of the distance between two pictures: how far one may be moved
LEAST_MOVE_S = 1.0  # a closer look is exact


@dataclass(frozen=True)
class ChosenFrames:
    """Times to show, rising, and what is known of the pictures there."""

    times_s: tuple[float, ...]
    stood_s: Mapping[
        float, float
    ]  # for how long the picture of a time stands still within the span; not where it moves
    no_more_differ: bool  # fewer than asked for, because all other pictures look like one that is chosen


def chosen_frames(
    library: Library,
    scope: VideoSpan,
    budget: int,
    query: str,
    answering: Sequence[Entry] = (),
    entries: Sequence[Entry] = (),
) -> ChosenFrames:
    """At most `budget` frames of the span, none like another. With a query those whose picture or text answers it,
    spread; else one of each equal part of the span, from its middle or where, in the same scene, most can be read
    that no other one shows. A picture that stands still is chosen once.

    Args:
        answering: entries that answer the query, best first: what shows the way where texts have no vectors.
        entries: the texts of the span.
    """
    times = [row.time_s for row in library.store.frames(scope.video.id, scope.span.start_s, scope.span.end_s)]
    features = _frame_features(library, scope)
    if features is None or len(features) != len(times):
        features = None
    wanted = _even(library, scope, budget, times)
    chosen = None
    if query.strip() and len(times) > budget:
        chosen = _answering_times(library, scope, times, features, budget, query, answering)
    if chosen is None:
        chosen = _distinct(features, times, _legible(scope, features, times, wanted, entries))
        chosen = _near_keys(library, scope, chosen, wanted)
    fewer = features is not None and len(chosen) < len(wanted)
    return ChosenFrames(tuple(chosen), _stood(features, times, chosen, scope.span.end_s), fewer)


def _legible(
    scope: VideoSpan,
    features: NDArray[np.float32] | None,
    times: list[float],
    wanted: list[float],
    entries: Sequence[Entry],
) -> list[float]:
    """The wanted times, moved to where more can be read; but none out of its scene, which would then not be shown."""
    from agent_tools.compression import KeepRule, legible_times

    texts = [(entry.start_s, entry.end_s) for entry in entries if entry.channel == "screen_text"]
    if not texts:
        return wanted
    moved = legible_times(wanted, scope.span.length_s / len(wanted), texts)
    if features is None:
        return moved
    rows = [
        [min(range(len(times)), key=lambda row: abs(times[row] - at)) for at in pair]
        for pair in zip(wanted, moved, strict=True)
    ]
    same = [float(features[one] @ features[other]) >= KeepRule.cut for one, other in rows]
    return [after if stays else before for before, after, stays in zip(wanted, moved, same, strict=True)]


def _near_keys(library: Library, scope: VideoSpan, times: list[float], even: Sequence[float]) -> list[float]:
    """The times, where those at even distances are moved to key frames that are nearer than KEY_SHARE of a distance: in
    a wide span a few seconds change nothing, and a picture between key frames costs up to hundreds of others."""
    within_s, paths = KEY_SHARE * scope.span.length_s / max(1, len(even)), library.sources(scope.video.id)
    free = [time_s for time_s in times if time_s in set(even)]
    if within_s < LEAST_MOVE_S or not paths or not free:
        return times
    try:
        moved = dict(zip(free, library.looker.nearest_keys(paths[0], free, within_s), strict=True))
    except AgentToolsError:
        return times  # whoever opens the pictures says why they cannot be read
    span = scope.span
    inside = [new if span.start_s <= (new := moved.get(old, old)) < span.end_s else old for old in times]
    return sorted(inside) if len(set(inside)) == len(times) else times


def _distinct(features: NDArray[np.float32] | None, times: list[float], wanted: list[float]) -> list[float]:
    from agent_tools.compression import distinct_times

    return wanted if features is None else distinct_times(features, times, wanted)


def _answering_times(
    library: Library,
    scope: VideoSpan,
    times: list[float],
    features: NDArray[np.float32] | None,
    budget: int,
    query: str,
    answering: Sequence[Entry],
) -> list[float] | None:
    """Times whose picture or text answers the query; None where pictures cannot be compared with it and no text
    answers it. Texts that do not answer lead away from what the words describe."""
    words = library.models.picture_words()
    if words is not None and features is not None:
        return _ranked(features, words.encode_text([query])[0], features, times, budget)
    if not answering:
        return None
    texts, vector = _text_features(library, scope, times, query)
    if texts is not None and vector is not None:
        return _ranked(texts, vector, features, times, budget)
    return _within(answering, times, budget, features)


def _ranked(
    compared: NDArray[np.float32],
    query: NDArray[np.float32],
    pictures: NDArray[np.float32] | None,
    times: list[float],
    budget: int,
) -> list[float]:
    """Times of the states that answer the query best, spread. Args: compared: (T, D), in the space of the query.
    pictures: (T, P), by which a state is distinguished from the next; None counts every row as one."""
    import numpy as np

    from agent_tools.compression import distinct_rows, relevant_rows

    rows = list(range(len(times))) if pictures is None else distinct_rows(pictures, compared @ query)
    at = np.array([times[row] for row in rows])
    return [times[rows[place]] for place in relevant_rows(compared[rows], at, budget, query)]


def _stood(
    features: NDArray[np.float32] | None, times: list[float], chosen: Sequence[float], end_s: float
) -> dict[float, float]:
    from agent_tools.compression import state_around

    found: dict[float, float] = {}
    if features is None:
        return found
    for time_s in chosen:
        row = min(range(len(times)), key=lambda row: abs(times[row] - time_s))
        first, after = state_around(features, row)
        if after - first > 1:
            found[time_s] = (times[after] if after < len(times) else end_s) - times[first]
    return found


def _within(
    entries: Sequence[Entry], times: list[float], budget: int, features: NDArray[np.float32] | None
) -> list[float]:
    """Times on screen with the entries, the best entry's first: one of each, then a second of each, and so on; none
    whose picture looks like that of an earlier choice."""
    from agent_tools.compression import look_alike

    rows = {time_s: row for row, time_s in enumerate(times)}
    inside = [[t for t in times if entry.start_s <= t < max(entry.end_s, entry.start_s + 1.0)] for entry in entries]
    chosen: list[float] = []
    for part in range(1, budget + 1):
        for held in inside:
            middle = held[min(len(held) - 1, len(held) * part // (part + 1))] if held else None
            if middle is None or middle in chosen or len(chosen) >= budget:
                continue
            if features is None or not look_alike(features, rows[middle], [rows[time_s] for time_s in chosen]):
                chosen.append(middle)
    return sorted(chosen)


def _even(library: Library, scope: VideoSpan, budget: int, sampled: Sequence[float]) -> list[float]:
    """Middles of equal parts of the span; no more than one for each tenth of a second. One that falls where pictures
    are known to be damaged moves to the nearest sampled time, because there a picture was seen."""
    count = max(1, min(budget, int(scope.span.length_s * 10)))
    width = scope.span.length_s / count
    middles = [round(scope.span.start_s + (i + 0.5) * width, 3) for i in range(count)]
    gaps = [gap for gap in library.store.gaps(scope.video.id) if gap.channel in ("", "frames")]
    moved = {
        min(sampled, key=lambda time_s: abs(time_s - middle))
        if sampled and any(gap.start_s <= middle < gap.end_s for gap in gaps)
        else middle
        for middle in middles
    }
    return sorted(moved)


def _frame_features(library: Library, scope: VideoSpan) -> NDArray[np.float32] | None:
    from agent_tools.ingestion.picture_vectors import sequence

    producer = library.models.frame_producer
    vectors = sequence(library.store, scope.video.id, producer, scope.span.start_s, scope.span.end_s)[1]
    return vectors if len(vectors) else None


def _text_features(
    library: Library, scope: VideoSpan, times: list[float], query: str
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """For each time the sum of the vectors of the entries shown or said then (else zeros), and the query's."""
    import numpy as np

    encoder = library.text_encoder(scope.video.id)
    if encoder is None:
        return None, None
    ids, vectors = library.store.vectors(text_space(encoder.producer), scope.video.id)
    vector_of = dict(zip(ids.tolist(), vectors, strict=True))
    features = np.zeros((len(times), encoder.dim), np.float32)
    for entry in library.store.entries(scope.video.id, start_s=scope.span.start_s, end_s=scope.span.end_s):
        if entry.id not in vector_of or not spelling.has_enough_letters(entry.text):
            continue
        for i, time_s in enumerate(times):
            if entry.start_s - 0.5 <= time_s < max(entry.end_s, entry.start_s + 1.0):
                features[i] += vector_of[entry.id]
    if not features.any():
        return None, None
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norms, 1e-9), library.models.query_vector(encoder, query)
