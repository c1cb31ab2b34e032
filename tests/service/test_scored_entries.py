"""Texts scored against an event: what is asked of many of them, without making all, is what all of them give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from agent_tools.grounding import EvidenceItem
from agent_tools.service.verdicts.scored_entries import FEW, FIT, Fits, ScoredEntries, made_item
from agent_tools.timeline import Span

MANY = FEW + 40


def texts(count: int, seed: int) -> tuple[ScoredEntries, list[EvidenceItem], list[int]]:
    """Texts that overlap, some instants, many of one score, not in time order; and the rows that were made."""
    draw = np.random.default_rng(seed)
    starts = draw.permutation(count) * 2.0
    ends = starts + draw.choice([0.0, 1.5, 30.0], count)
    scores = draw.integers(0, 5, count) / 4
    items = [
        made_item(start_s, end_s, "speech", score, f"text {row}", FIT)
        for row, (start_s, end_s, score) in enumerate(zip(starts.tolist(), ends.tolist(), scores.tolist(), strict=True))
    ]
    made: list[int] = []

    def some(rows: Sequence[int] | None) -> list[EvidenceItem]:
        made.extend(range(count) if rows is None else rows)
        return [items[row] for row in (range(count) if rows is None else rows)]

    fits = Fits(np.stack([starts, ends], axis=1), ["speech"] * count, scores)
    return ScoredEntries(some, {}, fits=fits), items, made


def overlapping(items: Sequence[EvidenceItem], start_s: float, end_s: float) -> list[EvidenceItem]:
    inside = [item for item in items if item.start_s < end_s and item.end_s > start_s]
    return sorted(inside, key=lambda item: (item.start_s, item.end_s, item.text))


@pytest.mark.parametrize("count", [30, MANY])
@pytest.mark.parametrize("span", [Span(0, 10_000), Span(101, 180), Span(33, 33.4), Span(9_000, 9_010)])
def test_the_best_and_what_is_around_it(count: int, span: Span) -> None:
    for seed in range(5):
        entries, items, _ = texts(count, seed)
        inside = overlapping(items, span.start_s, span.end_s)
        ranked = sorted(inside, key=lambda item: (-item.score, item.start_s))
        assert list(entries.best(span, 3)) == ranked[:3]
        assert list(entries.look(span.start_s, span.end_s).items) == inside
        around = entries.around_best(span, 10.0)
        if not ranked:
            assert around == ()
            continue
        first = around[0]
        assert first in inside
        assert first.score == ranked[0].score
        near = overlapping(items, first.start_s - 10.0, first.end_s + 10.0)
        assert list(around[1:]) == [item for item in near if item != first]


def test_of_many_texts_only_those_asked_for_are_made() -> None:
    entries, _, made = texts(MANY, 7)
    assert len(entries.best(Span(0, 10_000), 1)) == 1
    assert len(entries.around_best(Span(100, 140), 4.0)) > 1
    assert len(made) < MANY / 2
    few, _, made = texts(30, 7)
    few.best(Span(0, 10_000), 1)
    few.around_best(Span(0, 10_000), 4.0)
    assert len(made) == 30, "few are made once, all at once"
