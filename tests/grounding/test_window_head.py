"""The head of windows: it starts at a rule that finds an event untrained, and padding has no probability."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from agent_tools.errors import ShapeError
from agent_tools.grounding import GroundingNetwork, best_places, window_odds

DIM, SECONDS = 32, 20


@pytest.fixture
def network() -> GroundingNetwork:
    torch.manual_seed(0)
    return GroundingNetwork(DIM, SECONDS).eval()


def window(first: int, last: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """(frames (1, S, C), question (1, C)): one picture of the question at [first, last], others before and behind."""
    draw = torch.Generator().manual_seed(seed)
    question, before, behind = F.normalize(torch.randn(3, DIM, generator=draw), dim=-1)
    frames = torch.stack([before] * first + [question] * (last - first + 1) + [behind] * (SECONDS - 1 - last))
    noise = 0.3 * DIM**-0.5 * torch.randn(SECONDS, DIM, generator=draw)
    return (frames + noise)[None], question[None]


def whole() -> torch.Tensor:
    return torch.ones(1, SECONDS, dtype=torch.bool)


@pytest.mark.parametrize(("first", "last"), [(5, 12), (2, 6), (10, 17)])
def test_an_untrained_head_finds_first_and_last_second(network: GroundingNetwork, first: int, last: int) -> None:
    logits = network.windows(*window(first, last), whole())
    assert best_places(logits[0].softmax(-1)) == (first, last)


def test_a_window_with_the_event_has_higher_odds_than_one_without(network: GroundingNetwork) -> None:
    frames, question = window(5, 12)
    others, _ = window(5, 12, seed=3)
    odds = window_odds(network.windows(torch.cat([frames, others]), question.repeat(2, 1), whole().repeat(2, 1)))
    assert odds[0] > odds[1] + 1
    assert network.present(odds)[0] > network.present(odds)[1]


def test_what_the_mixer_adds_begins_at_zero_and_learns(network: GroundingNetwork) -> None:
    frames, question = window(5, 12)
    begun = network.windows(frames, question, whole())
    begun[0, :, 3].sum().backward()
    with torch.no_grad():
        network.head.question.weight.mul_(3)
        torch.testing.assert_close(network.windows(frames, question, whole()), begun)
    assert network.head.tokens.weight.grad is not None
    assert float(network.head.tokens.weight.grad.abs().sum()) > 0


def test_padding_has_no_probability_and_changes_nothing(network: GroundingNetwork) -> None:
    frames, question = window(5, 12)
    mask = torch.arange(SECONDS)[None] < 14
    one, other = frames.clone(), frames.clone()
    other[:, 14:] = 7.0
    logits = [network.windows(rows, question, mask) for rows in (one, other)]
    torch.testing.assert_close(*logits)
    assert logits[0].softmax(-1)[0, :, 14:SECONDS].sum().item() == 0.0


def test_the_likeliest_pair_never_ends_before_it_begins() -> None:
    probabilities = torch.tensor([[0.1, 0.2, 0.6, 0.1], [0.7, 0.1, 0.1, 0.1]])
    first, last = best_places(probabilities)
    assert (first, last) == (0, 0)  # .1 x .7, the best of those in order


def test_frames_of_another_length_are_refused(network: GroundingNetwork) -> None:
    with pytest.raises(ShapeError, match=r"\(B, 20, 32\) is needed"):
        network.windows(torch.zeros(1, 5, DIM), torch.zeros(1, DIM), torch.ones(1, 5, dtype=torch.bool))
