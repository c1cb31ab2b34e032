"""Whether given words stand in a text: as they are, as a reader of pictures misreads them, or only some of them.

Pure functions of two texts.

The scores are an order, not probabilities (a calibrator makes those): 1 the words as they stand, apart from case and
marks; .9 with the few wrong letters of an OCR; .8 all of them close by, in another order or with a word between; .7 as
part of a longer word (an OCR loses spaces); else .6 of their share of the words' weight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property, lru_cache

from agent_tools.store import spelling

WHOLE, MISREAD, LOOSE, GLUED, PART = 1.0, 0.9, 0.8, 0.7, 0.6
LETTERS_PER_ERROR = 8  # one wrong letter is forgiven in so many: PP-OCR errs in about one of fifty
LETTERS_PER_DOUBT = 5  # with one wrong letter in so many, words that were read may still be the words sought
MISHEARD = 0.25  # share of its letters in which a phrase may differ from what a speech model wrote down for it
LONG_QUOTE = 3  # words from which on a letter or two may differ in what is no reading of pictures, too
LEAST_GLUED = 6  # shorter words are part of others by chance
LEAST_GUESSED, LONG_GUESSED = 5, 8  # letters of a word that is looked for in what was read with doubt
LEAST_PART = 3  # letters of a word that is looked for inside longer ones


# Han signs that are drawn like a Katakana: in a word of three letters, one wrong letter is too many to be forgiven.
_DRAWN_ALIKE = str.maketrans("才口力夕工二卜八千一三", "オロカタエニトハチーミ")
_LOWER = bytes(range(256)).lower()
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())


def compact_ascii(text: str, keep: bytes = b"") -> bytes | None:
    """The letters and digits of an ASCII text, as its `spelling.words` without the spaces; None of any other text.

    Args:
        keep: a sign that stays."""
    return text.encode().translate(_LOWER, _NO_LETTERS.replace(keep, b"")) if text.isascii() else None


class Occurrence:
    """The words that are looked for, prepared once."""

    def __init__(self, words: str) -> None:
        self.tokens = spelling.words(words)
        self.compact = "".join(self.tokens)
        self.errors = len(self.compact) // LETTERS_PER_ERROR
        self._parts = tuple(part.encode() for part in _parts(self.compact, self.errors))
        self._first = self.tokens[0].encode() if self.tokens else b""
        self._longest = max(self.tokens, key=len, default="").encode()
        # Letters of such a script stand for themselves: in another order they are another word.
        self.unspaced = spelling.UNSPACED.search(spelling.fold(words)) is not None

    def score(self, text: str, share: float, is_read: bool) -> float:
        """0..1, see the module.

        Args:
            share: of the words' weight that the text holds as words (stems count), from the store's index.
            is_read: the text was read from pictures, so letters may be wrong and spaces lost."""
        if not self.tokens or (not share and self._is_out_of_reach(text)):
            return 0.0
        held = spelling.words(text)
        if _in_a_row(self.tokens, held):
            return WHOLE
        best = LOOSE if not self.unspaced and _close_by(self.tokens, held) else PART * share
        if is_read or (not self.unspaced and len(self.tokens) >= LONG_QUOTE):
            best = max(best, self._misread(held))
        if (
            is_read
            and len(self.compact) >= LEAST_GLUED
            and any(token.startswith(self.compact) or token.endswith(self.compact) for token in held)
        ):
            best = max(best, GLUED)
        return best

    @property
    def letters(self) -> frozenset[bytes]:
        """A text of ASCII letters that holds none of these scores 0, unless it shares words; see `score`."""
        return frozenset((self._longest, *self._parts)) if self.tokens else frozenset()

    def begins_at_end_of(self, text: str) -> bool:
        """Whether a text ends with the first of the words, so that they may go on in the next one."""
        held = spelling.words(text)
        most = min(len(self.tokens) - 1, len(held))
        return any(held[-count:] == self.tokens[:count] for count in range(1, most + 1))

    @cached_property
    def beginnings(self) -> tuple[bytes, ...]:
        """A text of ASCII letters ends with one of these, if `begins_at_end_of` it."""
        return tuple("".join(self.tokens[:count]).encode() for count in range(1, len(self.tokens)))

    def letters_near(self, *, heard: bool) -> frozenset[bytes]:
        """A text of ASCII letters that holds none of these holds nothing that `misheard`, or else `misread`, gives."""
        errors = int(len(self.compact) * MISHEARD) if heard else len(self.compact) // LETTERS_PER_DOUBT
        return frozenset(part.encode() for part in _parts(self.compact, errors)) if self.tokens else frozenset()

    def may_begin_in(self, text: str) -> bool:
        """False where the first of the words is not in a text, which is told without cutting it into words."""
        compact = compact_ascii(text)
        return compact is None or self._first in compact

    def _is_out_of_reach(self, text: str) -> bool:
        """Whether neither the longest word nor an unharmed part of the words is in a text: most texts, told at once."""
        compact = compact_ascii(text)
        return compact is not None and not any(part in compact for part in (self._longest, *self._parts))

    def within(self, text: str) -> str:
        """The first longer word of the text that begins or ends with the words that are looked for; "" if none does.

        Many languages write endings, prefixes and other words as a part of the word, and no list of them is whole."""
        if len(self.tokens) != 1 or len(self.compact) < LEAST_PART:
            return ""
        longer = (token for token in spelling.words(text) if len(token) > len(self.compact))
        return next((one for one in longer if one.startswith(self.compact) or one.endswith(self.compact)), "")

    def across(self, texts: Sequence[str]) -> int:
        """Over how many of the texts, each of which follows the one before, the words run from the first on; 0 if they
        do not begin in it and go on in the next."""
        first, *rest = (spelling.words(text) for text in texts)
        for begun in range(min(len(first), len(self.tokens) - 1), 0, -1):
            wanted = self.tokens[begun:]
            if first[-begun:] != self.tokens[:begun]:
                continue
            for count, held in enumerate(rest, 2):
                shared = min(len(held), len(wanted))
                if held[:shared] != wanted[:shared]:
                    break
                wanted = wanted[shared:]
                if not wanted:
                    return count
        return 0

    def misheard(self, text: str) -> str:
        """The words of a text that was heard which may be the words sought, misheard; "" if there are none."""
        return self._near(spelling.words(text), int(len(self.compact) * MISHEARD)) if self.tokens else ""

    def misread(self, text: str) -> str:
        """The words of a text that was read which may be the words sought, misread; "" if there are none, or if the
        words sought stand there as they are."""
        held = spelling.words(text)
        if not self.tokens or _in_a_row(self.tokens, held):
            return ""
        return self._near(held, len(self.compact) // LETTERS_PER_DOUBT) or self._drawn_alike(held)

    def _drawn_alike(self, held: tuple[str, ...]) -> str:
        """The letters of a text that are drawn like the words, among them signs of another script; "" if none are."""
        joined = "".join(held)
        at = joined.translate(_DRAWN_ALIKE).find(self.compact.translate(_DRAWN_ALIKE)) if self.unspaced else -1
        return joined[at : at + len(self.compact)] if at >= 0 else ""

    def guessed(self, text: str) -> str:
        """The first word of a doubtfully read text that may be one of the words sought; "" if there is no such word.

        One letter in four may be wrong, of a long word three in eight: letters too small or too ornate are read so."""
        held = spelling.words(text)
        for token in self.tokens:
            if len(token) < LEAST_GUESSED or any(map(str.isdigit, token)):
                continue
            errors = 3 * len(token) // 8 if len(token) >= LONG_GUESSED else len(token) // 4
            near = (one for one in held if abs(len(one) - len(token)) <= errors and distance(token, one) <= errors)
            if found := next(near, ""):
                return found
        return ""

    def _misread(self, held: tuple[str, ...]) -> float:
        """MISREAD where whole words of the text, spaces aside, are the words sought but for a few letters."""
        return MISREAD if self._near(held, self.errors) else 0.0

    def _near(self, held: tuple[str, ...], errors: int) -> str:
        """The first whole words of the text that are, spaces aside, the words sought but for so many letters."""
        if not self._may_be_in("".join(held), errors):
            return ""
        size, digits = len(self.tokens), _digits(self.compact)
        for first in range(len(held)):
            for last in range(first + 1, min(len(held), first + size + 2) + 1):
                window = "".join(held[first:last])
                if len(window) > len(self.compact) + errors:
                    break
                if (
                    len(window) >= len(self.compact) - errors
                    and self._may_be_in(window, errors)
                    and _digits(window) == digits
                    and distance(self.compact, window, errors) <= errors
                ):
                    return " ".join(held[first:last])
        return ""

    def _may_be_in(self, compact: str, errors: int) -> bool:
        """Of errors + 1 parts of the words, at least one stands unharmed where they do."""
        return any(part in compact for part in _parts(self.compact, errors))


@lru_cache(maxsize=64)
def _parts(compact: str, errors: int) -> tuple[str, ...]:
    """A word cut into errors + 1 parts."""
    cuts = [len(compact) * part // (errors + 1) for part in range(errors + 2)]
    return tuple(compact[low:high] for low, high in itertools.pairwise(cuts))


def distance(one: str, other: str, most: float = math.inf) -> int:
    """Levenshtein's: the fewest letters put in, left out or changed.

    Args:
        most: of more it is only known that they are more."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, against in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != against))
        if min(row) > most:
            break  # no later row has less
    return max(row[-1], min(row))


def _digits(text: str) -> str:
    """A wrong digit is another number, not a misread one."""
    return "".join(c for c in text if c.isdigit())


def _close_by(wanted: tuple[str, ...], held: tuple[str, ...]) -> bool:
    """All within as many words and a half more."""
    size = len(wanted) + (len(wanted) + 1) // 2
    needed = set(wanted)
    return needed <= set(held) and any(needed <= set(held[at : at + size]) for at in range(len(held)))


def _in_a_row(wanted: tuple[str, ...], held: tuple[str, ...]) -> bool:
    size = len(wanted)
    return wanted[0] in held and any(held[at : at + size] == wanted for at in range(len(held) - size + 1))
