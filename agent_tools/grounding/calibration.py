"""From a raw score to p(present), the absent class included, with a report of how good that is.

Knows scores and labels. Knows nothing of events, spans, localizers or where the parameters are kept.

Two monotone maps. "platt" (default): a logistic curve of two parameters with smoothed targets (Platt 1999; Lin,
Lin and Weng 2007); it extrapolates, and with a few hundred labels it moves little. "isotonic": the best rising step
function (pool adjacent violators), with a line between its steps; it bends where a logistic curve does not, and needs
more labels. Both are kept off 0 and 1 by the class counts: of 400 absent queries none was present, so p is 1 in 402 at
least (the rule of succession). Both are fitted on all data; the report's "after" comes from folds that did not see the
query they judge, so it is not in-sample."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from agent_tools.errors import InvalidArgument, ShapeError
from agent_tools.grounding.reliability import (
    Bin,
    Floats,
    Interval,
    area_under_roc,
    bootstrapped_error,
    reliability_table,
)

Method: TypeAlias = Literal["platt", "isotonic"]
LEAST_OF_EACH = 10  # present and absent queries below which no fit means anything
FORMAT = 1


@dataclass(frozen=True)
class CalibrationReport:
    n: int
    n_absent: int
    date: str
    data: str  # what the queries and videos were
    method: str
    folds: int
    seed: int
    auc: float  # of the raw scores: how well they rank present above absent at all
    ece_before: Interval
    before_is: str  # how a raw score was read as a probability for "before"
    ece_after: Interval  # of held-out folds
    brier_after: float
    bins: tuple[Bin, ...]  # reliability table of held-out folds


@dataclass(frozen=True)
class Calibrator:
    """A fitted map. For "platt" `values` are (slope, intercept); for "isotonic" they are probabilities at `knots`."""

    method: Method
    knots: tuple[float, ...]
    values: tuple[float, ...]
    report: CalibrationReport

    @classmethod
    def fit(
        cls,
        scores: ArrayLike,
        labels: ArrayLike,
        *,
        method: Method = "platt",
        groups: Sequence[object] | None = None,
        data: str = "",
        date: str = "",
        folds: int = 5,
        seed: int = 0,
    ) -> Calibrator:
        """Fit on scores (n,) and labels (n,): 1 where the event was present (and found), 0 where absent.

        Args:
            groups: what must not stand in two folds (the video, the text source), one per score; none = each its own.
            data: what was fitted on, for the report. date: ISO day, today's if empty.
        Raises:
            ShapeError: lengths differ.
            InvalidArgument: a score is not finite, a label is neither 0 nor 1, fewer than 10 of either class, all
                scores equal, scores that rank absent above present, or groups too few to hold any out."""
        if method not in get_args(Method):
            raise InvalidArgument(f"method = {method!r}: one of {', '.join(get_args(Method))}.")
        x, y = _checked(scores, labels)
        if groups is not None and len(groups) != len(x):
            raise ShapeError(f"{len(groups)} groups for {len(x)} scores: each score has one.")
        auc = area_under_roc(x, y)
        if auc <= 0.5:
            raise InvalidArgument(f"These scores rank absent above present (AUC {auc:.3f}): no rising map fits them.")
        held_out = np.empty_like(x)
        assigned = _folds(y, groups, folds, seed)
        for fold in range(int(assigned.max()) + 1):
            inside = assigned == fold
            seen = y[~inside]
            told = _apply(method, *_fit(method, x[~inside], seen), x[inside])
            held_out[inside] = _kept_off(told, int((seen == 0).sum()), int((seen == 1).sum()))
        before, before_is = _as_probability(x)
        report = CalibrationReport(
            n=len(x),
            n_absent=int((y == 0).sum()),
            date=date or datetime.date.today().isoformat(),
            data=data,
            method=method,
            folds=int(assigned.max()) + 1,
            seed=seed,
            auc=auc,
            ece_before=bootstrapped_error(before, y, seed),
            before_is=before_is,
            ece_after=bootstrapped_error(held_out, y, seed),
            brier_after=float(((held_out - y) ** 2).mean()),
            bins=tuple(reliability_table(held_out, y)),
        )
        return cls(method, *_fit(method, x, y), report)

    def probability(self, score: float) -> float:
        """p(present) of a raw score; never falls as the score rises. InvalidArgument: the score is NaN."""
        if math.isnan(score):
            raise InvalidArgument("The score is NaN: there is nothing to judge.")
        told = _apply(self.method, self.knots, self.values, np.array([score], dtype=np.float64))
        return float(_kept_off(told, self.report.n_absent, self.report.n - self.report.n_absent)[0])

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Calibrator:
        """What `to_json` wrote, with the same probabilities. InvalidArgument: it is not of that form."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw["format"] != FORMAT or raw["method"] not in get_args(Method):
                raise InvalidArgument(f"Calibration of format {raw['format']}, method {raw['method']}: not known here.")
            told = dict(raw["report"])
            told["bins"] = tuple(Bin(**one) for one in told["bins"])
            told["ece_before"], told["ece_after"] = Interval(**told["ece_before"]), Interval(**told["ece_after"])
            knots, values = tuple(map(float, raw["knots"])), tuple(map(float, raw["values"]))
            return cls(raw["method"], knots, values, CalibrationReport(**told))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise InvalidArgument(f"Not a stored calibration ({type(error).__name__}): fit it again.") from error


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ShapeError(f"Scores of shape {x.shape} with labels of shape {y.shape}: both (n,).")
    if not np.isfinite(x).all():
        raise InvalidArgument(f"{int((~np.isfinite(x)).sum())} of {len(x)} scores are not finite.")
    if not np.isin(y, (0, 1)).all():
        raise InvalidArgument("A label is neither 1 (present) nor 0 (absent).")
    absent, present = int((y == 0).sum()), int((y == 1).sum())
    if min(absent, present) < LEAST_OF_EACH:
        raise InvalidArgument(
            f"{present} present and {absent} absent queries: at least {LEAST_OF_EACH} of each are needed."
        )
    if x.min() == x.max():
        raise InvalidArgument(f"All {len(x)} scores equal {x[0]}: they tell present and absent apart in no way.")
    return x, y


