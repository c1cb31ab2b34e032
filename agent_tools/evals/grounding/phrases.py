"""Words, phrases and quotations that are drawn from a text, to ask for them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_COMMON = set(
    "about after again against almost always among another anybody because before being believe between both cannot "
    "could dear down each either enough even every first found from gave give good great have having here himself "
    "herself into itself just know least leave left less little long made make many might more most much must myself "
    "never nothing once only other ought over quite rather said same seen shall should since some soon such than that "
    "their them then there these they thing things think this those though thought through till time together under "
    "until upon very well were what when where whether which while whole whom will with without would your".split()
)


def quotation(text: str, rng: random.Random, number: int) -> tuple[str, str]:
    """Words of a text to quote, and their form: word, phrase, line or inexact, in turn by number."""
    text = text.split(" / ")[rng.randrange(text.count(" / ") + 1)]
    form = ("word", "phrase", "line", "phrase", "inexact")[number % 5]
    if form == "word":
        words = [w for w in spoken_words(text) if is_telling(w)]
        return (rng.choice(words), form) if words else ("", form)
    if form == "phrase":
        return phrase(text, rng, 2, 4), form
    plain = " ".join(spoken_words(text)[:14])
    if form == "inexact":
        kept = spoken_words(plain)
        small = [at for at, word in enumerate(kept) if not is_telling(word) and not any(c.isdigit() for c in word)]
        if len(kept) > 3 and small:
            kept.pop(rng.choice(small))
        return " ".join(kept), form
    return plain, form


def with_one_word_exchanged(text: str, others: Sequence[str], rng: random.Random) -> str:
    """A phrase of a text in which one telling word comes from another text; "" where either has no telling word."""
    kept = spoken_words(phrase(text.split(" / ")[0], rng, 3, 6))
    places = [at for at, word in enumerate(kept) if is_telling(word)]
    words = [word for word in spoken_words(rng.choice(others)) if is_telling(word)]
    if not places or not words:
        return ""
    kept[rng.choice(places)] = rng.choice(words)
    return " ".join(kept)


def phrase(text: str, rng: random.Random, min_words: int, max_words: int) -> str:
    """Some words in a row, of which one or more are telling; "" where the text has no such words."""
    words = spoken_words(text)
    size = min(len(words), rng.randint(min_words, max_words))
    starts = [at for at in range(len(words) - size + 1) if any(is_telling(w) for w in words[at : at + size])]
    if size < min_words or not starts:
        return ""
    first = rng.choice(starts)
    return " ".join(words[first : first + size])


def topic(text: str, min_words: int, rng: random.Random) -> str:
    """Up to three telling words in a row; "" where the text has fewer than `min_words` of them in a row."""
    runs: list[list[str]] = [[]]
    for word in spoken_words(text):
        if is_telling(word):
            runs[-1].append(word)
        elif runs[-1]:
            runs.append([])
    runs = [run for run in runs if len(run) >= min_words]
    return " ".join(rng.choice(runs)[:3]) if runs else ""


def spoken_words(text: str) -> list[str]:
    """The words of a text as they are written, without punctuation."""
    return re.findall(r"[\w’'-]*\w", text)


def is_telling(word: str) -> bool:
    """Whether a word says what a text is about: it is long enough and not a common word."""
    plain = word.lower()
    return plain not in _COMMON and (len(plain) >= 5 or not plain.isascii())
