"""The adapter's shapes, its dependence on the question, and padding that weighs nothing."""

from __future__ import annotations

import pytest
import torch

from agent_tools.errors import ShapeError
from agent_tools.grounding import HierarchicalAdapter, softmax_pool


@pytest.fixture
def adapter() -> HierarchicalAdapter:
    torch.manual_seed(0)
    return HierarchicalAdapter(16, 24).eval()


def test_dense_gives_one_vector_a_frame_and_sparse_one_a_segment(adapter: HierarchicalAdapter) -> None:
    frames, question = torch.randn(3, 10, 16), torch.randn(3, 4, 16)
    assert adapter.dense(frames).shape == (3, 10, 24)
    assert adapter.sparse(frames, question).shape == (3, 24)


def test_it_has_two_cross_and_two_self_layers_and_one_token(adapter: HierarchicalAdapter) -> None:
    assert (len(adapter.cross), len(adapter.self_attention), adapter.token.shape) == (2, 2, (16,))


def test_sparse_changes_with_the_question_and_dense_is_per_frame(adapter: HierarchicalAdapter) -> None:
    frames = torch.randn(1, 10, 16)
    one, other = adapter.sparse(frames, torch.randn(1, 4, 16)), adapter.sparse(frames, torch.randn(1, 4, 16))
    assert (one - other).abs().max() > 1e-3
    torch.testing.assert_close(adapter.dense(frames)[:, 3:5], adapter.dense(frames[:, 3:5]))


def test_padding_has_zero_weight(adapter: HierarchicalAdapter) -> None:
    frames, question = torch.randn(2, 6, 16), torch.randn(2, 3, 16)
    plain = adapter.sparse(frames, question)
    for filler in (0.0, 1e4, float("nan")):
        padded = torch.cat([frames, torch.full((2, 4, 16), filler)], dim=1)
        asked = torch.cat([question, torch.full((2, 2, 16), filler)], dim=1)
        frame_mask = torch.arange(10).expand(2, -1) < 6
        question_mask = torch.arange(5).expand(2, -1) < 3
        torch.testing.assert_close(adapter.sparse(padded, asked, frame_mask, question_mask), plain)
        torch.testing.assert_close(softmax_pool(padded, question, frame_mask), softmax_pool(frames, question))


def test_a_question_of_padding_only_adds_nothing(adapter: HierarchicalAdapter) -> None:
    frames, nothing = torch.randn(1, 6, 16), torch.zeros(1, 3, dtype=torch.bool)
    first, second = (adapter.sparse(frames, torch.randn(1, 3, 16), question_mask=nothing) for _ in range(2))
    torch.testing.assert_close(first, second)
    assert first.isfinite().all()


def test_weights_go_through_a_state_dict_and_receive_gradients(adapter: HierarchicalAdapter) -> None:
    twin = HierarchicalAdapter(16, 24)
    twin.load_state_dict(adapter.state_dict())
    frames, question = torch.randn(1, 5, 16), torch.randn(1, 2, 16)
    torch.testing.assert_close(twin.sparse(frames, question), adapter.sparse(frames, question))
    (twin.sparse(frames, question).sum() + twin.dense(frames).sum()).backward()
    assert all(weight.grad is not None for weight in twin.parameters())


def test_softmax_pool_moves_towards_what_is_asked() -> None:
    frames = torch.eye(4).unsqueeze(0)  # (1, 4, 4)
    pooled = softmax_pool(frames, frames[:, 2:3])
    assert pooled.shape == (1, 4)
    assert pooled[0].argmax() == 2
    assert pooled[0, 2] > 0.99


def test_wrong_shapes_are_told(adapter: HierarchicalAdapter) -> None:
    frames, question = torch.randn(2, 6, 16), torch.randn(2, 3, 16)
    for call in (
        lambda: adapter.dense(frames[0]),
        lambda: adapter.sparse(frames, question[:1]),
        lambda: adapter.sparse(frames, torch.randn(2, 3, 8)),
        lambda: adapter.sparse(frames, question, torch.ones(2, 5)),
        lambda: softmax_pool(frames, question, temperature=0),
        lambda: HierarchicalAdapter(0, 4),
    ):
        with pytest.raises(ShapeError):
            call()
