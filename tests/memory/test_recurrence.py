"""The write of a chunk reads the past, and leaves retrieval as it was."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from agent_tools.errors import ShapeError
from agent_tools.memory import contextualise
from tests.memory import measure_recall


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_without_a_past_tokens_stay_as_they_are() -> None:
    tokens = drawn(4, 8)
    assert torch.equal(contextualise(tokens, torch.empty(0, 8)), tokens)


def test_any_past_token_changes_the_result() -> None:
    tokens, bank = drawn(4, 8), drawn(12, 8, seed=1)
    for row in range(12):
        other = bank.clone()
        other[row] = drawn(8, seed=2)
        assert not torch.equal(contextualise(tokens, bank), contextualise(tokens, other))


def test_the_read_is_a_softmax_over_cosines() -> None:
    tokens, bank = drawn(4, 8), drawn(12, 8, seed=1)
    for i, token in enumerate(tokens):
        weight = torch.softmax(30 * torch.cosine_similarity(bank, token[None]), 0)
        read = F.normalize((weight[:, None] * bank).sum(0), dim=0) * token.norm()
        assert torch.allclose(contextualise(tokens, bank)[i], 0.75 * token + 0.25 * read, atol=1e-5)


def test_a_scene_that_returns_stays_itself() -> None:
    tokens = drawn(4, 64)
    assert torch.allclose(contextualise(tokens, torch.cat([drawn(40, 64, seed=1), tokens])), tokens, atol=1e-2)


def test_the_bank_has_no_order() -> None:
    tokens, bank = drawn(4, 8), drawn(12, 8, seed=1)
    assert torch.allclose(contextualise(tokens, bank), contextualise(tokens, bank.flip(0)), atol=1e-6)


def test_a_read_of_nothing_leaves_the_token() -> None:
    tokens = drawn(4, 8)
    assert torch.equal(contextualise(tokens, torch.zeros(3, 8)), tokens)


def test_where_the_rows_lie_in_memory_does_not_matter() -> None:
    tokens, bank = drawn(4, 96), drawn(400, 96, seed=1)
    padded = torch.zeros(401, 97)
    padded[1:, 1:] = bank
    assert torch.equal(contextualise(tokens, bank), contextualise(tokens, padded[1:, 1:]))


def test_two_widths_are_an_error() -> None:
    with pytest.raises(ShapeError):
        contextualise(drawn(4, 8), drawn(4, 9))
    with pytest.raises(ShapeError):
        contextualise(drawn(8), drawn(4, 8))


def test_recall_is_that_of_the_written_tokens_which_no_stand_in_beats() -> None:
    """8 of 60 chunks, two drawn hours; the whole table: python -m tests.memory.measure_recall"""
    rows = [measure_recall.table(1, (8,), seed) for seed in range(2)]
    mean = {name: sum(row[name, 8] for row in rows) / len(rows) for name, _ in rows[0]}
    assert mean["memory tokens"] >= 0.75
    assert mean["one mean"] < mean["memory tokens"] - 0.05
    assert mean["memory tokens"] - 0.05 < mean["contextual .25"] <= mean["memory tokens"] + 0.01
    assert mean["read alone"] < mean["memory tokens"] - 0.1
