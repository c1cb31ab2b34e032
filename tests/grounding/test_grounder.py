"""Coarse to fine: what is refused above is never opened below, and accepting all equals the flat search."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_tools.errors import InvalidArgument
from agent_tools.grounding import Evidence, Grounder, GrounderSettings, Level, Proposal
from agent_tools.grounding.grounder import merge_touching


class Look:
    """Records what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float, float]] = []

    def __call__(self, start_s: float, end_s: float, fps: float) -> Evidence:
        self.asked.append((start_s, end_s, fps))
        return Evidence(start_s, end_s, frames=math.ceil(fps * (end_s - start_s)), payload=fps)

    def at(self, fps: float) -> list[tuple[float, float]]:
        return [(start_s, end_s) for start_s, end_s, asked in self.asked if asked == fps]


class Truth:
    """Sees the part of each true event that lies in the evidence; its score is the event's."""

    def __init__(self, *events: tuple[float, float, float], always: bool = False) -> None:
        self.events, self.always = events, always

    def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
        found = [
            Proposal(max(start_s, evidence.start_s), min(end_s, evidence.end_s), score, evidence=event)
            for start_s, end_s, score in self.events
            if start_s < evidence.end_s and end_s > evidence.start_s
        ]
        if self.always and not found and evidence.payload == COARSE.detail:
            return [Proposal(evidence.start_s, evidence.end_s, 0.0)]
        return found


COARSE = Level(100, 100, 0.1, top_k=2)
FINE = Level(20, 10, 2.0)
EVENTS = ((310.0, 325.0, 0.9), (555.0, 560.0, 0.7), (905.0, 911.0, 0.5))


