"""Questions about the order of things in a video, each with its exact answer, made from what happens when.

Every kind but the last depends on times: an agent that knows what happens, but not when, reaches only chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GAPS_S = (60.0, 600.0, 2400.0)
NEAR = 0.25  # a distance counts as one of the gaps when it is this near, in shares of it
APART_S = (
    5.0  # things that begin nearer each other than this are not asked about: which came first is a matter of taste
)
OPTIONS = 4
COUNTED = 3
CHANCE: Mapping[str, float] = {
    "order": 1 / 2,
    "count": 1 / (COUNTED + 1),
    "between": 1 / OPTIONS,
    "first after": 1 / OPTIONS,
    "before or not at all": 1 / 2,
    "never in between": 1 / OPTIONS,
    "never": 1 / OPTIONS,
}
TIMELESS = ("never",)  # answered by what is there at all: shuffled times leave it alone


@dataclass(frozen=True)
class Happening:
    """Something in the video, by the name it is asked for."""

    name: str
    start_s: float


@dataclass(frozen=True)
class Question:
    """What is asked. `names` are looked for, `anchors` are what they are set against in time."""

    kind: str
    gap_s: float
    text: str
    anchors: tuple[str, ...]
    names: tuple[str, ...]
    options: tuple[str, ...]
    answer: str


def questions(
    happenings: Sequence[Happening],
    absent: Sequence[str],
    rng: random.Random,
    gaps_s: Sequence[float] = GAPS_S,
    each: int = 4,
) -> list[Question]:
    """At most `each` of every kind and gap; fewer where the video holds no more of that shape.

    Args:
        happenings: a name that occurs COUNTED times is counted; the others occur once.
        absent: names of things that do not happen.
    """
    times: dict[str, list[float]] = {}
    for one in sorted(happenings, key=lambda one: one.start_s):
        times.setdefault(one.name, []).append(one.start_s)
    single = [Happening(name, at[0]) for name, at in times.items() if len(at) == 1]
    single = [b for a, b in pairwise([Happening("", -APART_S), *single]) if b.start_s - a.start_s >= APART_S]
    repeated = {name: at for name, at in times.items() if len(at) == COUNTED}
    found: list[Question] = []
    for gap_s in gaps_s:
        pairs = [(a, b) for a in single for b in single if abs(b.start_s - a.start_s - gap_s) <= NEAR * gap_s]
        pool = _Pool(single, repeated, absent, gap_s, rng)
        for make in MAKERS:
            rng.shuffle(pairs)
            made: list[Question] = []
            for one, other in pairs:
                if len(made) < each and (question := make(one, other, len(made), pool)) is not None:
                    made.append(question)
            found += made
    return found


@dataclass(frozen=True)
class _Pool:
    single: Sequence[Happening]
    repeated: Mapping[str, Sequence[float]]
    absent: Sequence[str]
    gap_s: float
    rng: random.Random

    def within(self, a: Happening, b: Happening) -> list[Happening]:
        return [one for one in self.single if a.start_s < one.start_s < b.start_s]

    def outside(self, a: Happening, b: Happening) -> list[Happening]:
        return [one for one in self.single if not a.start_s <= one.start_s <= b.start_s]

    def mixed(self, answer: str, others: Sequence[str], number: int) -> tuple[str, ...]:
        """The options in a drawn order, the answer in every place equally often: no place is a better guess."""
        names = self.rng.sample(list(others), len(others))
        names.insert(number % (len(others) + 1), answer)
        return tuple(names)

    def some(self, of: Sequence[Happening], number: int) -> list[str] | None:
        return [one.name for one in self.rng.sample(list(of), number)] if len(of) >= number else None


def _order(a: Happening, b: Happening, number: int, pool: _Pool) -> Question:
    names = pool.mixed(a.name, [b.name], number)
    return Question("order", pool.gap_s, f"Which comes first: {_listed(names)}?", (), names, names, a.name)


def _count(a: Happening, b: Happening, number: int, pool: _Pool) -> Question | None:
    """One thing that happens COUNTED times from first to last over the gap, or, where none does, as many things."""
    options = tuple(str(n) for n in range(COUNTED + 1))
    groups = {n: at for n, at in pool.repeated.items() if abs(at[-1] - at[0] - pool.gap_s) <= NEAR * pool.gap_s}
    wanted = number % len(options)
    if groups:
        name = sorted(groups)[number % len(groups)]
        at = groups[name]
        names: tuple[str, ...] = (name,)
        text = "How many times does it happen after {}: {}?"
    else:
        between = pool.within(a, b)
        if not between:
            return None
        at = sorted((a.start_s, pool.rng.choice(between).start_s, b.start_s))
        names = tuple(one.name for one in pool.single if one.start_s in at)
        text = "How many of these come after {}: {}?"
    fitting = [
        one for one in pool.single if one.start_s not in at and sum(time_s > one.start_s for time_s in at) == wanted
    ]
    if not fitting:
        return None
    anchor = min(fitting, key=lambda one: min(abs(one.start_s - time_s) for time_s in at))
    sentence = text.format(_quoted(anchor.name), _listed(names))
    return Question("count", pool.gap_s, sentence, (anchor.name,), names, options, str(wanted))


def _between(a: Happening, b: Happening, number: int, pool: _Pool) -> Question | None:
    right, wrong = pool.some(pool.within(a, b), 1), pool.some(pool.outside(a, b), OPTIONS - 1)
    if right is None or wrong is None:
        return None
    names = pool.mixed(right[0], wrong, number)
    text = f"Which comes between {_quoted(a.name)} and {_quoted(b.name)}: {_listed(names)}?"
    return Question("between", pool.gap_s, text, (a.name, b.name), names, names, right[0])


def _first_after(a: Happening, b: Happening, number: int, pool: _Pool) -> Question | None:
    """The right one comes a gap later; the wrong ones come before, or later still."""
    wrong = pool.some(pool.outside(a, b), OPTIONS - 1)
    if wrong is None:
        return None
    names = pool.mixed(b.name, wrong, number)
    text = f"Which comes first after {_quoted(a.name)}: {_listed(names)}?"
    return Question("first after", pool.gap_s, text, (a.name,), names, names, b.name)


def _before(a: Happening, b: Happening, number: int, pool: _Pool) -> Question:
    subject, against = (a, b) if number % 2 else (b, a)
    options = ("before", "not at all before")
    text = f"Does {_quoted(subject.name)} come before {_quoted(against.name)}, or not at all before it?"
    answer = options[subject.start_s > against.start_s]
    return Question("before or not at all", pool.gap_s, text, (against.name,), (subject.name,), options, answer)


def _never_between(a: Happening, b: Happening, number: int, pool: _Pool) -> Question | None:
    inside, out = pool.some(pool.within(a, b), OPTIONS - 1), pool.some(pool.outside(a, b), 1)
    if inside is None or out is None:
        return None
    names = pool.mixed(out[0], inside, number)
    text = f"Which never comes between {_quoted(a.name)} and {_quoted(b.name)}: {_listed(names)}?"
    return Question("never in between", pool.gap_s, text, (a.name, b.name), names, names, out[0])


def _never(a: Happening, b: Happening, number: int, pool: _Pool) -> Question | None:
    within = pool.some(pool.within(a, b), OPTIONS - 3)
    if within is None or not pool.absent:
        return None
    missing = pool.absent[number % len(pool.absent)]
    names = pool.mixed(missing, [a.name, b.name, *within], number)
    return Question("never", pool.gap_s, f"Which never comes: {_listed(names)}?", (), names, names, missing)


MAKERS: Sequence[Callable[[Happening, Happening, int, _Pool], Question | None]] = (
    _order,
    _count,
    _between,
    _first_after,
    _before,
    _never_between,
    _never,
)


def decide(question: Question, times: Mapping[str, Sequence[float]], rng: random.Random) -> str:
    """The answer by the times at which the names were found; where they settle nothing, a guess among what they leave.

    This is all the reasoning there is: everything else is finding. Guesses are drawn, so that no place of an option,
    nor the number of questions of a kind, makes them better than chance."""
    first = {name: min(at) for name, at in times.items() if at}
    edges = sorted(first[name] for name in question.anchors if name in first)
    left = _fitting(question, times, first, edges) if len(edges) == len(question.anchors) else ()
    return rng.choice(left or question.options)


def _fitting(
    question: Question, times: Mapping[str, Sequence[float]], first: Mapping[str, float], edges: Sequence[float]
) -> Sequence[str]:
    """The options that the times allow, one as well as another; none where they settle nothing."""
    names = question.names
    if question.kind == "order":
        return [min(names, key=lambda name: first[name])] if all(name in first for name in names) else []
    if question.kind == "count":
        return [str(sum(time_s > edges[0] for name in names for time_s in times.get(name, ())))]
    if question.kind == "before or not at all":
        earlier = any(time_s < edges[0] for name in names for time_s in times.get(name, ()))
        return [question.options[0 if earlier else 1]]
    if question.kind == "first after":
        after = [name for name in names if first.get(name, -1.0) > edges[0]]
        return [min(after, key=lambda name: first[name])] if after else []
    missing = [name for name in names if name not in first]
    if question.kind == "never":
        return missing
    inside = [name for name in names if name in first and edges[0] < first[name] < edges[1]]
    if question.kind == "between":
        return inside
    outside = [name for name in names if name in first and name not in inside]
    return outside or missing  # found elsewhere says more than not found: everything asked about here happens


def _quoted(name: str) -> str:
    return f"'{name}'"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_quoted, names))
