"""The windows that teach a head most, and p(present) fitted on whole films: on vectors drawn here."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.grounding import GroundingNetwork
from agent_tools.training.adapter import AdapterLoss, AdapterSettings, apart, fit_presence
from agent_tools.training.films import Example, Film
from agent_tools.training.look_alikes import LookAlikes, window_frames
from agent_tools.training.pairs import Pair

DIM, SECONDS, LENGTH_S = 16, 20, 200


def film(name: str, shown: dict[tuple[int, int], Tensor], draw: torch.Generator) -> Film:
    """LENGTH_S seconds of noise, and what is shown in the given seconds."""
    vectors = torch.randn(LENGTH_S, DIM, generator=draw) * DIM**-0.5
    for (first, after), picture in shown.items():
        vectors[first:after] += picture
    times_s = np.arange(LENGTH_S, dtype=np.float64)
    return Film(name, float(LENGTH_S), times_s, np.arange(LENGTH_S), F.normalize(vectors, dim=-1))


def examples(count: int) -> list[Example]:
    """Each in a film of its own, which shows the event at 40 to 50 s and something like it at 120 to 126 s."""
    draw = torch.Generator().manual_seed(0)
    questions = F.normalize(torch.randn(count, DIM, generator=draw), dim=-1)
    others = [film(f"other {number}", {}, draw) for number in range(count)]
    made = []
    for number, question in enumerate(questions):
        alike = F.normalize(question + 0.8 * F.normalize(torch.randn(DIM, generator=draw), dim=0), dim=0)
        own = film(f"film {number}", {(40, 50): 2 * question, (120, 126): alike}, draw)
        made.append(Example(own, question, ((40.0, 50.0),), (others[number],), Pair(own.id, "it", ((40.0, 50.0),))))
    return made


@pytest.fixture
def network() -> GroundingNetwork:
    torch.manual_seed(0)
    return GroundingNetwork(DIM, SECONDS)


def test_windows_without_the_event_are_ranked_by_how_like_the_question_they_look(network: GroundingNetwork) -> None:
    (one,) = examples(1)
    ranked = LookAlikes(network, SECONDS).ranked(one, one.film)
    assert ranked[0] <= 126 <= ranked[0] + SECONDS + 6
    assert not any(start < 50 and start + SECONDS > 40 for start in ranked)
    elsewhere = LookAlikes(network, SECONDS).ranked(one, one.elsewhere[0])
    assert len(elsewhere) == len(LookAlikes(network, SECONDS).windows(one.elsewhere[0]))


def test_drawn_windows_are_repeatable_and_none_where_the_event_fills_its_film(network: GroundingNetwork) -> None:
    (one,) = examples(1)
    drawn = [LookAlikes(network, SECONDS).draw(one, one.film, 7, random.Random(3)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 7
    whole = Example(one.film, one.question, ((0.0, float(LENGTH_S)),), (), one.pair)
    assert LookAlikes(network, SECONDS).draw(whole, one.film, 7, random.Random(3)) == []


def test_the_last_window_of_a_film_is_padded(network: GroundingNetwork) -> None:
    (one,) = examples(1)
    frames, mask = window_frames(one.film, [0.0, 190.0], SECONDS)
    assert frames.shape == (2, SECONDS, DIM)
    assert mask.sum(dim=1).tolist() == [SECONDS, 10]


def test_one_pair_in_five_is_set_apart_for_p_and_few_pairs_are_used_twice() -> None:
    many, few = examples(1) * 100, examples(1) * 20
    learnt, judged = apart(many)
    assert (len(learnt), len(judged)) == (80, 20)
    assert apart(few) == (few, few)


def test_p_of_a_film_with_the_event_is_above_a_half_and_of_others_below(network: GroundingNetwork) -> None:
    given = examples(30)
    said = fit_presence(network, given, AdapterSettings(seconds=SECONDS), seed=0)
    assert said["fitted"] is True
    assert (said["films"], said["auc"]) == (60, pytest.approx(1.0, abs=0.1))
    assert network.presence.tolist() != [1.0, 0.0]
    few = fit_presence(network, given[:3], AdapterSettings(seconds=SECONDS), seed=0)
    assert few["fitted"] is False
    assert "10" in few["why"]


def test_some_steps_on_look_alikes_lower_the_loss(network: GroundingNetwork) -> None:
    loss = AdapterLoss(network, examples(12), AdapterSettings(seconds=SECONDS), 16, "cpu")
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    values = []
    for step in range(30):
        value = loss("1-A dense", random.Random(step))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert sum(values[-10:]) < 0.8 * sum(values[:10])