def test_a_segment_refused_above_is_never_opened_below() -> None:
    look = Look()
    found = Grounder([COARSE, FINE], Truth(*EVENTS)).ground("x", 0, 1000, look)
    assert len(look.at(0.1)) == 10
    assert (
        {start_s // 100 for start_s, _ in look.at(2.0)} == {(end_s - 0.1) // 100 for _, end_s in look.at(2.0)} == {3, 5}
    )
    assert [(one.start_s, one.end_s) for one in found.proposals] == [(310, 325), (555, 560)]
    assert found.best_rejected == Proposal(905, 911, 0.5, evidence="x")


def test_accepting_all_above_equals_the_flat_search() -> None:
    flat = Grounder([FINE], Truth(*EVENTS)).ground("x", 0, 1000, Look())
    all_accepted = Grounder([Level(100, 50, 0.1), FINE], Truth(*EVENTS, always=True)).ground("x", 0, 1000, Look())
    assert all_accepted.proposals == flat.proposals
    assert [(one.start_s, one.end_s) for one in flat.proposals] == [(310, 325), (555, 560), (905, 911)]
    assert flat.share == 1


@given(
    st.lists(st.tuples(st.floats(0, 950), st.floats(1, 50), st.floats(0.1, 1)), max_size=5),
    st.floats(60, 400),
    st.floats(0.3, 1),
    st.floats(7, 60),
    st.floats(0.3, 1),
)
def test_all_accepted_equals_flat_for_any_levels(
    drawn: list[tuple[float, float, float]], coarse_s: float, coarse_ratio: float, fine_s: float, fine_ratio: float
) -> None:
    truth = Truth(*((start_s, start_s + length_s, score) for start_s, length_s, score in drawn), always=True)
    fine = Level(fine_s, fine_s * fine_ratio, 2.0)
    flat = Grounder([fine], truth).ground("x", 0, 1000, Look())
    levels = [Level(coarse_s, coarse_s * coarse_ratio, COARSE.detail), fine]
    assert Grounder(levels, truth).ground("x", 0, 1000, Look()).proposals == flat.proposals


def test_frames_processed_are_counted_against_the_flat_search() -> None:
    found = Grounder([COARSE, FINE], Truth(*EVENTS)).ground("x", 0, 1000, Look())
    assert [(one.window_s, one.windows, one.of, one.frames, one.kept) for one in found.levels] == [
        (100, 10, 10, 100, 2),
        (20, 18, 99, 720, 5),
    ]
    assert (found.frames_processed, found.frames_total) == (820, 99 * 40)
    assert found.share == pytest.approx(820 / 3960)
    assert found.looks == 28


def test_looks_without_frames_share_by_windows() -> None:
    levels = [Level(100, 100, 0, 1), Level(20, 20, 0)]
    found = Grounder(levels, Truth(EVENTS[0])).ground("x", 0, 1000, Look())
    assert (found.frames_total, found.share) == (0, pytest.approx(5 / 50))


@settings(max_examples=50)
@given(
    st.floats(10, 3000),
    st.lists(st.tuples(st.floats(5, 400), st.floats(0.2, 1), st.none() | st.integers(1, 5)), min_size=1, max_size=3),
    st.integers(0, 2**20),
    st.booleans(),
)
def test_looks_never_exceed_the_stated_bound(
    duration_s: float, drawn: list[tuple[float, float, int | None]], bits: int, exhaustive: bool
) -> None:
    class Some:
        def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
            taken = bits >> int(evidence.start_s / 37) % 20 & 1
            return [Proposal(evidence.start_s, evidence.end_s, math.sin(evidence.start_s))] * taken

    drawn.sort(key=lambda one: -one[0])
    grounder = Grounder([Level(length_s, length_s * ratio, 1, top) for length_s, ratio, top in drawn], Some())
    look = Look()
    found = grounder.ground("x", 0, duration_s, look, exhaustive=exhaustive)
    assert len(look.asked) == found.looks <= found.looks_bound == grounder.looks_bound(duration_s, exhaustive)


def test_only_the_asked_span_is_looked_at() -> None:
    look = Look()
    found = Grounder([COARSE, FINE], Truth(*EVENTS)).ground("x", 312.5, 777.25, look)
    assert min(start_s for start_s, _, _ in look.asked) == 312.5
    assert max(end_s for _, end_s, _ in look.asked) == 777.25
    assert found.proposals[0].start_s == 312.5


def test_nothing_found_is_not_present() -> None:
    look = Look()
    found = Grounder([COARSE, FINE], Truth()).ground("x", 0, 1000, look)
    assert found.proposals == ()
    assert found.best_score is None
    assert look.at(2.0) == []


def test_near_misses_become_the_best_rejected() -> None:
    class Near(Truth):
        def nearest(self, event: str, evidence: Evidence) -> Proposal | None:
            return Proposal(evidence.start_s, evidence.start_s + 1, evidence.start_s / 1000)

    found = Grounder([COARSE, FINE], Near()).ground("x", 0, 1000, Look())
    assert found.best_rejected == Proposal(900, 901, 0.9)
    assert found.best_score == 0.9


def test_exhaustive_looks_at_everything_and_keeps_what_every_level_picked() -> None:
    look = Look()
    found = Grounder([COARSE, FINE], Truth(*EVENTS)).ground("x", 0, 1000, look, exhaustive=True)
    assert len(look.at(2.0)) == 99
    assert [(one.start_s, one.end_s) for one in found.proposals] == [(310, 325), (555, 560)]
    assert found.best_rejected == Proposal(905, 911, 0.5, evidence="x")
    assert found.share > 1


def test_exhaustive_keeps_all_where_the_sparse_level_picked_nothing() -> None:
    class DenseOnly(Truth):
        def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
            return super().localize(event, evidence) if evidence.payload == FINE.detail else []

    grounder = Grounder([COARSE, FINE], DenseOnly(*EVENTS))
    assert len(grounder.ground("x", 0, 1000, Look(), exhaustive=True).proposals) == 3
    assert grounder.ground("x", 0, 1000, Look()).proposals == ()


def test_entropy_ranks_and_says_so() -> None:
    class Tokens:
        def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
            if evidence.start_s == 0:
                return [Proposal(2, 4, 9.0, entropy=2.0, cosine=0.9)]
            return [Proposal(52, 54, 1.0, entropy=0.5, cosine=0.2)] if evidence.start_s == 50 else []

    first = {
        score: Grounder([Level(50, 50, 1)], Tokens(), score).ground("x", 0, 100, Look())
        for score in ("entropy", "released", "raw")
    }
    assert [(name, one.scoring, one.proposals[0].start_s, one.proposals[0].score) for name, one in first.items()] == [
        ("entropy", "entropy", 52, 2.0),
        ("released", "released", 2, 0.0),
        ("raw", "raw", 2, 9.0),
    ]


def test_progress_counts_to_the_bound_and_may_stop_the_search() -> None:
    steps: list[tuple[int, int]] = []
    grounder = Grounder([COARSE, FINE], Truth(*EVENTS))
    grounder.ground("x", 0, 1000, Look(), on_step=lambda done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == list(range(1, 29))
    assert {total for _, total in steps} == {grounder.looks_bound(1000)}

    class Stop(Exception): ...

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Stop

    look = Look()
    with pytest.raises(Stop):
        grounder.ground("x", 0, 1000, look, on_step=stop)
    assert len(look.asked) == 3


def test_three_levels_descend() -> None:
    look = Look()
    levels = [Level(500, 500, 0.01, 1), Level(100, 100, 0.1, 1), Level(20, 20, 2)]
    found = Grounder(levels, Truth(EVENTS[0])).ground("x", 0, 2000, look)
    assert (len(look.at(0.01)), len(look.at(0.1)), len(look.at(2))) == (4, 5, 5)
    assert [(one.start_s, one.end_s) for one in found.proposals] == [(310, 325)]


def test_touching_spans_are_one_and_a_weak_neighbour_stays_apart() -> None:
    strong, half, weak = Proposal(0, 10, 1.0), Proposal(10, 14, 0.6), Proposal(14, 20, 0.2)
    assert merge_touching([weak, half, strong]) == [Proposal(0, 14, 1.0), weak]
    assert merge_touching([strong, strong, Proposal(0, 10, -1.0)]) == [strong]
    assert merge_touching([strong, Proposal(11, 12, 0.9)], gap_s=1) == [Proposal(0, 12, 1.0)]


def test_overlapping_spans_are_thinned_unless_told_otherwise() -> None:
    truth = Truth((5, 9, 0.2), (7, 12, 0.9))
    assert [one.score for one in Grounder([FINE], truth).ground("x", 0, 20, Look()).proposals] == [0.9]
    off = Grounder([FINE], truth, settings=GrounderSettings(nms_iou=None))
    assert [one.score for one in off.ground("x", 0, 20, Look()).proposals] == [0.9, 0.2]


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Grounder([], Truth()),
        lambda: Grounder([FINE, COARSE], Truth()),
        lambda: Grounder([FINE], Truth(), "loud"),  # type: ignore[arg-type]  # the very mistake under test
        lambda: Level(10, 20, 1),
        lambda: Level(10, 10, -1),
        lambda: Level(10, 10, 1, 0),
        lambda: Grounder([FINE], Truth()).ground("x", 5, 5, Look()),
    ],
)
def test_what_cannot_be_is_refused(broken: object) -> None:
    with pytest.raises(InvalidArgument):
        broken()  # type: ignore[operator]  # lambdas of the table


