"""Which sentences say the same: near-duplicates by their pairs of neighbouring words, found without comparing all.

Pairs of words and not words alone, because "a above b" and "b above a" have the same words."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from agent_tools.store import function_words, words

SAME = 0.8  # Jaccard index of two sentences' word pairs from which they count as one
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a text as the search knows them: folded; characters and pairs in scripts without spaces."""
    spaced, unspaced = words.columns(text)
    return _WORD.findall(spaced) + unspaced.split()


def telling_words(text: str) -> frozenset[str]:
    """The words that carry the subject; all of them where a text is of grammar alone."""
    found = words_of(text)
    return frozenset(found) - function_words.grammar(found) or frozenset(found)


def word_pairs(text: str) -> frozenset[tuple[str, str]]:
    """Neighbouring words, with the sentence's two ends."""
    return frozenset(itertools.pairwise(["", *words_of(text), ""]))


def near_duplicates(texts: Sequence[str], same: float = SAME) -> list[int]:
    """For each text the place of the first one that says the same, or its own place.

    Exact: of two sets with a Jaccard index of at least t, each shares one of its |x| - ceil(t |x|) + 1 rarest members
    with the other (the prefix filter of set similarity joins: Chaudhuri et al. 2006), so only those are compared."""
    sets = [word_pairs(text) for text in texts]
    count = Counter(pair for one in sets for pair in one)
    by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
    first = list(range(len(texts)))
    for place, own in enumerate(sets):
        rarest = sorted(own, key=lambda pair: (count[pair], pair))[: len(own) - math.ceil(same * len(own)) + 1]
        for other in sorted({one for pair in rarest for one in by_pair[pair]}):
            if first[other] == other and len(own & sets[other]) >= same * len(own | sets[other]):
                first[place] = other
                break
        for pair in rarest:
            by_pair[pair].append(place)
    return first
