"""A fitted map rises, includes the absent class, tells how good it is, and survives JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_tools.errors import InvalidArgument, ShapeError
from agent_tools.grounding import Calibrator
from agent_tools.grounding.calibration import Method, _folds
from agent_tools.grounding.reliability import (
    area_under_roc,
    expected_calibration_error,
    reliability_table,
    wilson,
)

METHODS = ("platt", "isotonic")


def drawn(n: int = 600, seed: int = 0, gap: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.5).astype(float)
    return random.normal(labels * gap, 1.0), labels


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_are_near_the_truth_and_the_report_shows_it(method: str) -> None:
    scores, labels = drawn(2000)
    fitted = Calibrator.fit(scores, labels, method=method, data="drawn", date="2026-11-20")  # type: ignore[arg-type]
    for score in (-1.0, 1.0, 3.0):
        true = 1 / (1 + np.exp(-(2 * score - 2)))
        assert fitted.probability(score) == pytest.approx(true, abs=0.08)
    report = fitted.report
    assert report.ece_after.value < 0.06 < report.ece_before.value
    assert 0 <= report.ece_after.low <= report.ece_after.high < 0.08
    assert (report.n, report.n_absent, report.data, report.date) == (
        2000,
        int((labels == 0).sum()),
        "drawn",
        "2026-11-20",
    )
    assert sum(one.n for one in report.bins) == 2000
    for one in report.bins:
        if one.right is not None:
            assert one.right_low <= one.right <= one.right_high


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 50), st.floats(-50, 50), st.floats(-50, 50))
def test_probability_never_falls_as_the_score_rises(method: str, seed: int, one: float, other: float) -> None:
    scores, labels = drawn(60, seed)
    fitted = Calibrator.fit(scores, labels, method=method, date="2026-11-20")  # type: ignore[arg-type]
    low, high = sorted((one, other))
    assert 0 <= fitted.probability(low) <= fitted.probability(high) <= 1


@pytest.mark.parametrize("method", METHODS)
def test_no_certainty_comes_out_of_separable_scores(method: str) -> None:
    fitted = Calibrator.fit([0.0] * 20 + [1.0] * 20, [0] * 20 + [1] * 20, method=method)  # type: ignore[arg-type]
    assert 0 < fitted.probability(0.0) <= 0.1
    assert 0.9 <= fitted.probability(1.0) < 1


def test_scores_that_tell_nothing_are_neither_present_nor_absent() -> None:
    labels = np.tile([0.0, 1.0], 300)
    scores = np.random.default_rng(5).normal(size=600) + 0.05 * labels
    fitted = Calibrator.fit(scores, labels)
    assert 0.3 < fitted.probability(-2) < fitted.probability(2) < 0.7


def test_the_same_seed_gives_the_same_report() -> None:
    scores, labels = drawn()
    assert Calibrator.fit(scores, labels, seed=3) == Calibrator.fit(scores, labels, seed=3)
    assert Calibrator.fit(scores, labels, seed=3).report.bins != Calibrator.fit(scores, labels, seed=4).report.bins


@pytest.mark.parametrize("method", METHODS)
def test_json_keeps_every_value(method: str) -> None:
    scores, labels = drawn(100)
    fitted = Calibrator.fit(scores, labels, method=method)  # type: ignore[arg-type]
    assert Calibrator.from_json(fitted.to_json()) == fitted


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 9, "method": "platt"}'])
def test_json_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        Calibrator.from_json(text)


def test_json_with_a_missing_part_is_refused() -> None:
    raw = json.loads(Calibrator.fit(*drawn(60)).to_json())
    del raw["report"]["bins"]
    with pytest.raises(InvalidArgument, match="fit it again"):
        Calibrator.from_json(json.dumps(raw))


def test_after_is_not_in_sample() -> None:
    """Two videos with scores 10 apart: either one tells nothing about the other, which only held-out queries show."""
    near, labels = drawn(200, gap=3.0)
    scores, labels = np.concatenate([near, near + 10]), np.concatenate([labels, labels])
    fitted = Calibrator.fit(scores, labels, method="isotonic", groups=["one"] * 200 + ["other"] * 200)
    seen = np.array([fitted.probability(score) for score in scores])
    assert expected_calibration_error(seen, labels) < 0.1
    assert fitted.report.ece_after.value > 0.4


def test_groups_are_never_split_between_folds() -> None:
    scores, labels = drawn(120)
    groups = [f"video {index // 10}" for index in range(120)]
    assigned = _folds(labels, groups, folds=5, seed=0)
    assert all(len(set(assigned[start : start + 10])) == 1 for start in range(0, 120, 10))
    assert sorted(np.bincount(assigned)) == [20, 20, 20, 30, 30]
    assert Calibrator.fit(scores, labels, groups=groups[:20] * 6).report.folds == 2
    with pytest.raises(InvalidArgument, match="hold one out"):
        Calibrator.fit(scores, labels, groups=["same"] * 120)


@pytest.mark.parametrize(
    ("scores", "labels", "error", "told"),
    [
        ([0.1, 0.2], [1], ShapeError, "shape"),
        ([], [], InvalidArgument, "0 present and 0 absent"),
        ([0.1] * 30, [1] * 30, InvalidArgument, "30 present and 0 absent"),
        ([float("nan")] + [0.1] * 29, [0, 1] * 15, InvalidArgument, "not finite"),
        ([0.1] * 30, [0, 2] * 15, InvalidArgument, "neither 1"),
        ([0.1] * 30, [0, 1] * 15, InvalidArgument, "equal"),
        ([0.9, 0.1] * 15, [0, 1] * 15, InvalidArgument, "rank absent above present"),
    ],
)
def test_what_cannot_be_fitted_is_told(
    scores: list[float], labels: list[float], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        Calibrator.fit(scores, labels)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_no_probability_is_nearer_to_0_or_1_than_the_queries_can_tell(method: Method) -> None:
    scores = [0.0] * 40 + [1.0] * 20
    fitted = Calibrator.fit(scores, [0] * 40 + [1] * 20, method=method)
    assert fitted.probability(-1e6) == pytest.approx(1 / 42)
    assert fitted.probability(1e6) == pytest.approx(1 - 1 / 22)
    assert all(bin.mean is None or 1 / 42 - 0.01 < bin.mean < 1 - 1 / 22 + 0.02 for bin in fitted.report.bins)


def test_a_score_that_is_no_number_has_no_probability() -> None:
    with pytest.raises(InvalidArgument, match="NaN"):
        Calibrator.fit(*drawn(60)).probability(float("nan"))


@pytest.mark.parametrize(("successes", "n", "low", "high"), [(0, 0, 0, 1), (0, 10, 0, 0.2775), (5, 10, 0.2366, 0.7634)])
def test_wilson_interval(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-4)


def test_calibration_error_and_table_of_a_known_case() -> None:
    said, was = np.array([0.05, 0.05, 0.95, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    assert expected_calibration_error(said, was) == pytest.approx((0.9 + 0.05) / 4)
    table = reliability_table(said, was)
    assert [one.n for one in table] == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (table[0].right, table[1].right, table[9].right) == (0.5, None, 1.0)


def test_area_under_roc_counts_ties_half() -> None:
    assert area_under_roc(np.array([1.0, 2.0, 2.0]), np.array([0.0, 0.0, 1.0])) == 0.75


def test_scores_over_the_ceiling_count_as_the_ceiling() -> None:
    scores, labels = drawn(2000)
    high = np.where(np.asarray(labels) == 1, np.asarray(scores) * 10, scores)
    ceiling = float(np.median(scores))
    fitted = Calibrator.fit(high, labels, ceiling=ceiling, data="drawn", date="2026-11-20")
    assert fitted.probability(1000.0) == fitted.probability(ceiling) > fitted.probability(ceiling / 2)
    assert Calibrator.from_json(fitted.to_json()).probability(1000.0) == fitted.probability(ceiling)
    assert Calibrator.fit(scores, labels).ceiling is None


def test_the_best_of_few_texts_needs_a_lower_score_than_that_of_many() -> None:
    """Drawn: absent events score like the highest of n normal draws, present ones two higher."""
    rng = np.random.default_rng(2)
    sizes = np.tile([8, 40, 200, 1000], 150)
    labels = np.repeat([0, 1], 300)
    scores = np.array([rng.normal(0, 1, n).max() for n in sizes]) + 2.0 * labels
    fitted = Calibrator.fit(scores, labels, sizes=sizes)
    plain = Calibrator.fit(scores, labels)
    assert fitted.probability(3.0, 8) > 0.8 > 0.3 > fitted.probability(3.0, 1000)
    assert fitted.report.ece_after.value < 0.06
    assert fitted.report.auc == plain.report.auc
    assert fitted.report.brier_after < plain.report.brier_after - 0.03
    assert fitted.usual_size == pytest.approx(math.exp(np.log(sizes).mean()))
    assert fitted.probability(3.0) == pytest.approx(fitted.probability(3.0, round(fitted.usual_size or 0)), abs=0.01)
    again = Calibrator.from_json(fitted.to_json())
    assert [again.probability(2.5, n) for n in (1, 30, 5000)] == [fitted.probability(2.5, n) for n in (1, 30, 5000)]


def test_that_more_texts_were_compared_is_never_evidence() -> None:
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], 200)
    sizes = np.where(labels, 900, 30)
    fitted = Calibrator.fit(rng.normal(0, 1, 400) + labels, labels, sizes=sizes)
    assert fitted.probability(1.0, 900) == fitted.probability(1.0, 30)


def test_sizes_are_for_platt_and_of_the_scores_shape() -> None:
    with pytest.raises(InvalidArgument, match="takes no sizes"):
        Calibrator.fit([0.0, 1.0] * 20, [0, 1] * 20, method="isotonic", sizes=[1] * 40)
    with pytest.raises(ShapeError, match="Sizes of shape"):
        Calibrator.fit([0.0, 1.0] * 20, [0, 1] * 20, sizes=[1] * 39)
