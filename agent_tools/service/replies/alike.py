"""Phrases about many videos that differ only in their numbers, said as one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

_NUMBER = re.compile(r"(?<![\w@./-])\d+(?::\d\d)*(?:\.\d+)?(?![\w@/-])")  # or a clock time; no part of a model's name


def counted(phrases: Iterable[str]) -> list[tuple[str, int]]:
    """Each phrase once, with how often it was said, the commonest first; of equal ones the first that was said.

    Phrases that differ only in numbers are one: "5 s" and "11 s" are said as "5 to 11 s"."""
    return summed(Counter(phrases))


def summed(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """As `counted`, of phrases that are counted already, in the order in which they were first said."""
    alike: dict[str, list[str]] = {}
    for phrase in counts:
        alike.setdefault(_NUMBER.sub("#", phrase), []).append(phrase)
    found = [(_merged(same), sum(counts[phrase] for phrase in same)) for same in alike.values()]
    return sorted(found, key=lambda one: -one[1])


def _merged(phrases: list[str]) -> str:
    columns = iter(zip(*map(_NUMBER.findall, phrases), strict=True))

    def span(_: re.Match[str]) -> str:
        ordered = sorted(next(columns), key=_value)
        return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"

    return _NUMBER.sub(span, phrases[0])


def _value(number: str) -> float:
    """Of a number, or of a clock time in seconds."""
    value = 0.0
    for part in number.split(":"):
        value = 60 * value + float(part)
    return value
