"""pack: never over the budget, in time order, relevance with diversity."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.budget import FrameOffer, Packed, TextOffer, pack, token_cost
from agent_tools.errors import InvalidArgument, ShapeError, TokenBudgetError

scores = st.floats(0, 1)
times = st.floats(0, 5000)
unit = torch.eye(4)


@st.composite
def frame_offers(draw: st.DrawFn) -> FrameOffer:
    vector = draw(st.one_of(st.none(), st.lists(st.integers(-3, 3), min_size=4, max_size=4)))
    return FrameOffer(draw(times), draw(scores), draw(st.integers(1, 900)), draw(st.integers(1, 900)), vector)


@st.composite
def text_offers(draw: st.DrawFn) -> TextOffer:
    start = draw(times)
    return TextOffer(start, start + draw(st.floats(0, 60)), draw(scores), draw(st.integers(0, 400)))


frame_lists = st.lists(frame_offers(), max_size=12)
text_lists = st.lists(text_offers(), max_size=12)
families = st.sampled_from(["claude", "gpt", "gemini"])


def cost(packed: Packed, family: str) -> int:
    images = sum(token_cost(frame.width, frame.height, family) for frame in packed.frames)
    return images + sum(text.tokens for text in packed.texts)


@given(frame_lists, text_lists, st.integers(0, 5000), families, scores)
def test_never_over_the_budget_and_the_sum_is_true(
    frames: list[FrameOffer], texts: list[TextOffer], budget: int, family: str, diversity: float
) -> None:
    packed = pack(frames, texts, budget, family, diversity)
    assert packed.tokens == cost(packed, family) <= budget


@given(frame_lists, text_lists, st.integers(0, 5000))
def test_time_order_and_nothing_twice(frames: list[FrameOffer], texts: list[TextOffer], budget: int) -> None:
    packed = pack(frames, texts, budget)
    assert [f.time_s for f in packed.frames] == sorted(f.time_s for f in packed.frames)
    assert [t.start_s for t in packed.texts] == sorted(t.start_s for t in packed.texts)
    assert {id(f) for f in packed.frames} <= {id(f) for f in frames}
    assert len({id(offer) for offer in (*packed.frames, *packed.texts)}) == len(packed.frames) + len(packed.texts)


@given(frame_lists, text_lists, st.integers(0, 5000), families, scores)
def test_nothing_left_out_would_still_fit(
    frames: list[FrameOffer], texts: list[TextOffer], budget: int, family: str, diversity: float
) -> None:
    packed = pack(frames, texts, budget, family, diversity)
    taken = {id(offer) for offer in (*packed.frames, *packed.texts)}
    costs = [token_cost(f.width, f.height, family) for f in frames if id(f) not in taken]
    costs += [t.tokens for t in texts if id(t) not in taken]
    assert all(packed.tokens + cost > budget for cost in costs)


@given(frame_lists, text_lists, st.integers(0, 5000), scores)
def test_the_most_relevant_that_fits_alone_is_always_taken(
    frames: list[FrameOffer], texts: list[TextOffer], budget: int, diversity: float
) -> None:
    packed = pack(frames, texts, budget, diversity=diversity / 2)
    affordable = [f.score for f in frames if token_cost(f.width, f.height, "claude") <= budget]
    affordable += [t.score for t in texts if t.tokens <= budget]
    assert max(affordable, default=None) == max((o.score for o in (*packed.frames, *packed.texts)), default=None)


@given(frame_lists, text_lists)
def test_all_is_given_where_all_fits(frames: list[FrameOffer], texts: list[TextOffer]) -> None:
    packed = pack(frames, texts, 100_000)
    assert (len(packed.frames), len(packed.texts)) == (len(frames), len(texts))


def test_the_same_picture_twice_gives_way_to_another() -> None:
    same, again, other = (
        FrameOffer(t, s, 28, 28, v) for t, s, v in [(1, 0.9, unit[0]), (2, 0.9, unit[0]), (3, 0.7, unit[1])]
    )
    assert pack([same, again, other], [], budget=2).frames == (same, other)
    assert pack([same, again, other], [], budget=2, diversity=0).frames == (same, again)


def test_a_text_within_a_taken_text_gives_way_to_another() -> None:
    whole, part, later = TextOffer(0, 30, 0.9, 10), TextOffer(5, 10, 0.85, 10), TextOffer(60, 70, 0.6, 10)
    assert pack([], [whole, part, later], budget=20).texts == (whole, later)
    assert pack([], [whole, part, later], budget=20, diversity=0).texts == (whole, part)


def test_frames_and_texts_share_one_budget_by_relevance() -> None:
    frame, text = FrameOffer(5, 0.4, 280, 28, None), TextOffer(0, 9, 0.9, 10)
    assert pack([frame], [text], budget=19) == Packed((), (text,), 10)
    assert pack([frame], [text], budget=20) == Packed((frame,), (text,), 20)


def test_a_family_that_charges_more_gets_fewer_frames() -> None:
    frames = [FrameOffer(t, 0.5, 512, 288, None) for t in range(10)]
    assert [len(pack(frames, [], 1200, family).frames) for family in ("claude", "gpt", "gemini")] == [5, 8, 1]


def test_offers_are_frozen_and_check_themselves() -> None:
    with pytest.raises(FrozenInstanceError):
        FrameOffer(0, 0.5, 10, 10, None).score = 1  # type: ignore[misc]  # the point of the test
    for wrong in (lambda: FrameOffer(0, float("nan"), 10, 10, None), lambda: FrameOffer(0, 0.5, 0, 10, None)):
        with pytest.raises(InvalidArgument):
            wrong()
    for wrong_text in (lambda: TextOffer(5, 4, 0.5, 1), lambda: TextOffer(0, 1, 0.5, -1)):
        with pytest.raises(InvalidArgument):
            wrong_text()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TokenBudgetError, match="budget is -1"):
        pack([], [], -1)
    with pytest.raises(InvalidArgument, match="diversity"):
        pack([], [], 10, diversity=1.5)
    with pytest.raises(InvalidArgument, match="known are"):
        pack([FrameOffer(0, 0.5, 10, 10, None)], [], 10, family="llama")
    with pytest.raises(InvalidArgument, match="known are"):
        pack([], [], 10, family="llama")
    with pytest.raises(ShapeError, match="one encoder"):
        pack([FrameOffer(0, 0.5, 10, 10, [1.0]), FrameOffer(1, 0.5, 10, 10, [1.0, 2.0])], [], 10)
