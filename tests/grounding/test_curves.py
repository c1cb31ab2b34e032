"""Curves propose where they leave their own noise, at the exact times of the entries."""

from __future__ import annotations

import random

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.grounding import Background, Evidence, EvidenceItem, Proposal, RelevanceCurveLocalizer

localizer = RelevanceCurveLocalizer()


def transcript(n: int, seed: int = 0, spread: float = 0.08, level: float = 0.1) -> list[EvidenceItem]:
    """n cues of 3 s whose scores are pure noise."""
    noise = random.Random(seed)
    return [EvidenceItem(3.0 * i, 3.0 * i + 3, "subtitles", noise.gauss(level, spread), f"cue {i}") for i in range(n)]


def evidence(items: list[EvidenceItem], start_s: float = 0, end_s: float = 1e6) -> Evidence:
    curves = {item.curve for item in items}
    background = {curve: Background.of([item.score for item in items if item.curve == curve]) for curve in curves}
    inside = tuple(item for item in items if item.start_s < end_s and item.end_s > start_s)
    return Evidence(start_s, end_s, 0, inside, background)


def test_background_is_median_and_median_deviation() -> None:
    assert Background.of([1, 2, 3, 4, 100]) == Background(3, 1, 5)
    assert Background.of([1, 2]) == Background(1.5, 0.5, 2)
    assert Background.of([]) == Background(0, 0, 0)


@pytest.mark.parametrize("n", [100, 400, 1600])
def test_noise_alone_seldom_leaves_itself_however_long_the_video(n: int) -> None:
    leaving = sum(bool(localizer.localize("x", evidence(transcript(n, seed)))) for seed in range(10))
    assert leaving <= 5  # the largest of n values is near the edge by its definition, at any n


@pytest.mark.parametrize(("level", "spread"), [(0.1, 0.05), (0.3, 0.1)])
def test_a_peak_is_found_at_its_own_times_on_any_background(level: float, spread: float) -> None:
    items = transcript(600, 1, spread, level)
    items[100] = EvidenceItem(300.4, 302.9, "subtitles", level + 7 * spread, "the one")
    best = localizer.localize("x", evidence(items))[0]
    assert (best.start_s, best.end_s) == (300.4, 302.9)
    assert best.channel == "subtitles"
    assert best.evidence == "subtitles 'the one'"
    assert 1 < best.score < 3


def test_a_span_ends_where_the_curve_falls_to_half() -> None:
    scores = [0.0] * 40 + [0.52, 0.9, 1.0, 0.6, 0.3] + [0.0] * 40
    items = [EvidenceItem(2.0 * i, 2.0 * i + 2, "frames", score) for i, score in enumerate(scores)]
    (span,) = localizer.localize("x", evidence(items))
    assert (span.start_s, span.end_s) == (2 * 40, 2 * 44)


def test_short_silence_is_bridged_and_long_silence_is_not() -> None:
    quiet = [EvidenceItem(10.0 * i, 10.0 * i + 3, "speech", 0.0) for i in range(50)]
    talk = [EvidenceItem(1000, 1003, "speech", 0.9), EvidenceItem(1004, 1007, "speech", 0.8)]
    later = [EvidenceItem(1020, 1023, "speech", 0.8)]
    found = localizer.localize("x", evidence(quiet + talk + later))
    assert [(one.start_s, one.end_s) for one in found] == [(1000, 1007), (1020, 1023)]


def test_words_and_meaning_of_one_entry_strengthen_each_other() -> None:
    items = transcript(300)
    items[50] = EvidenceItem(150, 153, "subtitles", 0.5, "kv cache")
    words = [EvidenceItem(one.start_s, one.end_s, "subtitles", 0.0, one.text, "words") for one in items]
    alone = localizer.localize("x", evidence(items))[0]
    words[50] = EvidenceItem(150, 153, "subtitles", 1.0, "kv cache", "words")
    both = localizer.localize("x", evidence(items + words))[0]
    assert both.score > alone.score
    assert (both.start_s, both.end_s) == (150, 153)


def test_any_channel_suffices_and_is_named() -> None:
    slides = [EvidenceItem(60.0 * i, 60.0 * i + 60, "screen_text", 0.05, f"slide {i}") for i in range(40)]
    slides[7] = EvidenceItem(420, 480, "screen_text", 0.9, "KV cache")
    best = localizer.localize("x", evidence(transcript(400) + slides))[0]
    assert (best.start_s, best.end_s, best.channel) == (420, 480, "screen_text")


def test_what_came_nearest_is_told_where_nothing_left_the_noise() -> None:
    items = transcript(500, 3)
    highest = max(items, key=lambda item: item.score)
    near = localizer.nearest("x", evidence(items))
    assert near is not None
    assert near.start_s <= highest.start_s < near.end_s
    assert near.score < 1.3
    assert localizer.nearest("x", Evidence(0, 10)) is None
    assert localizer.localize("x", Evidence(0, 10)) == []


def test_a_constant_background_does_not_turn_a_crumb_into_a_peak() -> None:
    items = [EvidenceItem(float(i), i + 1.0, "frames", 0.2) for i in range(100)]
    items[40] = EvidenceItem(40, 41, "frames", 0.22)
    assert localizer.localize("x", evidence(items)) == []


def test_entries_outside_the_look_are_not_read() -> None:
    items = transcript(100)
    items[50] = EvidenceItem(150, 153, "subtitles", 0.9)
    whole = evidence(items)
    assert localizer.localize("x", Evidence(0, 100, 0, whole.items, whole.background)) == []


@pytest.mark.parametrize("bad", [(5, 5, 0.1), (5, 4, 0.1), (0, float("inf"), 1), (0, 1, float("nan"))])
def test_a_proposal_checks_itself(bad: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidArgument):
        Proposal(*bad)