def test_spans_instead_of_windows_go_down_and_fewer_frames_are_processed() -> None:
    settings = GrounderSettings(descend="spans")
    look, windows = Look(), Look()
    found = Grounder([COARSE, FINE], Truth(*EVENTS), settings=settings).ground("x", 0, 1000, look)
    whole = Grounder([COARSE, FINE], Truth(*EVENTS)).ground("x", 0, 1000, windows)
    assert look.at(2.0) == [(307.5, 327.5), (547.5, 567.5)]  # each as long as a window of the next level
    assert found.proposals == whole.proposals
    assert found.frames_processed < whole.frames_processed


@given(st.lists(st.tuples(st.floats(0, 990), st.floats(0.5, 90), st.floats(0.1, 1)), max_size=6), st.integers(1, 4))
def test_looks_stay_within_the_bound_when_spans_go_down(drawn: list[tuple[float, float, float]], top_k: int) -> None:
    truth = Truth(*((start_s, min(1000.0, start_s + long_s), score) for start_s, long_s, score in drawn))
    levels = [Level(100, 60, 0.1, top_k=top_k), Level(30, 20, 2.0)]
    look = Look()
    found = Grounder(levels, truth, settings=GrounderSettings(descend="spans")).ground("x", 0, 1000, look)
    assert len(look.asked) == found.looks <= found.looks_bound
    assert all(0 <= start_s < end_s <= 1000 for start_s, end_s, _ in look.asked)
