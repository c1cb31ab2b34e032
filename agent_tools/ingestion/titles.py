"""Extractive titles: the most telling words and the most telling line of an episode's own text, never invented.

Knows words and vectors. Knows nothing of files, models or the store."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent_tools.ingestion.episodes import TextPiece
from agent_tools.timeline import Span, clock
from agent_tools.untrusted import clean

TITLE_LENGTH = 80
_WORD = re.compile(r"[^\W\d_][\w'’-]{2,23}")
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
    """(title, channel it comes from) of each span; a span without text is ("0:12:00, no text", "time").

    Words are told apart by their count here against the number of spans they occur in; the line is the one whose vector
    lies farthest along the direction in which this span's text differs from the whole video's.
    """
    groups = [[p for p in pieces if span.start_s <= (p.start_s + p.end_s) / 2 < span.end_s] for span in spans]
    words = [Counter(w for p in group for w in telling_words(p.text)) for group in groups]
    spread = Counter(w for counter in words for w in counter)
    vectors = [p.vector for p in pieces if p.vector is not None]
    whole = np.mean(vectors, axis=0) if vectors else None
    named: list[tuple[str, str]] = []
    for span, group, counter in zip(spans, groups, words, strict=True):
        if not group:
            named.append((f"{clock(span.start_s)}, no text", "time"))
            continue
        line = _line(group, whole)
        rare = sorted(counter, key=lambda w: (-counter[w] * math.log((len(spans) + 1) / spread[w]), w))
        telling = [w for w in rare[:12] if w not in line.text.lower() and counter[w] > 1][:3]
        start = ", ".join(telling)
        text = f"{start}: {line.text}" if start else line.text
        named.append((clean(text, TITLE_LENGTH), line.channel))
    return named


def telling_words(text: str) -> list[str]:
    """Words of at least three letters, in lower case, less the commonest of a few languages."""
    return [word for word in (w.lower() for w in _WORD.findall(text)) if word not in _COMMON]


def _line(group: Sequence[TextPiece], whole: NDArray[np.float32] | None) -> TextPiece:
    held = [(p, p.vector) for p in group if p.vector is not None]
    if not held or whole is None:
        return max(group, key=lambda p: (min(len(p.text), TITLE_LENGTH), -p.start_s))
    own = np.mean([vector for _, vector in held], axis=0)
    direction = own + 0.5 * (own - whole)
    enough = [pair for pair in held if len(telling_words(pair[0].text)) >= 2] or held
    return max(enough, key=lambda pair: (float(direction @ pair[1]), -pair[0].start_s))[0]
