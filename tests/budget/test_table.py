"""The naive-against-compressed table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.budget import fits, naive_tokens, savings_table
from agent_tools.errors import InvalidArgument, TokenBudgetError


@pytest.mark.parametrize(
    ("duration_s", "tokens", "said"),
    [(300, 76_800, "76.8K"), (1800, 460_800, "460K"), (3600, 921_600, "921K"), (21_600, 5_529_600, "5.5M")],
)
def test_naive_cost_of_known_durations(duration_s: float, tokens: int, said: str) -> None:
    assert naive_tokens(duration_s) == tokens
    number, unit = float(said[:-1]), {"K": 1e3, "M": 1e6}[said[-1]]
    assert tokens / unit == pytest.approx(number, rel=0.01)


def test_naive_cost_counts_every_started_interval() -> None:
    assert naive_tokens(90.4) == 91 * 256
    assert naive_tokens(3.0000000000000004, fps=1) == 3 * 256
    assert naive_tokens(10, fps=2, tokens_per_frame=64) == 1280
    assert naive_tokens(0) == 0


def test_table_of_an_hour() -> None:
    rows = savings_table(3600, 1000, high_frames=29, spatial_keep=0.5)
    assert [(row["step"], row["frames"], row["tokens"]) for row in rows] == [
        ("naive", 3600, 921_600),
        ("redundancy-pruned", 1000, 256_000),
        ("resolution", 1000, 29 * 144 + 971 * 64),
        ("spatial", 1000, 33_160),
        ("merged", 1000, 16_000),
    ]


@given(
    st.floats(1, 1e5),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.01, 1),
    st.integers(1, 300),
    st.sampled_from([16, 64, 256]),
)
def test_no_step_costs_more_than_the_one_before(
    duration_s: float, kept: float, high: float, spatial: float, merged: int, per_frame: int
) -> None:
    frames = int(duration_s * kept)
    rows = savings_table(
        duration_s,
        frames,
        high_frames=int(frames * high),
        spatial_keep=spatial,
        merged_per_frame=merged,
        tokens_per_frame=per_frame,
    )
    tokens = [row["tokens"] for row in rows]
    assert tokens == sorted(tokens, reverse=True)
    assert tokens[0] == naive_tokens(duration_s, tokens_per_frame=per_frame)


def test_contexts_hold_a_share_of_the_video() -> None:
    shares = {(row["context"], row["step"]): row["share"] for row in fits(savings_table(3600, 1000))}
    assert len(shares) == 15
    assert shares[25_000, "naive"] == pytest.approx(0.0271, abs=1e-4)
    assert shares[1_000_000, "naive"] == 1.0
    assert shares[25_000, "merged"] == 1.0


def test_a_video_without_frames_fits_everywhere() -> None:
    assert all(row["share"] == 1.0 for row in fits(savings_table(0, 0)))


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(TokenBudgetError, match="sampled 60"):
        savings_table(60, 61)
    with pytest.raises(TokenBudgetError, match="high_frames 5"):
        savings_table(60, 4, high_frames=5)
    with pytest.raises(InvalidArgument, match="share"):
        savings_table(60, 4, spatial_keep=0)
    with pytest.raises(InvalidArgument):
        naive_tokens(-1)
    with pytest.raises(TokenBudgetError):
        naive_tokens(1, tokens_per_frame=0)
    with pytest.raises(TokenBudgetError):
        fits([], contexts=[0])
