"""Words stand in a text, stand there misread, or do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.service.verdicts.quoted_words import GLUED, LOOSE, MISREAD, PART, WHOLE, Occurrence, distance


@pytest.mark.parametrize(
    ("words", "text", "is_read", "score"),
    [
        ("KV cache", "the kv-cache of past tokens", True, WHOLE),
        ("Überblick", "UBERBLICK: Teil 1", True, WHOLE),
        ("beauty's rose", "That thereby beauty’s rose might never die", False, WHOLE),
        ("Mitigation", "Mitigatlon / Adaptation", True, MISREAD),
        ("Compliment Bot", "ComplimentBot", True, MISREAD),
        ("Mitigation", "mitigationstrategies", True, GLUED),
        ("very likely", "it is likely, very much so", False, LOOSE),
        ("Folie Nummer 7", "Folie Nummer 1 / Einige Punkte", True, 0.0),
        ("Mitigation", "Migration", True, 0.0),
        ("nation", "a combination of both", False, 0.0),
        ("adoption", "adaption", False, 0.0),
        ("art", "start", True, 0.0),
        ("...", "anything", True, 0.0),
    ],
)
def test_how_words_stand_in_a_text(words: str, text: str, is_read: bool, score: float) -> None:
    assert Occurrence(words).score(text, 0.0, is_read) == score


def test_words_that_stand_there_in_part_count_by_their_weight() -> None:
    occurrence = Occurrence("gradient descent converges")
    assert occurrence.score("the descent from the hill", 0.4, False) == pytest.approx(PART * 0.4)


def test_words_that_go_on_in_the_next_cues_are_found_across_them_only() -> None:
    occurrence = Occurrence("keys and values")
    assert occurrence.across(["so we keep the keys", "and values of the past", "are kept"]) == 2
    assert occurrence.across(["keys", "and", "values"]) == 3
    assert occurrence.across(["keys", "and"]) == 0
    assert occurrence.across(["keys", "or", "and values"]) == 0
    assert occurrence.across(["keys and values", "are kept"]) == 0
    assert Occurrence("keys").across(["keys", "keys"]) == 0
    assert Occurrence("a a b").across(["a a", "a b"]) == 2


@given(st.text(max_size=30), st.text(max_size=60), st.booleans())
def test_a_score_is_a_share_and_a_text_holds_itself(words: str, text: str, is_read: bool) -> None:
    occurrence = Occurrence(words)
    assert 0 <= occurrence.score(text, 0.0, is_read) <= 1
    if occurrence.tokens:
        assert occurrence.score(f"{text} {words}", 0.0, is_read) == WHOLE


ascii_words = st.lists(st.text("abcdeA1'-_ ", max_size=9), max_size=6).map(" ".join)


@given(ascii_words, st.one_of(ascii_words, st.text(max_size=40)), st.integers(0, 60), st.booleans())
def test_a_text_that_is_passed_over_would_have_scored_nothing(words: str, text: str, cut: int, is_read: bool) -> None:
    """Also of texts that hold a part of the words."""
    occurrence, patient = Occurrence(words), Occurrence(words)
    patient._is_out_of_reach = lambda _text: False  # type: ignore[method-assign]  # reads every text
    for one in (text, f"{text}{words[:cut]} {text}"):
        assert occurrence.score(one, 0.0, is_read) == patient.score(one, 0.0, is_read)
        if not occurrence.may_begin_in(one):
            assert occurrence.across([one, words]) == 0


@given(st.text(max_size=12), st.text(max_size=12))
def test_distance_is_symmetric_and_at_most_the_longer_word(one: str, other: str) -> None:
    assert distance(one, other) == distance(other, one) <= max(len(one), len(other))
    assert (distance(one, other) == 0) == (one == other)
