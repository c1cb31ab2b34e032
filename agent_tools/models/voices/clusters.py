"""The voices of one recording: which pieces of speech are of one voice, from their vectors alone.

Voices in one room share the sound of the room, so the vectors of two people there are as alike as those of one person
in two rooms. Therefore groups are compared by their means, which are far steadier than single pieces, and pieces are
assigned with the recording's own mean taken out of them.

 1  A group is divided in two (2-means over centred vectors, from its two farthest pieces). The halves stay apart if
    their means are less alike than ONE_VOICE, and each holds enough speech.
 2  Groups whose means are as alike as one voice's are joined again.
 3  Every piece goes to the nearest mean, centred; pieces too short to be measured well have no part in 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

ONE_VOICE = 0.885  # cosine of the means of two large groups, from which on they count as one voice
SPREAD = 0.12  # by which it is lower where a group is one piece; a third of that for three pieces
LEAST_S = 4.0  # of speech that a voice must have
PIECE_S = 1.6  # a shorter piece does not found a voice
ROUNDS = 20  # of 2-means, at most; it settles in three to six


def voices(vectors: Vectors, seconds: Sequence[float]) -> NDArray[np.int64]:
    """The voice of each piece, numbered 0, 1, ... in the order in which they are first heard.

    Args:
        vectors: of the pieces in order of time, (n, D), each of length 1.
        seconds: of each piece.
    """
    if not len(vectors):
        return np.empty(0, np.int64)
    weights = np.asarray(seconds, np.float64)
    long = np.flatnonzero(weights >= PIECE_S)
    if not len(long):
        return np.zeros(len(vectors), np.int64)
    groups = _joined([long[group] for group in _divided(vectors[long], weights[long])], vectors, weights)
    if len(groups) == 1:
        return np.zeros(len(vectors), np.int64)
    means = np.stack([mean(vectors[group], weights[group]) for group in groups])
    middle = means.mean(0)
    nearest = np.argmax(_unit(vectors - middle) @ _unit(means - middle).T, axis=1)
    _, first, numbers = np.unique(nearest, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]


def mean(vectors: Vectors, weights: NDArray[np.float64]) -> Vectors:
    """The mean of vectors (n, D), weighted, brought to length 1."""
    return np.asarray(_unit((weights[:, None] * vectors).sum(0)[None])[0], np.float32)


def _divided(vectors: Vectors, weights: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Groups of rows, none of which divides further."""
    waiting, done = [np.arange(len(vectors))], []
    while waiting:
        group = waiting.pop()
        halves = _halves(vectors[group], weights[group])
        if halves is None:
            done.append(group)
        else:
            waiting += [group[halves], group[~halves]]
    return done


def _halves(vectors: Vectors, weights: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Which rows are of the one of two voices; None where there is one voice."""
    if weights.sum() < 2 * LEAST_S or len(vectors) < 2:
        return None
    centred = _unit(vectors - np.average(vectors, axis=0, weights=weights))
    one, other = np.unravel_index(np.argmin(centred @ centred.T), (len(vectors), len(vectors)))
    poles = centred[[one, other]]
    sides = np.zeros(len(vectors), bool)
    for _ in range(ROUNDS):
        found = centred @ poles[0] > centred @ poles[1]
        if found.all() or not found.any():
            return None
        poles = np.stack([mean(centred[side], weights[side]) for side in (found, ~found)])
        if (found == sides).all():
            break
        sides = found
    if min(weights[sides].sum(), weights[~sides].sum()) < LEAST_S:
        return None
    means = [mean(vectors[side], weights[side]) for side in (sides, ~sides)]
    return sides if float(means[0] @ means[1]) < _one_voice(sides.sum(), (~sides).sum()) else None


def _joined(groups: list[NDArray[np.int64]], vectors: Vectors, weights: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """The groups, where the two most alike are one as long as they are as alike as one voice's."""
    while len(groups) > 1:
        means = np.stack([mean(vectors[group], weights[group]) for group in groups])
        sizes = np.array([len(group) for group in groups])
        over = means @ means.T - _one_voice(sizes[:, None], sizes[None]) - 2 * np.eye(len(groups))
        one, other = sorted(int(at) for at in np.unravel_index(np.argmax(over), over.shape))
        if over[one, other] < 0:
            break
        groups[one] = np.concatenate([groups[one], groups.pop(other)])
    return groups


def _one_voice(pieces: Any, others: Any) -> Any:
    """The cosine from which on two groups of so many pieces count as one voice: a mean of few pieces is less steady."""
    return ONE_VOICE - SPREAD / np.minimum(pieces, others)


def _unit(rows: NDArray[np.float64] | Vectors) -> Vectors:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)
