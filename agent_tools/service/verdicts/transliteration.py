"""Whether words in one script may be the words of a text in another one, by how their Latin forms sound.

"Beograd" and Београд, "Tchaikovsky" and Чайковский, айфон and "iPhone": each language has its own letters for sounds of
others, so only consonants are compared, and those that sound alike count as one. It errs towards "may be"."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import regex

from agent_tools.service.verdicts.quoted_words import distance

SHORT = 3  # consonants; of a shorter word the vowels count, too
LETTERS_PER_SHORT_DOUBT = 2  # in so many letters of a short word, one may differ: vowels are written in many ways
CONSONANTS_PER_DOUBT = 4  # in so many consonants, one may differ: j and y, g and h, a silent one
# Letters that together write one sound, in one of the languages that use them.
_SOUNDS = tuple(
    (regex.compile(one), other)
    for one, other in (
        *(
            (r"(?<=[ea])u(?=[^aeiouy])", "v"),
            ("mp", "B"),
            ("nt", "T"),
            ("n?gk", "K"),
            (r"t?[sc]h|t[sz]|d[zj]h?|dg(?=[ei])|zh|kh|gh", "K"),
            ("th", "T"),
        ),
        *(("[pf]h|[bpvfw]", "B"), ("[ckqgszxjh]", "K"), ("[td]", "T"), ("y", "i")),
    )
)
_HALF_VOWELS = str.maketrans("jw", "yu")
_VOWELS = regex.compile("[aeiou]")
_REPEATED = regex.compile(r"(\w)\1+")


def sounds_like(words: Sequence[str], held: Sequence[str]) -> str:
    """The first of a text's words that may be the words sought, written in another script; "" if there are none.

    Args:
        words: sought, as they are typed.
        held: the text's words, in order."""
    sought = "".join(map(latin, words))
    if not sought:
        return ""
    for size in range(1, len(words) + 2):
        for first in range(len(held) - size + 1):
            if _alike(sought, "".join(map(latin, held[first : first + size]))):
                return " ".join(held[first : first + size])
    return ""


@functools.lru_cache(maxsize=65_536)
def latin(word: str) -> str:
    """The word in small ASCII letters."""
    from anyascii import anyascii

    return "".join(letter for letter in anyascii(word).lower() if letter.isalpha())


@functools.lru_cache(maxsize=65_536)
def sounds(word: str) -> str:
    """A Latin word in which consonants that sound alike are one letter."""
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return str(_REPEATED.sub(r"\1", word))


def _alike(one: str, other: str) -> bool:
    """Whether two Latin words may be one. To some languages j and w are vowels."""
    return _near(sounds(one), sounds(other)) or _near(
        sounds(one.translate(_HALF_VOWELS)), sounds(other.translate(_HALF_VOWELS))
    )


def _near(one: str, other: str) -> bool:
    mine, others = _VOWELS.sub("", one), _VOWELS.sub("", other)
    longer = max(len(mine), len(others))
    if longer < SHORT:
        return mine == others and distance(one, other) <= max(len(one), len(other)) // LETTERS_PER_SHORT_DOUBT
    errors = longer // CONSONANTS_PER_DOUBT
    return abs(len(mine) - len(others)) <= errors and distance(mine, others) <= errors
