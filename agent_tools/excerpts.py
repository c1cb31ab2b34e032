"""What of a long text is shown: the part where the words that were asked for stand, "…" where something is left out.

Knows two texts. Knows nothing of where they came from."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache

LEAST_PART = 3  # letters from which on a word is also looked for within longer ones: "of" and "9" are in too many
_WORD = re.compile(r"\w+")
# Hangul, Kana and Han: written without spaces, so a run of them is looked for by its pairs, too
_RUN = re.compile(r"[\u1100-\u11ff\u3041-\u30ff\u3131-\u318e\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]+")
_QUOTED = re.compile(r"[\"“”„«»「」『』]([^\"“”„«»「」『』]+)[\"“”„«»「」『』]|(?<!\w)['‘]([^'‘’]+)['’](?!\w)")


def excerpt(text: str, asked: str, length: int, keep: tuple[int, int] | None = None) -> str:
    """At most `length` characters of the text: where most of the asked words stand, of equal places the first.

    Args:
        asked: a question or an event. The longer a word, the more it tells; words in quotation marks count once more
            together, so that the place where they stand as quoted goes before those where they stand apart.
        keep: the first character, and the one after the last, of what is shown in any case; where that is too long
            itself, the excerpt is taken out of it.
    """
    if len(text) <= length:
        return text
    room = max(1, length - 2)
    lead, latest = room // 3, len(text) - room
    first, last = sorted((keep[0], keep[1] - room)) if keep else (0, latest)
    first, last = (max(0, min(at, latest)) for at in (first, last))
    wished = max(first, min(keep[0] - lead, last)) if keep else 0
    lowered = _lower(text)
    places = [(found, len(term)) for term in _terms(asked) if (found := _places(term, lowered))]
    telling = [found for found, size in places if size > LEAST_PART] or [found for found, _ in places]
    starts = {wished, *(max(first, min(at - lead, last)) for found in telling for at in found)}

    def told(start: int) -> int:
        """Characters of the different terms that stand wholly in the room from there on."""
        return sum(
            size
            for found, size in places
            if (at := bisect_left(found, start)) < len(found) and found[at] + size <= start + room
        )

    start = max(starts, key=lambda at: (told(at), -abs(at - wished)))
    if start:
        start = text.find(" ", start, min(start + lead, keep[0] if keep else len(text))) + 1 or start
    end = start + room if start + room < len(text) - 1 else len(text)
    return ("…" if start else "") + text[start:end].strip() + ("…" if end < len(text) else "")


@lru_cache(maxsize=64)
def _terms(asked: str) -> tuple[str, ...]:
    """Words, the pairs of what is written without spaces, and what is quoted as a whole; each once."""
    return tuple(dict.fromkeys(_lower(term) for term in _every_term(asked)))


def _every_term(asked: str) -> Iterator[str]:
    for word in _WORD.findall(asked):
        yield word
        for run in _RUN.findall(word):
            yield from (run[at : at + 2] for at in range(len(run) - 1))
    for double, single in _QUOTED.findall(asked):
        yield (double or single).strip()


def _places(term: str, lowered: str) -> list[int]:
    """Where the term begins; of a short one only where it stands alone."""
    alone = len(term) < LEAST_PART and not _RUN.fullmatch(term)
    found, at = [], lowered.find(term)
    while at >= 0:
        end = at + len(term)
        if not (alone and (lowered[max(0, at - 1) : at].isalnum() or lowered[end : end + 1].isalnum())):
            found.append(at)
        at = lowered.find(term, end)
    return found


def _lower(text: str) -> str:
    """In lower case and as long as before: what would become two letters stays as it is."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
