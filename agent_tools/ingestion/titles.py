"""Extractive titles: the headline of a slide, else the sentence nearest to what an episode is about. Never invented.

Pure functions over texts, times and vectors."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from agent_tools.ingestion.episodes import TextPiece
from agent_tools.ingestion.screen_text.trust import script_of
from agent_tools.timeline import Span
from agent_tools.untrusted import clean

TITLE_LENGTH = 80
HEADLINE_LETTERS = 5  # least letters of a line that is taken before a shorter one: logos and buttons have fewer
STABLE_S = 2.0  # a line that stands so long, or for half of the episode, can be its title
SHOWN_SHARE = 0.2  # of an episode in which somebody speaks: with text on screen for less, a sentence titles it
LIKE_SIZE = 1.25  # heights within this ratio are of one size: of such lines the one that stands longest counts
SENTENCE_WORDS = (4, 16)  # a title's; a shorter or longer sentence is taken where there is no other
LONG_SENTENCE = 240  # letters at which a run of cues without a full stop is cut
ICON_LETTERS = 2
PAUSE_S = 3.0  # a pause that ends a sentence
FEW_CAPITALS = 0.2  # of the words inside cues; German writes more, so there a capital letter begins no sentence
NO_TEXT = "no text"
_LETTER = re.compile(r"[^\W\d_]")
_NAME = re.compile(r"[^\W\d_]{3}|[\u1100-\U0003ffff]{2}")  # letters together, two where one can be a word
_STOP = re.compile(r"[.?!\u3002\uff1f\uff01]['\")\]\u2019\u201d]*$")
_SPEAKER = re.compile(r"^(?:[-\u2013\u2014>\s]+|\[[^\]]*\]\s*|\([^)]*\)\s*|[A-Z][A-Z .'-]{1,20}:\s+)+")
_OPENING = re.compile(
    r"^(?:(?:and|but|so|well|now|okay|ok|um|uh|yeah|und|also|et|alors|y|pues)\b[,\s]*)+", re.IGNORECASE
)
_CONFUSED = str.maketrans("i1|!0", "llllo", " ")


def titles(
    spans: Sequence[Span], pieces: Sequence[TextPiece], without: Callable[[Span], str] = lambda span: NO_TEXT
) -> list[tuple[str, str]]:
    """(title, channel it comes from) of each span; (without(span), "time") of one that has no text for a title.

    A title is the largest line that stands for a while on the slides of the span, if it is not a part of the template.
    Else it is the sentence whose vector is nearest to the mean of the span's. A text that its reader doubts is never
    one.
    """
    sure = [piece for piece in pieces if not piece.doubtful]
    in_time = _InTime(sure)
    worn = _worn(sure) if len(spans) > 1 else frozenset()  # what all slides share names the whole
    named: list[tuple[str, str]] = []
    for span in spans:
        group = in_time.inside(span)
        shown = [piece for piece in group if piece.channel == "screen_text"]
        said = [piece for piece in group if piece.channel != "screen_text"]
        line, sentence = headline(shown, span, worn), _sentence(said)
        if line and (sentence is None or _share(shown, span) >= SHOWN_SHARE):
            named.append((clean(_without_icons(line), TITLE_LENGTH), "screen_text"))
        elif sentence is not None:
            named.append((_fitted(sentence.text), sentence.channel))
        else:
            named.append((without(span), "time"))
    return named


def headline(shown: Sequence[TextPiece], span: Span, worn: frozenset[str] = frozenset()) -> str:
    """The largest line of on-screen texts that stands for a while in the span; "" if none has a word.

    Args:
        worn: lines that stand on every slide, as `_read`; taken only where there is no other.
    """
    stood: dict[str, float] = defaultdict(float)
    lines: dict[str, tuple[str, float, float]] = {}  # text, height, start
    for piece in shown:
        part = Span(piece.start_s, piece.end_s).clipped(span.start_s, span.end_s)
        for text, height in piece.lines or ((text, 0.0) for text in piece.text.split(" / ")):
            if _NAME.search(text):
                key = _read(text)
                stood[key] += part.length_s if part is not None else 0.0
                held = lines.get(key)
                if held is None or height > held[1]:
                    lines[key] = (text if held is None else held[0], height, piece.start_s if held is None else held[2])
    stable = {key for key in lines if stood[key] >= min(STABLE_S, span.length_s / 2)} or set(lines)
    own = {key for key in stable if key not in worn}
    long = {key for key in stable if len(_LETTER.findall(lines[key][0])) >= HEADLINE_LETTERS}
    keys = next((keys for keys in (own & long, long, own, stable) if keys), None)
    if keys is None:
        return ""
    largest = max(lines[key][1] for key in keys)
    large = [key for key in keys if lines[key][1] * LIKE_SIZE >= largest]
    order = list(lines)
    return lines[min(large, key=lambda key: (-round(stood[key]), order.index(key)))][0]


def _without_icons(line: str) -> str:
    """The line without one or two signs of another script at its ends, as an OCR reads icons."""
    script, words = script_of(line), line.split()

    def is_icon(word: str) -> bool:
        return len(word) <= ICON_LETTERS and script_of(word) not in ("", script)

    while len(words) > 1 and is_icon(words[0]):
        words = words[1:]
    while len(words) > 1 and is_icon(words[-1]):
        words = words[:-1]
    return " ".join(words)


@dataclass(frozen=True)
class _Sentence:
    text: str
    channel: str
    vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None
    start_s: float

    @property
    def whole(self) -> bool:
        return bool(_STOP.search(self.text.rstrip()))


def _sentence(said: Sequence[TextPiece]) -> _Sentence | None:
    """The sentence nearest to the mean of all; None where nothing is said. Captions only where nothing else is."""
    own = [piece for piece in said if piece.channel != "captions"] or list(said)
    sentences = [one for one in map(_bare, _sentences(own)) if _NAME.search(one.text)]
    if not sentences:
        return None
    least, most = SENTENCE_WORDS
    if 2 * sum(one.whole for one in sentences) >= len(sentences):  # else nobody writes full stops here
        sentences = [one for one in sentences if one.whole]
    good = [one for one in sentences if least <= _words(one.text) <= most] or sentences
    vectors = [piece.vector for piece in own if piece.vector is not None]
    held = [(one, one.vector) for one in good if one.vector is not None]
    if not held or not vectors:
        return max(good, key=lambda one: (min(len(one.text), TITLE_LENGTH), -one.start_s))
    centre = np.mean(vectors, axis=0)
    return max(held, key=lambda pair: (round(float(centre @ pair[1]), 4), -pair[0].start_s))[0]


def _sentences(said: Sequence[TextPiece]) -> list[_Sentence]:
    """Cues joined to sentences: to a full stop, a pause, or where a run gets long."""
    found: list[_Sentence] = []
    run: list[TextPiece] = []

    def end() -> None:
        if run:
            vectors = [piece.vector for piece in run if piece.vector is not None]
            mean = np.mean(vectors, axis=0) if vectors else None
            if mean is not None:
                mean = mean / max(float(np.linalg.norm(mean)), 1e-9)
            found.append(_Sentence(" ".join(piece.text for piece in run), run[0].channel, mean, run[0].start_s))
        run.clear()

    for channel in dict.fromkeys(piece.channel for piece in said):
        own = [piece for piece in said if piece.channel == channel]
        telling = _capitals_tell(own)
        for piece in own:
            if run and telling and piece.text[:1].isupper():
                end()
            long = sum(len(one.text) for one in run) + len(piece.text) > LONG_SENTENCE
            if run and (long or piece.start_s - run[-1].end_s > PAUSE_S):
                end()
            run.append(piece)
            if _STOP.search(piece.text.rstrip()):
                end()
        end()
    return found


def _capitals_tell(pieces: Sequence[TextPiece]) -> bool:
    """Whether a cue that begins with a capital letter begins a sentence: not where capitals stand inside cues too."""
    inside = [word for piece in pieces for word in piece.text.split()[1:] if word[:1].isalpha()]
    return sum(word[0].isupper() for word in inside) <= FEW_CAPITALS * len(inside)


def _bare(sentence: _Sentence) -> _Sentence:
    """Without marks of a speaker and words that only go on from the sentence before."""
    text = _OPENING.sub("", _SPEAKER.sub("", " ".join(sentence.text.split())))
    return replace(sentence, text=text[:1].upper() + text[1:])


def _words(text: str) -> int:
    """Words of a text; in scripts without spaces two letters count as one."""
    return max(len(text.split()), len(re.findall(r"[\u1100-\U0003ffff]", text)) // 2)


def _fitted(text: str) -> str:
    """At most TITLE_LENGTH letters, cut between words."""
    text = clean(text, 4 * TITLE_LENGTH)
    if len(text) <= TITLE_LENGTH:
        return text
    cut = text[: TITLE_LENGTH - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:-") + "\u2026"


def _share(shown: Sequence[TextPiece], span: Span) -> float:
    """For how much of the span text is on screen; overlaps count twice."""
    parts = (Span(piece.start_s, piece.end_s).clipped(span.start_s, span.end_s) for piece in shown)
    return sum(part.length_s for part in parts if part is not None) / max(span.length_s, 1e-9)


def _worn(pieces: Sequence[TextPiece]) -> frozenset[str]:
    """Lines, as `_read`, that more than half of at least three on-screen texts share: a template's or a window's."""
    shown = [piece for piece in pieces if piece.channel == "screen_text"]
    if len(shown) < 3:
        return frozenset()
    counts = Counter(
        line
        for piece in shown
        for line in {_read(text) for text in (*piece.text.split(" / "), *(text for text, _ in piece.lines))}
    )
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