def _folds(y: Floats, groups: Sequence[object] | None, folds: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A fold per query. Without groups each class is dealt out evenly; with groups whole groups are, largest first."""
    random = np.random.default_rng(seed)
    assigned = np.zeros(len(y), dtype=np.int64)
    if groups is None:
        if folds < 2:
            raise InvalidArgument(f"folds = {folds}: at least 2, else nothing is held out.")
        for label in (0, 1):
            members = random.permutation(np.flatnonzero(y == label))
            assigned[members] = np.arange(len(members)) % folds
        return assigned
    named: dict[object, list[int]] = {}
    for index, group in enumerate(groups):
        named.setdefault(group, []).append(index)
    folds = min(folds, len(named))
    if folds < 2:
        raise InvalidArgument(f"{len(named)} group: at least 2 are needed to hold one out.")
    sizes = [0] * folds
    for members_of in sorted((list(named.values())[i] for i in random.permutation(len(named))), key=len, reverse=True):
        smallest = sizes.index(min(sizes))
        assigned[members_of] = smallest
        sizes[smallest] += len(members_of)
    for fold in range(folds):
        if len(set(y[assigned != fold])) < 2:
            raise InvalidArgument("The groups leave a fold without present or absent queries to fit on.")
    return assigned


def _as_probability(x: Floats) -> tuple[Floats, str]:
    if x.min() >= 0 and x.max() <= 1:
        return x, "the raw score itself"
    return (x - x.min()) / (x.max() - x.min()), "the raw score scaled from its least to its greatest value here to 0..1"


def _fit(method: Method, x: Floats, y: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return _fit_platt(x, y) if method == "platt" else _fit_isotonic(x, y)


def _apply(method: Method, knots: Sequence[float], values: Sequence[float], x: Floats) -> Floats:
    if method == "platt":
        return _logistic(values[0] * x + values[1])
    return np.interp(x, knots, values)


def _kept_off(told: Floats, absent: int, present: int) -> Floats:
    """Never nearer to 0 or 1 than so many queries can tell."""
    return np.clip(told, 1 / (absent + 2), 1 - 1 / (present + 2))


def _logistic(logits: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(logits / 2))


def _fit_platt(x: Floats, y: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Newton's method on the smoothed cross-entropy, on standardised scores; the slope is kept at 0 or above."""
    middle, spread = float(x.mean()), float(x.std()) or 1.0
    present, absent = float((y == 1).sum()), float((y == 0).sum())
    target = np.where(y == 1, (present + 1) / (present + 2), 1 / (absent + 2))
    design = np.stack([(x - middle) / spread, np.ones_like(x)], axis=1)  # (n, 2)
    weights = np.array([0.0, math.log((present + 1) / (absent + 1))])

    def loss(candidate: Floats) -> float:
        logits = design @ candidate
        return float((np.logaddexp(0, logits) - target * logits).sum())

    for _ in range(100):
        said = _logistic(design @ weights)
        gradient = design.T @ (said - target)
        hessian = design.T @ (design * (said * (1 - said))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-8 and loss(weights - size * step) > loss(weights):
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-10:
            break
    slope = max(0.0, float(weights[0])) / spread
    return (), (slope, float(weights[1]) - slope * middle)


def _fit_isotonic(x: Floats, y: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Pool adjacent violators: level from a pool's first score to its last, a line between pools."""
    levels, places = np.unique(x, return_inverse=True)
    counts = np.bincount(places).astype(np.float64)
    pools: list[tuple[float, float, float, float]] = []  # count, sum of labels, first score, last score
    for score, count, labelled in zip(levels, counts, np.bincount(places, weights=y), strict=True):
        pools.append((float(count), float(labelled), float(score), float(score)))
        while len(pools) > 1 and pools[-2][1] * pools[-1][0] >= pools[-1][1] * pools[-2][0]:
            after, before = pools.pop(), pools.pop()
            pools.append((before[0] + after[0], before[1] + after[1], before[2], after[3]))
    knots: list[float] = []
    values: list[float] = []
    for count, labelled, first, last in pools:
        ends = [first] if first == last else [first, last]
        knots += ends
        values += [labelled / count] * len(ends)
    return tuple(knots), tuple(values)
