"""What the reader of screen text can read: letters of which scripts, and how small."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import regex

LONG_SIDE = 960  # px; a larger picture is scaled down before it is read
# Smallest type, after scaling, of which 95 % of drawn words are read. lab/bench/small_letters measured 9 px on pictures
# of 720p, 13 of 1080p, 22 of 1440p, 28 of 2160p; the worst of them counts, after scaling. On pictures of 360p and 480p,
# which are read as they are, it is 12 px.
LEAST_LETTER_PX = 8.25
SMALLEST_PX = 12.0  # of the letters that programs show (9 points); smaller ones are no text that somebody looks for
# Scripts in the character list of the recognizer's model. It holds Greek letters too, without their accents, but for
# formulas: Greek words are not read for certain.
VIETNAMESE = "Vietnamese"
SCRIPTS = ("Latin", "Han", "Hiragana", "Katakana")
OTHER_SCRIPTS = (
    *("Greek", "Cyrillic", "Armenian", "Georgian", "Hebrew", "Arabic", "Devanagari", "Bengali", "Gurmukhi", "Gujarati"),
    *("Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Ethiopic", "Thai", "Lao", "Khmer", "Myanmar"),
    *("Hangul", "Bopomofo"),
)
# The Latin letters that the list does not hold are those with two marks or a dot below: Vietnamese, and rare ones.
_NOT_HELD = regex.compile(r"[\u1e00-\u1eff--[Ạồ]]", regex.V1)
_VIETNAMESE = regex.compile(r"[ƠơƯưẠ-ỹ]")
_KNOWN = regex.compile("[" + "".join(rf"\p{{{script}}}" for script in (*SCRIPTS, "Common", "Inherited")) + "]")
_OTHERS = tuple((script, regex.compile(rf"\p{{{script}}}")) for script in OTHER_SCRIPTS)


def unreadable(text: str) -> str:
    """The first script of the text that the reader does not know, "other" for a rare one; "" if it knows all.

    "Vietnamese" is the Latin alphabet with two marks on a letter."""
    text = unicodedata.normalize("NFC", text)
    if found := _NOT_HELD.search(text):
        return VIETNAMESE if _VIETNAMESE.match(found[0]) else "other"
    foreign = next((letter for letter in text if not _KNOWN.match(letter)), "")
    if not foreign:
        return ""
    return next((script for script, pattern in _OTHERS if pattern.match(foreign)), "other")


def alphabet_unread(texts: Iterable[str]) -> str:
    """The alphabet of texts that were read, where some of its letters are not known: a word may stand there misread."""
    return VIETNAMESE if any(_VIETNAMESE.search(unicodedata.normalize("NFC", text)) for text in texts) else ""
