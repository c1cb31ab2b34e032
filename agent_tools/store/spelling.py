"""One form for every text: what is stored, what is asked for, and names that a person types.

`fold` makes equal what readers take for the same letters; `searchable` takes Arabic prefixes off as well; UNSPACED
finds the runs of scripts that write no spaces between words. Source: Unicode case folding and normalization forms
(UAX 15, UAX 21), word boundaries (UAX 29, whose rules leave these scripts to dictionaries), Larkey's light stemmer for
Arabic."""

from __future__ import annotations

import functools
import unicodedata

import regex

from agent_tools.store.part import storable

LEAST_LETTERS = 2
FIRST_CJK = 0x1100  # from here on one character can be a word

# Scripts whose words stand next to each other without a space: a part of a run may be a word. Line break class SA is
# Unicode's own list of those that need a dictionary: Thai, Lao, Khmer, Myanmar, Tai and their kin.
_UNSPACED = (
    r"(?:\p{Line_Break=SA}|[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Tibetan}\p{Javanese}\p{Balinese}"
    r"\u3005-\u3007\u30fc])(?:\p{M}|\u200d)*"
)
UNSPACED = regex.compile(rf"(?:{_UNSPACED})+")
# Punctuation and marks of these scripts belong to no word.
_NO_WORD = regex.compile(r"[^\p{L}\p{N}\p{M}]+")

# Marks that a reader may leave out: accents of Latin, Greek and Cyrillic, vowel marks of Arabic and Hebrew, the nukta
# of Indic scripts. Vowel signs of Indic scripts, Thai tones and the Japanese voiced mark are letters, and stay.
_MARKS = regex.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08ca-\u08ff"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u093c\u09bc\u0a3c\u0abc\u0b3c\u0cbc"
    "\u0640\u00ad\u200b-\u200f\u2060\ufeff]"
)
# Letters that no normalization takes apart, though readers and keyboards take one for the other.
_LETTERS = str.maketrans(
    {
        "ı": "i",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ø": "o",
        "ħ": "h",
        "ŧ": "t",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ٱ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ې": "ي",
        "ک": "ك",
        "ة": "ه",
        "ۀ": "ه",
        "ہ": "ه",
        "ھ": "ه",
        "ँ": "ं",
    }
)
_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)
# Conjunction and article, which Arabic writes as part of the next word; what is left has at least two letters.
_ARABIC_PREFIX = regex.compile(
    r"(?<![\p{L}\p{M}])(?:[وف]?(?:[بك]?ال|لل)(?=[\p{Arabic}]{2})|و(?=[\p{Arabic}]{3}))(?=\p{Arabic})"
)

# Scripts whose words are found by the rules above and the tokenizer of the index.
HANDLED = (
    *("Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Hebrew", "Arabic", "Devanagari", "Bengali", "Gurmukhi"),
    *("Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Ethiopic", "Thai", "Lao", "Khmer"),
    *("Myanmar", "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo", "Common", "Inherited"),
)
_UNHANDLED = regex.compile(r"[\p{L}--[" + "".join(rf"\p{{{script}}}" for script in HANDLED) + "]]", regex.V1)


def fold(text: str) -> str:
    """The text in one form of case, width, ligatures, accents, digits and vowel marks."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", storable(text)).casefold()
    text = _MARKS.sub("", unicodedata.normalize("NFKD", text)).translate(_LETTERS)
    return str(_DIGIT.sub(_ascii_digit, unicodedata.normalize("NFKC", text)))


def searchable(text: str) -> str:
    """The folded text, Arabic words without "and" and "the": as it is indexed, and as the index is asked."""
    text = fold(text)
    return text if text.isascii() else str(_ARABIC_PREFIX.sub("", text))


@functools.lru_cache(maxsize=65_536)
def words(text: str) -> tuple[str, ...]:
    """The words of a text in order; of scripts without spaces each letter, with its marks, counts as one."""
    text = searchable(text).replace("'", "").replace("’", "")
    if text.isascii():
        return tuple(_NO_WORD.sub(" ", text).split())
    spread = UNSPACED.sub(lambda run: " " + " ".join(letters(run[0])) + " ", text)
    return tuple(_NO_WORD.sub(" ", spread).split())


def letters(run: str) -> list[str]:
    """The code points of a run of an unspaced script, without punctuation."""
    return [letter for letter in run if not _NO_WORD.fullmatch(letter)]


def has_enough_letters(text: str) -> bool:
    """Whether a text says enough to be compared by meaning: to a sentence encoder "1" is like any question with a
    number in it. Such a text is found by its words."""
    letters = 0
    for character in text:
        if character.isalpha():
            letters += 1
            if letters >= LEAST_LETTERS or ord(character) >= FIRST_CJK:
                return True
    return False


def name_key(text: str) -> str:
    """A name as it is looked up: spaces of any kind and number, letter case and Unicode forms do not count."""
    return " ".join(fold(text).split())


def unhandled(text: str) -> str:
    """Why words of this text may stand somewhere and not be found; "" where they would be found."""
    if not words(text):
        return "it holds no letters or digits, and only these can be searched for"
    if found := _UNHANDLED.search(text):
        script = unicodedata.name(found[0], "an unknown").split()[0].capitalize()
        return f"words in {script} script cannot be found for certain"
    return ""


def _ascii_digit(found: regex.Match[str]) -> str:
    return str(unicodedata.decimal(found[0], found[0]))  # digits that are newer than Python's own tables stay
