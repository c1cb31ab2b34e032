from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.service.search.fusion import Background, fuse

USUAL = Background(0.075, 0.047)


def at(meaning: dict[int, float], words: dict[int, tuple[float, float]] | None = None) -> dict[int, float]:
    return fuse(meaning, words or {}, dict.fromkeys(meaning, USUAL))


def best(scores: dict[int, float]) -> int:
    return max(scores, key=lambda key: scores[key])


def test_meaning_alone_ranks_by_cosine() -> None:
    scores = at({1: 0.3, 2: 0.6, 3: 0.45})
    assert sorted(scores, key=lambda key: -scores[key]) == [2, 3, 1]


def test_what_lies_in_the_background_is_no_hit() -> None:
    assert at({1: 0.05, 2: 0.1, 3: 0.15}) == {}


def test_common_words_move_nothing() -> None:
    """Equal-weight rank fusion halves R@1 on paraphrased questions, because "the" and "is" are words too."""
    plain = at({1: 0.45, 2: 0.40})
    assert at({1: 0.45, 2: 0.40}, {2: (9.0, 0.2)})[2] == pytest.approx(plain[2], abs=0.01)
    assert best(at({1: 0.45, 2: 0.40}, {2: (9.0, 0.2)})) == 1


def test_all_the_rare_words_beat_a_likeness() -> None:
    assert best(at({1: 0.40, 2: 0.10}, {2: (9.0, 1.0)})) == 2


def test_words_without_a_vector_are_found() -> None:
    assert best(at({1: 0.30}, {7: (5.0, 0.9)})) == 7


def test_between_equals_bm25_decides() -> None:
    scores = at({1: 0.3, 2: 0.3}, {1: (2.0, 1.0), 2: (4.0, 1.0)})
    assert best(scores) == 2
    assert scores[2] - scores[1] < 0.01


def test_words_alone_keep_every_hit() -> None:
    scores = fuse({}, {1: (3.0, 1.0), 2: (1.0, 0.05), 3: (2.0, 0.5)}, {})
    assert sorted(scores, key=lambda key: -scores[key]) == [1, 3, 2]
    assert fuse({}, {}, {}) == {}


def test_a_neighbour_that_means_the_same_decides_between_equals() -> None:
    meaning = {1: 0.40, 2: 0.40, 3: 0.45, 4: 0.05}
    backgrounds = dict.fromkeys(meaning, USUAL)
    scores = fuse(meaning, {}, backgrounds, {1: [4], 2: [3], 3: [2]})
    assert scores[2] > scores[1]
    assert scores[1] == fuse(meaning, {}, backgrounds)[1]
    assert best(scores) == 3


def test_each_video_is_judged_by_its_own_background() -> None:
    backgrounds = {1: Background(0.05, 0.03), 2: Background(0.15, 0.08)}
    scores = fuse({1: 0.5, 2: 0.5}, {}, backgrounds)
    assert scores[1] > scores[2]


def test_a_video_about_nothing_else_still_answers() -> None:
    """Where every entry is near the query the median is high; it may not make background of all of them."""
    cosines = np.full(200, 0.5, np.float32)
    cosines[7] = 0.65
    found = fuse(dict(enumerate(cosines.tolist())), {}, dict.fromkeys(range(200), Background.of(cosines)))
    assert best(found) == 7
    assert found[7] > 0.5


def test_few_entries_are_judged_by_the_usual() -> None:
    alone = Background.of(np.array([0.6], np.float32))
    assert alone.median < 0.15
    assert fuse({1: 0.6}, {}, {1: alone})[1] > 0.5
    assert Background.of(np.zeros(0, np.float32)).median == pytest.approx(0.075)


def test_backgrounds_of_many_videos_at_once_are_those_of_each() -> None:
    """The median and the median absolute deviation, moved to the usual by eight entries' worth."""
    draw = np.random.default_rng(2)
    parts = [draw.standard_normal(count).astype(np.float32) * 0.1 for count in (1, 2, 0, 7, 8, 9, 8, 950, 951, 33)]
    for part, found in zip(parts, Background.of_each(parts), strict=True):
        own = len(part) / (len(part) + 8)
        median = np.median(part) if len(part) else 0
        mad = np.median(np.abs(part - median)) if len(part) else 0
        assert found.median == pytest.approx(own * median + (1 - own) * 0.075, abs=1e-7)
        assert found.mad == pytest.approx(own * mad + (1 - own) * 0.07 / 1.4826, abs=1e-7)
        assert found == Background.of(part)


def test_equal_cosines_do_not_divide_by_nothing() -> None:
    flat = Background.of(np.full(50, 0.1, np.float32))
    assert fuse({1: 0.1}, {}, {1: flat}) == {}


numbers = st.dictionaries(st.integers(0, 9), st.floats(-1, 1), max_size=8)
hits = st.dictionaries(st.integers(0, 9), st.tuples(st.floats(0, 50), st.floats(0, 1)), max_size=8)


@given(numbers, hits)
def test_scores_stay_in_bounds_and_more_words_never_cost(
    meaning: dict[int, float], words: dict[int, tuple[float, float]]
) -> None:
    scores = at(meaning, words)
    assert all(0 <= score <= 1 for score in scores.values())
    for key, score in scores.items():
        fuller = {**words, key: (words.get(key, (0.0, 0.0))[0], 1.0)}
        assert at(meaning, fuller)[key] >= score - 0.01


def test_the_best_of_many_lines_is_worth_less_than_one_line() -> None:
    background = Background(0.1, 0.05)
    cosines = np.array([0.5, 0.5, 0.5, 0.12], np.float32)
    worth = background.best_of(cosines, np.array([1, 5, 24, 24]))
    assert worth[0] == pytest.approx(0.5)
    assert 0.5 > worth[1] > worth[2] > 0.4
    assert worth[3] == pytest.approx(background.level)  # what 24 draws reach by accident says nothing
