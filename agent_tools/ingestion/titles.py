"""Extractive titles: the most telling words and the most telling line of an episode's own text, never invented.

Pure functions over words and vectors."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from agent_tools.ingestion.episodes import TextPiece
from agent_tools.timeline import Span, clock
from agent_tools.untrusted import clean

TITLE_LENGTH = 80
HEADLINE_LETTERS = 5  # least letters of a line that can be a title: logos and buttons have fewer
_WORD = re.compile(r"[^\W\d_][\w'’-]{2,23}")
_LETTER = re.compile(r"[^\W\d_]")
_NAME = re.compile(r"[^\W\d_]{3}|[\u1100-\U0003ffff]{2}")  # letters together, two where one can be a word
_CONFUSED = str.maketrans("i1|!0", "llllo", " ")
_COMMON_WORDS = """about after again all also
    and any are because been before being but can could did does doing done down each
    even for from get gets going gonna got had has have having her here hers him his how into its just know let like
    make many may more most much must nor not now off once one only other our out over own really right said same say
    see she should some such than that that's the their them then there these they this those through too two under
    until upon very want was way well were what when where which while who whom why will with would yes yet you your
    yours it's i'm don't we're you're isn't und der die das ein eine nicht ist mit von auf für les des une dans que
    pour pas est los las una por con del"""
_COMMON = frozenset(_COMMON_WORDS.split())


def titles(spans: Sequence[Span], pieces: Sequence[TextPiece]) -> list[tuple[str, str]]:
    """(title, channel it comes from) of each span; a span without text is ("0:12:00, no text", "time"), and one with
    nothing but scraps on screen, such as the number of a page, ("0:12:00, no words", "time").

    Words count by how often they occur here against the number of spans they occur in; the line is the one whose
    vector lies farthest along the direction in which this span's text differs from the whole video's. Of on-screen text
    it is the headline of that picture.
    """
    in_time = _InTime(pieces)
    groups = [in_time.inside(span) for span in spans]
    worn = _worn(pieces)
    words = [Counter(w for p in group for w in telling_words(p.text)) for group in groups]
    spread = Counter(w for counter in words for w in counter)
    vectors = [p.vector for p in pieces if p.vector is not None]
    whole = np.mean(vectors, axis=0) if vectors else None
    named: list[tuple[str, str]] = []
    for span, group, counter in zip(spans, groups, words, strict=True):
        if not group:
            named.append((f"{clock(span.start_s)}, no text", "time"))
            continue
        group = [p for p in group if p.channel != "screen_text" or _NAME.search(headline(p.text, worn))]
        if not group:
            named.append((f"{clock(span.start_s)}, no words", "time"))
            continue
        line = _line(group, whole)
        rare = sorted(counter, key=lambda w: (-counter[w] * math.log((len(spans) + 1) / spread[w]), w))
        shown = headline(line.text, worn) if line.channel == "screen_text" else line.text
        telling = [w for w in rare[:12] if w not in shown.lower() and counter[w] > 1 and len(w) > 3][:3]
        start = ", ".join(telling)
        text = f"{start}: {shown}" if start else shown
        named.append((clean(text, TITLE_LENGTH), line.channel))
    return named


def telling_words(text: str) -> list[str]:
    """Words of at least three letters, in lower case, less the commonest of a few languages and file names."""
    return [word for word in (w.lower() for w in _WORD.findall(text)) if word not in _COMMON and "_" not in word]


def headline(text: str, worn: frozenset[str] = frozenset()) -> str:
    """The first line of an on-screen text that is more than a logo and does not stand on every picture (`worn`)."""
    lines = text.split(" / ")
    long = [line for line in lines if len(_LETTER.findall(line)) >= HEADLINE_LETTERS]
    own = [line for line in long if _read(line) not in worn]
    return next(iter([*own, *long, *lines]))


def _worn(pieces: Sequence[TextPiece]) -> frozenset[str]:
    """Lines, as `_read`, that more than half of at least three on-screen texts share: a template's or a window's."""
    shown = [p for p in pieces if p.channel == "screen_text"]
    if len(shown) < 3:
        return frozenset()
    counts = Counter(line for p in shown for line in {_read(line) for line in p.text.split(" / ")})
    return frozenset(line for line, count in counts.items() if 2 * count > len(shown))


def _read(line: str) -> str:
    """The line in lower case, with characters that OCR takes for each other made one."""
    return line.casefold().translate(_CONFUSED)


class _InTime:
    """Pieces by their times, so that finding those of a span does not pass over all of them."""

    def __init__(self, pieces: Sequence[TextPiece]) -> None:
        self._pieces = sorted(pieces, key=lambda p: p.start_s)
        self._starts = [p.start_s for p in self._pieces]
        self._ends = list(accumulate((p.end_s for p in self._pieces), max))  # the latest end up to each place
        self._middles = sorted(((p.start_s + p.end_s) / 2, place) for place, p in enumerate(self._pieces))

    def inside(self, span: Span) -> list[TextPiece]:
        """Those whose middle lies in the span, else those that touch it, in order of their start."""
        first, last = (bisect_left(self._middles, (at, -1)) for at in (span.start_s, span.end_s))
        if first < last:
            return [self._pieces[place] for place in sorted(place for _, place in self._middles[first:last])]
        stop = bisect_left(self._starts, span.end_s)
        start = bisect_right(self._ends, span.start_s, hi=stop)
        return [p for p in self._pieces[start:stop] if p.end_s > span.start_s]


def _line(group: Sequence[TextPiece], whole: NDArray[np.float32] | None) -> TextPiece:
    held = [(p, p.vector) for p in group if p.vector is not None]
    if not held or whole is None:
        return max(group, key=lambda p: (min(len(p.text), TITLE_LENGTH), -p.start_s))
    own = np.mean([vector for _, vector in held], axis=0)
    direction = own + 0.5 * (own - whole)
    enough = [pair for pair in held if len(telling_words(pair[0].text)) >= 2] or held
    return max(enough, key=lambda pair: (float(direction @ pair[1]), -pair[0].start_s))[0]
