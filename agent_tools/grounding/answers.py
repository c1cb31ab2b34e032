"""Reads the answer of a grounding language model: "From 05 to 17.", "Not Present", or any other text."""

from __future__ import annotations

import re

# ASCII digits of bounded length: int() refuses very long numbers. No sign or decimal point may stand beside them,
# so that "5.5 to 7.5" is not read as 5 to 7.
_PAIR = re.compile(r"(?<![\w.\-])([0-9]{1,9})\s*(?:to|and)\s*([0-9]{1,9})(?![\w]|[.,][0-9])", re.IGNORECASE)
_NEGATIVE = re.compile(r"\bnot\s+present\b", re.IGNORECASE)


def parse_answer(text: str, n: int) -> tuple[int, int] | None:
    """The pair of indexes in an answer over n frames, or None for "not present"; never an exception.

    Source: ReVisionLLM's dense answers; the first two integers joined by "to" or "and" count. Both n - 1 is that
    model's way to say that nothing was seen. Two equal indexes are widened by one on each side, inside 0..n-1.
    A reversed pair, a pair outside 0..n-1 and any text without a pair give None: a malformed answer is not present.
    Differs: a pair next to the words "not present" does not count, and neither does one with a decimal point."""
    if not isinstance(text, str) or n < 1 or _NEGATIVE.search(text):
        return None
    found = _PAIR.search(text)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    if last >= n or first > last or first == last == n - 1:
        return None
    if first == last:
        return max(0, first - 1), min(n - 1, last + 1)
    return first, last
