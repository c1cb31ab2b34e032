"""Answers are read as the paper's model gives them, and nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.grounding import parse_answer


@pytest.mark.parametrize(
    ("text", "n", "read"),
    [
        ("From 05 to 17.", 100, (5, 17)),
        ("from 5 TO 17", 100, (5, 17)),
        ("Between 05 and 17.", 100, (5, 17)),
        ("The event is seen from 05 to 17, then from 30 to 40.", 100, (5, 17)),
        ("5to17", 100, (5, 17)),
        ("From 00 to 99.", 100, (0, 99)),
        ("Not Present", 100, None),
        ("not present.", 100, None),
        ("Not Present from 05 to 17.", 100, None),
        ("From 249 to 249.", 250, None),
        ("From 10 to 10.", 100, (9, 11)),
        ("From 0 to 0.", 100, (0, 1)),
        ("From 98 to 98.", 100, (97, 99)),
        ("From 17 to 05.", 100, None),
        ("From 05 to 100.", 100, None),
        ("From 0 to 0.", 1, None),
        ("From 0 to 0.", 0, None),
        ("From 5.5 to 7.5 s", 100, None),
        ("From -5 to 7", 100, None),
        ("5 tons 7", 100, None),
        ("From 05", 100, None),
        ("", 100, None),
        ("From " + "9" * 5000 + " to 3", 100, None),
    ],
)
def test_answer(text: str, n: int, read: tuple[int, int] | None) -> None:
    assert parse_answer(text, n) == read


@given(st.text() | st.from_regex(r"[^0-9]{0,5}-?[0-9]{1,6} ?(to|and|AND) ?[0-9]{1,6}.{0,5}"), st.integers(-3, 10**6))
def test_any_text_is_none_or_a_rising_pair_below_n(text: str, n: int) -> None:
    read = parse_answer(text, n)
    assert read is None or 0 <= read[0] <= read[1] < n


def test_what_is_no_text_is_none() -> None:
    assert parse_answer(None, 10) is None  # type: ignore[arg-type]  # a model may answer null
