"""Calibration: turns a raw score into p(present), with a report of how good that probability is.

There are two monotone maps. "platt" (default) is a logistic curve of two parameters with smoothed targets (Platt 1999;
Lin, Lin and Weng 2007); it extrapolates, and a few hundred labels make it stable. "isotonic" is the best rising step
function (pool adjacent violators), with a line between its steps; it fits shapes that no logistic curve can, but needs
more labels. Of many texts one comes nearer to an event by chance than of few: "platt" may take the number of texts that
were compared as a second variable, so that a short film needs less evidence. The class counts keep both away from 0 and
1: if 400 absent queries were seen, p is at least 1 in 402 (the rule of succession). Both are fitted on all data. The
report's "after" comes from folds that did not see the query they judge, so it is not in-sample."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
class Part:
    """Some of the queries, such as those in one language."""

    name: str
    n: int
    ece: Interval  # of held-out folds


@dataclass(frozen=True)
class CalibrationReport:
    n: int
    n_absent: int
    date: str
    data: str  # the queries and videos
    method: str
    folds: int
    seed: int
    auc: float  # of the raw scores: how well they rank present above absent
    ece_before: Interval
    before_is: str  # how "before" reads a raw score as a probability
    ece_after: Interval  # of held-out folds
    brier_after: float
    bins: tuple[Bin, ...]  # reliability table of held-out folds
    parts: tuple[Part, ...] = ()  # the error in each part of the queries


@dataclass(frozen=True)
class Calibrator:
    """A fitted map. For "platt" `values` are (slope, intercept), and with sizes also the slope over the natural
    logarithm of size / usual_size; for "isotonic" they are probabilities at `knots`."""

    method: Method
    knots: tuple[float, ...]
    values: tuple[float, ...]
    report: CalibrationReport
    ceiling: float | None = None  # higher scores count as this: beyond it they say no more
    usual_size: float | None = None  # the geometric mean of the sizes; None where they do not count

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
        ceiling: float | None = None,
        sizes: ArrayLike | None = None,
        parts: Sequence[str] = (),
    ) -> Calibrator:
        """Fit on scores (n,) and labels (n,): 1 where the event was present (and found), 0 where absent.

        Args:
            groups: one per score, such as its video or text source; a group is never split between folds. Empty = each
                score is its own group.
            data: the source of the scores, for the report. date: ISO day, today if empty.
            ceiling: higher scores count as this. A logistic curve over a few scores that are far above all others is
                too flat where present and absent meet.
            sizes: of how many texts each score is the best, (n,), at least 1; only for "platt".
            parts: the part that each query belongs to, for the report.
        Raises:
            ShapeError: lengths differ.
            InvalidArgument: a score is not finite, a label is neither 0 nor 1, fewer than 10 of either class, all
                scores equal, scores that rank absent above present, or too few groups to hold one out."""
        if method not in get_args(Method):
            raise InvalidArgument(f"method = {method!r}: one of {', '.join(get_args(Method))}.")
        x, y = _checked(scores, labels)
        if ceiling is not None:
            x = np.minimum(x, ceiling)
        usual_size, beside = (None, None) if sizes is None else _sizes(sizes, method, x)
        if groups is not None and len(groups) != len(x):
            raise ShapeError(f"{len(groups)} groups for {len(x)} scores: each score has one.")
        auc = area_under_roc(x, y)
        if auc <= 0.5:
            raise InvalidArgument(f"These scores rank absent above present (AUC {auc:.3f}): no rising map fits them.")
        assigned = _folds(y, groups, folds, seed)
        held_out = _held_out(method, x, y, beside, assigned)
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
            parts=_parts(parts, held_out, y, seed),
        )
        return cls(method, *_fit(method, x, y, beside), report, ceiling, usual_size)

    def probability(self, score: float, size: int | None = None) -> float:
        """p(present) of a raw score; never falls as the score rises.

        Args:
            size: of how many texts it is the best; None, or a calibration without sizes: as of the usual number.
        Raises: InvalidArgument: the score is NaN."""
        if math.isnan(score):
            raise InvalidArgument("The score is NaN: there is nothing to judge.")
        counted = score if self.ceiling is None else min(score, self.ceiling)
        beside = None
        if size is not None and self.usual_size is not None:
            beside = np.log(np.array([max(1, size) / self.usual_size]))
        raw = _apply(self.method, self.knots, self.values, np.array([counted], dtype=np.float64), beside)
        return float(_kept_off(raw, self.report.n_absent, self.report.n - self.report.n_absent)[0])

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Calibrator:
        """The calibration that `to_json` wrote, with the same probabilities. InvalidArgument: another form."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw["format"] != FORMAT or raw["method"] not in get_args(Method):
                raise InvalidArgument(f"Calibration of format {raw['format']}, method {raw['method']}: not known here.")
            report = dict(raw["report"])
            report["bins"] = tuple(Bin(**one) for one in report["bins"])
            report["parts"] = tuple(
                Part(one["name"], one["n"], Interval(**one["ece"])) for one in report.get("parts", ())
            )
            report["ece_before"], report["ece_after"] = (
                Interval(**report["ece_before"]),
                Interval(**report["ece_after"]),
            )
            knots, values = tuple(map(float, raw["knots"])), tuple(map(float, raw["values"]))
            ceiling, size = raw.get("ceiling"), raw.get("usual_size")  # calibrations of 0.1 have neither
            made = CalibrationReport(**report)
            return cls(raw["method"], knots, values, made, ceiling and float(ceiling), size and float(size))
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
        raise InvalidArgument(f"All {len(x)} scores equal {x[0]}: they cannot separate present from absent.")
    return x, y


