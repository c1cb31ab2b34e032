"""The token rule of replies, beside what the three tokenizers counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.budget import reply_tokens, text_tokens

ROOT = Path(__file__).parents[2]
COUNTED = json.loads(Path(__file__).with_name("counted_replies.json").read_text("utf-8"))


@pytest.mark.parametrize("one", COUNTED, ids=lambda one: one["what"])
def test_a_reply_costs_what_the_dearest_of_three_tokenizers_counts(one: dict) -> None:
    """Recorded by lab.bench.reply_tokens with quicktok-v1 0.4.0: qwen3, llama3, o200k_base."""
    dearest = max(one["counted"])
    assert dearest * 0.99 <= text_tokens(one["text"]) <= dearest * 1.05


@pytest.mark.parametrize("language", ["English", "Korean", "Chinese"])
def test_replies_of_a_language_are_on_average_at_most_four_percent_too_high(language: str) -> None:
    of = [one for one in COUNTED if language in one["what"]]
    assert len(of) >= 5
    claimed, dearest = sum(text_tokens(one["text"]) for one in of), sum(max(one["counted"]) for one in of)
    assert dearest <= claimed <= 1.04 * dearest


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("the river", 2),
        ("1234567", 7),  # Qwen takes each digit for a token
        ('":"', 1),
        ("기억", 1),
        ("한국어와 English, mixed 12.", 9),
    ],
)
def test_short_texts_cost_what_they_should_about(text: str, tokens: int) -> None:
    assert abs(text_tokens(text) - tokens) <= max(2.0, 0.25 * tokens)


def test_images_are_added_and_the_sum_is_rounded_up_once() -> None:
    assert reply_tokens("", 209) == 209
    assert reply_tokens("the", 209) == 211  # a word costs a little over one token: 1.02


@given(st.text(max_size=100), st.text(max_size=100))
def test_parts_never_cost_less_than_the_whole(a: str, b: str) -> None:
    assert text_tokens(a + "\n" + b) <= text_tokens(a) + text_tokens("\n") + text_tokens(b) + 1.2


@given(st.text(max_size=200))
def test_any_text_has_a_cost(text: str) -> None:
    assert 0 <= text_tokens(text) <= 8 * len(text)
    assert bool(text) == (text_tokens(text) > 0)


@pytest.mark.parametrize("module", ["agent_tools.budget.reply", "agent_tools.budget"])
def test_import_loads_neither_torch_nor_numpy(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
