"""What of a long text is shown: where most of the query's words stand, whatever marks the query puts around them."""

from __future__ import annotations

import pytest

from agent_tools.service.searching import snippet

LONG = (
    "ETH / Conditional expressions / " + "if this then that else " * 12 + "/ ETH / Path Expressions / " + "x y z " * 30
)


@pytest.mark.parametrize("query", ["path expressions", '"Path Expressions"', "the path expressions, please"])
def test_a_snippet_is_cut_where_most_of_the_words_stand(query: str) -> None:
    shown = snippet(LONG, query, 120)
    assert "Path Expressions" in shown
    assert len(shown) <= 122


def test_of_equal_places_the_first_is_shown() -> None:
    assert snippet("alpha " + "x " * 200 + "alpha", "alpha", 60).startswith("alpha")


def test_without_any_of_the_words_the_beginning_is_shown() -> None:
    assert snippet("beginning " + "x " * 200, "nothing", 40).startswith("beginning")
    assert snippet("short", '"!"', 40) == "short"
