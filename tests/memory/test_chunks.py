"""Memory tokens and the two-stage search."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from agent_tools.errors import ShapeError
from agent_tools.memory import Bank, Chunk, memory_tokens, retrieve
from tests.memory import scenes


def chunked(frames: Tensor, length: int = 60, m: int = 4) -> list[Chunk]:
    return [Chunk(memory_tokens(part, m), part, i * length) for i, part in enumerate(frames.split(length))]


def brute_force(query: Tensor, frames: Tensor, k: int) -> list[tuple[int, float]]:
    scores = torch.cosine_similarity(frames.double(), query.double()[None], dim=1)
    return sorted(enumerate(scores.tolist()), key=lambda hit: (-hit[1], hit[0]))[:k]


def test_four_different_quarters_give_four_different_tokens() -> None:
    quarters = torch.eye(4).repeat_interleave(15, dim=0)
    assert torch.equal(memory_tokens(quarters), torch.eye(4))


def test_seven_frames_give_four_segments_that_hold_each_frame_once() -> None:
    frames = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    slow = torch.stack([frames[0:1].mean(0), frames[1:3].mean(0), frames[3:5].mean(0), frames[5:7].mean(0)])
    assert torch.allclose(memory_tokens(frames), slow)


@given(st.integers(1, 70), st.integers(1, 9))
def test_any_length_gives_m_tokens_between_the_least_and_the_greatest_frame(length: int, m: int) -> None:
    frames = torch.arange(length, dtype=torch.float32)[:, None]
    tokens = memory_tokens(frames, m)
    assert tokens.shape == (m, 1)
    assert bool((tokens.diff(dim=0) >= 0).all())
    if length >= m:
        assert len(tokens.unique()) == m


def test_a_chunk_is_scored_by_its_best_token_never_by_their_mean() -> None:
    needle = torch.cat([torch.eye(8)[0].repeat(15, 1), torch.eye(8)[1:4].repeat_interleave(15, dim=0)])
    bland = (0.6 * torch.eye(8)[0] + 0.8 * torch.eye(8)[7]).repeat(60, 1)
    chunks = chunked(torch.cat([bland, needle]))
    assert [index for index, _ in retrieve(torch.eye(8)[0], chunks, top_chunks=1, top_frames=1)] == [60]
    assert float(torch.cosine_similarity(memory_tokens(needle).mean(0), torch.eye(8)[0], dim=0)) < 0.6  # the mean loses


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 400), st.integers(1, 90), st.integers(1, 50))
def test_opening_all_chunks_equals_brute_force(seed: int, count: int, length: int, top_frames: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    frames, query = torch.randn(count, 16, generator=draw), torch.randn(16, generator=draw)
    chunks = chunked(frames, length)
    found, slow = retrieve(query, chunks, len(chunks), top_frames), brute_force(query, frames, top_frames)
    assert [index for index, _ in found] == [index for index, _ in slow]
    assert [score for _, score in found] == pytest.approx([score for _, score in slow])


def test_the_order_of_chunks_does_not_matter() -> None:
    frames = scenes.video(0, frames=600, dim=32)
    query = scenes.queries(frames, 1)[0]
    assert retrieve(query, chunked(frames), 3) == retrieve(query, chunked(frames)[::-1], 3)


def test_a_needle_in_the_chunk_nearest_the_query_is_found_first() -> None:
    frames = scenes.video(1, frames=3600, dim=64)
    needle = F.normalize(torch.randn(64, generator=torch.Generator().manual_seed(3)), dim=0)
    frames[2001:2013] = needle
    assert [index for index, _ in retrieve(needle, chunked(frames), top_chunks=1, top_frames=12)] == list(
        range(2001, 2013)
    )


def test_scale_does_not_matter_and_zero_vectors_score_nothing() -> None:
    frames = scenes.video(2, frames=300, dim=32)
    query = scenes.queries(frames, 1)[0]
    plain = retrieve(query, chunked(frames))
    scaled = retrieve(100 * query, chunked(0.01 * frames))
    assert [index for index, _ in plain] == [index for index, _ in scaled]
    assert retrieve(torch.ones(3), chunked(torch.zeros(5, 3))) == [(i, 0.0) for i in range(5)]


def test_a_bank_is_asked_again_and_again_and_answers_as_its_chunks_do() -> None:
    frames = scenes.video(4, frames=600, dim=32)
    bank = Bank(chunked(frames))
    for query in scenes.queries(frames, 5):
        assert retrieve(query, bank, 3) == retrieve(query, chunked(frames), 3)


def test_frames_that_are_all_alike_come_in_their_order() -> None:
    chunks = chunked(torch.ones(150, 16))
    assert [index for index, _ in retrieve(torch.ones(16), chunks, top_frames=20)] == list(range(20))


def test_never_more_frames_than_asked_for_nor_than_there_are() -> None:
    chunks = chunked(torch.randn(70, 8, generator=torch.Generator().manual_seed(0)))
    assert len(retrieve(torch.ones(8), chunks)) == 32
    assert len(retrieve(torch.ones(8), chunks[1:])) == 10
    assert retrieve(torch.ones(8), []) == []
    assert retrieve(torch.ones(8), chunks, top_chunks=0) == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: memory_tokens(torch.empty(0, 4)),
        lambda: memory_tokens(torch.ones(4)),
        lambda: memory_tokens(torch.ones(4, 4), m=0),
        lambda: Chunk(torch.ones(4, 3), torch.ones(60, 2), 0),
        lambda: Chunk(torch.ones(4, 3), torch.ones(60, 3), -1),
        lambda: retrieve(torch.ones(2, 3), []),
        lambda: retrieve(torch.ones(2), [Chunk(torch.ones(4, 3), torch.ones(60, 3), 0)]),
        lambda: retrieve(torch.ones(3), [], top_frames=-1),
        lambda: Bank([Chunk(torch.ones(4, width), torch.ones(60, width), 0) for width in (2, 3)]),
    ],
)
def test_wrong_shapes_are_an_error(wrong) -> None:
    with pytest.raises(ShapeError):
        wrong()