def _sizes(sizes: ArrayLike, method: Method, scores: Floats) -> tuple[float, Floats]:
    """The geometric mean of the sizes, and the logarithm of each over it, (n,)."""
    if method != "platt":
        raise InvalidArgument(f"method = {method!r} takes no sizes: only platt does.")
    logs = np.log(np.asarray(sizes, dtype=np.float64))
    if logs.shape != scores.shape:
        raise ShapeError(f"Sizes of shape {logs.shape} with scores of shape {scores.shape}: both (n,).")
    return float(np.exp(logs.mean())), logs - logs.mean()


def _held_out(method: Method, x: Floats, y: Floats, beside: Floats | None, assigned: NDArray[np.int64]) -> Floats:
    """p(present) of each query by a fit that saw none of its fold, (n,)."""
    held_out = np.empty_like(x)
    for fold in range(int(assigned.max()) + 1):
        inside = assigned == fold
        others = y[~inside]
        there, here = (None, None) if beside is None else (beside[~inside], beside[inside])
        probabilities = _apply(method, *_fit(method, x[~inside], others, there), x[inside], here)
        held_out[inside] = _kept_off(probabilities, int((others == 0).sum()), int((others == 1).sum()))
    return held_out


def _folds(y: Floats, groups: Sequence[object] | None, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold per query. Each class is spread evenly over the folds; with groups, whole groups are, largest first."""
    random = np.random.default_rng(seed)
    assigned = np.zeros(len(y), dtype=np.int64)
    if groups is None:
        if folds < 2:
            raise InvalidArgument(f"folds = {folds}: it must be at least 2, so that one fold can be held out.")
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


def _parts(names: Sequence[str], said: Floats, y: Floats, seed: int) -> tuple[Part, ...]:
    held = np.asarray(names)
    return tuple(
        Part(name, int((held == name).sum()), bootstrapped_error(said[held == name], y[held == name], seed))
        for name in dict.fromkeys(names)
    )


def _as_probability(x: Floats) -> tuple[Floats, str]:
    if x.min() >= 0 and x.max() <= 1:
        return x, "the raw score itself"
    return (x - x.min()) / (x.max() - x.min()), "the raw score scaled from its least to its greatest value here to 0..1"


def _fit(
    method: Method, x: Floats, y: Floats, beside: Floats | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if method == "isotonic":
        return _fit_isotonic(x, y)
    if beside is not None and beside.std() > 0:
        slope, intercept, by_size = logistic_fit(np.stack([x, np.ones_like(x), beside], axis=1), y)
        if by_size <= 0:  # that more texts are more evidence is chance
            return (), (slope, intercept, by_size)
    slope, intercept = logistic_fit(np.stack([x, np.ones_like(x)], axis=1), y)
    return (), (slope, intercept)


def _apply(
    method: Method, knots: Sequence[float], values: Sequence[float], x: Floats, beside: Floats | None = None
) -> Floats:
    if method == "isotonic":
        return np.interp(x, knots, values)
    by_size = values[2] * beside if len(values) > 2 and beside is not None else 0.0
    return _logistic(values[0] * x + values[1] + by_size)


def _kept_off(probabilities: Floats, absent: int, present: int) -> Floats:
    """Keep probabilities away from 0 and 1, as far as the number of queries demands."""
    return np.clip(probabilities, 1 / (absent + 2), 1 - 1 / (present + 2))


def _logistic(logits: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(logits / 2))


def logistic_fit(design: Floats, y: Floats) -> tuple[float, ...]:
    """Newton's method on the smoothed cross-entropy; the slope of the first column is kept at 0 or above.

    Args:
        design: (n, k): the scores, ones, then other variables. Returns: k weights."""
    present, absent = float((y == 1).sum()), float((y == 0).sum())
    target = np.where(y == 1, (present + 1) / (present + 2), 1 / (absent + 2))
    middles, spreads = design.mean(axis=0), design.std(axis=0)
    middles[1], spreads[1] = 0.0, 1.0
    spreads[spreads == 0] = 1.0
    scaled = (design - middles) / spreads
    weights = np.zeros(design.shape[1])
    weights[1] = math.log((present + 1) / (absent + 1))

    def loss(candidate: Floats) -> float:
        logits = scaled @ candidate
        return float((np.logaddexp(0, logits) - target * logits).sum())

    for _ in range(100):
        said = _logistic(scaled @ weights)
        gradient = scaled.T @ (said - target)
        hessian = scaled.T @ (scaled * (said * (1 - said))[:, None]) + 1e-9 * np.eye(len(weights))
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-8 and loss(weights - size * step) > loss(weights):
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-10:
            break
    weights[0] = max(0.0, float(weights[0]))
    found = weights / spreads
    found[1] = weights[1] - float(np.delete(found * middles, 1).sum())
    return tuple(found.tolist())


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
