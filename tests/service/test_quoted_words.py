"""Words stand in a text, stand there misread, or do not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.service.verdicts.other_writings import skeleton, written_otherwise
from agent_tools.service.verdicts.quoted_survey import TrackTexts
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


@given(st.text("abc1", max_size=9), st.text("abc1", max_size=9), st.integers(0, 4))
def test_a_distance_that_is_bounded_is_the_same_up_to_its_bound(one: str, other: str, most: int) -> None:
    whole, bounded = distance(one, other), distance(one, other, most)
    assert bounded == whole if whole <= most else bounded > most


@given(ascii_words, st.lists(st.one_of(ascii_words, st.text(max_size=30)), min_size=1, max_size=6), st.integers(0, 60))
def test_texts_that_a_survey_leaves_out_hold_nothing_of_the_words(words: str, texts: list[str], cut: int) -> None:
    """In any script; also the words cut in two, at the end of a text and the beginning of the next."""
    texts = [texts[0] + " " + words[:cut], f"{words[cut:]} and more", *texts[1:], f"x{words.upper()}x", words[:-1]]
    track = TrackTexts.of("subtitles", range(len(texts)), texts)
    occurrence = Occurrence(words)
    stretches = track.stretches([occurrence], {0})
    kept = {place for stretch in stretches for place in stretch}
    assert 0 in kept
    assert all(occurrence.score(texts[place], 0.0, True) == 0 for place in range(len(texts)) if place not in kept)
    assert all(after - before == 1 for stretch in stretches for before, after in itertools.pairwise(stretch))
    for place in range(len(texts)):
        if count := occurrence.across(texts[place:]):
            assert any(set(range(place, place + count)) <= set(stretch) for stretch in stretches)
    near = {text for _, text in track.holding(occurrence.letters_near(heard=True))}
    assert all(not occurrence.misheard(text) for text in texts if text not in near)
    near = {text for _, text in track.holding(occurrence.letters_near(heard=False))}
    assert all(not occurrence.misread(text) for text in texts if text not in near)
    bones = {text for _, text in track.holding((), [skeleton(occurrence.compact.encode())])}
    ascii_texts = [text for text in texts if text.isascii() and text not in bones]
    assert not any(written_otherwise(words, [text], spoken=False) for text in ascii_texts)


def test_a_han_sign_that_is_drawn_like_a_katakana_may_be_it() -> None:
    assert Occurrence("ヤオ語").misread("国のヤ才語") == "ヤ才語"
    assert Occurrence("ヤオ語").misread("ヤカ語") == ""
    assert Occurrence("ヤオ語").misread("ヤオ語") == ""
