"""The tiny-scale evidence: a trained MemAug answers out of what was forgotten, without memory it is at chance."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from agent_tools.evals.tiny.memaug import markdown, run

pytestmark = pytest.mark.slow

FORGOTTEN, KEPT = "forgotten", "kept"


@pytest.fixture(scope="session")
def table() -> dict[tuple[str, str], float]:
    return accuracies(run(seed=1, steps=500))


def accuracies(result: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(row["model"], row["about"]): row["accuracy"] for row in result["rows"]}


@pytest.mark.train
def test_with_memory_it_answers_about_forgotten_frames(table: dict[tuple[str, str], float]) -> None:
    assert table["with memory", FORGOTTEN] >= 0.7
    assert table["with memory", KEPT] >= 0.7


@pytest.mark.train
def test_the_same_model_without_its_repository_is_at_chance(table: dict[tuple[str, str], float]) -> None:
    assert table["its repository masked out", FORGOTTEN] < 0.2  # chance is 0.125
    assert table["its repository the decayed view", FORGOTTEN] < 0.2


@pytest.mark.train
def test_trained_without_memory_it_knows_what_it_kept_and_nothing_else(table: dict[tuple[str, str], float]) -> None:
    assert table["trained without memory", KEPT] >= 0.4
    assert table["trained without memory", FORGOTTEN] < 0.2


def test_the_seed_decides_the_table_and_nothing_outside_is_touched() -> None:
    torch.manual_seed(5)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(5)
    first = run(seed=3, steps=4)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads
    assert first == run(seed=3, steps=4)
    assert accuracies(first) != accuracies(run(seed=4, steps=4))


def test_table_has_a_row_for_each_model_beside_chance() -> None:
    shown = markdown(run(seed=3, steps=1)).splitlines()
    assert "right (chance 12.5%)" in shown[2]
    assert [row.split(" | ")[0].strip("| ") for row in shown[4:]] == [
        "with memory",
        "with memory",
        "its repository masked out",
        "its repository the decayed view",
        "trained without memory",
        "trained without memory",
    ]
