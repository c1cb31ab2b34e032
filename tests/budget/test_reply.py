"""The token rule of replies."""

from __future__ import annotations

import subprocess
import sys
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.budget import reply_tokens, text_tokens

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "image_tokens", "tokens"),
    [
        ("", 0, 0),
        ("a" * 7, 0, 2),
        ("a" * 8, 0, 3),
        ("记", 0, 2),
        ("记忆与检索", 0, 6),
        ("abc记忆", 209, 213),
        ("é" * 4, 0, 5),
    ],
)
def test_worked_examples(text: str, image_tokens: int, tokens: int) -> None:
    assert reply_tokens(text, image_tokens) == tokens


@given(st.text(max_size=200), st.integers(0, 5000))
def test_rule_is_the_published_formula(text: str, image_tokens: int) -> None:
    plain = sum(character.isascii() for character in text)
    assert text_tokens(text) == plain / 3.5 + (len(text) - plain) * 1.1
    assert reply_tokens(text, image_tokens) == ceil(plain / 3.5 + (len(text) - plain) * 1.1 + image_tokens)


@given(st.text(max_size=100), st.text(max_size=100))
def test_parts_add_up(a: str, b: str) -> None:
    assert text_tokens(a + b) == pytest.approx(text_tokens(a) + text_tokens(b))


def test_lone_surrogates_are_counted() -> None:
    assert reply_tokens("\ud800") == 2


@pytest.mark.parametrize("module", ["agent_tools.budget.reply", "agent_tools.budget"])
def test_import_loads_neither_torch_nor_numpy(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
